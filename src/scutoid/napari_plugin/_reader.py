"""Open stores, runs and results by napari: dropped into the window, or ``viewer.open``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from scutoid.napari_plugin._places import Place, place_of

if TYPE_CHECKING:
    from scutoid.steps.handles import Lazy

LayerData = tuple[Any, dict[str, Any], str]
"""A layer as readers of napari return it: data, arguments, kind."""


def get_reader(
    path: str | os.PathLike[str] | Sequence[str],
) -> Callable[[object], list[LayerData]] | None:
    """Return what reads a path, or None for what is not scutoid's.

    Parameters
    ----------
    path : path or sequence of paths
        A store opens as the results of its newest run, a run as its results, a result as its
        images and tables; an OME-Zarr that scutoid wrote as the image.  Several paths, which are
        to be stacked, are not read.

    Returns
    -------
    callable or None
        Called with the path, it returns layers.
    """
    if not isinstance(path, (str, os.PathLike)):
        if len(path) != 1:
            return None
        path = path[0]
    place = place_of(path)
    return None if place is None else partial(_read, place)


def _read(place: Place, path: object) -> list[LayerData]:
    """Read what lies at a place that was recognized as ours."""
    del path
    from scutoid.napari_plugin._layers import layers_of, results_at

    results: list[Lazy] = results_at(place)
    return layers_of(results)
