"""Places of the nodes of a graph in layers from top to bottom, so that none covers another.

::

    layer 0      [ raw ]          a node stands below all that it depends on; a source as low as it
    layer 1   [ gaussian ]        may; an edge over several layers has a point in each of them,
    layer 2   [ otsu ]   .        which takes room like a node
    layer 3      [ mask ]
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

_SWEEPS = 8
_GAP = 28.0
"""Between two nodes side by side, in pixels."""
_BEND = 10.0
"""Room of an edge that passes a layer."""
_BETWEEN = 44.0
"""Between two layers."""

Point = tuple[float, float]
_Place = tuple[int, Hashable]
"""A node, or where an edge passes a layer: (layer, id)."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A graph whose nodes have places."""

    centers: Mapping[Hashable, Point]
    """Centre of each node, in pixels from the upper left."""
    ways: Mapping[tuple[Hashable, Hashable], tuple[Point, ...]]
    """The points that each edge goes through, from the lower side of a node to the upper of one."""
    size: Point
    """Width and height of all of it."""


def place(
    widths: Mapping[Hashable, float],
    edges: Sequence[tuple[Hashable, Hashable]],
    *,
    height: float,
    margin: float = 12.0,
) -> Placed:
    """Find places for nodes.

    Parameters
    ----------
    widths : mapping
        Width of each node in pixels, by its id; in an order in which each follows those that it
        depends on.
    edges : sequence of tuple
        Ids of two nodes: the second depends on the first.
    height : float
        Of each node, in pixels.
    margin : float
        Around all, in pixels.

    Returns
    -------
    Placed
    """
    layers = _Layers(dict(widths), list(dict.fromkeys(edges)))
    layers.order()
    x = layers.columns()
    left = min((x[one] - layers.width(one) / 2 for one in x), default=0.0)
    right = max((x[one] + layers.width(one) / 2 for one in x), default=0.0)

    def at(one: _Place) -> Point:
        step = height + _BETWEEN
        return x[one] - left + margin, margin + height / 2 + one[0] * step

    centers = {one: at((layers.layer[one], one)) for one in widths}
    ways = {}
    for (above, below), bends in layers.bends.items():
        (x0, y0), (x1, y1) = centers[above], centers[below]
        ways[above, below] = ((x0, y0 + height / 2), *map(at, bends), (x1, y1 - height / 2))
    n_layers = len(layers.rows)
    tall = n_layers * (height + _BETWEEN) - _BETWEEN if n_layers else 0.0
    return Placed(centers, ways, (right - left + 2 * margin, tall + 2 * margin))


@dataclass(slots=True)
class _Layers:
    """Nodes by layers, with a place for each layer that an edge passes."""

    widths: dict[Hashable, float]
    edges: list[tuple[Hashable, Hashable]]
    layer: dict[Hashable, int] = field(default_factory=dict)
    rows: list[list[_Place]] = field(default_factory=list)
    bends: dict[tuple[Hashable, Hashable], list[_Place]] = field(default_factory=dict)
    links: dict[_Place, tuple[list[_Place], list[_Place]]] = field(default_factory=dict)
    """Of each place those above and those below that it is joined to."""

    def __post_init__(self) -> None:
        self._choose_layers()
        self.rows = [[] for _ in range(max(self.layer.values(), default=-1) + 1)]
        for one in self.widths:
            self._add((self.layer[one], one))
        for edge in self.edges:
            above, below = edge
            first, last = self.layer[above], self.layer[below]
            self.bends[edge] = [(n, (edge, n)) for n in range(first + 1, last)]
            chain = [(first, above), *self.bends[edge], (last, below)]
            for one in self.bends[edge]:
                self._add(one)
            for upper, lower in itertools.pairwise(chain):
                self.links[upper][1].append(lower)
                self.links[lower][0].append(upper)

    def _add(self, one: _Place) -> None:
        self.rows[one[0]].append(one)
        self.links[one] = ([], [])

    def _choose_layers(self) -> None:
        above: dict[Hashable, list[Hashable]] = {one: [] for one in self.widths}
        below: dict[Hashable, list[Hashable]] = {one: [] for one in self.widths}
        for upper, lower in self.edges:
            above[lower].append(upper)
            below[upper].append(lower)
        for one in self.widths:
            self.layer[one] = max((self.layer[other] + 1 for other in above[one]), default=0)
        for one in self.widths:
            if not above[one] and below[one]:
                self.layer[one] = min(self.layer[other] for other in below[one]) - 1

    def width(self, one: _Place) -> float:
        """Return the room that a place takes."""
        return self.widths.get(one[1], _BEND)

    def order(self) -> None:
        """Order each layer so that few edges cross: by the mean place of those that it joins."""
        for sweep in range(_SWEEPS):
            side = sweep % 2
            rows = self.rows if side == 0 else self.rows[::-1]
            for before, row in itertools.pairwise(rows):
                rank = {one: n for n, one in enumerate(before)}
                own = {one: n for n, one in enumerate(row)}
                row.sort(key=lambda one: (_mean(self.links[one][side], rank, own[one]), own[one]))

    def columns(self) -> dict[_Place, float]:
        """Return the middle of each place: near those that it joins, with room between."""
        x: dict[_Place, float] = {}
        for row in self.rows:
            for one in row:
                x[one] = 0.0
            self._spread(row, x)
        for sweep in range(2 * _SWEEPS):
            side = sweep % 2
            for row in self.rows if side == 0 else self.rows[::-1]:
                for one in row:
                    x[one] = _mean(self.links[one][side], x, x[one])
                self._spread(row, x)
        return x

    def _spread(self, row: Sequence[_Place], x: dict[_Place, float]) -> None:
        """Move the places of a layer apart, as little as may be in squares.

        Without the room that each needs, places may not decrease: an isotonic regression, in which
        neighbours that would are pooled at their mean.
        """
        room = [0.0]
        for one, after in itertools.pairwise(row):
            room.append(room[-1] + (self.width(one) + self.width(after)) / 2 + _GAP)
        pools: list[tuple[float, int]] = []
        for one, taken in zip(row, room, strict=True):
            total, count = x[one] - taken, 1
            while pools and pools[-1][0] / pools[-1][1] > total / count:
                before = pools.pop()
                total, count = total + before[0], count + before[1]
            pools.append((total, count))
        means = [total / count for total, count in pools for _ in range(count)]
        for one, mean, taken in zip(row, means, room, strict=True):
            x[one] = mean + taken


def _mean(
    joined: Sequence[_Place], values: Mapping[_Place, float] | Mapping[_Place, int], own: float
) -> float:
    if not joined:
        return float(own)
    return sum(float(values[one]) for one in joined) / len(joined)
