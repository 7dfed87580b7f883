"""Submit a run as a job array of SLURM: the script, and what an element does at its time limit."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scutoid.cli._say import say
from scutoid.cli._sbatch import check_option, seconds_of
from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import is_of_dask
from scutoid.steps import Run
from scutoid.steps import plan as plan_targets
from scutoid.store import EntryStore

OWN = ("array", "time", "cpus", "sbatch", "notice", "dry-run")
"""Options of `scutoid submit` that `scutoid run` has not."""
_FLAGS = ("--dry-run", "--no-dry-run")
_SECRET = re.compile(
    r"://([^/\s@]*:[^/\s@]*@|\S*[?&]([\w-]*signature|sig|[\w-]*token|awsaccesskeyid)=)",
    re.IGNORECASE,
)
"""An address with a password, or one that is signed."""
_LEAST_NOTICE = 60
_TO_WRITE_DOWN = 30
"""Seconds of the notice that are left for writing the run down, and for asking to be requeued."""
_MOST_STARTS = 3
"""Starts in which no block was finished, after which an element is not started again."""


@dataclass(frozen=True, slots=True)
class ArrayJob:
    """A job array that does a run.

    Raises
    ------
    ParameterError
        If a value is none that SLURM takes.
    """

    file: str
    """The pipeline, as it is given to `scutoid run`."""
    tokens: tuple[str, ...]
    """Parameters and options of the run."""
    store: Path | str
    """Folder of the results, or its URL."""
    n: int
    """Number of elements."""
    cpus: int = 1
    """Cores, and workers, of each."""
    time: str | None = None
    """Time limit, as SLURM takes it, such as 4:00:00; None: that of the partition."""
    notice: int = 120
    """Seconds before the time limit in which an element hands back what it has not finished."""
    options: tuple[str, ...] = ()
    """Other options of sbatch, such as ``mem=16G``."""

    def __post_init__(self) -> None:
        for name, is_right, rule in (
            ("n", self.n >= 1, "an array has 1 element or more"),
            ("cpus", self.cpus >= 1, "an element has 1 core or more"),
            (
                "time",
                self.time is None or seconds_of(self.time) is not None,
                "a time limit is minutes, or hours:minutes:seconds, or days-hours, as SLURM says",
            ),
            (
                "notice",
                self.notice >= _LEAST_NOTICE,
                f"an element is told {_LEAST_NOTICE} s or more ahead: SLURM is a minute off",
            ),
        ):
            if not is_right:
                place = {"n": "array"}.get(name, name)
                raise ParameterError(rule, value=getattr(self, name), place=f"--{place}")
        limit = None if self.time is None else seconds_of(self.time)
        if limit and limit <= self.notice:  # 0 is no limit
            raise ParameterError(
                "an element is told of its time limit after it has begun",
                value=f"{self.notice} s before the end of {limit} s",
                place="--notice",
                remedy="give a longer --time, or a shorter --notice",
            )
        for option in self.options:
            check_option(option)
        for text in (*self.tokens, *self.options):
            if _SECRET.search(text):
                raise ParameterError(
                    "no credentials are written to a script",
                    value="an address with a password or a signature",
                    place="scutoid submit",
                    remedy="give them by the environment or a file of your own",
                )
        self._check_logs(self.logs(Path()))

    @staticmethod
    def _check_logs(folder: Path) -> None:
        if any(character in str(folder) for character in "\n\\"):
            raise ParameterError(
                "the folder of the results of an array, or where one that writes to a URL is "
                "submitted, has no line breaks and backslashes in its name: SLURM logs there",
                value=str(folder),
                place="--store",
            )

    @property
    def name(self) -> str:
        """Name of the job."""
        return "scutoid-" + re.sub(r"[^\w.-]+", "_", Path(self.file).stem, flags=re.ASCII)

    def logs(self, folder: Path) -> Path:
        """Return the folder of the elements' output: there is none in a bucket."""
        return folder if isinstance(self.store, str) else self.store / "runs"

    def script(self, folder: Path) -> str:
        """Return the script of an element, which runs in a folder."""
        self._check_logs(self.logs(folder))
        logs = str(self.logs(folder) / "slurm-").replace("%", "%%") + "%A_%a.log"
        directives = [
            f"job-name={self.name}",
            f"array=1-{self.n}",
            f"cpus-per-task={self.cpus}",
            *([] if self.time is None else [f"time={self.time}"]),
            f"signal=B:TERM@{self.notice}",
            "requeue",
            "open-mode=append",
            f"output={logs}",
            *self.options,
        ]
        command = [sys.executable, "-P", "-m", "scutoid", "run", self.file, *self.tokens]
        if not any(token.partition("=")[0] == "--workers" for token in self.tokens):
            command += ["--workers", str(self.cpus)]
        lines = [
            "#!/bin/bash",
            *(f"#SBATCH {_quoted(each)}" for each in directives),
            f"cd -- {shlex.quote(str(folder))} || exit",
            f"export SCUTOID_GRACE={self.notice - _TO_WRITE_DOWN}s",
            # exec: the signal reaches who can finish the block, not a shell that waits for it.
            f'exec {shlex.join(command)} --share "$SLURM_ARRAY_TASK_ID/{self.n}" --requeue',
        ]
        return "\n".join(lines) + "\n"

    def submit(self, folder: Path) -> str:
        """Submit it, and return the number of the job.

        Raises
        ------
        WorkerError
            If SLURM does not take it.
        """
        self.logs(folder).mkdir(parents=True, exist_ok=True)
        # Of an allocation around it nothing is passed on: its memory and cores are not these.
        outer = ("SLURM_", "SBATCH_")
        passed = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(outer) or name == "SLURM_CONF"
        }
        said = _call(["sbatch", "--parsable"], self.script(folder), passed)
        return said.partition(";")[0].strip()


def _quoted(option: str) -> str:
    """Return an option of sbatch with its value quoted."""
    name, equals, value = option.partition("=")
    return f"--{name}{equals}{shlex.quote(value) if value else ''}"


def run_tokens(tokens: Sequence[str]) -> tuple[str, ...]:
    """Return the arguments without those that `scutoid submit` alone has.

    Examples
    --------
    >>> run_tokens(["--sigma", "2", "--array", "20", "--dry-run", "--time=1:00:00"])
    ('--sigma', '2')
    """
    kept: list[str] = []
    rest = iter(tokens)
    for token in rest:
        name, equals, _ = token.partition("=")
        name = name.replace("_", "-")
        if name in _FLAGS:
            continue
        if name.removeprefix("--") in OWN and name.startswith("--"):
            if not equals:
                next(rest, None)
            continue
        kept.append(token)
    return tuple(kept)


def job_of_element(environment: Mapping[str, str] = os.environ) -> str:
    """Return what SLURM calls this element of an array.

    The number of the job alone is for one of the elements that of the whole array.

    Raises
    ------
    ParameterError
        If this is no element of an array.
    """
    try:
        return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    except KeyError as error:
        raise ParameterError(
            "--requeue is for elements of a job array of SLURM",
            value=f"{error.args[0]} is not set",
            place="scutoid run",
            remedy="leave it out",
        ) from error


def array_of_element(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return what names the job array that this process is an element of; None: it is of none."""
    number = environment.get("SLURM_ARRAY_JOB_ID")
    cluster = environment.get("SLURM_CLUSTER_NAME")
    return number if number is None or cluster is None else f"{cluster} {number}"


def requeue(job: str, done: object) -> None:
    """Have an element begin again that its time limit has ended; not one that was cancelled.

    Parameters
    ----------
    job : str
        As `job_of_element` names it.
    done : Run or None
        What came of the run until then.
    """
    n_run = sum(step.n_run for step in done.steps) if isinstance(done, Run) else 0
    n_before = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
    if not n_run and n_before >= _MOST_STARTS:
        say(
            f"not requeued: in {n_before + 1} starts no block was finished last; "
            "is the time limit shorter than a block takes?",
            file=sys.stderr,
        )
        return
    try:
        if _call(["squeue", "--noheader", "--jobs", job, "--format", "%T"]).strip() != "RUNNING":
            return
        say("handed back what was not finished; requeued", file=sys.stderr)
        sys.stderr.flush()
        _call(["scontrol", "requeue", job])
    except WorkerError as error:
        say(f"not requeued: {error}", file=sys.stderr)


def part_of(share: str | None) -> tuple[int, int]:
    """Read which part of how many is meant.

    Raises
    ------
    ParameterError
        If it is none.
    """
    number, slash, total = (share or "").partition("/")
    if not (slash and number.isdecimal() and total.isdecimal()):
        raise ParameterError(
            "a share is the number of a process and how many there are, such as 3/20",
            value=share,
            place="--share",
        )
    return int(number), int(total)


def share_options(share: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a run that does a share; refuse those that are for all of it."""
    part_of(share)
    for name in ("force", "accept"):
        if options[name]:
            raise ParameterError(
                "what is made anew, or accepted, is said by one run and not by each share of it",
                value=", ".join(options[name]),
                place=f"--{name} with --share",
                remedy="run it without --share first: scutoid run --force STEP",
            )
    return {name: value for name, value in options.items() if name not in ("force", "accept")}


def submit(
    targets: Sequence[object],
    *,
    file: str,
    tokens: Sequence[str],
    array: int,
    cpus: int,
    time: str | None,
    notice: int,
    sbatch: tuple[str, ...],
    dry_run: bool,
    **options: Any,
) -> int:
    """Submit a run as a job array of SLURM, or print its script.

    Parameters
    ----------
    targets : sequence
        Results of steps.
    file : str
        The pipeline.
    tokens : sequence of str
        The arguments of the command.
    array, cpus, time, notice, sbatch
        As `ArrayJob` has them.
    dry_run : bool
        Whether the script is printed, and nothing submitted.
    **options
        Options of the run.
    """
    _check_executor(options["executor"], options["preset"])
    check_workers(options["workers"])
    store = EntryStore(options["store"]).url or Path(options["store"]).absolute()
    job = ArrayJob(file, run_tokens(tokens), store, array, cpus, time, notice, sbatch)
    if dry_run:
        say(job.script(Path.cwd()), end="")
        return 0
    names = ("block", "memory", "paranoid")
    planned = plan_targets(*targets, store=store, **{name: options[name] for name in names})
    if all(step.status == "cached" for step in planned):
        say(f"nothing to submit: all {len(planned.steps)} steps are up to date in {store}")
        return 0
    number = job.submit(Path.cwd())
    say(f"submitted as job {number}: {array} elements, which write to {store}")
    say(f"their output: {job.logs(Path.cwd())}/slurm-{number}_*.log; scancel {number} ends them")
    return 0


def check_workers(workers: int | None) -> None:
    """Refuse a number of workers that no run has, before work begins that is not theirs.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if workers is not None and workers < 1:
        raise ParameterError("a run has 1 worker or more", value=workers, place="--workers")


def _check_executor(name: str | None, preset: Path | None) -> None:
    """Refuse an executor that has workers elsewhere: an element has its own."""
    if preset is not None or (name is not None and is_of_dask(name)):
        raise ParameterError(
            "an element of an array computes its blocks in its own job",
            value=name or str(preset),
            place="--executor" if preset is None else "--preset",
            remedy="leave it out, or give processes, threads or serial; for workers in jobs of "
            "their own: scutoid run --executor NAME",
        )


def _call(
    command: Sequence[str], content: str | None = None, env: Mapping[str, str] | None = None
) -> str:
    try:
        ended = subprocess.run(
            command, input=content, env=env, text=True, capture_output=True, check=False
        )
    except OSError as error:
        raise WorkerError(
            "the commands of SLURM are there where an array is submitted",
            value=str(error),
            place=command[0],
            remedy="submit it on a login node, or see its script with --dry-run",
        ) from error
    if ended.returncode:
        raise WorkerError(
            "SLURM takes what it is asked",
            value=(ended.stderr or ended.stdout).strip(),
            place=shlex.join(command),
            remedy="submit it where SLURM is configured (a login node, or SLURM_CONF set to its "
            "slurm.conf); correct options that it names; --dry-run shows the script",
        )
    return ended.stdout
