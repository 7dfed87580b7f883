"""Keys of members without the ending of a file."""

from __future__ import annotations

from pathlib import PurePosixPath

from scutoid.arrays import IMAGE_ENDINGS
from scutoid.store import FORMATS, SHEETS

_ENDINGS = tuple({*IMAGE_ENDINGS, *(one.ending for one in FORMATS.values()), *SHEETS})
"""Endings of files that scutoid reads or writes."""
_OME = ".ome"


def stem(key: str) -> str:
    """Return a key without the ending of a file.

    Examples
    --------
    >>> [stem(key) for key in ("C03_s1.tif", "a/1.ome.zarr", "B03/1", "dose_0.5", ".npy")]
    ['C03_s1', 'a/1', 'B03/1', 'dose_0.5', '.npy']
    """
    low = key.lower()
    if not low.endswith(_ENDINGS):
        return key
    longest = max((ending for ending in _ENDINGS if low.endswith(ending)), key=len)
    short = key[: -len(longest)]
    if not short or short.endswith("/"):  # it is a whole name
        return key
    return short[: -len(_OME)] if PurePosixPath(short).suffix.lower() == _OME else short


def is_file_ending(ending: str) -> bool:
    """Whether a file that scutoid reads or writes ends so."""
    return ending.lower() in _ENDINGS
