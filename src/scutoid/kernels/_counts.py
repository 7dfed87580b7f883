"""Estimate how many cells an object stands for, by its size and whether the edge cuts it."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scutoid.errors import ParameterError


def cells_per_object(
    size: ArrayLike,
    touches_edge: ArrayLike,
    *,
    cell_size: float | None = None,
    min_size: float = 0,
    edge_weight: float = 0.5,
) -> NDArray[np.float64]:
    """Estimate the number of cells in each object.

    ::

        cells = 0                            where size < min_size
        cells = max(1, size / cell_size)     inside the image
                - (1 - edge_weight)          where the object touches the edge

    The estimate does not jump where an object becomes larger than a cell.  Of an object that the
    edge cuts, one cell counts as `edge_weight`, not all of them: the size that is seen is already
    that of the part inside.  With 1/2, cells cut by the plane between two images, and seen in both,
    count once on average.

    Parameters
    ----------
    size : array_like, shape (n,)
        Of the objects.
    touches_edge : array_like of bool, shape (n,)
    cell_size : float, optional
        Size of one cell, in the same unit; without it each object is one cell.
    min_size : float
        Smaller objects are no cells.
    edge_weight : float
        From 0 to 1.

    Raises
    ------
    ParameterError
        If a parameter is out of range.

    Examples
    --------
    >>> cells_per_object([50, 100, 250, 250], [False, False, False, True], cell_size=100)
    array([1. , 1. , 2.5, 2. ])
    """
    check_cell_size(cell_size, min_size, edge_weight)
    sizes = np.asarray(size, np.float64)
    cells = np.ones_like(sizes) if cell_size is None else np.maximum(1.0, sizes / cell_size)
    cells = cells - np.where(np.asarray(touches_edge, bool), 1.0 - edge_weight, 0.0)
    return np.where(sizes < min_size, 0.0, cells)


def check_cell_size(cell_size: float | None, min_size: float, edge_weight: float) -> None:
    """Check the parameters of an estimate.

    Raises
    ------
    ParameterError
        If one is out of range.
    """
    for name, value, is_right, rule in (
        ("size", cell_size, cell_size is None or 0 < _real(cell_size) < np.inf, "above 0"),
        ("min_size", min_size, 0 <= _real(min_size) < np.inf, "0 or more"),
        ("edge_weight", edge_weight, 0 <= _real(edge_weight) <= 1, "from 0 to 1"),
    ):
        if not is_right:
            raise ParameterError(f"{name} is a number {rule}", value=value, place="count")


def _real(value: object) -> float:
    """Return a number, NaN for what is none."""
    return float(value) if isinstance(value, Real) else np.nan
