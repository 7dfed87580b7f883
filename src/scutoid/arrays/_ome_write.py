"""OME-NGFF 0.5 metadata, as scutoid writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scutoid.arrays._axis_order import Order, as_stored, is_ngff, order_of, stored_spec
from scutoid.arrays._ome import IMAGE, MARK
from scutoid.arrays._pyramid import PyramidLevel
from scutoid.arrays._spec import KNOWN_AXES, SPATIAL, ImageSpec
from scutoid.arrays._units import long_unit


def describe_group(
    levels: Sequence[PyramidLevel], *, label: bool, method: str | None = None
) -> dict[str, object]:
    """Return the OME-NGFF 0.5 attributes of an image; of one that OME-NGFF does not know our own.

    Parameters
    ----------
    levels : sequence of PyramidLevel
        The finest first; arrays are named by their number.  Axes are stored in the order of
        OME-NGFF.
    label : bool
        Whether voxels are object numbers.
    method : str, optional
        How levels are downsampled.
    """
    axes = levels[0].spec.axes
    order = order_of(axes)
    levels = [_stored_level(level, order) for level in levels]
    spec = levels[0].spec
    multiscale: dict[str, object] = {
        "axes": [_axis(spec, letter) for letter in spec.axes],
        "datasets": [
            {"path": str(number), "coordinateTransformations": _place(spec, level.total)}
            for number, level in enumerate(levels)
        ],
    }
    if len(levels) > 1:
        multiscale["type"] = method
        multiscale["metadata"] = {
            "description": "each level is made of the one above it",
            "method": "scutoid.kernels.downsample",
            "args": [[list(level.factors) for level in levels[1:]], method],
        }
    ome: dict[str, object] = {"version": "0.5", "multiscales": [multiscale]}
    if spec.display and all(each.is_whole for each in spec.display) and not label:
        ome["omero"] = {"channels": omero_channels(spec)}
    if label:
        ome["image-label"] = {}
    # On which axes, if only on some
    sized = list(spec.sizes) if spec.known_sizes else spec.voxel_size is not None
    own: dict[str, object] = {"has_voxel_size": sized}
    if spec.time is not None:
        own["has_times"] = True
    if spec.channels and "omero" not in ome:
        own["channels"] = list(spec.channels)
    if spec.display and "omero" not in ome:
        own["display"] = [each.to_dict() for each in spec.display]
    if order:
        own["axes"] = axes
    return {"ome": ome, MARK: own} if is_ngff(axes) else {MARK: own | {IMAGE: ome}}


def _stored_level(level: PyramidLevel, order: Order) -> PyramidLevel:
    spec = stored_spec(level.spec, order)
    return PyramidLevel(spec, as_stored(level.factors, order), as_stored(level.total, order))


def _axis(spec: ImageSpec, letter: str) -> dict[str, str]:
    kind = KNOWN_AXES.get(letter, "")
    axis = {"name": letter}
    if kind in ("space", "time", "channel"):
        axis["type"] = kind
    is_sized = spec.known_sizes is None or letter in spec.sizes
    if letter in SPATIAL and spec.unit is not None and is_sized:
        axis["unit"] = long_unit(spec.unit)
    if letter == "t" and spec.time is not None and spec.time.unit is not None:
        axis["unit"] = long_unit(spec.time.unit)
    return axis


def _place(spec: ImageSpec, total: Sequence[int]) -> list[dict[str, object]]:
    """Describe the place of a level; in voxels of level 0 if their size is unknown."""
    sizes = spec.sizes
    starts = dict(zip(spec.spatial_axes, spec.origin or (), strict=False))
    if spec.time is not None:
        sizes["t"], starts["t"] = spec.time.interval, spec.time.origin
    scale, moved = [], []
    for letter, width in zip(spec.axes, total, strict=True):
        size = sizes.get(letter, 1.0)
        scale.append(size * width)
        moved.append(starts.get(letter, 0.0) + (width - 1) / 2 * size)
    transforms: list[dict[str, object]] = [{"type": "scale", "scale": scale}]
    if any(moved):
        transforms.append({"type": "translation", "translation": moved})
    return transforms


def omero_channels(spec: ImageSpec) -> list[dict[str, object]]:
    """Describe the channels for OME-NGFF, which requires a colour and a window of each."""
    labels = [{"label": name} for name in spec.channels] or [{}] * len(spec.display)
    return [{**label, **each.to_dict()} for label, each in zip(labels, spec.display, strict=True)]


def without_display(attributes: Mapping[str, object]) -> dict[str, object]:
    """Return the attributes of a group without how channels are shown, which may be set later."""
    ome, own = attributes.get("ome"), attributes.get(MARK)
    found = dict(attributes)
    if isinstance(ome, Mapping):
        found["ome"] = {name: value for name, value in ome.items() if name != "omero"}
    if isinstance(own, Mapping):
        hidden = ("channels", "display", "has_limits_of_data")
        found[MARK] = {name: value for name, value in own.items() if name not in hidden}
    return found


def is_ours(attributes: Mapping[str, object]) -> bool:
    """Whether scutoid wrote the attributes of a group."""
    return MARK in attributes
