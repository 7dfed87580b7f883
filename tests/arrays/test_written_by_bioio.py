"""Images as the writers of bioio make them: OME-TIFF of one or several scenes, and OME-Zarr."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.arrays import TimeScale
from scutoid.errors import MetadataError

REASON = "bioio is not installed: scutoid[writers]"
tiff = pytest.importorskip("bioio_ome_tiff.writers", reason=REASON).OmeTiffWriter
ome_zarr = pytest.importorskip("bioio_ome_zarr.writers", reason=REASON)
Sizes = pytest.importorskip("bioio_base.types").PhysicalPixelSizes

FIVE = np.random.default_rng(0).integers(1, 9999, (2, 3, 5, 32, 40)).astype("uint16")
RGB = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
COLORS = ["FF0000", "00FF00", "0000FF"]
# It warns of chunks that are no part of what it writes
pytestmark = pytest.mark.filterwarnings("ignore:The input Dask array will be rechunked")


@pytest.mark.parametrize("order", ["YX", "ZYX", "CYX", "TYX", "TZYX", "ZCYX", "TZCYX", "TCZYX"])
def test_an_ome_tiff(tmp_path, order) -> None:
    letters = order.lower()
    data = FIVE[tuple(slice(None) if letter in letters else 0 for letter in "tczyx")]
    kept = [letter for letter in "tczyx" if letter in letters]
    data = data.transpose([kept.index(letter) for letter in letters])
    has_channels = "c" in letters
    tiff.save(
        data,
        tmp_path / "a.ome.tif",
        dim_order=order,
        physical_pixel_sizes=Sizes(2, 0.5, 0.25),
        channel_names=["a", "b", "c"] if has_channels else None,
        channel_colors=RGB if has_channels else None,
    )
    image = sc.open(tmp_path / "a.ome.tif")
    assert (image.axes, image.unit) == (letters, "um")
    assert image.voxel_size == ((2.0,) if "z" in letters else ()) + (0.5, 0.25)
    assert image.channels == (("a", "b", "c") if has_channels else ())
    assert [each.color for each in image.display] == (COLORS if has_channels else [])
    np.testing.assert_array_equal(image.read(), data)


def test_colours_of_an_ome_tiff(tmp_path) -> None:
    data = (FIVE[:, 0, :, :, :, None] // np.array([1, 2, 3]) % 256).astype("uint8")
    tiff.save(data, tmp_path / "a.ome.tif", dim_order="TZYXS")
    image = sc.open(tmp_path / "a.ome.tif")
    assert image.axes == "tzyxc"
    np.testing.assert_array_equal(image.read(), data)


def test_scenes_of_an_ome_tiff(tmp_path) -> None:
    path = tmp_path / "a.ome.tif"
    scenes = [FIVE[0], FIVE[1, :, :2]]
    sizes = [Sizes(2, 0.5, 0.25), Sizes(3, 1, 1)]
    tiff.save(
        scenes,
        path,
        dim_order=["CZYX", "CZYX"],
        image_name=["left", "right"],
        physical_pixel_sizes=sizes,
    )
    with pytest.raises(MetadataError, match=r"0: 'left' .*; 1: 'right' "):
        sc.open(path)
    members = sc.open_folder(path)
    assert members.groups.to_dict("list") == {"series": [0, 1], "name": ["left", "right"]}
    for (_, image), scene, size in zip(members.items(), scenes, sizes, strict=True):
        assert (image.axes, image.voxel_size) == ("czyx", tuple(size))
        np.testing.assert_array_equal(image.read(), scene)
    np.testing.assert_array_equal(sc.open(path, series="right").read(), scenes[1])


@pytest.mark.parametrize(("version", "is_sharded"), [(2, False), (3, False), (3, True)])
def test_an_ome_zarr(tmp_path, version, is_sharded) -> None:
    shapes = [FIVE.shape, (2, 3, 5, 16, 20)]
    path = tmp_path / "a.ome.zarr"
    file = ome_zarr.OMEZarrWriter(
        str(path),
        level_shapes=shapes,
        dtype="uint16",
        chunk_shape=[(1, 1, 5, 16, 20)] * 2,
        shard_shape=[(1, 1, 5, 32, 40), (1, 1, 5, 16, 20)] if is_sharded else None,
        zarr_format=version,
        channels=[ome_zarr.Channel(label=n, color=c) for n, c in zip("abc", COLORS, strict=True)],
        axes_names=list("tczyx"),
        axes_types=["time", "channel", "space", "space", "space"],
        axes_units=["second", None, "micrometer", "micrometer", "micrometer"],
        physical_pixel_size=[3.0, 1.0, 2.0, 0.5, 0.25],
    )
    file.write_full_volume(FIVE)
    image = sc.open(path)
    assert (image.axes, image.levels, image.unit) == ("tczyx", 2, "um")
    assert (image.voxel_size, image.time) == ((2.0, 0.5, 0.25), TimeScale(3.0, "s"))
    assert image.channels == ("a", "b", "c")
    assert [each.color for each in image.display] == COLORS
    np.testing.assert_array_equal(image.read(), FIVE)
    assert sc.open(path, level=1).voxel_size == (2.0, 1.0, 0.5)
