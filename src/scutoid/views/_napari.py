"""Show layers in napari, which is imported only when something is viewed."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import Any

from scutoid.arrays import SPATIAL, TimeScale, known_unit
from scutoid.errors import MissingExtra, ParameterError, PipelineError
from scutoid.views._colouring import color_layer, with_column
from scutoid.views._drawn import layer_data, set_later
from scutoid.views._layers import CONTOURS, choose_layers
from scutoid.views._links import HANDLE, LAYER, WORLD, spec_of
from scutoid.views._objects import features_of
from scutoid.views._spec import ORDER, LayerSpec
from scutoid.views._world import World


def view(
    *results: object,
    labels: object = (),
    color_by: str | None = None,
    viewer: Any = None,
    show: bool = True,
    block: bool = False,
) -> Any:
    """Open napari with images, labels and tables at their place in the world.

    Tables stand in a dock: a click on a row goes to its object, one on an object selects its row,
    and the objects can be coloured by a column.  Needs the extra ``napari``.

    Parameters
    ----------
    *results : Image, Table, array, DataFrame, path
        The results to show; `view_layers` tells which layers they become.
    labels : Image or sequence of them, optional
        Images to show as labels, whatever their names.
    color_by : str, optional
        Column of the tables by which labels, points and tracks are coloured: numbers by a colormap
        from the least to the largest, texts each in a colour.
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
        If something cannot be shown, or there is no display for a window.
    ParameterError
        If no table has the column to colour by, a table has columns of one name or positions that
        are no numbers, or napari refuses an argument of ``options(view=)``.
    """
    napari = import_napari()
    if viewer is not None:
        check_viewer(viewer, "viewer= of view")
    there = [] if viewer is None else list(viewer.layers)
    chosen = choose_layers(
        *results,
        labels=labels,
        seen=_world_of(there),
        over_images=any(_kind(each) == "image" for each in there),
        known=[
            (each.metadata.get(HANDLE), spec)
            for each in there
            if (spec := spec_of(each)) is not None and spec.kind == "labels"
        ],
    )
    layers = chosen.layers if color_by is None else with_column(chosen.layers, color_by)
    if viewer is None:
        viewer = new_viewer(show=show)
    for before, now in chosen.changed:
        for each in there:
            if spec_of(each) is before and now.table is not None:
                each.features = features_of(now.table)
                each.metadata = {**each.metadata, LAYER: now}
    if any(layer.kind == "image" for layer in chosen.layers):
        _show_contours(there)
    for layer, handle in zip(layers, chosen.handles, strict=True):
        add_layer(viewer, layer, {WORLD: chosen.world, LAYER: layer, HANDLE: handle})
    if chosen.layers:
        axes = max((layer.axes for layer in chosen.layers), key=len)
        if len(axes) == viewer.dims.ndim:
            viewer.dims.axis_labels = tuple(axes)
        _show_scale_bar(viewer, chosen.layers)
    if getattr(viewer, "window", None) is not None:
        from scutoid.views._table_dock import show_table

        show_table(viewer)
    if block:
        napari.run()
    return viewer


def add_layer(viewer: Any, layer: LayerSpec, metadata: dict[str, object] | None = None) -> Any:
    """Add a layer to a viewer of napari, below what it would cover; return napari's layer."""
    data, arguments, kind = layer_data(layer)
    arguments["metadata"] = metadata or {}
    later = set_later(layer)
    column = later.pop("color_by", None)
    try:
        added = getattr(viewer, f"add_{kind}")(data, **arguments)
        for name, value in later.items():
            setattr(added, name, value)
    except (ValueError, TypeError, KeyError) as error:
        raise ParameterError(
            "a layer has arguments that napari takes",
            value=f"{type(error).__name__}: {error}",
            place=f"{layer.name!r}, with {', '.join(f'{k}={v!r}' for k, v in _short(layer))}",
            remedy="correct what options(view=) says, or leave it out",
        ) from error
    if column is not None:
        color_layer(added, layer, str(column))
    if kind == "labels":
        # They are read from storage, and cannot be painted
        added.editable = False
    _move_below(viewer.layers, added)
    return added


def _short(layer: LayerSpec) -> list[tuple[str, object]]:
    """Return the arguments of a layer that are numbers, texts, or pairs of them."""
    kinds = (str, int, float, tuple)
    return [(name, value) for name, value in layer.options.items() if isinstance(value, kinds)]


def _show_contours(layers: list[Any]) -> None:
    """Draw labels of ours as contours that were shown without an image until now."""
    for each in layers:
        spec = spec_of(each)
        if spec is None or spec.kind != "labels" or CONTOURS.keys() & spec.options.keys():
            continue
        options = {**CONTOURS, **spec.options}
        each.metadata = {**each.metadata, LAYER: replace(spec, options=options)}
        for name, value in CONTOURS.items():
            setattr(each, name, value)


def check_viewer(viewer: Any, place: str) -> None:
    """Refuse what is no viewer of napari, or has a window that is closed.

    Parameters
    ----------
    viewer : object
        What was given.
    place : str
        The argument, for the error.

    Raises
    ------
    ParameterError
        If it is none, or its window is closed.
    """
    is_viewer = hasattr(viewer, "layers")
    if not is_viewer or _is_closed(getattr(viewer, "window", None)):
        raise ParameterError(
            "layers are added to a viewer of napari with an open window",
            value="one whose window is closed" if is_viewer else type(viewer).__name__,
            place=place,
            remedy="give one that sc.view() returned, or of view none, for a new window",
        )


def _is_closed(window: Any) -> bool:
    if window is None:
        return False
    try:
        window.geometry()
    except (AttributeError, RuntimeError):  # its window of Qt is gone
        return hasattr(window, "geometry")
    return False


def _move_below(layers: Any, added: Any) -> None:
    """Move a layer that was added last below those of kinds that it would cover."""
    rank = ORDER.index(_kind(added))
    for place, other in enumerate(layers):
        kind = _kind(other)
        if kind in ORDER and ORDER.index(kind) > rank:
            layers.move(len(layers) - 1, place)
            return


def _kind(layer: Any) -> Any:
    return type(layer).__name__.lower()


def import_napari() -> Any:
    """Return the module, imported now.

    Raises
    ------
    MissingExtra
        If napari is not installed.
    """
    try:
        import napari
    except ModuleNotFoundError as error:
        if error.name != "napari":
            raise
        raise MissingExtra.of("napari", extra="napari") from error
    return napari


def new_viewer(*, show: bool) -> Any:
    """Return a new window of napari.

    Raises
    ------
    MissingExtra
        If napari, or a Qt to draw with, is not installed.
    PipelineError
        If there is no display: Qt would end the process.
    """
    napari = import_napari()
    if _lacks_display():
        raise PipelineError(
            "a window of napari needs a display",
            value="neither DISPLAY nor WAYLAND_DISPLAY is set",
            place="the environment of this process",
            remedy="log in with ssh -X, show it in the browser (scutoid view --web, scutoid serve),"
            " or draw to no screen by xvfb-run",
        )
    try:
        return napari.Viewer(show=show)
    except ImportError as error:
        raise MissingExtra.of("PyQt6", extra="napari") from error


def _lacks_display() -> bool:
    """Whether Qt would find no screen on a system of X11 or Wayland."""
    if sys.platform in ("darwin", "win32") or os.environ.get("XDG_SESSION_TYPE") == "wayland":
        return False
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return not any(os.environ.get(name) for name in names)


def _show_scale_bar(viewer: Any, layers: list[LayerSpec]) -> None:
    unit = next((layer.units[-1] for layer in layers if layer.units[-1] != "pixel"), None)
    if unit is None:
        return
    if hasattr(viewer, "canvas"):
        viewer.canvas.overlays.scale_bar.visible = True
    else:
        # napari before 0.9 does not take the unit from the layers either
        viewer.scale_bar.visible = True
        viewer.scale_bar.unit = unit


def _world_of(layers: list[Any]) -> World | None:
    """Return the space of a viewer's layers; None: it has none."""
    ours = [world for each in layers if isinstance(world := each.metadata.get(WORLD), World)]
    others = [_world_of_layer(each) for each in layers]
    known = next((world for world in others if world.spacing), None)
    return ours[-1] if ours else known or next(iter(others), None)


def _world_of_layer(layer: Any) -> World:
    """Return the space of a layer that something else has added."""
    axes = "".join(layer.axis_labels)
    if len(axes) != layer.ndim or not set("yx") <= set(axes):  # nobody has named them
        axes = "tzyx"[-layer.ndim :]
    unit = known_unit(str(layer.units[-1]))
    if len(axes) != layer.ndim:
        return World(axes, None, {}, {})
    scale, translate = (
        {axis: float(n) for axis, n in zip(axes, each, strict=True)}
        for each in (layer.scale, layer.translate)
    )
    time = None
    if "t" in axes:
        time_unit = known_unit(str(layer.units[axes.index("t")]), "time")
        time = time_unit and TimeScale(scale["t"], time_unit, translate["t"])
    if unit is None:
        return World(axes, None, {}, {}, time or None)
    sizes, places = (
        {axis: n for axis, n in each.items() if axis in SPATIAL} for each in (scale, translate)
    )
    return World(axes, unit, sizes, places, time or None)
