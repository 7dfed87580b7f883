"""Arrays in npy files: what their headers say, and regions of them.

Only what a region needs is read, so that neither memory nor limits of the process must have room
for all of the file.
"""

from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._plain_array import PlainArray
from scutoid.errors import SourceError

_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""What reads a header, by the version of the format; the third is of names of fields alone."""


_BYTES_OF_SIZE = {(1, 0): 2, (2, 0): 4}
"""Bytes that say how long the text of a header is."""
_LONGEST = 2000
"""Bytes of a text that is remembered: those of arrays of numbers are shorter."""
_Fields: TypeAlias = tuple[tuple[int, ...], bool, np.dtype[Any]]
"""Shape, whether the first axis is the fastest, and type."""


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """What the header of an npy file says."""

    shape: tuple[int, ...]
    """Shape of the array."""
    dtype: np.dtype[Any]
    """Type of its numbers, in their byte order."""
    is_fortran: bool
    """Whether the first axis is the fastest, not the last."""
    start: int
    """Byte at which the numbers begin."""


def npy_header(path: str) -> NpyHeader:
    """Read the header of an npy file.

    Raises
    ------
    ValueError
        If it is none, or the file is too short for what it says.
    SourceError
        If the array is of Python objects.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123  # of each of many files
        version = np.lib.format.read_magic(file)
        if version not in _READERS:
            raise ValueError(f"version {version} of npy is not one of numbers")
        shape, is_fortran, dtype = _read_fields(file, version)
        header = NpyHeader(tuple(shape), dtype, bool(is_fortran), file.tell())
        size = os.fstat(file.fileno()).st_size
    if dtype.hasobject:
        raise _of_objects(path)
    needed = header.start + math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or needed > size:
        raise ValueError(f"an array of shape {shape} ends at byte {needed}, the file has {size}")
    return header


def _read_fields(file: BinaryIO, version: tuple[int, int]) -> _Fields:
    """Read what stands behind the version; the text of many files is the same."""
    start = file.tell()
    size = file.read(_BYTES_OF_SIZE[version])
    text = file.read(length) if (length := int.from_bytes(size, "little")) <= _LONGEST else b""
    if length != len(text):  # too long, or cut off: numpy says so
        file.seek(start)
        return _READERS[version](file)
    return _fields_of(version, size + text)


@lru_cache(maxsize=256)
def _fields_of(version: tuple[int, int], text: bytes) -> _Fields:
    return _READERS[version](io.BytesIO(text))


def read_npy(path: str, header: NpyHeader, region: tuple[slice, ...]) -> NDArray[Any]:
    """Read a region of the array in an npy file.

    Parameters
    ----------
    path : str
        The file.
    header : NpyHeader
        What its header says.
    region : tuple of slice
        One an axis, each with a start and a stop inside the array.
    """
    order = slice(None, None, -1) if header.is_fortran else slice(None)  # the slowest axis first
    array = PlainArray(path, header.start, header.dtype, header.shape[order])
    found = array.read(region[order])
    return found.T if header.is_fortran else found


def _of_objects(path: str) -> SourceError:
    return SourceError(
        "the array of an npy file is of numbers",
        value="Python objects, which are a pickle",
        place=path,
        remedy="if you trust the file, take the array out of it, as in read= of "
        "open_folder: np.load(path, allow_pickle=True); of a file _seg.npy of Cellpose it "
        'is .item()["masks"]',
    )
