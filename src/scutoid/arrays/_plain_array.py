"""Arrays that lie in a file as they are: regions of them, by plain reads and writes.

Where a disk fails, or a file is cut off while it is read, a plain read is an error; of a file that
is mapped the system ends the whole process.

::

    row 0   ......####......      wanted of each row: ####
    row 1   ......####......      short gaps (.) are read along, a piece of many rows at a time;
    row 2   ......####......      of long ones nothing is
"""

from __future__ import annotations

import itertools
import math
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GAP = 2**13
"""Bytes between two wanted ones that are read along: to skip them costs as much."""
_TOGETHER = 2**19
"""Bytes that are read in one piece where some of them are not wanted."""


@dataclass(frozen=True, slots=True)
class PlainArray:
    """An array in a file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     array = PlainArray(file.name, 16, np.dtype("uint8"), (3, 4))
    ...     array.write((slice(0, 3), slice(0, 4)), np.arange(12, dtype="uint8").reshape(3, 4))
    ...     array.read((slice(1, 3), slice(2, 4)))
    array([[ 6,  7],
           [10, 11]], dtype=uint8)
    """

    path: str
    """The file."""
    start: int
    """Byte at which its first number lies."""
    dtype: np.dtype[Any]
    """Type of its numbers, in their byte order."""
    shape: tuple[int, ...]
    """Its shape, the axis first along which numbers are furthest apart."""
    strides: tuple[int, ...] = ()
    """Bytes from one number to the next along each axis; none: there are no gaps."""

    def read(self, region: Sequence[slice]) -> NDArray[Any]:
        """Read a region into a new array.

        Parameters
        ----------
        region : sequence of slice
            One an axis, each with a start and a stop inside the array.

        Raises
        ------
        ValueError
            If the file ends before it.
        OSError
            If it cannot be read.
        """
        out = np.empty([each.stop - each.start for each in region], self.dtype)
        if out.size:
            with _opened(self.path, os.O_RDONLY) as descriptor:
                self._read_into(out, descriptor, self._pieces(region, _GAP))
        return out

    def write(self, region: Sequence[slice], values: NDArray[Any]) -> None:
        """Write a region; it is on the disk when this returns.

        Parameters
        ----------
        region : sequence of slice
            One an axis, each with a start and a stop inside the array.
        values : ndarray
            Of the shape of the region and the type of the array, C-contiguous.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if not values.size:
            return
        pieces, left = self._pieces(region, 0), _bytes_of(values).data
        with _opened(self.path, os.O_RDWR) as descriptor:
            for start in pieces.starts:
                _write_all(descriptor, left[: pieces.span], start)
                left = left[pieces.span :]
            os.fdatasync(descriptor)

    @property
    def _steps(self) -> tuple[int, ...]:
        if self.strides:
            return self.strides
        item = self.dtype.itemsize
        return tuple(item * math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))

    def _pieces(self, region: Sequence[slice], gap: int) -> _Pieces:
        """Cut a region into what is read or written at once, with gaps of at most so many bytes."""
        steps, lengths = self._steps, [each.stop - each.start for each in region]
        axis, span, longest, n_together = len(lengths), self.dtype.itemsize, 0, 1
        while axis and n_together == (lengths[axis] if axis < len(lengths) else 1):
            n, step = lengths[axis - 1], steps[axis - 1]
            skipped, longer = max(longest, step - span if n > 1 else 0), span + (n - 1) * step
            n_there = n if not skipped or longer <= _TOGETHER else _TOGETHER // step
            if skipped > gap or n_there < min(n, 2):
                break
            axis, span, longest, n_together = axis - 1, longer, skipped, n_there
        begins = self.start + sum(
            each.start * step for each, step in zip(region[axis:], steps[axis:], strict=True)
        )
        places = [
            range(each.start * step, each.stop * step, step)
            for each, step in zip(region[:axis], steps[:axis], strict=True)
        ]
        starts = (begins + sum(place) for place in itertools.product(*places))
        return _Pieces(starts, axis, span, n_together, has_gaps=longest > 0)

    def _read_into(self, out: NDArray[Any], descriptor: int, pieces: _Pieces) -> None:
        """Read pieces into a new array, one after the other."""
        if not pieces.has_gaps:
            left = _bytes_of(out).data
            for start in pieces.starts:
                _fill(descriptor, left[: pieces.span], start)
                left = left[pieces.span :]
            return
        shape, steps = out.shape[pieces.axis :], self._steps[pieces.axis :]
        n_left_out = (shape[0] - pieces.n_together) * steps[0]
        found = np.empty(pieces.span - n_left_out, np.uint8)
        wanted = np.ndarray((pieces.n_together, *shape[1:]), self.dtype, found, strides=steps)
        for start, part in zip(pieces.starts, out.reshape(-1, *shape), strict=True):
            for first in range(0, shape[0], pieces.n_together):
                rows = part[first : first + pieces.n_together]
                n_bytes = found.size - (pieces.n_together - len(rows)) * steps[0]
                _fill(descriptor, found.data[:n_bytes], start + first * steps[0])
                rows[...] = wanted[: len(rows)]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Parts of a region, each of the last axes, that are read or written at once."""

    starts: Iterator[int]
    """Byte at which each begins, in the order of the region."""
    axis: int
    """The first axis that they have."""
    span: int
    """Bytes of each, from end to end."""
    n_together: int
    """How many rows of the first axis are read at once, of pieces with gaps."""
    has_gaps: bool
    """Whether bytes in them are not wanted."""


@contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _fill(descriptor: int, out: memoryview, start: int) -> None:
    while out:
        n_read = os.preadv(descriptor, [out], start)
        if n_read == 0:
            raise ValueError(f"{len(out)} bytes are missing: the file ends at byte {start}")
        out, start = out[n_read:], start + n_read


def _write_all(descriptor: int, values: memoryview, start: int) -> None:
    while values:
        n_written = os.pwrite(descriptor, values, start)
        values, start = values[n_written:], start + n_written


def read_mapped(
    path: str, mapped: NDArray[Any], region: Sequence[slice], *, begins: int = 0
) -> NDArray[Any]:
    """Read a region of an array that a library maps, without its map.

    Parameters
    ----------
    path : str
        The file.
    mapped : ndarray
        The array; one that lies in memory is indexed.
    region : sequence of slice
        One an axis, each with a start and a stop inside the array.
    begins : int
        Byte of the file at which the map begins.
    """
    root: object = mapped
    while isinstance(root, np.ndarray):
        root = root.base
    if not isinstance(root, mmap.mmap):
        return mapped[tuple(region)]
    start = mapped.ctypes.data - np.frombuffer(root, np.uint8).ctypes.data + begins
    order = sorted(range(mapped.ndim), key=lambda axis: -mapped.strides[axis])
    shape, strides = [tuple(each[n] for n in order) for each in (mapped.shape, mapped.strides)]
    found = PlainArray(path, start, mapped.dtype, shape, strides).read([region[n] for n in order])
    return found.transpose(np.argsort(order))


def _bytes_of(values: NDArray[Any]) -> NDArray[np.uint8]:
    return values.reshape(-1).view(np.uint8)
