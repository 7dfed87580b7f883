"""The state of Neuroglancer's page: layers, their looks, and what is in view first."""

from __future__ import annotations

import json
import re
import urllib.parse
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scutoid.errors import ParameterError, ScutoidWarning
from scutoid.views._layer_array import LayerArray
from scutoid.views._neuroglancer_arrays import ZarrImage
from scutoid.views._neuroglancer_points import SEGMENTS
from scutoid.views._neuroglancer_space import COLOUR, Space
from scutoid.views._neuroglancer_tables import title_of
from scutoid.views._spec import LayerSpec

_PANEL, _QUARTER = 550.0, 330.0
"""Pixels of a panel, about: of one, and of each of four."""
_FINEST = 2.0
"""Voxels a pixel, at most, where an image has no coarser levels."""
_COLUMNS = ("n_voxels", "mean", "n", "volume_mm3")
"""Columns of tables that the list of objects shows beside their numbers."""
_RGB = {
    "gray": "#ffffff",
    "green": "#00ff00",
    "magenta": "#ff00ff",
    "cyan": "#00ffff",
    "yellow": "#ffff00",
    "red": "#ff0000",
    "blue": "#0000ff",
}
_GRAY = """#uicontrol invlerp normalized
#uicontrol vec3 color color(default="{color}")
void main() {{ emitRGB(color * normalized()); }}
"""
_COLOUR = """#uicontrol float brightness slider(min=0, max=3, default=1)
void main() {
  emitRGB(brightness * vec3(toNormalized(getDataValue(0)), toNormalized(getDataValue(1)),
                            toNormalized(getDataValue(2))));
}
"""
_POINTS = """#uicontrol float size slider(min=2, max=30, default=9)
void main() {
  setColor(vec4(0.0, 0.0, 0.0, 0.0));
  setPointMarkerBorderColor(defaultColor());
  setPointMarkerBorderWidth(2.0);
  setPointMarkerSize(size);
}
"""
SETTINGS: Mapping[str, object] = {
    # A click says what lies there; a double click picks the object out, as usual
    "inputEventBindings": {"sliceView": {"click0": "select-position"}},
    "scaleBarOptions": {"scaleFactor": 1.3},
}
"""Settings of the client that are no part of the view."""


@dataclass(frozen=True, slots=True)
class Source:
    """A layer, and the names under which its parts are served."""

    layer: LayerSpec
    name: str
    """Its name on the page, which no other layer has."""
    space: Space
    data: str
    """What its voxels or points are served as."""
    properties: str | None = None
    """Of labels with a table, what that is served as."""
    voxels: ZarrImage | None = None
    """Of images and labels."""
    columns: tuple[str, ...] = ()
    """Of that table, the columns of numbers."""
    labels: str | None = None
    """Of points, the name on the page of the labels that they belong to."""

    def corners(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return the first and the last position on each axis, in its base unit."""
        layer = self.layer
        shape = layer.data.shape if isinstance(layer.data, LayerArray) else None
        if shape is not None:
            first = np.zeros(len(layer.axes))
            last = np.array(shape[: len(layer.axes)]) - 1.0
        else:
            points = np.asarray(layer.data, float)[:, -len(layer.axes) :]
            points = points[np.isfinite(points).all(axis=1)]
            if not len(points):
                return {}, {}
            first, last = points.min(axis=0), points.max(axis=0)
        scale, place = np.array(layer.scale), np.array(layer.translate)
        names = self.space.names[: len(layer.axes)]
        factors = np.array(self.space.factors[: len(layer.axes)])
        low, high = ((place + scale * at) * factors for at in (first, last))
        return dict(zip(names, low, strict=True)), dict(zip(names, high, strict=True))


def view_state(sources: Sequence[Source], base: str) -> dict[str, object]:
    """Return the state that shows layers.

    Parameters
    ----------
    sources : sequence of Source
        The lowest first.
    base : str
        Address below which their parts are served.
    """
    dimensions: dict[str, tuple[float, str]] = {}
    for source in sources:
        dimensions = {**source.space.dimensions, **dimensions}
    dimensions = {d: dimensions[d] for d in sorted(dimensions, key=_rank)}
    low, high = _bounds(sources, dimensions)
    spatial = [d for d in dimensions if d in "xyz"]
    is_volume = "z" in spatial and high["z"] > low["z"]
    # Zooms are in voxels of the finest axis
    finest = min(dimensions[d][0] for d in spatial)
    widest = max((high[d] - low[d] + 1) * dimensions[d][0] / finest for d in spatial)
    zoom = widest / (_QUARTER if is_volume else _PANEL)
    if any(s.voxels is not None and len(s.voxels.levels) == 1 for s in sources):
        zoom = min(zoom, _FINEST)
    state: dict[str, object] = {
        "dimensions": dimensions,
        # Voxels have their centres at whole numbers
        "position": [
            float(np.floor((low[d] + high[d]) / 2)) if d in spatial else low[d] for d in dimensions
        ],
        "crossSectionScale": zoom,
        "projectionScale": 1.6 * widest,
        "layers": [_layer(source, base) for source in sources],
        "layout": "4panel" if is_volume else "xy",
        "showAxisLines": False,
        "crossSectionBackgroundColor": "#000000",
    }
    depth = _depth(sources, dimensions)
    if depth is not None:
        state["crossSectionDepth"] = depth
    chosen = [source.name for source in sources if source.properties is not None]
    chosen += [source.name for source in sources if source.layer.kind == "labels"]
    if chosen:
        state["selectedLayer"] = {"layer": chosen[0], "visible": True, "size": 400}
    return state


def _rank(name: str) -> tuple[int, str]:
    return ("xyzt".find(name) % 5, name)


def _bounds(
    sources: Sequence[Source], dimensions: Mapping[str, tuple[float, str]]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the first and the last position on each axis, in voxels."""
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for source in sources:
        first, last = source.corners()
        for name in first.keys() & dimensions.keys():
            size = dimensions[name][0]
            low[name] = min(low.get(name, np.inf), first[name] / size)
            high[name] = max(high.get(name, -np.inf), last[name] / size)
    everywhere = dict.fromkeys(dimensions, 0.0)
    return everywhere | low, everywhere | high


def _depth(sources: Sequence[Source], dimensions: Mapping[str, tuple[float, str]]) -> float | None:
    """Return how far from their planes points are drawn, in voxels: as far as objects reach."""
    if "z" not in dimensions:
        return None
    finest = min(dimensions[d][0] for d in "xyz" if d in dimensions)
    found = []
    for source in sources:
        planes = source.layer.planes
        if planes is not None and len(planes):
            thick = float(np.median(planes[:, 1] - planes[:, 0]))
            found.append(thick * source.space.scale[source.space.names.index("z")] / finest)
    return 0.6 * max(found) if found else None  # they fade out towards it


def _layer(source: Source, base: str) -> dict[str, object]:
    make = {"image": _image, "labels": _labels}.get(source.layer.kind, _points)
    visible = bool(source.layer.options.get("visible", True))
    shown = {"name": source.name, **make(source, base)}
    return shown if visible else {**shown, "visible": False}


def _image(source: Source, base: str) -> dict[str, object]:
    options = source.layer.options
    layer: dict[str, object] = {
        "type": "image",
        "source": f"zarr3://{base}/{source.data}/",
        "opacity": float(options.get("opacity", 1.0)),  # type: ignore[arg-type]
        "blend": "additive",
        "tab": "rendering",
    }
    if options.get("rgb"):
        colours = {"channelDimensions": {COLOUR: (1, "")}, "shader": _COLOUR}
        return {**layer, **colours, "blend": "default"}
    limits = options.get("contrast_limits", (0, 1))
    controls = {"normalized": {"range": _limits(limits, source)}}
    return {
        **layer,
        "shader": _GRAY.format(color=_color(options.get("colormap", "gray"), source.name)),
        "shaderControls": controls,
    }


def _limits(limits: Any, source: Source) -> list[object]:
    """Return limits of contrast as the viewer takes them: whole numbers of 64 bits are text."""
    dtype: np.dtype[Any] = np.dtype(np.float32) if source.voxels is None else source.voxels.dtype
    low, high = limits
    if dtype.kind == "f":
        return [float(low), float(high)]
    info = np.iinfo(dtype.name)
    ends = [min(max(round(float(low)), info.min), info.max)]
    ends += [min(max(round(float(high)), ends[0] + 1), info.max)]
    return [str(end) for end in ends] if dtype.itemsize == 8 else list(ends)


def _color(colormap: object, name: str) -> str:
    """Return the colour of the brightest voxels."""
    text = str(colormap)
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return text.lower()
    if text not in _RGB:
        warnings.warn(
            f"the page shows {name!r} in white: it has no colour or colormap {text!r}, but "
            f"#rrggbb and {', '.join(_RGB)}",
            ScutoidWarning,
            stacklevel=6,
        )
    return _RGB.get(text, _RGB["gray"])


def _labels(source: Source, base: str) -> dict[str, object]:
    sources = [f"zarr3://{base}/{source.data}/"]
    layer: dict[str, object] = {
        "type": "segmentation",
        "source": sources,
        "tab": "rendering",
        "selectedAlpha": 0.4,
        "notSelectedAlpha": 0.12,
    }
    if _are_regions(source):  # so that cells within them are seen
        layer["selectedAlpha"] = 0.2
    if source.properties is None:
        return layer
    sources.append(f"precomputed://{base}/{source.properties}/")
    shown = [column for column in _COLUMNS if column in source.columns]
    query = {"segmentQuery": " ".join(f"|{column}" for column in shown)} if shown else {}
    return {**layer, "tab": "segments", **query}


def _are_regions(source: Source) -> bool:
    table = source.layer.table
    return table is not None and title_of(table) is not None


def _points(source: Source, base: str) -> dict[str, object]:
    layer: dict[str, object] = {
        "type": "annotation",
        "source": f"precomputed://{base}/{source.data}/",
        "tab": "annotations",
        "annotationColor": _color(source.layer.options.get("border_color", "yellow"), source.name),
        "shader": _POINTS,
        # All are drawn that are a pixel apart
        "crossSectionAnnotationSpacing": 1,
        "projectionAnnotationSpacing": 1,
    }
    if source.labels is not None:
        layer["linkedSegmentationLayer"] = {SEGMENTS: source.labels}
    return layer


def restored(state: Mapping[str, object], link: str) -> dict[str, Any]:
    """Return the state of an earlier view with the layers that are served now.

    Parameters
    ----------
    state : mapping
        Of the layers that are shown.
    link : str
        An address from the browser, or what follows ``#!`` in it.

    Raises
    ------
    ParameterError
        If it is no address of a view.
    """
    try:
        earlier = json.loads(urllib.parse.unquote(link.partition("#!")[2] or link))
        before = {layer["name"]: dict(layer) for layer in earlier["layers"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ParameterError(
            "the link of an earlier view is an address of its page, with all that follows #!",
            value=link if len(link) < 100 else f"{link[:100]}...",
            place="link",
            remedy="copy it from the address bar of the browser",
        ) from error
    now: dict[str, dict[str, object]] = {
        layer["name"]: layer
        for layer in state["layers"]  # type: ignore[attr-defined]
    }
    gone = sorted(before.keys() - now.keys())
    if gone:
        warnings.warn(
            f"the link shows layers that are not among those given now: {', '.join(gone)}",
            ScutoidWarning,
            stacklevel=5,
        )
    kept = [
        {**layer, "source": now[name]["source"]} for name, layer in before.items() if name in now
    ]
    return {**earlier, "layers": kept + [now[name] for name in now if name not in before]}
