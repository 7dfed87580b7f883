"""Choose the layers that show results, and their places; needs no viewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict, TypeGuard

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import SPATIAL, ChannelDisplay
from scutoid.errors import ParameterError, PipelineError
from scutoid.steps import UNIT
from scutoid.views._contrast import limits_of
from scutoid.views._layer_array import LayerArray, Readable
from scutoid.views._world import PlacedImage, World

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["image", "labels", "points"]

# Of channels, in order; pairs add up to white, and most people can distinguish them
_COLORS = ("green", "magenta", "cyan", "yellow", "red", "blue")


class ShownImage(Readable, PlacedImage, Protocol):
    """An image that layers show; `scutoid.steps.Image` is one."""

    @property
    def channels(self) -> tuple[str, ...]: ...
    @property
    def display(self) -> tuple[ChannelDisplay, ...]: ...


class _HasFrame(Protocol):
    """A lazy table."""

    def to_pandas(self) -> pd.DataFrame: ...


class _Placing(TypedDict):
    """The voxels of a layer and their place."""

    data: LayerArray
    axes: str
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _ShownTable:
    """A table that becomes points."""

    name: str
    """Name of the layer."""
    frame: Callable[[], pd.DataFrame]
    """Reads the table."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerSpec:
    """One layer of a viewer."""

    kind: Kind
    """Kind of the layer."""
    name: str
    """Name in the list of layers."""
    data: LayerArray | NDArray[np.float64]
    """`LayerArray`, or for points an array of float64, shape (n, ndim), in voxels."""
    axes: str
    """One letter for each axis of the data."""
    scale: tuple[float, ...]
    """Size of a voxel on each axis, in `units`."""
    translate: tuple[float, ...]
    """Position of the centre of the first voxel, in `units`."""
    units: tuple[str, ...]
    """Unit of each axis: "um", or "pixel" where the voxel size is unknown."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Further arguments of napari's layer."""


def view_layers(*results: object, labels: object = ()) -> list[LayerSpec]:
    """Choose the layers that show `results`.

    Parameters
    ----------
    *results : Image, Table, array, DataFrame, path
        Images become image layers, one a channel, in the colours and windows of their files where
        these say them, else with limits of their voxels.  Images of object numbers (results of
        `label`, or with "label" in their name) and masks become label layers.  Tables become
        points, from their columns ``y`` and ``x`` (and ``z``) in the unit of the images.
    labels : Image or sequence of them, optional
        Further images to show as labels, whatever their names.

    Returns
    -------
    list of LayerSpec
        Only some planes for the contrast, and the tables, are read.

    Raises
    ------
    PipelineError
        If something cannot be shown.
    MetadataError
        If units do not convert into each other.
    """
    return layers_and_world(*results, labels=labels)[0]


def layers_and_world(
    *results: object, labels: object = (), seen: World | None = None
) -> tuple[list[LayerSpec], World]:
    """Return what `view_layers` does, and the space that the layers lie in.

    `seen` is that of the viewer to which they are added.
    """
    marked = list(labels) if isinstance(labels, (list, tuple)) else [labels]
    shown = [(_opened(r), False) for r in results] + [(_opened(r), True) for r in marked]
    images = [result for result, _ in shown if not isinstance(result, _ShownTable)]
    frames = [result.frame() for result, _ in shown if isinstance(result, _ShownTable)]
    world = World.of(images, seen).with_points(frames)
    layers: list[LayerSpec] = []
    in_order = iter(frames)
    for result, as_labels in shown:
        if isinstance(result, _ShownTable):
            layers.append(_points(result.name, next(in_order), world))
        elif as_labels or _holds_labels(result):
            layers.append(_labels(result, world))
        else:
            first = seen is None and not any(layer.kind == "image" for layer in layers)
            layers.extend(_images(result, world, first=first))
    return layers, world


def _opened(result: object) -> ShownImage | _ShownTable:
    """Return an argument as an image or a table."""
    table = _table(result)
    if table is not None:
        return table
    if _is_image(result):
        return result
    if isinstance(result, (np.ndarray, str)) or hasattr(result, "__fspath__"):
        from scutoid.steps import open as open_image

        return open_image(result)
    remedy = "show an Image, a Table, an array or a path"
    if hasattr(result, "member"):
        example = next(iter(getattr(result, "keys", ())), "key")
        remedy = f"show one member, as in images[{example!r}]"
    raise PipelineError(
        "what is shown is an image or a table",
        value=type(result).__name__,
        place="argument of view",
        remedy=remedy,
    )


def _is_image(result: object) -> TypeGuard[ShownImage]:
    return hasattr(result, "read") and hasattr(result, "roi")


def _is_frame(result: object) -> TypeGuard[pd.DataFrame]:
    return hasattr(result, "iloc")


def _has_frame(result: object) -> TypeGuard[_HasFrame]:
    return hasattr(result, "to_pandas")


def _table(result: object) -> _ShownTable | None:
    """Return an argument as a table; None if it is none."""
    if hasattr(result, "member"):
        return None
    if _is_frame(result):
        return _ShownTable(_table_name(result), lambda: result)
    return _ShownTable(_table_name(result), result.to_pandas) if _has_frame(result) else None


def _table_name(table: object) -> str:
    return str(getattr(table, "name", None) or "points")


def _holds_labels(image: ShownImage) -> bool:
    if image.dtype == bool:
        return True
    named = image.dtype.kind in "iu" and "label" in image.name.lower()
    return bool(getattr(image, "is_labels", False)) or named


def _placed(image: ShownImage, world: World, *, channel: int | None = None) -> _Placing:
    axes = world.below(image.axes)
    return {
        "data": LayerArray.of(image, axes, channel=channel),
        "axes": axes,
        "scale": world.scale(axes, image),
        "translate": world.translate(axes, image),
        "units": world.units(axes),
    }


def _labels(image: ShownImage, world: World) -> LayerSpec:
    if image.dtype.kind not in "biu" or "c" in image.axes:
        raise PipelineError(
            "labels are integers, without an axis of channels",
            value=f"dtype {image.dtype}, axes {image.axes!r}",
            place=repr(image.name),
        )
    return LayerSpec("labels", image.name, **_placed(image, world))


def _images(image: ShownImage, world: World, *, first: bool) -> Iterator[LayerSpec]:
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


def _points(name: str, frame: pd.DataFrame, world: World) -> LayerSpec:
    missing = [axis for axis in "yx" if axis not in frame.columns]
    if missing:
        raise ParameterError(
            "a table is shown as points at its columns y and x, and z if it has one",
            value=f"columns {', '.join(map(str, frame.columns))}",
            place=repr(name),
            remedy=f"add {' and '.join(missing)}, or leave the table out",
        )
    # A table of volumes may be shown without their images
    axes = world.axes if "z" in world.axes or "z" not in frame.columns else "zyx"
    present = [axis for axis in axes if axis in frame.columns]
    axes = axes[axes.index(present[0]) :]
    scale, translate = world.scale(axes), world.translate(axes)
    factor = world.factor(frame.attrs.get(UNIT), name)
    # In voxels, so that a viewer's slices of one voxel hold the points inside them
    data = np.zeros((len(frame), len(axes)))
    for column, axis in enumerate(axes):
        if axis in present:
            position = frame[axis].to_numpy(np.float64) * (factor if axis in SPATIAL else 1.0)
            data[:, column] = (position - translate[column]) / scale[column]
    return LayerSpec(
        "points",
        name,
        data,
        axes,
        scale,
        translate,
        world.units(axes),
        {
            "size": _point_size(
                frame, [s for s, a in zip(scale, axes, strict=True) if a in SPATIAL]
            ),
            "features": frame.reset_index(drop=True),
            "face_color": "transparent",
            "border_color": "yellow",
            "border_width": 0.15,
        },
    )


def _point_size(frame: pd.DataFrame, spacing: Sequence[float]) -> NDArray[np.float64] | float:
    """Return diameters, in voxels: half of those of balls or discs of the objects' sizes."""
    if "n_voxels" not in frame.columns or len(frame) == 0:
        return 5.0
    ndim = len(spacing)
    volume = frame["n_voxels"].to_numpy(np.float64) * float(np.prod(spacing))
    diameter = volume ** (1 / ndim) / float(np.mean(spacing))
    return np.maximum(diameter / 2, 2.0)
