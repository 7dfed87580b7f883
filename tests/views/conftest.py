"""Stand-ins for images and tables that record their reads."""

from __future__ import annotations

import numpy as np
import pytest

from scutoid.geometry import Roi


class FakeImage:
    """An image over an array; `read_shapes` records the shapes that were read."""

    def __init__(self, array, axes, name="image", **metadata):
        self.array, self.axes, self.name = array, axes, name
        self.voxel_size = metadata.get("voxel_size")
        self.unit = metadata.get("unit", "um" if self.voxel_size else None)
        self.origin = metadata.get("origin") or (0.0,) * sum(a in "zyx" for a in axes)
        self.channels = metadata.get("channels", ())
        self.display = metadata.get("display", ())
        self.time = metadata.get("time")
        self.is_labels = metadata.get("is_labels", False)
        self.roi = Roi(metadata.get("offset", (0,) * array.ndim), array.shape)
        self.shape, self.dtype = array.shape, array.dtype
        self.read_shapes = []

    def read(self, roi):
        self.read_shapes.append(tuple(roi.shape))
        return self.array[roi.to_slices(self.roi.offset)].copy()


class FakeTable:
    """A table over a DataFrame."""

    def __init__(self, frame, name="cells"):
        self.frame, self.name = frame, name

    def to_pandas(self):
        return self.frame


@pytest.fixture
def image():
    def make(shape, axes, dtype="u2", **metadata):
        array = (np.arange(np.prod(shape)) % 251).reshape(shape).astype(dtype)
        return FakeImage(array, axes, **metadata)

    return make


@pytest.fixture
def table():
    return FakeTable
