"""Raise `DamagedResult` for whatever a reader raises of a damaged file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scutoid.errors import DamagedResult, MemoryLimitError, ScutoidError

_LONGEST = 300


@contextmanager
def reading(kind: str, path: Path | None = None) -> Iterator[None]:
    """Turn what the body raises into a `DamagedResult` about `path`.

    Parameters
    ----------
    kind : str
        Such as "table".
    path : Path, optional
        The file.

    Raises
    ------
    DamagedResult
        If the file is missing, or cannot be read: readers have many errors for that.  Not where a
        package cannot be imported.
    MemoryLimitError
        If a reader runs out of memory.
    """
    place = None if path is None else str(path)
    try:
        yield
    except (ScutoidError, ImportError):
        raise
    except MemoryError as error:
        raise MemoryLimitError(
            f"a stored {kind} that is read fits in the memory that is free",
            value=str(error)[:_LONGEST] or "it does not",
            place=place,
            remedy="free some memory; if it should be small it is damaged: run again with force=",
        ) from error
    except Exception as error:
        raise DamagedResult(
            f"a stored {kind} can be read",
            value=f"{type(error).__name__}: {error}"[:_LONGEST],
            place=place,
            remedy="run again to compute it",
        ) from error
