"""What a batch system does with the jobs of a run: took them, holds them back, ended them."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
from collections import Counter
from contextlib import suppress
from typing import Any

_ANSWER_SECONDS = 20.0
_TRIES = 3
_AGAIN_SECONDS = 5.0
# So many jobs in a row that end without a worker are no bad luck.
_MOST_FRUITLESS = 5
# States in which SLURM leaves a job for good; one that it begins again is PENDING.
_OVER = {
    *("CANCELLED", "COMPLETED", "FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL"),
    *("PREEMPTED", "DEADLINE", "REVOKED"),
}


class BatchQueue:
    """The jobs of a run in a batch system.

    Parameters
    ----------
    kind : str
        Of the batch system; SLURM's is asked what jobs wait for, others are not.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._refusal: str | None = None
        self._ids: set[str] = set()
        self._was_of_use: set[str] = set()
        self._n_taken = self._n_fruitless = 0
        self.script = ""
        self.text = "no job has been submitted yet"

    @property
    def trouble(self) -> str | None:
        """Why no job will come to anything, if that is so."""
        if self._refusal is not None and not self._n_taken:
            return self._refusal
        if self._n_fruitless >= _MOST_FRUITLESS:
            return f"{self._n_fruitless} jobs ended before a worker joined"
        return None

    def note_workers(self) -> None:
        """Note that a worker has joined: jobs come to something."""
        self._n_fruitless = 0
        self._was_of_use |= self._ids

    def watched(self, job_class: Any) -> Any:
        """Return a class of jobs that notes which are taken and refused, and tries again."""
        queue = self

        class WatchedJob(job_class):  # type: ignore[misc]
            async def _submit_job(self, script_filename: str) -> Any:
                queue.script = self.job_script()
                for last in (False, False, True):
                    try:
                        answer = await super()._submit_job(script_filename)
                    except (OSError, RuntimeError) as error:
                        # dask-jobqueue repeats the command in several lines
                        queue.refused(str(error))
                        if last or not queue.has_taken:
                            self.status = _status("failed")
                            raise
                        await asyncio.sleep(_AGAIN_SECONDS)
                    else:
                        queue.took(self._job_id_from_submit_output(answer))
                        return answer
                return None

            async def close(self) -> None:
                await super().close()
                self.status = _status("closed")

        WatchedJob.__name__ = job_class.__name__
        return WatchedJob

    @property
    def has_taken(self) -> bool:
        """Whether a job has ever been taken."""
        return self._n_taken > 0

    def took(self, job: str) -> None:
        """Note a job that was taken."""
        self._ids.add(job)
        self._n_taken += 1
        self._refusal = None
        self.text = f"{self._n_taken} jobs submitted"

    def refused(self, why: str) -> None:
        """Note that a job was not taken."""
        self._refusal = self.text = " ".join(why.split())

    def look(self) -> set[str]:
        """Ask for the jobs, while no worker is there; return those that have ended."""
        jobs = set(self._ids)
        states = _slurm_states(jobs) if self._kind == "slurm" and jobs else None
        if states is None:
            return set()
        waiting = Counter(
            f"{state.lower()} ({reason})" if reason not in ("None", "") else state.lower()
            for state, reason in states.values()
            if state not in _OVER
        )
        self.text = ", ".join(f"{n} jobs {what}" for what, n in waiting.items()) or "no job"
        gone = {job for job in jobs if states.get(job, ("COMPLETED", ""))[0] in _OVER}
        self._ids -= gone
        preempted = {job for job in gone if states.get(job, ("", ""))[0] == "PREEMPTED"}
        self._n_fruitless += len(gone - self._was_of_use - preempted)
        return gone


def _status(name: str) -> Any:
    """A state of a job: Dask ends a cluster only where no job is left in an earlier one."""
    return importlib.import_module("distributed.core").Status[name]


def _slurm_states(jobs: set[str]) -> dict[str, tuple[str, str]] | None:
    """State and reason of each job that SLURM knows; None: it does not answer."""
    command = ["squeue", "--noheader", "--states=all", "--format=%i|%T|%r"]
    with suppress(OSError, subprocess.TimeoutExpired):
        asked = subprocess.run(
            [*command, f"--jobs={','.join(sorted(jobs))}"],
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
        if asked.returncode and "Invalid job id" not in asked.stderr:
            return None
        lines = (line.strip().split("|") for line in asked.stdout.splitlines())
        return {parts[0]: (parts[1], parts[2]) for parts in lines if len(parts) == 3}
    return None
