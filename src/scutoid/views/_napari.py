"""Show layers in napari, which is imported only when something is viewed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from scutoid.arrays import SPATIAL, known_unit
from scutoid.errors import MissingExtra
from scutoid.views._layers import LayerSpec, layers_and_world
from scutoid.views._world import World

_WORLD = "scutoid world"
"""Where a layer of ours keeps the space that it lies in, among its metadata."""


class _Layer(Protocol):
    """A layer of napari."""

    editable: bool
    metadata: dict[str, object]

    @property
    def ndim(self) -> int: ...
    @property
    def axis_labels(self) -> tuple[str, ...]: ...
    @property
    def units(self) -> tuple[object, ...]: ...
    @property
    def scale(self) -> Iterable[float]: ...
    @property
    def translate(self) -> Iterable[float]: ...


class _Dims(Protocol):
    """The axes of a viewer."""

    ndim: int
    axis_labels: tuple[str, ...]


class _ScaleBar(Protocol):
    """The scale bar of a viewer, before napari 0.9."""

    visible: bool
    unit: str


class _Viewer(Protocol):
    """What is asked of a `napari.Viewer`."""

    layers: Iterable[_Layer]
    dims: _Dims
    scale_bar: _ScaleBar
    add_image: Callable[..., _Layer]
    add_labels: Callable[..., _Layer]
    add_points: Callable[..., _Layer]


def view(
    *results: object,
    labels: object = (),
    viewer: Any = None,
    show: bool = True,
    block: bool = False,
) -> Any:
    """Open napari with images, labels and tables at their place in the world.

    Needs the extra ``napari``.

    Parameters
    ----------
    *results : Image, Table, array, DataFrame, path
        The results to show; `view_layers` tells which layers they become.
    labels : Image or sequence of them, optional
        Images to show as labels, whatever their names.
    viewer : napari.Viewer, optional
        Viewer to add the layers to, in the space of those that it has; default: a new window.
    show : bool, optional
        Whether a new window is shown at once.
    block : bool, optional
        Whether to return only when the window is closed.  A script needs it (or
        ``napari.run()``), or it ends and its window with it; a notebook does not.

    Returns
    -------
    napari.Viewer

    Raises
    ------
    MissingExtra
        If napari, or a Qt to draw with, is not installed.
    PipelineError
        If something cannot be shown.
    """
    try:
        import napari
    except ModuleNotFoundError as error:
        if error.name != "napari":
            raise
        raise MissingExtra.of("napari", extra="napari") from error
    seen = None if viewer is None else _world_of(viewer)
    layers, world = layers_and_world(*results, labels=labels, seen=seen)
    if viewer is None:
        try:
            viewer = napari.Viewer(show=show)
        except ImportError as error:
            raise MissingExtra.of("PyQt6", extra="napari") from error
    for layer in layers:
        _add(viewer, layer, world)
    if layers:
        axes = max((layer.axes for layer in layers), key=len)
        if len(axes) == viewer.dims.ndim:
            viewer.dims.axis_labels = tuple(axes)
        _show_scale_bar(viewer, layers)
    if block:
        napari.run()
    return viewer


def _show_scale_bar(viewer: _Viewer, layers: list[LayerSpec]) -> None:
    unit = next((unit for layer in layers for unit in layer.units if unit != "pixel"), None)
    if unit is None:
        return
    if hasattr(viewer, "canvas"):
        viewer.canvas.overlays.scale_bar.visible = True
    else:
        # napari before 0.9 does not take the unit from the layers either
        viewer.scale_bar.visible = True
        viewer.scale_bar.unit = unit


def _world_of(viewer: _Viewer) -> World | None:
    """Return the space of a viewer's layers; None: it has none."""
    layers = list(viewer.layers)
    ours = [world for each in layers if isinstance(world := each.metadata.get(_WORLD), World)]
    others = [_world_of_layer(each) for each in layers]
    known = next((world for world in others if world.spacing), None)
    return ours[-1] if ours else known or next(iter(others), None)


def _world_of_layer(layer: _Layer) -> World:
    """Return the space of a layer that something else has added."""
    axes = "".join(layer.axis_labels)
    if len(axes) != layer.ndim or not set("yx") <= set(axes):  # nobody has named them
        axes = "tzyx"[-layer.ndim :]
    unit = known_unit(str(layer.units[-1]))
    if unit is None or len(axes) != layer.ndim:
        return World(axes, None, {}, {})
    sizes, places = (
        {axis: float(n) for axis, n in zip(axes, each, strict=True) if axis in SPATIAL}
        for each in (layer.scale, layer.translate)
    )
    return World(axes, unit, sizes, places)


def _add(viewer: _Viewer, layer: LayerSpec, world: World) -> None:
    add = {
        "image": viewer.add_image,
        "labels": viewer.add_labels,
        "points": viewer.add_points,
    }[layer.kind]
    added = add(
        layer.data,
        name=layer.name,
        scale=layer.scale,
        translate=layer.translate,
        units=layer.units,
        axis_labels=tuple(layer.axes),
        metadata={_WORLD: world},
        **layer.options,
    )
    if layer.kind == "labels":
        # They are read from storage, and cannot be painted
        added.editable = False
