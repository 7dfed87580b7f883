"""Apply a user's own measures to the objects in each block, and merge the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels._runs import Groups

How = Literal["sum", "min", "max"]
Rows = Mapping[str, NDArray[Any]]
_HOW = ("sum", "min", "max")
_WIDE = {"b": np.int64, "i": np.int64, "u": np.uint64, "f": np.float64}
"""What is summed as what, by kind of type: pieces that fit a narrow type may add up to more."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What to measure of each object besides what `scutoid.measure` measures.

    An object that crosses blocks is mapped in each of them; what was found is merged, and made
    into columns at the end.  The code of the functions enters the key of the result.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> from scipy import ndimage
    >>> def cubes(labels, image, index):
    ...     return {"cubes": ndimage.sum_labels(image.astype(float) ** 3, labels, index)}
    >>> skew = sc.Measure(cubes, merge={"cubes": "sum"})
    >>> table = sc.measure(np.array([[1, 1, 2]]), intensity=np.array([[1, 2, 3]]), measures=skew)
    >>> table["cubes"].tolist()
    [9.0, 27.0]
    """

    map: Callable[[NDArray[Any], NDArray[Any] | None, NDArray[Any]], Rows]
    """Gets the labels of a block, its intensity (None without; channels are its first axis) and the
    n labels in it, increasing; returns named arrays whose first axis has n entries."""
    merge: Mapping[str, How]
    """For each of these names, how two pieces of an object become one: "sum", "min" or "max".  Sums
    are of 64 bits, whatever was mapped."""
    finish: Callable[[Rows], Rows] | None = None
    """Makes columns of the merged arrays, to which ``n_voxels`` is added; without it, the arrays
    are the columns."""

    def __post_init__(self) -> None:
        unknown = [how for how in self.merge.values() if how not in _HOW]
        if unknown or not self.merge:
            raise ParameterError(
                f"what a measure maps is merged by one of {', '.join(_HOW)}",
                value=unknown or "nothing",
                place="Measure",
            )

    def rows(
        self, labels: NDArray[Any], intensity: NDArray[Any] | None, index: NDArray[Any]
    ) -> dict[str, NDArray[Any]]:
        """Measure one block.

        Raises
        ------
        ParameterError
            If `map` does not return the names in `merge`, with a number for each object.
        """
        mapped = self.map(labels, intensity, index)
        if not isinstance(mapped, Mapping):
            raise ParameterError(
                "map returns a dict of arrays", value=type(mapped).__name__, place="Measure"
            )
        measured = {name: np.asarray(rows) for name, rows in mapped.items()}
        shapes = {name: rows.shape for name, rows in measured.items()}
        if measured.keys() != self.merge.keys() or any(
            s[:1] != index.shape for s in shapes.values()
        ):
            raise ParameterError(
                f"map returns {', '.join(self.merge)}, each with {len(index)} entries, one an "
                "object",
                value=shapes,
                place="Measure",
            )
        odd = {
            name: str(rows.dtype)
            for name, rows in measured.items()
            if rows.dtype.kind not in "biuf"
        }
        if odd:
            raise ParameterError("map returns real numbers", value=odd, place="Measure")
        return {
            name: rows.astype(_WIDE[rows.dtype.kind]) if self.merge[name] == "sum" else rows
            for name, rows in measured.items()
        }

    def merged(self, pieces: Sequence[Rows], groups: Groups) -> dict[str, NDArray[Any]]:
        """Unite the rows of several blocks, in this order; `groups` gathers them by label."""
        merges = {"sum": groups.total, "min": groups.minimum, "max": groups.maximum}
        merged = {}
        for name, how in self.merge.items():
            rows = np.concatenate([piece[name] for piece in pieces])
            merged[name] = merges[how](rows)
            if how == "sum":
                _check_sums(name, rows, merged[name], groups)
        return merged

    def columns(self, merged: Rows, n_voxels: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Return the columns of a table.

        Raises
        ------
        ParameterError
            If they are not one number an object.
        """
        finished = merged if self.finish is None else self.finish({**merged, "n_voxels": n_voxels})
        columns = {name: np.asarray(column) for name, column in finished.items()}
        for name, column in columns.items():
            if column.shape != n_voxels.shape:
                raise ParameterError(
                    "a measure ends in columns of one number an object",
                    value=f"{name!r} of shape {column.shape}, {len(n_voxels)} objects",
                    place="Measure",
                    remedy="give finish= to make columns of arrays with more axes",
                )
        return columns


def _check_sums(name: str, rows: NDArray[Any], merged: NDArray[Any], groups: Groups) -> None:
    """Refuse sums of integers that wrapped: rounded sums are far from them then."""
    if rows.dtype.kind not in "iu":
        return
    rounded = groups.total(rows.astype(np.float64))
    wrapped = np.abs(merged.astype(np.float64) - rounded) > 2.0**62
    if wrapped.any():
        raise ParameterError(
            f"sums of a measure fit into {rows.dtype}",
            value=f"{name!r}, about {rounded[wrapped].flat[0]:.6g}",
            place="Measure",
            remedy="map floating-point numbers, or smaller ones",
        )
