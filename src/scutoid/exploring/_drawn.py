"""What is drawn of a choice: an image of the region, and the objects that were found in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.exploring._preview import Preview
from scutoid.exploring._region import Looked, Region
from scutoid.exploring._sheet import SIDE, Tile, plane_of
from scutoid.geometry import Roi
from scutoid.steps import Image
from scutoid.steps.graph import ImageRef, Opened


def behind_of(region: Region) -> ImageRef | None:
    """Return the first image that was opened and lies where the first image of the targets does."""
    target = next((ref for ref in region.targets if isinstance(ref, ImageRef)), None)
    if target is None or not (target.is_labels or target.dtype == bool):
        return None
    for call in region.session.graph.order:
        for item in call.inputs:
            if not isinstance(item, ImageRef) or not isinstance(item.node, Opened):
                continue
            if not item.is_labels and item.dtype != bool and item.roi == target.roi:
                return item
    return None


def tile_of(
    preview: Preview, behind: ImageRef | None, pixels: dict[Roi, NDArray[Any]]
) -> Tile | None:
    """Return what is drawn of the first image of a preview."""
    for target, looked in zip(preview.targets, preview.looked, strict=True):
        if not isinstance(target, ImageRef) or looked.roi is None:
            continue
        axes, result = target.axes, looked.result
        if not (target.is_labels or target.dtype == bool):
            return Tile(plane_of(result, axes, SIDE, is_labels=False), None, None)
        labels = plane_of(result, axes, SIDE, is_labels=True)
        if looked.roi not in pixels:
            shown = (result != 0) if behind is None else read_behind(behind, looked)
            pixels[looked.roi] = plane_of(shown, axes, SIDE, is_labels=False)
        cut = None
        if looked.objects is not None:
            cut = plane_of(looked.mask(), axes, SIDE, is_labels=True)
        below = pixels[looked.roi] if behind is not None else (labels != 0) * np.uint8(90)
        return Tile(below, labels, cut)
    return None


def read_behind(behind: ImageRef, looked: Looked) -> NDArray[Any]:
    assert looked.roi is not None  # noqa: S101 - images have a region
    if behind.axes != (looked.spec.axes if looked.spec else "") or not behind.roi.contains(
        looked.roi
    ):
        raise ParameterError(
            "what outlines are drawn on has the axes of the labels, and lies where they do",
            value=f"{behind.name!r}: {behind.axes!r}, {behind.roi}",
            place="behind= of sweep",
        )
    return Image(behind).read(looked.roi)
