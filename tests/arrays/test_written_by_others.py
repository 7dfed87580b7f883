"""What other programs write of axes, sizes, times and channels is read as they meant it."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import scutoid as sc
from scutoid.arrays import TimeScale

FIVE = np.arange(2 * 2 * 3 * 8 * 10, dtype="uint16").reshape(2, 2, 3, 8, 10)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_py(tmp_path, version) -> None:
    writer, formats = pytest.importorskip("ome_zarr.writer"), pytest.importorskip("ome_zarr.format")
    form = formats.format_from_version(version)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=form.zarr_format)
    units = {"t": "minute", "z": "micrometer", "y": "nanometer", "x": "nanometer"}
    scale = {"t": 0.5, "c": 1.0, "z": 2.0, "y": 250.0, "x": 250.0}
    window = {"start": 10, "end": 90, "min": 0, "max": 100}
    channels = [
        {"label": name, "color": color, "window": window}
        for name, color in (("DAPI", "0000FF"), ("GFP", "00FF00"))
    ]
    writer.write_image(
        FIVE,
        group,
        fmt=form,
        axes="tczyx",
        axes_units=units,
        scale=scale,
        scale_factors=[2],
        omero={"channels": channels},
    )
    image = sc.open(tmp_path / "a.zarr")
    assert (image.axes, image.channels) == ("tczyx", ("DAPI", "GFP"))
    assert (image.voxel_size, image.unit) == ((2000.0, 250.0, 250.0), "nm")
    assert image.time == TimeScale(0.5, "min")
    assert [each.color for each in image.display] == ["0000FF", "00FF00"]
    assert image.display[0].window == (10.0, 90.0, 0.0, 100.0)
    np.testing.assert_array_equal(np.asarray(image), FIVE)
