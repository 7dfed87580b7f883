"""Rows of a table and what shows them in a viewer: go to a row, find the row that was clicked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scutoid.same import Same
from scutoid.views._colouring import color_layer
from scutoid.views._drawn import rows_of
from scutoid.views._objects import LABEL, features_of
from scutoid.views._spec import LayerSpec

if TYPE_CHECKING:
    import pandas as pd

WORLD, LAYER, HANDLE = "scutoid world", "scutoid layer", "scutoid result"
"""Where a layer of ours keeps the space that it lies in, its `LayerSpec`, and what it shows, among
its metadata."""


def spec_of(layer: Any) -> LayerSpec | None:
    """Return what a layer of napari was made of; None of one of another program."""
    found = layer.metadata.get(LAYER)
    return found if isinstance(found, LayerSpec) else None


@dataclass(eq=False)
class ObjectLink:
    """A table, and the layers of a viewer that show its rows."""

    viewer: Any
    """A viewer of napari."""
    table: pd.DataFrame
    """The objects."""
    name: str
    """What the table is called."""
    labels: Any = None
    """Layer of labels that have its rows, if there is one."""
    points: Any = None
    """Layer of rings, if there is one."""
    tracks: Any = None
    """Layer of tracks, if there is one."""
    column: str | None = None
    """Column that its layers are coloured by."""
    _places: dict[int, int] | None = field(default=None, repr=False)
    _shown_time: int | None = field(default=None, repr=False)

    @property
    def layers(self) -> list[Any]:
        """All of its layers."""
        return [each for each in (self.labels, self.points, self.tracks) if each is not None]

    def color_by(self, column: str | None) -> None:
        """Colour all of its layers by a column; None: as they were."""
        for layer in self.layers:
            spec = spec_of(layer)
            if spec is not None:
                color_layer(layer, spec, column, self._rows_now() if layer is self.labels else None)
                color = {} if column is None else {"color_by": column}
                options = {k: v for k, v in spec.options.items() if k != "color_by"}
                now = replace(spec, options={**options, **color})
                layer.metadata = {**layer.metadata, LAYER: now}
        self.column = column

    def go_to(self, row: int) -> None:
        """Show the planes and the place of an object, and select it."""
        if self.points is not None:
            self._show_place(row)
        self.select(row)

    def select(self, row: int) -> None:
        """Select the object of a row in its layers."""
        if self.labels is not None:
            self.labels.selected_label = int(self.table[LABEL].iloc[row])
        spec = None if self.points is None else spec_of(self.points)
        if spec is not None:
            self.points.selected_data = set(np.flatnonzero(rows_of(spec) == row).tolist())

    def row_at(self, position: Any, **seen: Any) -> int | None:
        """Return the row of the object at a position of the world; None: there is none.

        Parameters
        ----------
        position : sequence of float
            As events of the mouse have it.
        **seen
            `view_direction` and `dims_displayed`, as well.
        """
        if self.points is not None and self.points.visible:
            found = self.points.get_value(position, world=True, **seen)
            spec = spec_of(self.points)
            if found is not None and spec is not None:
                return int(rows_of(spec)[int(found)])
        if self.labels is None or not self.labels.visible:
            return None
        return self.row_of(self.labels.get_value(position, world=True, **seen))

    def row_of(self, label: Any) -> int | None:
        """Return the row of an object by its number, at the time that is shown."""
        if not label:
            return None
        now = self._rows_now()
        if now is not None:
            found = np.flatnonzero((self.table[LABEL] == int(label)) & now)
            return int(found[0]) if len(found) else None
        if self._places is None:
            numbers = self.table[LABEL].tolist()
            self._places = {number: row for row, number in reversed(list(enumerate(numbers)))}
        return self._places.get(int(label))

    def show_time(self) -> None:
        """Give labels the rows of the time that is shown, where rows are of one time each."""
        now = self._rows_now()
        spec = None if self.labels is None else spec_of(self.labels)
        if now is None or spec is None:
            return
        time = self._time()
        if time == self._shown_time:
            return
        self._shown_time = time
        self.labels.features = features_of(self.table[now])
        if self.column is not None:
            color_layer(self.labels, spec, self.column, now)

    def _rows_now(self) -> pd.Series[bool] | None:
        """Return which rows are of the time that is shown; None: rows are of no time."""
        if self.labels is None or "t" not in self.table.columns:
            return None
        if "t" not in self.labels.axis_labels:
            return None
        return self.table["t"] == self._time()

    def _time(self) -> int:
        """Return the place along t that is shown, in the frame of the uncropped labels."""
        axis = self.labels.axis_labels.index("t") - self.labels.ndim
        world = self.viewer.dims.point[axis]
        place = (world - self.labels.translate[axis]) / self.labels.scale[axis]
        return round(float(place)) + _first_time(spec_of(self.labels))

    def _show_place(self, row: int) -> None:
        spec, dims = spec_of(self.points), self.viewer.dims
        if spec is None:
            return
        place = np.asarray(spec.data)[row] * spec.scale + spec.translate
        if not np.isfinite(place).all():
            return
        first = dims.ndim - len(place)
        shown = [axis for axis in dims.displayed if axis >= first]
        for axis, at in enumerate(place, start=first):
            if axis not in dims.displayed:
                dims.set_point(axis, float(at))
        center = [float(place[axis - first]) for axis in shown]
        scene = getattr(self.viewer, "scene", self.viewer)  # before napari 0.9 there is none
        scene.camera.center = (*(0.0,) * (3 - len(center)), *center)


def _first_time(spec: LayerSpec | None) -> int:
    """Return the place along t at which the image of a layer begins, for it may be cropped."""
    image = getattr(None if spec is None else spec.data, "image", None)
    return 0 if image is None or "t" not in image.axes else image.roi.offset[image.axes.index("t")]


def links_of(viewer: Any) -> list[ObjectLink]:
    """Return the tables whose rows the layers of a viewer show, those that came last first."""
    links: dict[Same, ObjectLink] = {}
    handles: dict[Same, ObjectLink] = {}
    for layer in reversed(list(viewer.layers)):
        spec = spec_of(layer)
        if spec is None or spec.table is None or spec.kind == "tracks":
            continue
        name = spec.name
        link = links.setdefault(Same(spec.table), ObjectLink(viewer, spec.table, name))
        setattr(link, spec.kind, layer)
        link.column = link.column or cast("str | None", spec.options.get("color_by"))
        if spec.kind == "points":
            link.name = name
            handles[Same(layer.metadata.get(HANDLE))] = link
    for layer in viewer.layers:
        spec = spec_of(layer)
        owner = handles.get(Same(layer.metadata.get(HANDLE)))
        if spec is not None and spec.kind == "tracks" and owner is not None:
            owner.tracks = layer
    return list(links.values())
