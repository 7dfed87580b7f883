"""Masks with a bit a voxel, in which one comparison of words is that of 64 voxels.

Rows fill whole words, so that neighbours above each other lie in the same place of other words, and
only those along a row have to be shifted::

    # # . # # # # .     the row from its next voxel on is its words shifted by a bit; a voxel's
    # . # # # # .     window of three is its window of two and the same a voxel on
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels._windows import Rows, Shape, widened

Words = NDArray[np.uint64]
"""Of 64 voxels each, the first in the lowest bit; flat."""

_WORD = np.dtype("<u8")
_BITS = 64
_VOXELS = 2**22
"""Of a part that is worked on at a time; some ten copies of it are held, with a bit a voxel."""


def combined(
    mask: NDArray[np.bool_], shape: Shape, choose: Callable[..., Words], *, border: bool
) -> NDArray[np.bool_]:
    """Combine the voxels of a footprint around each voxel.

    Parameters
    ----------
    mask : ndarray of bool
        Of one to three axes.
    shape : Shape
        The footprint.
    choose : ufunc
        `numpy.bitwise_and` or `numpy.bitwise_or`.
    border : bool
        What lies beyond the edge.

    Returns
    -------
    ndarray of bool, shape of `mask`
    """
    found = np.full(mask.shape, choose is np.bitwise_and)
    whole = (np.newaxis,) * (3 - mask.ndim)
    image, target = mask[whole], found[whole]
    numbers, rows = shape.planes()
    if not image.size or not rows:
        return found
    reach = shape.reach()
    for part in _parts(image.shape, reach):
        bits = _Bits(_padded(image, part, reach, border=border), choose)
        depth, height = (side.stop - side.start for side in part)
        words = bits.of_planes(numbers, rows, depth)
        voxels = np.unpackbits(words.view(np.uint8), bitorder="little").view(bool)
        voxels = voxels.reshape(depth, *bits.shape[1:])
        target[part] = voxels[:, :height, : image.shape[2]]
    return found


def _parts(shape: Sequence[int], reach: Sequence[tuple[int, int]]) -> Iterator[tuple[slice, slice]]:
    """Cut planes and rows into parts of some number of voxels, if they can be several reaches."""
    width = shape[2] + sum(reach[2])
    n_rows = min(max(_VOXELS // width, 2 * sum(reach[1]), 1), shape[1])
    depth = max(_VOXELS // (width * (n_rows + sum(reach[1]))), 2 * sum(reach[0]), 1)
    for plane in range(0, shape[0], depth):
        for row in range(0, shape[1], n_rows):
            yield (
                slice(plane, min(plane + depth, shape[0])),
                slice(row, min(row + n_rows, shape[1])),
            )


def _padded(
    image: NDArray[np.bool_],
    part: tuple[slice, slice],
    reach: Sequence[tuple[int, int]],
    *,
    border: bool,
) -> NDArray[np.bool_]:
    """Copy a part with what lies around it, in rows of whole words."""
    lengths, known, into = [], [], []
    sides = (*part, slice(0, image.shape[2]))
    for side, (low, high), edge in zip(sides, reach, image.shape, strict=True):
        first, stop = max(side.start - low, 0), min(side.stop + high, edge)
        start = side.start - low
        lengths.append(side.stop + high - start)
        known.append(slice(first, stop))
        into.append(slice(first - start, stop - start))
    lengths[2] = -(-lengths[2] // _BITS) * _BITS
    padded = np.full(lengths, border)
    padded[tuple(into)] = image[tuple(known)]
    return padded


class _Bits:
    """Packed planes, and what comes of windows in them."""

    def __init__(self, padded: NDArray[np.bool_], choose: Callable[..., Words]) -> None:
        self.shape = padded.shape
        packed = np.packbits(padded.reshape(-1), bitorder="little")
        self._windows = {1: packed.view(_WORD).astype(np.uint64, copy=False)}
        self._row = padded.shape[2] // _BITS
        self._choose = choose
        self._from: dict[tuple[int, int], Words] = {}

    def of_planes(self, numbers: Sequence[int], rows: Sequence[Rows], depth: int) -> Words:
        """Combine by a whole footprint, for so many planes."""
        plane = self.shape[1] * self._row
        found = np.full(
            depth * plane, np.uint64(2**64 - 1 if self._choose is np.bitwise_and else 0)
        )
        for number, own in enumerate(rows):
            chosen = self._of_rows(own)
            for place in (at for at, given in enumerate(numbers) if given == number):
                part = chosen[place * plane : (place + depth) * plane]
                self._choose(found[: len(part)], part, out=found[: len(part)])
        return found

    def _of_rows(self, rows: Rows) -> Words:
        """Combine by one plane of a footprint; what the last rows of planes hold is of no use."""
        parts = [
            widened(self._starting(run), 1, high, self._row, self._choose)[y * self._row :]
            for run, columns in rows.items()
            for y, high in columns
        ]
        if len(parts) == 1:
            return parts[0]
        count = min(map(len, parts))
        found = self._choose(parts[0][:count], parts[1][:count])
        for part in parts[2:]:
            self._choose(found, part[:count], out=found)
        return found

    def _starting(self, run: tuple[int, int]) -> Words:
        """Combine the voxels of a run of a row, by its start and length."""
        if run not in self._from:
            self._from[run] = _shifted(self._along_rows(run[1]), run[0])
        return self._from[run]

    def _along_rows(self, length: int) -> Words:
        known = max(have for have in self._windows if have <= length)
        windows = self._windows[known]
        while known < length:
            more = min(known, length - known)
            windows = self._choose(windows, _shifted(windows, more))
            known += more
            self._windows[known] = windows
        return windows


def _shifted(words: Words, voxels: int) -> Words:
    """Return the row from a later voxel on; nothing of use lies behind the last.

    Examples
    --------
    >>> _shifted(np.array([2**63, 5], np.uint64), 63).tolist()
    [11, 0]
    """
    skipped, bits = divmod(voxels, _BITS)
    if not voxels:
        return words
    shifted = np.zeros_like(words)
    own = words[skipped:]
    if not bits:
        shifted[: len(own)] = own
        return shifted
    np.left_shift(own[1:], np.uint64(_BITS - bits), out=shifted[: len(own) - 1])
    shifted[: len(own)] |= own >> np.uint64(bits)
    return shifted
