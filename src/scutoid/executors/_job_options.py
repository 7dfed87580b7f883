"""What a preset says of the jobs of a batch system: checked, and completed by what a run needs.

::

    preset            croes = 2           refused: SLURMCluster of dask-jobqueue does not take it
    Dask's own        memory              counts where the preset leaves it out
    configuration
    scutoid           worker_extra_args, job_script_prologue, scheduler_options: more of them
"""

from __future__ import annotations

import importlib
import inspect
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scutoid.errors import MissingExtra, ParameterError, WorkerError
from scutoid.executors._presets import KINDS, Preset, preset_file

# What a file cannot give, or a run decides.
_OURS = {
    *("self", "scheduler", "name", "job_cls", "loop", "security", "asynchronous", "n_workers"),
    *("scheduler_cls", "dashboard_address", "host", "config_name"),
}

SHARED_FOLDER = "shared_temp_directory"
"""The option that names the folder of credentials; we write those, and dask-jobqueue does not."""
_LISTS = ("worker_extra_args", "job_script_prologue", "job_extra_directives", "job_directives_skip")
_WORDS = ("queue", "project", "account", "walltime", "job_mem", "job_cpu")
"""Options that are texts, or numbers, of which dask-jobqueue makes texts."""
_TEXTS = {
    "interface": "eth0",
    "protocol": "tls",
    "python": "/opt/python/bin/python",
    "shebang": "#!/usr/bin/env bash",
    "worker_command": "distributed.cli.dask_worker",
    "job_name": "cells",
    "local_directory": "/scratch",
    "log_directory": "/data/logs",
    SHARED_FOLDER: "/home/me/.cache",
}
"""Options that are texts, with one of each."""


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What a cluster of jobs is made with."""

    factory: Any
    """The class of dask-jobqueue."""
    options: Mapping[str, object]
    """What it takes, without places for files and credentials."""
    memory: int
    """Bytes that each worker has."""

    @classmethod
    def of(cls, preset: Preset) -> JobOptions:
        """Look at a preset of a batch system, before anything is started for it.

        Raises
        ------
        MissingExtra
            If dask-jobqueue is not installed.
        ParameterError
            If the preset has options that its kind does not take, or lacks some.
        WorkerError
            If the batch system's commands are not there.
        """
        factory = _class_of(preset)
        _check(preset, factory)
        options = _completed(preset)
        with said_of(preset):
            # A job alone: a cluster whose parts are wrong is left half made.
            names = _parameters(factory.job_cls) & {*options}
            taken = {name: options[name] for name in names - {"log_directory"}}
            job = factory.job_cls("tcp://127.0.0.1:0", name="-", **taken)
            memory = int(job.worker_memory / job.worker_processes)
        return cls(factory, options, memory)


@contextmanager
def said_of(preset: Preset) -> Iterator[None]:
    """Tell what dask-jobqueue has against a preset as what it is.

    Raises
    ------
    ParameterError
        In place of what it raises.
    """
    try:
        yield
    except Exception as error:
        given = ", ".join(f"{name} = {value!r}" for name, value in preset.options.items())
        if isinstance(error, TypeError | AttributeError):
            remedy = f"one of its values is of a kind that dask-jobqueue does not take: {given}"
        elif isinstance(error, ValueError):
            remedy = _example(preset)
        else:  # of folders and networks
            remedy = f"correct the value that is at fault: {given}"
        raise ParameterError(
            f"a preset says what {KINDS[preset.kind]} of dask-jobqueue needs",
            value=f"{type(error).__name__}: {error}",
            place=preset.named,
            remedy=remedy,
        ) from error


def configured(preset: Preset, name: str) -> Any:
    """Return an option of a preset, or else what Dask's own configuration says; None: neither."""
    if name in preset.options:
        return preset.options[name]
    config = importlib.import_module("dask.config")
    return config.get(f"jobqueue.{preset.kind}.{name.replace('_', '-')}", None)


def _completed(preset: Preset) -> dict[str, object]:
    """Return a preset's options, with what the jobs of a run need besides."""
    options = {key: value for key, value in preset.options.items() if key != SHARED_FOLDER}
    # Pages of state, which anybody there could read: a run has its own report.
    arguments = [*_texts(preset, "worker_extra_args")]
    if not {"--dashboard", "--no-dashboard"} & set(arguments):
        arguments.append("--no-dashboard")
    options["worker_extra_args"] = arguments
    prologue = _texts(preset, "job_script_prologue")
    options["job_script_prologue"] = [*prologue, *_own_modules(), *_temporary_files()]
    scheduler = configured(preset, "scheduler_options")
    scheduler = {} if scheduler is None else scheduler
    if not isinstance(scheduler, dict):
        raise ParameterError("scheduler_options is a table", value=scheduler, place=preset.named)
    options["scheduler_options"] = {"dashboard_address": "127.0.0.1:0", **scheduler}
    return options


def _class_of(preset: Preset) -> Any:
    try:
        with _ctrl_c_kept():
            module = importlib.import_module("dask_jobqueue")
    except ImportError as error:
        raise MissingExtra.of("dask-jobqueue", extra="jobqueue") from error
    except ValueError as error:  # its handler, in a thread other than the main one
        raise WorkerError(
            "dask-jobqueue is imported in the main thread",
            value=str(error),
            place=preset.named,
            remedy="begin the run, or a session that holds the cluster, in the main thread",
        ) from error
    config = importlib.import_module("dask.config")
    if config.get(f"jobqueue.{preset.kind}.name", None) is None:
        # Imported inside a `dask.config.set`, whose end has taken the defaults away with it
        importlib.import_module("dask_jobqueue.config").reconfigure()
    factory = getattr(module, KINDS[preset.kind])
    command = shlex.split(factory.job_cls.submit_command)[0]
    if shutil.which(command) is None:
        raise WorkerError(
            f"jobs are submitted where the batch system's commands are ({command})",
            value="it is not found in PATH",
            place=preset.named,
            remedy="run it on a login node of the cluster, or load its module first",
        )
    return factory


@contextmanager
def _ctrl_c_kept() -> Iterator[None]:
    """Keep what Ctrl-C does: dask-jobqueue, when imported, has it end the process with code 0."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)


def _check(preset: Preset, factory: Any) -> None:
    """Refuse options that the classes of a kind do not take, and sizes that are none."""
    known = (_parameters(factory) | _parameters(factory.job_cls)) - _OURS
    for name in preset.options:
        if name not in known:
            raise ParameterError(
                f"a preset of kind {preset.kind!r} has options of {KINDS[preset.kind]} of "
                "dask-jobqueue, and workers, tls and kind",
                value=name,
                place=preset.named,
                remedy=f"it knows {', '.join(sorted(known))}",
            )
    for name in ("cores", "processes"):
        number = configured(preset, name)
        if number is not None and (type(number) is not int or number < 1):
            raise ParameterError(
                f"{name} of a job is a number from 1 on",
                value=number,
                place=preset.named,
                remedy=f"write for example {name} = 4",
            )
    for name, example in _TEXTS.items():
        text = configured(preset, name)
        if text is not None and not isinstance(text, str):
            raise ParameterError(
                f"{name} is a text",
                value=text,
                place=preset.named,
                remedy=f'write for example {name} = "{example}"',
            )
    for name in _LISTS:
        _texts(preset, name)
    for name in _WORDS:
        word = configured(preset, name)
        if isinstance(word, bool | list | dict):
            raise ParameterError(
                f"{name} is a text or a number",
                value=word,
                place=preset.named,
                remedy=f'write for example {name} = "short"',
            )
    memory = configured(preset, "memory")
    if memory is not None and (not isinstance(memory, str) or _is_nothing(memory)):
        raise ParameterError(
            "memory of a job is a text with a unit, and more than nothing",
            value=memory,
            place=preset.named,
            remedy='write for example memory = "16GB"',
        )


def _is_nothing(memory: str) -> bool:
    """Whether a text says no memory; one that says nothing that is known is told later."""
    with suppress(ValueError):
        return bool(importlib.import_module("dask.utils").parse_bytes(memory) < 1)
    return False


def _parameters(made: Any) -> set[str]:
    """Names of what a class of dask-jobqueue and those that it is made of take."""
    return {
        name
        for each in made.__mro__
        if each.__module__.startswith("dask_jobqueue.")
        for name, item in inspect.signature(each.__init__).parameters.items()
        if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)
    }


def _texts(preset: Preset, name: str) -> Sequence[str]:
    value = configured(preset, name)
    value = [] if value is None else value
    # Directives may be a table, too: dask-jobqueue goes through its names
    if isinstance(value, list | tuple | dict) and all(isinstance(item, str) for item in value):
        return [*value]
    raise ParameterError(
        f"{name} is a list of texts",
        value=value,
        place=preset.named,
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
