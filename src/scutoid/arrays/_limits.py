"""Windows of channels that have none, from their voxels, once an image is written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._display import ChannelDisplay
from scutoid.arrays._ome import MARK
from scutoid.arrays._open import open_source
from scutoid.arrays._source import ArraySource
from scutoid.durable import replacing
from scutoid.errors import ScutoidError
from scutoid.geometry import Roi

_SAMPLED = {"y": 512, "x": 512, "z": 8}
"""Voxels along each axis, around the middle, that are read of a channel."""


def add_limits(path: str | os.PathLike[str]) -> bool:
    """Write down how the channels of a zarr of scutoid's are shown, where it does not say it yet.

    Viewers need a colour and a window of each channel.  Those that are unknown get a colour of
    their own, and the least and largest voxel in the middle of the coarsest level; readers of
    scutoid do not take these for windows that were set.

    Returns
    -------
    bool
        Whether there was something to write: the channels have names or colours, and no windows.
    """
    place = Path(path) / "zarr.json"
    with suppress(ScutoidError, OSError, ValueError):  # for viewers only: nothing is lost
        group = json.loads(place.read_text())
        attributes = group.get("attributes", {})
        own, ome = attributes.get(MARK, {}), attributes.get("ome", {})
        is_shown = bool({"channels", "display"} & own.keys())
        if not is_shown or "image-label" in ome or "multiscales" not in ome:
            return False
        source = open_source(path, level=len(ome["multiscales"][0]["datasets"]) - 1)
        ome["omero"] = {"channels": _channels(source, own)}
        own["has_limits_of_data"] = True
        with replacing(place) as new:
            new.write_text(json.dumps(group, indent=1))
        return True
    return False


def _channels(source: ArraySource, own: Mapping[str, Any]) -> list[dict[str, object]]:
    names = own.get("channels", ())
    shown = source.spec.display or (ChannelDisplay(),) * len(names)
    labels = [{"label": name} for name in names] or [{}] * len(shown)
    return [
        {**label, **each.completed(n, len(shown), _limits(_sample(source, n))).to_dict()}
        for n, (label, each) in enumerate(zip(labels, shown, strict=True))
    ]


def _sample(source: ArraySource, channel: int) -> NDArray[Any]:
    """Read the middle of a channel."""
    start, shape = [], []
    for axis, size in zip(source.spec.axes, source.spec.shape, strict=True):
        length = min(size, _SAMPLED.get(axis, 1))
        start.append(channel if axis == "c" else (size - length) // 2)
        shape.append(length)
    return source.read(Roi(start, shape))


def _limits(voxels: NDArray[Any]) -> tuple[float, float]:
    """Return the least and the largest number; 0 to 1 where there is none."""
    numbers = np.abs(voxels) if voxels.dtype.kind == "c" else voxels
    known = numbers[np.isfinite(numbers)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    return (low, high) if low < high else (low, low + 1)
