"""The rows of a count by region: own and rolled-up counts, volumes, densities, means, sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.kernels import RegionTree, merge_region_sums
from scutoid.ops._types import Array, Arrays

if TYPE_CHECKING:
    import pandas as pd

BACKGROUND, OUTSIDE, ELSEWHERE = -1, -2, -3
"""Ids of the rows that stand for no region; an atlas may have a region of id 0."""
_KINDS = {BACKGROUND: "background", OUTSIDE: "outside", ELSEWHERE: "elsewhere"}
MeanOf = Literal["n", "voxels"] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Sums of all rows of the table, each shape (n_rows, 2): below and above the plane."""

    own: Mapping[str, Array]
    """Of the regions themselves."""
    total: Mapping[str, Array]
    """Of their parts as well."""


def region_rows(
    sums: Mapping[str, Array],
    tree: RegionTree,
    *,
    level: int | Sequence[int | str] | None,
    sides: tuple[str, str] | None,
    voxel_mm3: float,
    mean_of: MeanOf,
) -> pd.DataFrame:
    """Make the table of `count_by_region`.

    Parameters
    ----------
    sums : mapping of str to ndarray
        ``id`` of the regions that occur; ``voxels``, ``n`` and if there is any ``intensity``, below
        and above the plane, shape (n, 2).
    tree : RegionTree
    level, sides
        As in `count_by_region`.
    voxel_mm3 : float
        Volume of a voxel.
    mean_of : {"n", "voxels"}, optional
        What the intensities are divided by.
    """
    import pandas as pd

    extra = {"id": np.array([BACKGROUND, OUTSIDE]), "n": np.zeros((2, 2), sums["n"].dtype)}
    everything = merge_region_sums(sums, extra)
    own_of_tree, others = _split(everything, tree)
    total_of_tree = {name: tree.rolled_up(rows) for name, rows in own_of_tree.items()}
    shown = np.arange(len(tree))
    if level is not None:
        own_of_tree, shown, elsewhere = _at_level(own_of_tree, tree, level)
        others = others if elsewhere is None else merge_region_sums(others, elsewhere)
    order = _in_order(others["id"])
    rest = {name: rows[order] for name, rows in others.items()}
    names = [name for name in everything if name != "id"]
    both = _Sums(
        {name: np.concatenate([own_of_tree[name][shown], rest[name]]) for name in names},
        {name: np.concatenate([total_of_tree[name][shown], rest[name]]) for name in names},
    )
    columns = {
        **_names(tree, shown, rest["id"]),
        **_columns(both, slice(None), "", voxel_mm3, mean_of),
    }
    for side, name in enumerate(sides or ()):
        columns |= _columns(both, slice(side, side + 1), f"_{name}", voxel_mm3, mean_of)
    return pd.DataFrame(columns)


def _split(sums: Mapping[str, Array], tree: RegionTree) -> tuple[Arrays, Arrays]:
    """Return the sums of the tree's regions, a row each, and those of all other ids."""
    rows = tree.rows_of(sums["id"])
    known = rows >= 0
    of_tree, others = {}, {"id": sums["id"][~known]}
    for name, values in sums.items():
        if name == "id":
            continue
        of_tree[name] = np.zeros((len(tree), 2), values.dtype)
        of_tree[name][rows[known]] = values[known]
        others[name] = values[~known]
    return of_tree, others


def _at_level(
    own: Mapping[str, Array], tree: RegionTree, level: int | Sequence[int | str]
) -> tuple[Arrays, NDArray[np.int64], Arrays | None]:
    """Count each region to the one that stands for it; what none stands for apart."""
    stands = tree.representatives(level)
    known = stands >= 0
    counted = {}
    for name, values in own.items():
        counted[name] = np.zeros_like(values)
        np.add.at(counted[name], stands[known], values[known])
    shown = np.unique(stands[known])
    if known.all():
        return counted, shown, None
    apart = {name: values[~known].sum(axis=0, keepdims=True) for name, values in own.items()}
    return counted, shown, {"id": np.array([ELSEWHERE]), **apart}


def _in_order(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order ids that are not in the tree: missing ones, elsewhere, background, outside."""
    ranks = {ELSEWHERE: 1, BACKGROUND: 2, OUTSIDE: 3}
    return np.argsort([ranks.get(int(id_), 0) for id_ in ids], kind="stable")


def _names(
    tree: RegionTree, shown: NDArray[np.int64], others: NDArray[np.int64]
) -> dict[str, object]:
    import pandas as pd

    parent = tree.parent[shown]
    n_others = len(others)
    kinds = [_KINDS.get(int(id_), "missing") for id_ in others]
    labels = [kind if kind != "missing" else "" for kind in kinds]
    parents = pd.array(np.where(parent < 0, 0, tree.id[parent]), dtype="Int64")
    parents[parent < 0] = pd.NA
    nothing = pd.array([pd.NA] * n_others, dtype="Int64")
    return {
        "id": np.concatenate([tree.id[shown], others]),
        "acronym": [*(tree.acronym[row] for row in shown), *[""] * n_others],
        "name": [*(tree.name[row] for row in shown), *labels],
        "parent": pd.concat([pd.Series(parents), pd.Series(nothing)], ignore_index=True).array,
        "depth": np.concatenate([tree.depth[shown], np.full(n_others, -1)]),
        "kind": ["region"] * len(shown) + kinds,
    }


def _columns(sums: _Sums, side: slice, suffix: str, voxel_mm3: float, mean_of: MeanOf) -> Arrays:
    own = {name: rows[:, side].sum(axis=1) for name, rows in sums.own.items()}
    total = {name: rows[:, side].sum(axis=1) for name, rows in sums.total.items()}
    volume = total["voxels"] * voxel_mm3
    columns = {
        f"n{suffix}": own["n"],
        f"n_total{suffix}": total["n"],
        f"volume_mm3{suffix}": own["voxels"] * voxel_mm3,
        f"volume_mm3_total{suffix}": volume,
        f"density_per_mm3{suffix}": _ratio(total["n"], volume),
    }
    if mean_of is not None:
        columns[f"mean_intensity{suffix}"] = _ratio(total["intensity"], total[mean_of])
    return columns


def _ratio(above: Array, below: Array) -> NDArray[np.float64]:
    """Divide, NaN where there is nothing to divide by."""
    ratio: NDArray[np.float64] = above / np.where(below == 0, np.nan, below)
    return ratio
