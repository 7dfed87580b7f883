"""Folders of what workers print, with the names of `daisy.logging`."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path

from scutoid.errors import ParameterError
from scutoid.integrations.daisy._context import Context

__all__ = [
    "clear_logs",
    "get_log_basedir",
    "get_log_level",
    "get_worker_log_basename",
    "redirect_stdouterr",
    "set_log_basedir",
    "set_log_level",
]

logger = logging.getLogger("scutoid.daisy")

_chosen: dict[str, Path | None] = {}


def set_log_basedir(path: str | Path | None) -> None:
    """Set the folder for workers' output; None: to the terminal."""
    _chosen["logs"] = None if path is None else Path(path)


def get_log_basedir() -> Path | None:
    """Return the folder for workers' output: the one set here, else, in a worker, its run's."""
    if "logs" in _chosen:
        return _chosen["logs"]
    told = Context.here().get("logdir", "daisy_logs")
    return Path(told) if told else None


def get_worker_log_basename(worker_id: int | str, task_id: str | None = None) -> Path | None:
    """Return the path, without ending, for files of one worker; None where there is no folder.

    Parameters
    ----------
    worker_id : int or str
        The worker's number.
    task_id : str, optional
        The task's name: a folder of its own.
    """
    folder = get_log_basedir()
    if folder is None:
        return None
    return (folder if task_id is None else folder / task_id) / f"worker_{worker_id}"


def redirect_stdouterr(basename: str | Path | None, mode: str = "w") -> None:
    """Send what this process prints from here on to ``BASENAME.out`` and ``BASENAME.err``.

    Parameters
    ----------
    basename : path or None
        Without an ending, as `get_worker_log_basename` returns it; None changes nothing.
    mode : {"w", "a"}, optional
        Begin the files anew, or append to them.

    Raises
    ------
    ParameterError
        If `mode` is another one.
    """
    if mode not in ("w", "a"):
        raise ParameterError(
            "output is written anew ('w') or appended ('a')",
            value=mode,
            place="redirect_stdouterr, mode",
        )
    if basename is None:
        return
    Path(basename).parent.mkdir(parents=True, exist_ok=True)
    for stream, number, ending in ((sys.stdout, 1, ".out"), (sys.stderr, 2, ".err")):
        stream.flush()
        with Path(f"{basename}{ending}").open(f"{mode}b") as file:
            # The descriptor, so that what libraries and child processes print goes there too
            os.dup2(file.fileno(), number)


def clear_logs(task_id: str | None = None) -> Path | None:
    """Remove the folder of a task's logs, or of all; return it, None where there is none.

    Parameters
    ----------
    task_id : str, optional
        The task's name.
    """
    folder = get_log_basedir()
    if folder is None:
        return None
    target = folder / task_id if task_id else folder
    shutil.rmtree(target, ignore_errors=True)
    return target


def set_log_level(level: int | str) -> None:
    """Set the level of the logger "scutoid.daisy", which progress and summaries go to."""
    logger.setLevel(level)


def get_log_level() -> int:
    """Return the level of the logger "scutoid.daisy"."""
    return logger.level
