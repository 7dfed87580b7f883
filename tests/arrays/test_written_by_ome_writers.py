"""Positions and plates as ome-writers streams them from a microscope."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.arrays import TimeScale
from scutoid.errors import MetadataError

ow = pytest.importorskip("ome_writers", reason="ome-writers is not installed: scutoid[writers]")

WELLS = [("A", "1", "f0"), ("A", "1", "f1"), ("C", "4", "f0")]
SHAPE = (2, 2, 3, 32, 40)
CHANNELS = {"DAPI": "#0000FF", "GFP": "#00FF00"}


def write(path, positions, plate=None):
    """Write a frame at a time, each with its number, the positions of a time in turn."""
    spatial = [("z", 3, 2.0, 1), ("y", 32, 0.5, 16), ("x", 40, 0.25, 20)]
    channels = [ow.Channel(name=name, color=color) for name, color in CHANNELS.items()]
    dimensions = [
        ow.Dimension(name="t", count=2, chunk_size=1, type="time", scale=3, unit="second"),
        ow.Dimension(name="p", type="position", coords=positions),
        ow.Dimension(name="c", type="channel", chunk_size=1, coords=channels),
        *(
            ow.Dimension(
                name=name, count=n, chunk_size=chunk, type="space", scale=size, unit="micrometer"
            )
            for name, n, size, chunk in spatial
        ),
    ]
    settings = ow.AcquisitionSettings(
        root_path=str(path), dimensions=dimensions, dtype="uint16", plate=plate
    )
    with ow.create_stream(settings) as stream:
        for number in range(2 * len(positions) * 2 * 3):
            stream.append(np.full(SHAPE[3:], number, "uint16"))


def frames(position, n_positions):
    """Return the voxels of a position."""
    numbers = np.arange(2 * n_positions * 2 * 3).reshape(2, n_positions, 2, 3)[:, position]
    return np.broadcast_to(numbers[..., None, None], SHAPE)


def check(image, position, n_positions):
    assert (image.axes, image.voxel_size, image.unit) == ("tczyx", (2.0, 0.5, 0.25), "um")
    assert image.channels == tuple(CHANNELS)
    assert [f"#{each.color}" for each in image.display] == list(CHANNELS.values())
    np.testing.assert_array_equal(image.read(), frames(position, n_positions))


def test_positions_as_series_of_an_ome_zarr(tmp_path) -> None:
    path = tmp_path / "a.ome.zarr"
    write(path, [ow.Position(name=name) for name in ("left", "right")])
    with pytest.raises(MetadataError, match="0: 'left'; 1: 'right'"):
        sc.open(path)
    members = sc.open_folder(path)
    assert members.keys == ("left", "right")
    assert list(members.groups["series"]) == [0, 1]
    for number, (_, image) in enumerate(members.items()):
        check(image, number, 2)
        assert image.time == TimeScale(3.0, "s")
    check(sc.open(path, series="right"), 1, 2)
    check(sc.open(path, series=0), 0, 2)


def test_positions_as_files_of_an_ome_tiff(tmp_path) -> None:
    path = tmp_path / "a.ome.tiff"
    write(path, [ow.Position(name=name) for name in ("left", "right")])
    members = sc.open_folder(tmp_path / "a")
    assert list(members.groups["name"]) == ["left", "right"]
    for number, (_, image) in enumerate(members.items()):
        check(image, number, 2)
        assert image.time is None  # which the writer leaves out
    timed = sc.open_folder(tmp_path / "a", time=(3, "s"))
    assert next(iter(timed.items()))[1].time == TimeScale(3.0, "s")
    for file in sorted((tmp_path / "a").iterdir()):  # each names all
        with pytest.raises(MetadataError, match=r"0: 'left' .*; 1: 'right' "):
            sc.open(file)
        check(sc.open(file, series="right"), 1, 2)


@pytest.mark.parametrize("ending", ["ome.zarr", "ome.tiff"])
def test_fields_of_a_plate(tmp_path, ending) -> None:
    positions = [ow.Position(name=f, plate_row=row, plate_column=c) for row, c, f in WELLS]
    plate = ow.Plate(name="screen", row_names=list("ABC"), column_names=list("1234"))
    path = tmp_path / f"a.{ending}"
    write(path, positions, plate)
    members = sc.open_folder(path if ending == "ome.zarr" else tmp_path / "a")
    for number, (_, image) in enumerate(members.items()):
        check(image, number, 3)
    if ending == "ome.zarr":
        assert members.keys == ("A/1/f0", "A/1/f1", "C/4/f0")
        assert list(members.groups["well"]) == ["A1", "A1", "C4"]
    else:
        assert list(members.groups["name"]) == ["f0", "f1", "f0"]
