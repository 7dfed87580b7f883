"""A Dask cluster whose workers are jobs of a batch system, by dask-jobqueue.

::

    driver: the scheduler, and "more workers, please"
        ---(sbatch, bsub, qsub)--->  batch system  --->  jobs  --->  nannies, workers
           <-------------------- TLS, both sides with the certificate ------------>

It starts from nothing, asks for jobs while blocks wait for workers, replaces those that are lost,
and gives back those that have nothing to do.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from scutoid.errors import ParameterError, WorkerError
from scutoid.executors._batch_queue import BatchQueue
from scutoid.executors._dask_lines import kept_out_of_the_terminal
from scutoid.executors._dask_own import security_in_files
from scutoid.executors._dask_types import DaskSecurity
from scutoid.executors._job_options import SHARED_FOLDER, JobOptions, configured, said_of
from scutoid.executors._presets import Preset

_logger = logging.getLogger(__name__)

_INTERVAL = "1s"
# Workers without a block are given back after so many intervals.
_WAIT_COUNT = 10
_TEND_SECONDS = 60.0
_LAST_BYTES = 2000


class JobCluster:
    """A scheduler in this process, and workers in jobs that a batch system starts.

    Parameters
    ----------
    preset : Preset
        Its kind is that of a batch system.
    workers : int
        Most workers.
    logs : Path, optional
        Folder for what jobs print, unless the preset names one, and for Dask's own lines.

    Raises
    ------
    MissingExtra
        If dask-jobqueue is not installed, or cryptography where connections are encrypted.
    ParameterError
        If the preset has options that its kind does not take, or lacks some.
    WorkerError
        If the batch system's commands are not there, or the scheduler does not start.
    """

    grows = True

    def __init__(self, preset: Preset, workers: int, logs: Path | None) -> None:
        self._preset = preset
        self.security: DaskSecurity | None = None
        self._queue = BatchQueue(preset.kind)
        self._stack = ExitStack()
        self._next_tending = time.monotonic() + _TEND_SECONDS
        with ExitStack() as undo:
            undo.callback(self._stack.close)
            jobs = JobOptions.of(preset)
            self.memory = jobs.memory
            self._stack.enter_context(kept_out_of_the_terminal(logs))
            self._cluster = self._start(jobs, logs)
            self.address = str(self._cluster.scheduler_address)
            self._cluster.adapt(
                minimum=0, maximum=workers, interval=_INTERVAL, wait_count=_WAIT_COUNT
            )
            undo.pop_all()

    def check(self) -> None:
        """Find out whether jobs can come to anything.

        Raises
        ------
        WorkerError
            If the batch system refuses them, or they end before a worker of them has joined.
        """
        trouble = self._queue.trouble
        if trouble is None:
            return
        raise WorkerError(
            "jobs of a preset are taken by the batch system, and their workers join the run",
            value=f"{trouble}{self._last_words()}",
            place=self._preset.named,
            remedy=f"the script of a job is {self._queue.script or 'not written yet'!r}",
        )

    def note_workers(self) -> None:
        """Note that workers have joined."""
        self._queue.note_workers()

    def tend(self) -> None:
        """Have jobs that ended before a worker joined replaced, at times, while others work."""
        if time.monotonic() >= self._next_tending:
            self.waiting()

    def waiting(self) -> str:
        """What the workers wait for that are not there, in words; jobs that ended are replaced."""
        self._next_tending = time.monotonic() + _TEND_SECONDS
        gone = self._queue.look()
        if gone:
            names = [name for name, job in self._cluster.workers.items() if job.job_id in gone]
            self._cluster.loop.add_callback(self._cluster.scale_down, names)
        return self._queue.text

    def close(self) -> None:
        """Cancel the jobs, and end the scheduler."""
        try:
            self._cluster.close(timeout=30)
        except Exception:
            _logger.warning("closing the cluster failed; look for jobs of it", exc_info=True)
        finally:
            self._stack.close()

    def _start(self, jobs: JobOptions, logs: Path | None) -> Any:
        options = dict(jobs.options)
        folder = self._private_folder(configured(self._preset, SHARED_FOLDER))
        printed = configured(self._preset, "log_directory") or logs or folder
        self._log_folder = Path(str(printed))
        with self._told_by("log_directory"):
            self._log_folder.mkdir(parents=True, exist_ok=True)
        options["log_directory"] = str(printed)
        if self._preset.tls:
            options["security"] = self.security = security_in_files(folder)
        with said_of(self._preset):
            return jobs.factory(job_cls=self._queue.watched(jobs.factory.job_cls), **options)

    def _private_folder(self, shared: object) -> Path:
        """A folder for credentials that jobs see and other users do not."""
        cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
        cache = cache if cache.is_absolute() else Path.home() / ".cache"
        above = cache / "scutoid" if shared is None else Path(os.path.expandvars(str(shared)))
        above = above.expanduser()
        with self._told_by(SHARED_FOLDER):
            above.mkdir(parents=True, exist_ok=True)
            folder = tempfile.mkdtemp(prefix="cluster-", dir=above)
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    @contextmanager
    def _told_by(self, option: str) -> Iterator[None]:
        """Name the option of a folder that cannot be made."""
        try:
            yield
        except OSError as error:
            raise ParameterError(
                "credentials and logs of jobs lie in folders that can be made",
                value=f"{type(error).__name__}: {error}",
                place=self._preset.named,
                remedy=f"give a folder of your own that jobs see as {option}",
            ) from error

    def _last_words(self) -> str:
        """The last line that a job has written."""
        with suppress(OSError):
            written = [file for file in self._log_folder.glob("*.err") if file.stat().st_size]
            newest = max(written, key=lambda file: file.stat().st_mtime, default=None)
            if newest is not None:
                lines = newest.read_bytes()[-_LAST_BYTES:].decode(errors="replace").split("\n")
                return f"; {newest} ends with: {[line for line in lines if line.strip()][-1:]}"
        return ""
