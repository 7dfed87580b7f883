"""What is read of a volume that is larger than any memory."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.arrays import ImageSpec, create_image
from scutoid.geometry import Roi

components = pytest.importorskip("napari.components", reason="napari is not installed")

SHAPE = (3000, 4096, 4096)
PLANE = math.prod(SHAPE[1:])
SAMPLE = 512 * 512


@pytest.fixture
def volume(tmp_path):
    """100 GB of zeros but for a block in the middle."""
    block = (64, 256, 256)
    start = [size // 2 // edge * edge for size, edge in zip(SHAPE, block, strict=True)]
    for name, dtype, label in (("raw", "uint16", False), ("labels", "uint32", True)):
        spec = ImageSpec(SHAPE, dtype, "zyx", voxel_size=(1, 1, 1), unit="um")
        writer = create_image(tmp_path / f"{name}.ome.zarr", spec, block=block, label=label)
        writer.write(Roi(start, block), np.full(block, 7, dtype))
    raw, labels = (sc.open(tmp_path / f"{name}.ome.zarr") for name in ("raw", "labels"))
    frame = pd.DataFrame({"label": [7], **dict(zip("zyx", map(float, start), strict=True))})
    return raw, labels, frame


@pytest.fixture
def reads(monkeypatch):
    """Count the voxels of each read of an image."""
    found = []
    read = sc.Image.read

    def counting(self, roi=None, **options):
        found.append(math.prod((self.roi if roi is None else roi).shape))
        return read(self, roi, **options)

    monkeypatch.setattr(sc.Image, "read", counting)
    return found


def test_a_hundred_gigabytes_are_opened_by_a_few_parts_of_planes(volume, reads):
    layers = sc.views.view_layers(*volume)
    assert [layer.kind for layer in layers] == ["image", "labels", "points"]
    assert layers[0].data.size * 2 > 100e9
    assert reads == [SAMPLE] * 13
    assert layers[0].options["contrast_limits"] == (0, 7)
    assert layers[1].table is not None


def test_a_window_reads_the_plane_that_it_shows_only(volume, reads):
    viewer = components.ViewerModel()
    sc.view(*volume, viewer=viewer)
    assert max(reads) <= PLANE
    assert sum(reads) <= 13 * SAMPLE + 6 * PLANE  # a plane for each change of the layers
    reads.clear()
    viewer.dims.set_point(0, 1500)
    assert sum(reads) <= 3 * PLANE
