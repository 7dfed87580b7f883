"""Images and plates as ngff-zarr writes them, in folders and in zips of RFC-9."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.arrays import TimeScale
from scutoid.errors import MetadataError, ScutoidWarning, SourceError

nz = pytest.importorskip("ngff_zarr", reason="ngff-zarr is not installed: scutoid[writers]")

FIVE = np.random.default_rng(0).integers(1, 9999, (2, 3, 5, 32, 40)).astype("uint16")
# Zips are of zarr 3 only
KINDS = [
    *((version, "ome.zarr") for version in ("0.4", "0.5", "0.6")),
    *((version, "ozx") for version in ("0.5", "0.6")),
]
kinds = pytest.mark.parametrize(("version", "ending"), KINDS)
FIELDS = ("A/1/0", "A/1/1", "B/02/0", "B/02/1")


def write(path, version, data=FIVE, dims="tczyx"):
    scale = {"t": 3.0, "z": 2.0, "y": 0.5, "x": 0.25}
    moved = {"z": 10.0, "y": 5.0, "x": 1.0}
    units = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
    image = nz.to_ngff_image(
        data,
        dims=dims,
        scale={letter: size for letter, size in scale.items() if letter in dims},
        translation={letter: place for letter, place in moved.items() if letter in dims},
        axes_units={letter: unit for letter, unit in units.items() if letter in dims},
    )
    nz.to_ngff_zarr(str(path), nz.to_multiscales(image, scale_factors=[2]), version=version)


def write_plate(path, version, keys=FIELDS):
    """Write fields of a plate that has two fields in each of two wells, and return their voxels."""
    plate = nz.Plate(
        columns=[nz.PlateColumn("1"), nz.PlateColumn("02")],
        rows=[nz.PlateRow("A"), nz.PlateRow("B")],
        wells=[
            nz.PlateWell(path="A/1", rowIndex=0, columnIndex=0),
            nz.PlateWell(path="B/02", rowIndex=1, columnIndex=1),
        ],
        name="screen",
        field_count=2,
        version=version,
    )
    written = {key: FIVE[0, :, n] for n, key in enumerate(FIELDS) if key in keys}
    with nz.HCSPlateWriter(str(path), plate, version=version) as file:
        for key, data in written.items():
            row, column, field = key.split("/")
            image = nz.to_ngff_image(
                data,
                dims="cyx",
                scale={"y": 0.5, "x": 0.25},
                axes_units={"y": "micrometer", "x": "micrometer"},
            )
            levels = nz.to_multiscales(image, scale_factors=[2])
            file.write_well_image(levels, row, column, field_index=int(field))
    return written


@kinds
def test_an_image_with_its_place_in_space_and_time(tmp_path, version, ending) -> None:
    path = tmp_path / f"a.{ending}"
    write(path, version)
    image = sc.open(path)
    assert (image.axes, image.levels, image.unit) == ("tczyx", 2, "um")
    assert (image.voxel_size, image.origin) == ((2.0, 0.5, 0.25), (10.0, 5.0, 1.0))
    assert image.time == TimeScale(3.0, "s")
    np.testing.assert_array_equal(image.read(), FIVE)
    coarse = sc.open(path, level=1)
    assert (coarse.shape, coarse.voxel_size) == ((2, 3, 2, 16, 20), (4.0, 1.0, 0.5))
    assert coarse.origin == (11.0, 5.25, 1.125)


@pytest.mark.parametrize("dims", ["yx", "zyx", "cyx", "tyx", "tzyx", "czyx", "tcyx"])
def test_axes(tmp_path, dims) -> None:
    data = FIVE[tuple(slice(None) if letter in dims else 0 for letter in "tczyx")]
    write(tmp_path / "a.ome.zarr", "0.5", data, dims)
    image = sc.open(tmp_path / "a.ome.zarr")
    assert image.axes == dims
    np.testing.assert_array_equal(image.read(), data)


@kinds
def test_fields_of_a_plate(tmp_path, version, ending) -> None:
    path = tmp_path / f"plate.{ending}"
    written = write_plate(path, version)
    fields = sc.open_folder(path)
    assert fields.keys == FIELDS
    assert list(fields.groups["well"]) == ["A1", "A1", "B02", "B02"]
    assert list(fields.groups["field"]) == ["0", "1", "0", "1"]
    for key, image in fields.items():
        assert (image.axes, image.voxel_size, image.unit) == ("cyx", (0.5, 0.25), "um")
        np.testing.assert_array_equal(image.read(), written[key])
    with pytest.raises(MetadataError, match=r"0: 'A/1/0'; 1: 'A/1/1'; 2: 'B/02/0'"):
        sc.open(path)
    np.testing.assert_array_equal(sc.open(path, series="B/02/1").read(), written["B/02/1"])
    assert sc.open_folder(path / "A" / "1").keys == ("0", "1")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("codec", [each for each in nz.get_available_codecs() if each != "lz4"])
def test_codecs(tmp_path, version, codec) -> None:
    levels = nz.to_multiscales(nz.to_ngff_image(FIVE[0, 0], dims="zyx"), scale_factors=[])
    chosen = nz.codec_from_name(codec)  # of lz4 its writer says that it cannot
    options = {"compressor": chosen} if version == "0.4" else {"compressors": chosen or ()}
    nz.to_ngff_zarr(str(tmp_path / "a.zarr"), levels, version=version, **options)
    np.testing.assert_array_equal(sc.open(tmp_path / "a.zarr").read(), FIVE[0, 0])


def test_shards(tmp_path) -> None:
    image = nz.to_ngff_image(FIVE[0, 0], dims="zyx", scale={"z": 2.0, "y": 0.5, "x": 0.5})
    levels = nz.to_multiscales(image, scale_factors=[2], chunks=8)
    nz.to_ngff_zarr(str(tmp_path / "a.zarr"), levels, version="0.5", chunks_per_shard=2)
    found = sc.open(tmp_path / "a.zarr")
    assert (found.voxel_size, found.unit) == ((2.0, 0.5, 0.5), None)
    np.testing.assert_array_equal(found.read(), FIVE[0, 0])


def test_a_plate_whose_acquisition_was_stopped(tmp_path) -> None:
    path = tmp_path / "plate.ome.zarr"
    written = write_plate(path, "0.5", FIELDS[:1])
    with pytest.raises(SourceError, match=r'(?s)B/02.*missing="fill"'):
        sc.open_folder(path)
    with pytest.warns(ScutoidWarning, match="one is not there, and left out: B/02"):
        fields = sc.open_folder(path, missing="fill")
    assert fields.keys == FIELDS[:1]
    np.testing.assert_array_equal(fields["A/1/0"].read(), written["A/1/0"])


@pytest.mark.parametrize("is_computed", [False, True])
def test_names_of_channels_where_omero_was_computed(tmp_path, is_computed) -> None:
    names = ["DAPI", "GFP", "RFP"]
    image = nz.to_ngff_image(FIVE[0, :, 0], dims="cyx", channel_names=names)
    levels = nz.to_multiscales(image, scale_factors=[])
    if is_computed:
        levels.metadata.omero = nz.compute_omero_from_ngff_image(image)
    nz.to_ngff_zarr(str(tmp_path / "a.zarr"), levels, version="0.5")
    found = sc.open(tmp_path / "a.zarr")
    assert found.channels == (tuple(names) if is_computed else ())
    assert len(found.display) == (3 if is_computed else 0)
    assert all(each.window is not None for each in found.display)
