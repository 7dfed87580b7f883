"""The layers that show what is tuned: changed in place, so that contrast and colours stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from scutoid.steps.handles import Image, Table
from scutoid.views import LayerArray, view


class ShownLayers:
    """Layers of results in a viewer of napari.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._images: list[tuple[Any, tuple[int, ...], tuple[float, ...]]] = []
        self._others: list[Any] = []

    def show(self, handles: Sequence[Any]) -> None:
        """Show results instead of those of before.

        Parameters
        ----------
        handles : sequence of Image, Table, Value
            Images and tables with positions are shown.
        """
        images = [one for one in handles if isinstance(one, Image) and set("yx") <= set(one.axes)]
        tables = [one for one in handles if isinstance(one, Table) and _has_places(one)]
        self._remove(self._others)
        if self._is_in_place(images):
            self._others = self._added(tables) if tables else []
            for image, (layer, offset, start) in zip(images, self._images, strict=True):
                _replace(layer, image, offset, start)
            return
        self._remove([layer for layer, _, _ in self._images])
        added = self._added([*images, *tables])
        raster = [layer for layer in added if type(layer).__name__ in ("Image", "Labels")]
        self._others = [layer for layer in added if layer not in raster]
        self._images = []
        by_name = {layer.name: layer for layer in raster}
        for image in images:
            layer = by_name.get(image.name)
            if layer is not None:
                place = tuple(map(float, layer.translate))
                self._images.append((layer, tuple(map(int, image.roi.offset)), place))
        if len(self._images) != len(raster):  # layers of channels, or of one name
            self._others += raster
            self._images = []

    def _is_in_place(self, images: Sequence[Image]) -> bool:
        there = list(self._viewer.layers)
        return (
            bool(images)
            and [image.name for image in images] == [layer.name for layer, _, _ in self._images]
            and all(layer in there for layer, _, _ in self._images)
        )

    def _added(self, results: Sequence[Any]) -> list[Any]:
        if not results:
            return []
        active = self._viewer.layers.selection.active
        before = set(self._viewer.layers)
        view(*results, viewer=self._viewer)
        if active in self._viewer.layers:
            self._viewer.layers.selection.active = active
        return [layer for layer in self._viewer.layers if layer not in before]

    def _remove(self, layers: Iterable[Any]) -> None:
        for layer in layers:
            if layer in self._viewer.layers:  # the user may have removed it
                self._viewer.layers.remove(layer)


def _has_places(table: Table) -> bool:
    return {"y", "x"} <= set(table.to_pandas().columns)


def _replace(layer: Any, image: Image, first: Sequence[int], start: Sequence[float]) -> None:
    """Put another region of an image into its layer."""
    axes = "".join(layer.axis_labels)
    place = list(start)
    for number, (offset, begin) in enumerate(zip(image.roi.offset, first, strict=True)):
        along = axes.index(image.axes[number])
        place[along] += (int(offset) - begin) * float(layer.scale[along])
    layer.data = np.asarray(LayerArray.of(image, axes))
    if tuple(place) != tuple(map(float, layer.translate)):  # else it would be drawn twice
        layer.translate = place
