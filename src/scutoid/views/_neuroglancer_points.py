"""Points as annotations that Neuroglancer asks for by region, by number and by segment.

The format is Neuroglancer's "precomputed annotations": of many points far away, a random part is
shown, level by level.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scutoid.views._neuroglancer_space import Space
from scutoid.views._neuroglancer_tables import as_id, number_type

_LIMIT = 4000
"""Points of one cell of a level, about."""
_LEVELS = 12
_TEXTS = 256
"""Different texts of a column that are shown."""
SEGMENTS = "segments"
"""What relates points to the numbers of objects."""


@dataclass(frozen=True, slots=True)
class _Cells:
    """One level of the points: the cells of a grid, each with some."""

    grid: tuple[int, ...]
    """Cells on each axis."""
    size: tuple[float, ...]
    """Their size, in voxels."""
    rows: dict[tuple[int, ...], NDArray[np.int64]]


@dataclass(eq=False)
class Annotations:
    """The points of a layer."""

    space: Space
    positions: NDArray[np.float64]
    """Shape (n, ndim), in voxels of the space, from its origin."""
    table: pd.DataFrame
    """A row for each point."""
    ids: str | None
    """Column with the numbers of the objects that they belong to."""

    def __call__(self, path: tuple[str, ...]) -> bytes | None:
        """Return what lies at a path; None: nothing."""
        if path == ("info",):
            return json.dumps(self._info(), allow_nan=False).encode()
        if len(path) != 2:
            return None
        kind, name = path
        if kind == "by_id" and name.isdecimal():
            return self._one(int(name))
        if kind == SEGMENTS and name.isdecimal():
            return self._several(self._of_segment.get(int(name), np.empty(0, np.int64)))
        if kind.isdecimal() and int(kind) < len(self._levels):
            found = re.fullmatch(r"\d+(_\d+)*", name)
            cell = tuple(map(int, name.split("_"))) if found else ()
            rows = self._levels[int(kind)].rows.get(cell)
            return None if rows is None else self._several(rows)
        return None

    @cached_property
    def _shown(self) -> NDArray[np.int64]:
        """Rows with a position."""
        return np.flatnonzero(np.isfinite(self.positions).all(axis=1))

    @cached_property
    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if not len(self._shown):
            return np.zeros(len(self.space.names)), np.ones(len(self.space.names))
        known = self.positions[self._shown]
        low = np.floor(known.min(axis=0))
        return low, np.maximum(np.ceil(known.max(axis=0)), low) + 1

    @cached_property
    def _properties(self) -> tuple[list[dict[str, object]], NDArray[np.void]]:
        """Describe the columns that can be shown, and encode positions and columns."""
        described: list[dict[str, object]] = []
        encoded: list[NDArray[np.generic]] = []
        for column in map(str, self.table.columns):
            found = _column(self.table[column])
            if found is not None:
                more, values = found
                name = _name(column, [str(each["id"]) for each in described])
                described.append({"id": name, "description": column, **more})
                encoded.append(values)
        fields = [("position", "<f4", (len(self.space.names),))]
        rows = np.zeros(
            len(self.table), [*fields, *((f"p{n}", v.dtype) for n, v in enumerate(encoded))]
        )
        rows["position"] = self.positions
        for n, values in enumerate(encoded):
            rows[f"p{n}"] = values
        return described, rows

    @cached_property
    def _segments(self) -> list[int]:
        """The object of each row."""
        return [] if self.ids is None else [as_id(number) for number in self.table[self.ids]]

    @cached_property
    def _of_segment(self) -> dict[int, NDArray[np.int64]]:
        rows: dict[int, list[int]] = {}
        for row, number in enumerate(self._segments):
            rows.setdefault(number, []).append(row)
        return {number: np.array(each) for number, each in rows.items()}

    @cached_property
    def _levels(self) -> list[_Cells]:
        return _levels(self.positions, self._shown, *self._bounds)

    def _info(self) -> dict[str, object]:
        low, high = self._bounds
        spatial = [
            {
                "key": str(n),
                "grid_shape": cells.grid,
                "chunk_size": cells.size,
                # What is drawn of a cell goes by this, so it is what there really is
                "limit": max(map(len, cells.rows.values()), default=1),
            }
            for n, cells in enumerate(self._levels)
        ]
        space = self.space
        return {
            "@type": "neuroglancer_annotations_v1",
            "dimensions": {
                name: [scale, base]
                for name, scale, base in zip(space.names, space.scale, space.bases, strict=True)
            },
            "lower_bound": low.tolist(),
            "upper_bound": high.tolist(),
            "annotation_type": "point",
            "properties": self._properties[0],
            "relationships": [] if self.ids is None else [{"id": SEGMENTS, "key": SEGMENTS}],
            "by_id": {"key": "by_id"},
            "spatial": spatial,
        }

    def _one(self, row: int) -> bytes | None:
        if row >= len(self.table):
            return None
        related = struct.pack("<IQ", 1, self._segments[row]) if self.ids is not None else b""
        return bytes(self._properties[1][row].tobytes()) + related

    def _several(self, rows: NDArray[np.int64]) -> bytes:
        numbers = rows.astype("<u8").tobytes()
        return struct.pack("<Q", len(rows)) + self._properties[1][rows].tobytes() + numbers


def _levels(
    positions: NDArray[np.float64],
    rows: NDArray[np.int64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> list[_Cells]:
    """Put rows in the cells of ever finer grids, so that about as many are in each."""
    random = np.random.default_rng(0)
    left = random.permutation(rows)
    grid = np.ones(len(low), np.int64)
    levels: list[_Cells] = []
    while len(left) or not levels:
        size = (high - low) / grid
        cells = np.clip(((positions[left] - low) / size).astype(np.int64), 0, grid - 1)
        flat = np.ravel_multi_index(tuple(cells.T), tuple(grid)) if len(left) else left
        _, counts = np.unique(flat, return_counts=True)
        is_last = len(levels) == _LEVELS - 1 or not len(left)
        part = 1.0 if is_last else min(1.0, _LIMIT / counts.max())
        taken = random.random(len(left)) < part
        levels.append(
            _Cells(tuple(grid.tolist()), tuple(size.tolist()), _grouped(cells, left, taken))
        )
        left = left[~taken]
        grid = np.where(size >= size.max() / 2, grid * 2, grid)
    return levels


def _grouped(
    cells: NDArray[np.int64], rows: NDArray[np.int64], taken: NDArray[np.bool_]
) -> dict[tuple[int, ...], NDArray[np.int64]]:
    found: dict[tuple[int, ...], NDArray[np.int64]] = {}
    if taken.any():
        unique, which = np.unique(cells[taken], axis=0, return_inverse=True)
        order = np.argsort(which.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(which.ravel()))[:-1]
        for cell, part in zip(unique, np.split(rows[taken][order], ends), strict=True):
            found[tuple(cell.tolist())] = part
    return found


def _column(values: pd.Series) -> tuple[dict[str, object], NDArray[np.generic]] | None:
    """Return how a column is described, and its values; None if the viewer cannot show it."""
    kind = number_type(values)
    if kind is not None:
        if kind == "float32":
            return {"type": kind}, values.to_numpy(np.float64, na_value=np.nan).astype("<f4")
        # All of four bytes, so that rows need no padding
        wide = "uint32" if kind.startswith("u") else "int32"
        return {"type": wide}, values.to_numpy(wide).astype(np.dtype(wide).newbyteorder("<"))
    texts = values.astype(str).where(values.notna(), "")
    numbers, names = pd.factorize(texts)
    if len(names) > _TEXTS:
        return None
    more = {"enum_values": list(range(len(names))), "enum_labels": [str(name) for name in names]}
    return {"type": "uint32", **more}, numbers.astype("<u4")


def _name(column: str, others: list[str]) -> str:
    """Return a name that the format allows."""
    name = re.sub(r"[^a-zA-Z0-9_]", "_", column)
    name = name[:1].lower() + name[1:]
    name = name if name[:1].isascii() and name[:1].isalpha() else f"c_{name}"
    number = 1
    while name in others:
        number += 1
        name = f"{re.sub(r'_[0-9]+$', '', name)}_{number}"
    return name
