"""Objects of all blocks, a range of labels at a time: what bounds the memory of large tables.

Labels are numbered in the order of their first voxels, so a range of them is in few blocks::

    blocks     |  1 .. 90  |  60 .. 200  |  150 .. 300  |  280 .. 400 |
    ranges     |      1 .. 150      |     151 .. 290     | 291 .. 400 |

Each block is read once to find the ranges, and once for each range that it has a share of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scutoid.ops._types import Array, Arrays, DType

Place = tuple[int, ...]
Part = Mapping[str, Array]
_STRIDE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """The pieces of some objects, of one image."""

    place: Place
    """Which image: its place along the iterated axes."""
    pieces: tuple[Arrays, ...]
    """Rows of each block that has any, in order of block number; arrays of one name have one type
    in all ranges."""
    top: int
    """The largest label of all images."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What is kept of a block from the first reading."""

    index: int
    labels: NDArray[np.uint64]
    """Every 64th label, the first and the last; increasing."""
    n_rows: int


def ranges(
    parts: Mapping[int, Part], has_rows: Callable[[str], bool], n_rows: int
) -> Iterator[Range]:
    """Go through the objects of all blocks, about `n_rows` rows at a time.

    Parameters
    ----------
    parts : mapping of int to dict of arrays
        For each block ``label``, increasing; ``place``, where its image lies along the iterated
        axes; and arrays with a row for each label.
    has_rows : function of a name
        Whether that array has a row for each label.
    n_rows : int
        Rows, pieces of objects, that are held at a time: about as many, more where blocks have
        many labels close together.

    Yields
    ------
    Range
        Ordered by place, then by label.  A range holds all pieces of its objects; that of a place
        without any has no pieces.
    """
    held: dict[int, Part] = {}
    n_held = top = 0
    seen: dict[Place, list[_Seen]] = {}
    types: dict[str, DType] = {}
    for index in parts:
        part = parts[index]
        labels = np.asarray(part["label"], np.uint64)
        place = tuple(int(n) for n in part["place"])
        blocks = seen.setdefault(place, [])
        if len(labels):
            n_held += len(labels)
            top = max(top, int(labels[-1]))
            held[index] = part
            for name in filter(has_rows, part):
                own = part[name].dtype
                types[name] = np.result_type(types.get(name, own), own)
            sample = np.append(labels[::_STRIDE], labels[-1:])
            blocks.append(_Seen(index, sample, len(labels)))
        if n_held > n_rows:
            held.clear()
    small = n_held <= n_rows
    for place, blocks in sorted(seen.items()):
        if not blocks:
            yield Range(place, (), top)
            continue
        for low, high in _bounds(blocks, n_rows):
            pieces = []
            for block in blocks:
                if block.labels[0] > high or block.labels[-1] < low:
                    continue
                part = held[block.index] if small else parts[block.index]
                piece = _rows_between(part, low, high, types)
                if len(piece["label"]):
                    pieces.append(piece)
            yield Range(place, tuple(pieces), top)


def _bounds(blocks: list[_Seen], n_rows: int) -> list[tuple[np.uint64, np.uint64]]:
    """Return the first and last label of each range."""
    labels = np.concatenate([block.labels for block in blocks])
    weights = np.concatenate(
        [np.full(len(block.labels), block.n_rows / len(block.labels)) for block in blocks]
    )
    order = np.argsort(labels, kind="stable")
    total = np.cumsum(weights[order])
    n_ranges = max(1, int(np.ceil(total[-1] / n_rows)))
    cuts = np.searchsorted(total, total[-1] * np.arange(1, n_ranges) / n_ranges)
    inner = np.unique(labels[order][cuts])
    last = labels.max()
    highs = [*inner[inner < last], last]
    lows = [labels.min(), *(high + np.uint64(1) for high in highs[:-1])]
    return list(zip(lows, highs, strict=True))


def _rows_between(
    part: Part, low: np.uint64, high: np.uint64, types: Mapping[str, DType]
) -> Arrays:
    """Return the rows of a range of labels, of these types; arrays without a type have no rows."""
    labels = np.asarray(part["label"], np.uint64)
    first, end = np.searchsorted(labels, low, "left"), np.searchsorted(labels, high, "right")
    return {
        name: array[first:end].astype(types[name], copy=False) if name in types else array
        for name, array in part.items()
    }
