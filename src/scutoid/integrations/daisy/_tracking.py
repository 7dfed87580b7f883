"""Folders of journals: what is done of each task."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from scutoid.errors import ParameterError

_chosen: dict[str, Path | None] = {"tracking": None}


def set_tracking_basedir(path: str | Path | None) -> None:
    """Set the folder of journals, one folder a task; None: only tasks with their own keep one."""
    _chosen["tracking"] = None if path is None else Path(path)


def get_tracking_basedir() -> Path | None:
    """The folder of journals."""
    return _chosen["tracking"]


def set_done_marker_basedir(path: str | Path | None) -> None:
    """Set the folder of journals by the earlier name of `set_tracking_basedir`."""
    _warn_of_the_name("set_done_marker_basedir", "set_tracking_basedir")
    set_tracking_basedir(path)


def get_done_marker_basedir() -> Path | None:
    """The folder of journals, by the earlier name of `get_tracking_basedir`."""
    _warn_of_the_name("get_done_marker_basedir", "get_tracking_basedir")
    return get_tracking_basedir()


def journal_of(task_id: str, own: str | Path | bool | None) -> Path | None:
    """Return a task's journal, in its own folder or the one of all; None if it keeps none.

    Raises
    ------
    ParameterError
        If `own` is neither a folder, False nor None.
    """
    if own is False:
        return None
    if own is None:
        base = get_tracking_basedir()
        return None if base is None else base / quote(task_id, safe=" ") / "journal"
    if isinstance(own, os.PathLike) or (isinstance(own, str) and own):
        return Path(own) / "journal"
    raise ParameterError(
        "a journal's folder is a path; False is for none, None for that of set_tracking_basedir",
        value=own,
        place=f"tracking_path of task {task_id!r}",
    )


def forget(journal: Path | None) -> str | None:
    """Remove a journal, and its folder if nothing else is in it; return the folder, None if none.

    Raises
    ------
    OSError
        If it cannot be removed.
    """
    if journal is None or not journal.exists():
        return None
    journal.unlink()
    with suppress(OSError):  # other files are not ours
        journal.parent.rmdir()
    return str(journal.parent)


def _warn_of_the_name(name: str, newer: str) -> None:
    warnings.warn(f"{name} is now called {newer}", DeprecationWarning, stacklevel=3)
