"""Show layers in napari, which is imported only when something is viewed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from scutoid.errors import MissingExtra
from scutoid.views._layers import LayerSpec, view_layers


class _Layer(Protocol):
    """A layer of napari."""

    editable: bool


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
        Viewer to add the layers to; default: a new window.
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
    layers = view_layers(*results, labels=labels)
    if viewer is None:
        try:
            viewer = napari.Viewer(show=show)
        except ImportError as error:
            raise MissingExtra.of("PyQt6", extra="napari") from error
    for layer in layers:
        _add(viewer, layer)
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


def _add(viewer: _Viewer, layer: LayerSpec) -> None:
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
        **layer.options,
    )
    if layer.kind == "labels":
        # They are read from storage, and cannot be painted
        added.editable = False
