"""Raise `DamagedResult` for whatever a reader raises of a damaged file."""

from __future__ import annotations

import tokenize
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scutoid.errors import SIGNS_OF_DAMAGE, DamagedResult, ScutoidError

# What numpy raises of a header that it cannot read, besides the others.
_SIGNS = (*SIGNS_OF_DAMAGE, tokenize.TokenError)
_LONGEST = 300


@contextmanager
def reading(kind: str, path: Path, *others: type[Exception]) -> Iterator[None]:
    """Turn what the body raises into a `DamagedResult` about `path`.

    Parameters
    ----------
    kind : str
        Such as "table".
    path : Path
        The file.
    *others : type
        Errors of the reader that are of no builtin kind.

    Raises
    ------
    DamagedResult
        If the file is missing, or cannot be read.
    """
    try:
        yield
    except ScutoidError:
        raise
    except _SIGNS + others as error:
        raise DamagedResult(
            f"a stored {kind} can be read",
            value=f"{type(error).__name__}: {error}"[:_LONGEST],
            place=str(path),
            remedy="run again to compute it",
        ) from error
