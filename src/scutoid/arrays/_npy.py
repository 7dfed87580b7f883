"""Arrays in npy files: what their headers say, and regions of them.

Only what a region needs is read, so that neither memory nor limits of the process must have room
for all of the file.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._plain_array import PlainArray
from scutoid.errors import SourceError

_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""What reads a header, by the version of the format; the third is of names of fields alone."""


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
    with Path(path).open("rb") as file:
        version = np.lib.format.read_magic(file)
        if version not in _READERS:
            raise ValueError(f"version {version} of npy is not one of numbers")
        shape, is_fortran, dtype = _READERS[version](file)
        header = NpyHeader(tuple(shape), dtype, bool(is_fortran), file.tell())
        size = os.fstat(file.fileno()).st_size
    if dtype.hasobject:
        raise _of_objects(path)
    needed = header.start + math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or needed > size:
        raise ValueError(f"an array of shape {shape} ends at byte {needed}, the file has {size}")
    return header


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
