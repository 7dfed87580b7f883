"""Choose the layers that show results, and their places; needs no viewer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from scutoid.arrays import ChannelDisplay
from scutoid.errors import PipelineError
from scutoid.views._arguments import ShownImage, ShownTable, holds_labels, opened, read_table
from scutoid.views._asked import as_asked, asked_of
from scutoid.views._contrast import limits_of
from scutoid.views._layer_array import LayerArray
from scutoid.views._objects import ID, LABEL, features_of, has_labels, is_of_regions, object_layers
from scutoid.views._origin import measured_from
from scutoid.views._spec import ORDER, LayerSpec
from scutoid.views._world import World

if TYPE_CHECKING:
    import pandas as pd

# Of channels, in order; pairs add up to white, and most people can distinguish them
_COLORS = ("green", "magenta", "cyan", "yellow", "red", "blue")

CONTOURS: Mapping[str, object] = {"contour": 1, "opacity": 1.0}
"""Options of labels that lie over images: filled, they would cover the borders to be judged."""


class _Placing(TypedDict):
    """The voxels of a layer and their place."""

    data: LayerArray
    axes: str
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]


def view_layers(*results: object, labels: object = ()) -> list[LayerSpec]:
    """Choose the layers that show `results`.

    Parameters
    ----------
    *results : Image, Table, array, DataFrame, path
        Images become image layers, one a channel, in the colours and windows of their files where
        these say them, else with limits of their voxels.  Images of object numbers (results of
        `label`, or with "label" in their name) and masks become label layers, drawn as contours
        where an image is shown too.  Tables become rings, from their columns ``y`` and ``x`` (and
        ``z``) in the unit of the images, and tracks if they have columns ``track`` and ``t``.  A
        table with a column ``label`` belongs to the labels that it was measured from, which have
        its rows then (`LayerSpec.table`); to those that are shown with it, if it is unknown from
        which, and they are the only ones.  A table of regions, with a column ``id`` and without
        positions, belongs to labels without a table of their own, such as an atlas.
    labels : Image or sequence of them, optional
        Further images to show as labels, whatever their names.

    Returns
    -------
    list of LayerSpec
        The lowest first: images, labels, tracks, points.  Only some planes for the contrast, and
        the tables, are read.

    Raises
    ------
    PipelineError
        If something cannot be shown.
    MetadataError
        If units do not convert into each other.
    """
    return choose_layers(*results, labels=labels).layers


@dataclass(frozen=True, slots=True)
class Chosen:
    """The layers that show results, and where."""

    layers: list[LayerSpec]
    """What is added, the lowest first."""
    handles: list[object]
    """What each of them shows."""
    world: World
    """The space that they lie in."""
    changed: list[tuple[LayerSpec, LayerSpec]]
    """Labels that were shown already and got a table, before and now."""


def choose_layers(
    *results: object,
    labels: object = (),
    seen: World | None = None,
    over_images: bool = False,
    known: Sequence[tuple[object, LayerSpec]] = (),
) -> Chosen:
    """Return what `view_layers` does, and what else a viewer needs to know.

    Parameters
    ----------
    *results, labels : object
        As there.
    seen : World, optional
        Space of the viewer to which they are added.
    over_images : bool
        Whether it has images.
    known : sequence of (handle, LayerSpec)
        Labels that it shows already.
    """
    marked = list(labels) if isinstance(labels, (list, tuple)) else [labels]
    shown = [(opened(r), False) for r in results] + [(opened(r), True) for r in marked]
    images = [
        (result, is_marked or holds_labels(result))
        for result, is_marked in shown
        if not isinstance(result, ShownTable)
    ]
    tables = [result for result, _ in shown if isinstance(result, ShownTable)]
    frames = [read_table(table) for table in tables]
    world = World.of([image for image, _ in images], seen).with_points(frames)
    layers: list[tuple[object, LayerSpec]] = []
    for image, is_labels in images:
        if not is_labels:
            first = not (over_images or layers)
            made = as_asked(list(_images(image, world, first=first)), asked_of(image), image.name)
            layers += [(image, layer) for layer in made]
    is_over = over_images or bool(layers)
    numbers = [
        (image, as_asked([_labels(image, world, is_over)], asked_of(image), image.name)[0])
        for image, is_labels in images
        if is_labels
    ]
    every, objects = _with_tables([*numbers, *known], list(zip(tables, frames, strict=True)), world)
    layers += [(image, layer) for (image, _), layer in zip(numbers, every, strict=False)]
    layers += sorted(objects, key=lambda item: ORDER.index(item[1].kind))
    return Chosen(
        [layer for _, layer in layers],
        [handle for handle, _ in layers],
        world,
        [
            (before, now)
            for (_, before), now in zip(known, every[len(numbers) :], strict=True)
            if before is not now
        ],
    )


def _with_tables(
    labels: Sequence[tuple[object, LayerSpec]],
    tables: Sequence[tuple[ShownTable, pd.DataFrame]],
    world: World,
) -> tuple[list[LayerSpec], list[tuple[object, LayerSpec]]]:
    """Give labels the tables that were measured from them; return them, and layers of objects.

    Labels keep the first of several tables.
    """
    handles, layers = [handle for handle, _ in labels], [layer for _, layer in labels]
    objects: list[tuple[object, LayerSpec]] = []
    for table, given in sorted(tables, key=lambda item: is_of_regions(item[1])):
        frame, free = given, list(range(len(layers)))
        if is_of_regions(given):
            frame = given.rename(columns={ID: LABEL})
            free = [n for n in free if layers[n].table is None] or free
        place = (
            measured_from(table.handle, [handles[n] for n in free]) if has_labels(frame) else None
        )
        place = None if place is None else free[place]
        if place is not None and layers[place].table is None:
            options = {**layers[place].options, "features": features_of(frame)}
            layers[place] = replace(layers[place], options=options, table=frame)
        own = None if place is None else layers[place]
        made = object_layers(table.name, frame, world, own)
        made = as_asked(made, asked_of(table.handle), table.name)
        objects += [(table.handle, layer) for layer in made]
    return layers, objects


def _placed(image: ShownImage, world: World, *, channel: int | None = None) -> _Placing:
    axes = world.below(image.axes)
    return {
        "data": LayerArray.of(image, axes, channel=channel),
        "axes": axes,
        "scale": world.scale(axes, image),
        "translate": world.translate(axes, image),
        "units": world.units(axes),
    }


def _labels(image: ShownImage, world: World, is_over: bool) -> LayerSpec:
    if image.dtype.kind not in "biu" or "c" in image.axes:
        raise PipelineError(
            "labels are integers, without an axis of channels",
            value=f"dtype {image.dtype}, axes {image.axes!r}",
            place=repr(image.name),
        )
    options = CONTOURS if is_over else {}
    return LayerSpec("labels", image.name, **_placed(image, world), options=options)


def _images(image: ShownImage, world: World, *, first: bool) -> Iterator[LayerSpec]:
    if image.dtype.kind not in "biuf":
        raise PipelineError(
            "an image that is shown has numbers that are brighter or darker",
            value=f"dtype {image.dtype}",
            place=repr(image.name),
            remedy="show its magnitude, np.abs(image), or another part of it",
        )
    if "c" not in image.axes:
        options = {} if first else {"blending": "additive"}
        placed = _placed(image, world)
        layer = LayerSpec("image", image.name, **placed, options=options)
        display = image.display[0] if len(image.display) == 1 else ChannelDisplay()
        yield _shown(layer, placed["data"], display)
        return
    n_channels = image.shape[image.axes.index("c")]
    if _is_colour(image, n_channels):
        yield _colour(image, world)
        return
    names = image.channels or tuple(map(str, range(n_channels)))
    displays = image.display or (ChannelDisplay(),) * n_channels
    for channel, (name, display) in enumerate(zip(names, displays, strict=True)):
        color = _COLORS[channel % len(_COLORS)] if n_channels > 1 else "gray"
        placed = _placed(image, world, channel=channel)
        layer = LayerSpec(
            "image",
            f"{image.name} {name}",
            **placed,
            options={
                "colormap": color,
                "blending": "additive" if channel or not first else "translucent_no_depth",
            },
        )
        yield _shown(layer, placed["data"], display)


def _is_colour(image: ShownImage, n_channels: int) -> bool:
    """Whether the channels are red, green and blue: last, of 8 bits and without names."""
    last = image.axes.endswith("c") and image.dtype == np.uint8
    return last and n_channels in (3, 4) and not image.channels


def _colour(image: ShownImage, world: World) -> LayerSpec:
    placed = _placed(image, world)
    placed["data"] = LayerArray.of(image, placed["axes"] + "c")
    return LayerSpec("image", image.name, **placed, options={"rgb": True})


def _shown(layer: LayerSpec, data: LayerArray, display: ChannelDisplay) -> LayerSpec:
    """Show a layer as its file says; the contrast that it leaves out is that of a few planes.

    Contrast is always set, so that the viewer does not read more for it.
    """
    options = dict(layer.options)
    if display.color is not None:
        options["colormap"] = f"#{display.color}"
    if dict(display.more).get("active") is False:
        options["visible"] = False
    start, end = (0.0, 0.0) if display.window is None else display.window[:2]
    options["contrast_limits"] = (start, end) if start < end else limits_of(data)
    return replace(layer, options=options)
