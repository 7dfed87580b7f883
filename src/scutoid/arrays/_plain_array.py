"""Arrays that lie in a file as they are: regions of them, by plain reads and writes.

Where a disk fails, or a file is cut off while it is read, a plain read is an error; of a file that
is mapped the system ends the whole process.

::

    row 0   ......####......      wanted of each row: ####
    row 1   ......####......      short gaps (.) are read along, a piece of many rows at a time;
    row 2   ......####......      of long ones nothing is
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_GAP = 2**12
"""Bytes between two wanted ones that are read along: to skip them costs as much."""
_TOGETHER = 2**17
"""Bytes that are read in one piece where some of them are not wanted."""

_Index: TypeAlias = tuple[int | slice, ...]


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
            with Path(self.path).open("rb", buffering=0) as file:
                for index, start in self._pieces(region, _GAP):
                    self._read_piece(file.fileno(), start, out[index] if index else out)
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
        with Path(self.path).open("r+b", buffering=0) as file:
            for index, start in self._pieces(region, 0):
                left = _bytes_of(values[index] if index else values)
                at = start
                while left.size:
                    n_written = os.pwrite(file.fileno(), left.data, at)
                    left, at = left[n_written:], at + n_written
            os.fdatasync(file.fileno())

    @property
    def _steps(self) -> tuple[int, ...]:
        if self.strides:
            return self.strides
        item = self.dtype.itemsize
        return tuple(item * math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))

    def _pieces(self, region: Sequence[slice], gap: int) -> Iterator[tuple[_Index, int]]:
        """Cut a region into what is read or written at once: an index, and the byte it begins at.

        Pieces have gaps of at most so many bytes.
        """
        steps, lengths = self._steps, [each.stop - each.start for each in region]
        start = sum(each.start * step for each, step in zip(region, steps, strict=True))
        spans = [self.dtype.itemsize]  # of a region of the last axes, from end to end
        gaps = [0]  # the longest in it
        for n, step in zip(reversed(lengths), reversed(steps), strict=True):
            gaps.insert(0, max(gaps[0], step - spans[0] if n > 1 else 0))
            spans.insert(0, spans[0] + (n - 1) * step)

        def cut(axis: int, at: int) -> Iterator[tuple[_Index, int]]:
            if not gaps[axis]:
                yield (), at
                return
            n, step = lengths[axis], steps[axis]
            n_together = _TOGETHER // step if gaps[axis] <= gap else 0
            if n_together > 1:
                for first in range(0, n, n_together):
                    yield (slice(first, min(first + n_together, n)),), at + first * step
                return
            for number in range(n):
                for index, place in cut(axis + 1, at + number * step):
                    yield (number, *index), place

        yield from cut(0, self.start + start)

    def _read_piece(self, descriptor: int, start: int, out: NDArray[Any]) -> None:
        """Fill a part of a new array, whose last axes are the last ones of this."""
        steps = self._steps[len(self.shape) - out.ndim :]
        lengths = zip(out.shape, steps, strict=True)
        span = self.dtype.itemsize + sum((n - 1) * step for n, step in lengths)
        if span == out.nbytes:
            self._fill(descriptor, start, _bytes_of(out))
            return
        found = np.empty(span, np.uint8)
        self._fill(descriptor, start, found)
        out[...] = np.ndarray(out.shape, self.dtype, found, strides=steps)

    def _fill(self, descriptor: int, start: int, out: NDArray[np.uint8]) -> None:
        while out.size:
            n_read = os.preadv(descriptor, [out.data], start)
            if n_read == 0:
                raise ValueError(f"{out.size} bytes are missing: the file ends at byte {start}")
            out, start = out[n_read:], start + n_read


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
