"""Sums over voxels by which arrays that differ are told apart, faster than any digest of them.

The bytes of an array are cut into pieces, and of each two sums are made: of its words of 64 bits,
each multiplied by a random number of its own, modulo 2**64; and the same of the words with their
bytes reversed, by other numbers.

Two pieces differ in some word, by d.  Whatever all other words are, at most one in 2**(64 - v) of
the numbers that this word may be multiplied by gives equal sums, v being how often 2 divides d.  In
words that differ first at byte p, v is at most 8 p + 7; with their bytes reversed it is at most
8 (7 - p) + 7 for the same byte.  So both sums are equal for one in 2**58 choices of the numbers.
These are fixed, and of no use against somebody who makes an image to be taken for another.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORDS = 2**14
"""Words of a piece: what a core's own cache holds with the numbers beside it."""
_BYTES = 8
_PIECE = _WORDS * _BYTES
_AT_ONCE = 8
"""Pieces that are summed by one call."""
_SWAPPED = np.dtype(np.uint64).newbyteorder()


@cache
def _factors() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the random numbers, which are the same everywhere and for ever."""
    first, second = (
        np.frombuffer(hashlib.shake_128(name).digest(_WORDS * _BYTES), "<u8").astype(np.uint64)
        for name in (b"scutoid voxel sums", b"scutoid voxel sums, reversed")
    )
    return first, second


def voxel_sums(array: NDArray[Any]) -> NDArray[np.uint64]:
    """Return two sums for each 128 KiB of an array's voxels, in C order.

    Parameters
    ----------
    array : ndarray
        Of any shape and any type that holds no objects.

    Returns
    -------
    ndarray of uint64, shape (pieces, 2)
        Of arrays of one shape and type that differ, equal by chance at most once in 2**58.

    Examples
    --------
    >>> one = np.zeros((4, 5), "uint8")
    >>> other = one.copy()
    >>> other[2, 3] = 128
    >>> bool((voxel_sums(one) == voxel_sums(other)).all())
    False
    """
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    if rest := -content.size % _BYTES:
        content = np.concatenate([content, np.zeros(rest, np.uint8)])
    words = content.view("<u8").astype(np.uint64, copy=False)
    sums = np.empty((-(-words.size // _WORDS), 2), np.uint64)
    n_whole = words.size // _WORDS
    whole = words[: n_whole * _WORDS].reshape(n_whole, _WORDS)
    for at in range(0, n_whole, _AT_ONCE):
        pieces = slice(at, min(at + _AT_ONCE, n_whole))
        _sum(whole[pieces], sums[pieces])
    if n_whole < len(sums):
        _sum(words[n_whole * _WORDS :].reshape(1, -1), sums[n_whole:])
    return sums


class VoxelSums:
    """The sums of an array that comes in parts, each behind the one before in C order.

    Examples
    --------
    >>> sums, array = VoxelSums(), np.arange(70000).reshape(7, 10000)
    >>> sums.add(array[:3])
    >>> sums.add(array[3:])
    >>> sums.end() == voxel_sums(array).tobytes()
    True
    """

    def __init__(self) -> None:
        self._sums: list[NDArray[np.uint64]] = []
        self._rest = np.zeros(0, np.uint8)

    def add(self, part: NDArray[Any]) -> None:
        """Add voxels."""
        content = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
        if len(self._rest):
            missing = _PIECE - len(self._rest)
            self._rest = np.concatenate([self._rest, content[:missing]])
            content = content[missing:]
            if len(self._rest) < _PIECE:
                return
            self._sums.append(voxel_sums(self._rest))
        n_whole = len(content) // _PIECE * _PIECE
        if n_whole:
            self._sums.append(voxel_sums(content[:n_whole]))
        self._rest = content[n_whole:].copy()

    def end(self) -> bytes:
        """Return the bytes of what `voxel_sums` returns for the whole array."""
        found = [*self._sums, voxel_sums(self._rest)]
        return b"".join(sums.tobytes() for sums in found)


def _sum(pieces: NDArray[np.uint64], sums: NDArray[np.uint64]) -> None:
    """Sum pieces of one length, a row each."""
    first, second = (factors[: pieces.shape[1]] for factors in _factors())
    swapped = np.empty(pieces.shape, np.uint64)
    swapped.view(_SWAPPED)[...] = pieces
    # einsum multiplies and adds integers in two thirds of the time that dot takes
    np.einsum("ij,j->i", pieces, first, out=sums[:, 0])
    np.einsum("ij,j->i", swapped, second, out=sums[:, 1])
