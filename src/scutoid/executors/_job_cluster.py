"""A Dask cluster whose workers are jobs of a batch system, by dask-jobqueue.

::

    driver: the scheduler, and "more workers, please"
        ---(sbatch, bsub, qsub)--->  batch system  --->  jobs  --->  nannies, workers
           <-------------------- TLS, both sides with the certificate ------------>

It starts from nothing, asks for jobs while blocks wait for workers, replaces those that are lost,
and gives back those that have nothing to do.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from scutoid.errors import MissingExtra, ParameterError, WorkerError
from scutoid.executors._batch_queue import BatchQueue
from scutoid.executors._dask_lines import kept_out_of_the_terminal
from scutoid.executors._dask_own import security_in_files
from scutoid.executors._dask_types import DaskSecurity
from scutoid.executors._presets import KINDS, Preset, preset_file

_logger = logging.getLogger(__name__)

# What a file cannot give, or a run decides.
_OURS = {
    *("self", "scheduler", "name", "job_cls", "loop", "security", "asynchronous", "n_workers"),
    *("scheduler_cls", "dashboard_address", "host", "config_name"),
}
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
            factory = _class_of(preset)
            _check(preset, factory)
            self._stack.enter_context(kept_out_of_the_terminal(logs))
            self._cluster = self._start(factory, logs)
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
            place=self._place,
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

    @property
    def _place(self) -> str:
        return self._preset.place or f"preset {self._preset.name!r}"

    def _start(self, factory: Any, logs: Path | None) -> Any:
        preset = self._preset
        options = dict(preset.options)
        defaults = _defaults(preset.kind)
        shared = options.pop("shared_temp_directory", defaults("shared-temp-directory"))
        folder = self._private_folder(shared)
        printed = options.get("log_directory") or defaults("log-directory") or logs or folder
        self._log_folder = Path(str(printed))
        options["log_directory"] = str(printed)
        # Pages of state, which anybody there could read: a run has its own report.
        extra = options.get("worker_extra_args") or defaults("worker-extra-args") or []
        arguments = [*_texts(extra, "worker_extra_args", self._place)]
        if not {"--dashboard", "--no-dashboard"} & set(arguments):
            arguments.append("--no-dashboard")
        options["worker_extra_args"] = arguments
        prologue = options.get("job_script_prologue") or defaults("job-script-prologue") or []
        options["job_script_prologue"] = [
            *_texts(prologue, "job_script_prologue", self._place),
            *_own_modules(),
            *_temporary_files(),
        ]
        scheduler = options.get("scheduler_options") or defaults("scheduler-options") or {}
        if not isinstance(scheduler, dict):
            raise ParameterError("scheduler_options is a table", value=scheduler, place=self._place)
        options["scheduler_options"] = {"dashboard_address": "127.0.0.1:0", **scheduler}
        if preset.tls:
            options["security"] = self.security = security_in_files(folder)
        try:
            # First a job alone: a cluster whose parts are wrong is left half made.
            taken = {name: options[name] for name in _parameters(factory.job_cls) & {*options}}
            factory.job_cls("tcp://127.0.0.1:0", name="-", **taken)
            return factory(job_cls=self._queue.watched(factory.job_cls), **options)
        except (TypeError, ValueError, KeyError, RuntimeError, OSError) as error:
            raise ParameterError(
                f"a preset says what {KINDS[preset.kind]} of dask-jobqueue needs",
                value=f"{type(error).__name__}: {error}",
                place=self._place,
                remedy=_example(preset),
            ) from error

    def _private_folder(self, shared: object) -> Path:
        """A folder for credentials that jobs see and other users do not."""
        cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
        cache = cache if cache.is_absolute() else Path.home() / ".cache"
        above = cache / "scutoid" if shared is None else Path(os.path.expandvars(str(shared)))
        above = above.expanduser()
        above.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix="cluster-", dir=above)
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    def _last_words(self) -> str:
        """The last line that a job has written."""
        with suppress(OSError):
            written = [file for file in self._log_folder.glob("*.err") if file.stat().st_size]
            newest = max(written, key=lambda file: file.stat().st_mtime, default=None)
            if newest is not None:
                lines = newest.read_bytes()[-_LAST_BYTES:].decode(errors="replace").split("\n")
                return f"; {newest} ends with: {[line for line in lines if line.strip()][-1:]}"
        return ""


def _class_of(preset: Preset) -> Any:
    try:
        module = importlib.import_module("dask_jobqueue")
    except ImportError as error:
        raise MissingExtra.of("dask-jobqueue", extra="jobqueue") from error
    factory = getattr(module, KINDS[preset.kind])
    command = shlex.split(factory.job_cls.submit_command)[0]
    if shutil.which(command) is None:
        raise WorkerError(
            f"jobs are submitted where the batch system's commands are ({command})",
            value="it is not found in PATH",
            place=preset.place or f"preset {preset.name!r}",
            remedy="run it on a login node of the cluster, or load its module first",
        )
    return factory


def _check(preset: Preset, factory: Any) -> None:
    """Refuse options that the classes of a kind do not take."""
    known = (_parameters(factory) | _parameters(factory.job_cls)) - _OURS
    for name in preset.options:
        if name not in known:
            raise ParameterError(
                f"a preset of kind {preset.kind!r} has options of {KINDS[preset.kind]} of "
                "dask-jobqueue, and workers, tls and kind",
                value=name,
                place=preset.place,
                remedy=f"it knows {', '.join(sorted(known))}",
            )


def _parameters(made: Any) -> set[str]:
    """Names of what a class of dask-jobqueue and those that it is made of take."""
    return {
        name
        for each in made.__mro__
        if each.__module__.startswith("dask_jobqueue.")
        for name, item in inspect.signature(each.__init__).parameters.items()
        if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)
    }


def _defaults(kind: str) -> Any:
    """What Dask's own configuration says of a kind, by the name of an option there."""
    config = importlib.import_module("dask.config")
    return lambda name: config.get(f"jobqueue.{kind}.{name}", None)


def _texts(value: object, name: str, place: str) -> Sequence[str]:
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return value
    raise ParameterError(
        f"{name} is a list of texts",
        value=value,
        place=place,
        remedy=f'write {name} = ["..."]',
    )


def _own_modules() -> Iterator[str]:
    """A line of a job's script by which its workers find the modules beside the user's script."""
    outside = [
        str(Path(part or ".").absolute())
        for part in sys.path
        if not part.startswith((sys.prefix, sys.base_prefix))
    ]
    if outside:
        more = shlex.quote(os.pathsep.join(dict.fromkeys(outside)))
        yield f'export PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}"{more}'


def _temporary_files() -> Iterator[str]:
    """Lines of a job's script for the place of temporary files, where this process has said one."""
    folder = os.environ.get("DASK_TEMPORARY_DIRECTORY")
    for name in ("DASK_TEMPORARY_DIRECTORY", "TMPDIR"):
        if folder and os.environ.get(name) == folder:
            yield f"export {name}={shlex.quote(folder)}"


def _example(preset: Preset) -> str:
    where = f"in {preset_file()}" if preset.place is None else "in its table"
    return f'write {where}, below [{preset.name}], for example: cores = 4, memory = "16GB"'
