"""Files of results, named by their content and put in place in one atomic step.

::

    results/
      denoise/A01-3f9a1c0b7d425e60.tif      task / run - first 16 hex digits of the digest
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scutoid.durable import beside
from scutoid.errors import DamagedResult, ScutoidError, StoreError
from scutoid.store import key_of_path

_DIGITS = 16
_SERIAL = itertools.count()
_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of one task's results."""

    folder: Path
    """The folder of all results."""
    task: str
    """Name of the task: a folder within."""
    run: str = ""
    """Prefix of the names of its files; may be empty."""

    def put(
        self, suffix: str, save: Callable[[Path], None], digest: Callable[[Path], str]
    ) -> tuple[str, str]:
        """Have a file or folder written, and put it in its place.

        Parameters
        ----------
        suffix : str
            Ending of its name.
        save : function of a path
            Writes it.
        digest : function of a path
            Digests the file or folder; raises `ScutoidError` if it is damaged.

        Returns
        -------
        str, str
            Path within the folder of results, and digest.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        place = self.folder / (_plain(self.task) or "results")
        new = beside(place / f"result{suffix}")
        try:
            place.mkdir(parents=True, exist_ok=True)
            save(new)
            digested = digest(new)
            start = f"{_plain(self.run)}-" if _plain(self.run) else ""
            path = place / f"{start}{digested[:_DIGITS]}{suffix}"
            if new.is_dir():
                _move_folder(new, path, lambda: digest(path) == digested)
            else:
                new.replace(path)
        except OSError as error:
            if isinstance(error, ScutoidError):
                raise
            raise StoreError(
                "the result of a task can be written",
                value=error.strerror or str(error),
                place=str(place),
                remedy="check the folder, its permissions and the free space",
            ) from error
        finally:
            _remove(new)
        return path.relative_to(self.folder).as_posix(), digested


def check(path: Path, digest: str) -> None:
    """Check that a file or folder is unchanged.

    Raises
    ------
    DamagedResult
        If it is missing or differs.
    """
    try:
        key = key_of_path(path)
    except ScutoidError as error:
        raise damaged(path, str(error.value or error.rule)) from error
    if key != digest:
        raise damaged(path, f"digest {key[:_DIGITS]}, and it was {digest[:_DIGITS]}")


def damaged(path: Path, value: str) -> DamagedResult:
    """The error for a file that is missing or has changed."""
    return DamagedResult(
        "the stored result of a task is what was written",
        value=value,
        place=str(path),
        remedy="run the flow again: the task makes it again",
    )


def _plain(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name).strip("._")[:80]


def _move_folder(new: Path, path: Path, is_intact: Callable[[], bool]) -> None:
    """Put a folder in its place; an existing one stays if it is intact."""
    while True:
        try:
            new.rename(path)
        except OSError:
            if not path.exists():
                raise
        else:
            return
        with suppress(ScutoidError):  # it cannot be read
            if is_intact():
                return
        aside = beside(path, ending=".old")
        with suppress(FileNotFoundError):  # another run was faster
            path.rename(aside)
            _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
