"""Folders of journals: what is done of each task."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

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
    """Return a task's journal, in its own folder or the one of all; None if it keeps none."""
    base = get_tracking_basedir()
    folder = base / quote(task_id, safe=" ") if own is None and base is not None else own
    return Path(folder) / "journal" if isinstance(folder, (str, Path)) else None


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
