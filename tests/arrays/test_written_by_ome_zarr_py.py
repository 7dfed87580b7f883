"""Images, labels, plates and groups as ome-zarr-py writes them."""

from __future__ import annotations

import numpy as np
import pytest
import zarr

import scutoid as sc
from scutoid.errors import MetadataError

writer = pytest.importorskip("ome_zarr.writer", reason="ome-zarr is not installed: scutoid[ngff]")
formats = pytest.importorskip("ome_zarr.format")

VERSIONS = ["0.4", "0.5"]
SIZES = {"t": 2, "c": 2, "z": 3, "y": 32, "x": 40}
SCALE = {"t": 4.0, "c": 1.0, "z": 2.0, "y": 0.5, "x": 0.25}
UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
# As the schema of OME-Zarr lists them, by what they are in metres
METRES = {
    "angstrom": 1e-10,
    "attometer": 1e-18,
    "centimeter": 1e-2,
    "decimeter": 1e-1,
    "exameter": 1e18,
    "femtometer": 1e-15,
    "foot": 0.3048,
    "gigameter": 1e9,
    "hectometer": 1e2,
    "inch": 0.0254,
    "kilometer": 1e3,
    "megameter": 1e6,
    "meter": 1.0,
    "micrometer": 1e-6,
    "mile": 1609.344,
    "millimeter": 1e-3,
    "nanometer": 1e-9,
    "parsec": 3.0856775814913673e16,
    "petameter": 1e15,
    "picometer": 1e-12,
    "terameter": 1e12,
    "yard": 0.9144,
    "yoctometer": 1e-24,
    "yottameter": 1e24,
    "zeptometer": 1e-21,
    "zettameter": 1e21,
}


def noise(axes, seed=0, dtype="uint16"):
    shape = tuple(SIZES[letter] for letter in axes)
    return np.random.default_rng(seed).integers(1, 9999, shape).astype(dtype)


def group(path, version, mode="a"):
    form = formats.format_from_version(version)
    return zarr.open_group(path, mode=mode, zarr_format=form.zarr_format), form


def write(path, axes, version="0.5", seed=0, units=UNITS, **options):
    """Write an image in units, and return its voxels."""
    made, form = group(path, version)
    data = noise(axes, seed)
    writer.write_image(
        data,
        made,
        fmt=form,
        axes=axes,
        axes_units={letter: unit for letter, unit in units.items() if letter in axes},
        scale={letter: SCALE[letter] for letter in axes},
        **{"scale_factors": [2], **options},
    )
    return data


def write_labels(path, name, axes, version="0.5", seed=0):
    made, form = group(path, version)
    labels = noise(axes, seed, "uint32") // 1000
    scale = {letter: SCALE[letter] for letter in axes}
    writer.write_labels(
        labels,
        made,
        name=name,
        fmt=form,
        scaler=None,
        scale_factors=[2],
        axes=axes,
        scale=scale,
        axes_units={letter: UNITS[letter] for letter in axes},
    )
    return labels


def write_plate(path, version, wells=("A/1", "B/3"), runs=(4, 7)):
    """Write a plate of two fields a well, each of a run of its own, and return their voxels."""
    made, form = group(path, version)
    writer.write_plate_metadata(
        made,
        ["A", "B"],
        ["1", "2", "3"],
        list(wells),
        fmt=form,
        name="screen",
        field_count=2,
        acquisitions=[{"id": number} for number in runs],
    )
    fields = {}
    for well in wells:
        images = [{"path": f"{n}", "acquisition": run} for n, run in enumerate(runs)]
        writer.write_well_metadata(made.require_group(well), images, fmt=form)
        for n in range(len(runs)):
            fields[f"{well}/{n}"] = write(path / well / f"{n}", "cyx", version, len(fields))
    return fields


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("axes", ["yx", "zyx", "cyx", "tyx", "czyx", "tzyx", "tcyx", "tczyx"])
def test_axes_with_their_sizes_and_units(tmp_path, version, axes) -> None:
    data = write(tmp_path / "a.zarr", axes, version)
    image = sc.open(tmp_path / "a.zarr")
    spatial = [letter for letter in axes if letter in "zyx"]
    assert (image.axes, image.levels, image.unit) == (axes, 2, "um")
    assert image.voxel_size == tuple(SCALE[letter] for letter in spatial)
    assert (image.time is not None) == ("t" in axes)
    if image.time is not None:
        assert (image.time.interval, image.time.unit) == (4.0, "s")
    np.testing.assert_array_equal(image.read(), data)
    coarse = sc.open(tmp_path / "a.zarr", level=1)
    factors = [data.shape[axes.index(each)] / coarse.shape[axes.index(each)] for each in spatial]
    sizes = [SCALE[each] * factor for each, factor in zip(spatial, factors, strict=True)]
    assert coarse.voxel_size == pytest.approx(sizes)


@pytest.mark.parametrize("unit", METRES)
def test_every_unit_of_length(tmp_path, unit) -> None:
    write(tmp_path / "a.zarr", "zyx", units={**UNITS, "z": unit}, scale_factors=[])
    image = sc.open(tmp_path / "a.zarr")
    assert image.unit == "um"
    assert image.voxel_size == pytest.approx((2e6 * METRES[unit], 0.5, 0.25))


@pytest.mark.parametrize("version", VERSIONS)
def test_channels_with_colours_and_windows(tmp_path, version) -> None:
    window = {"start": 5, "end": 200, "min": 0, "max": 255}
    listed = [
        {"label": name, "color": color, "window": window, "active": active}
        for name, color, active in (("DAPI", "0000FF", True), ("GFP", "00FF00", False))
    ]
    write(tmp_path / "a.zarr", "cyx", version, omero={"channels": listed})
    image = sc.open(tmp_path / "a.zarr")
    assert image.channels == ("DAPI", "GFP")
    assert [each.color for each in image.display] == ["0000FF", "00FF00"]
    assert [each.window for each in image.display] == [(5, 200, 0, 255)] * 2


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_beside_an_image(tmp_path, version) -> None:
    path = tmp_path / "a.zarr"
    write(path, "czyx", version)
    written = {n: write_labels(path, n, "zyx", version, seed=3) for n in ("nuclei", "cells")}
    labels = sc.open_folder(path / "labels")
    assert set(labels.keys) == set(written)
    for name, expected in written.items():
        one = sc.open(path / "labels" / name)
        assert (one.is_labels, one.voxel_size, one.unit) == (True, (2.0, 0.5, 0.25), "um")
        np.testing.assert_array_equal(one.read(), expected)
        np.testing.assert_array_equal(labels[name].read(), expected)
    # The image itself is what its group opens as
    assert sc.open(path).axes == "czyx"


@pytest.mark.parametrize("version", VERSIONS)
def test_fields_of_a_plate(tmp_path, version) -> None:
    path = tmp_path / "plate.ome.zarr"
    written = write_plate(path, version)
    fields = sc.open_folder(path)
    assert fields.keys == ("A/1/0", "A/1/1", "B/3/0", "B/3/1")
    assert fields.groups.to_dict("list") == {
        "row": ["A", "A", "B", "B"],
        "column": ["1", "1", "3", "3"],
        "well": ["A1", "A1", "B3", "B3"],
        "field": ["0", "1", "0", "1"],
        "acquisition": [4, 7, 4, 7],
    }
    for key, image in fields.items():
        assert (image.axes, image.voxel_size, image.unit) == ("cyx", (0.5, 0.25), "um")
        np.testing.assert_array_equal(image.read(), written[key])
    assert sc.open_folder(path / "B" / "3").keys == ("0", "1")
    with pytest.raises(MetadataError, match=r"0: 'A/1/0'; 1: 'A/1/1'; 2: 'B/3/0'"):
        sc.open(path)
    np.testing.assert_array_equal(sc.open(path, series="B/3/1").read(), written["B/3/1"])


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_of_the_fields_of_a_plate(tmp_path, version) -> None:
    path = tmp_path / "plate.ome.zarr"
    keys = list(write_plate(path, version))
    written = {
        key: write_labels(path / key, "nuclei", "yx", version, seed)
        for seed, key in enumerate(keys)
    }
    nuclei = sc.open_folder(path, labels="nuclei")
    assert nuclei.keys == tuple(keys)
    for key, labels in nuclei.items():
        assert labels.is_labels
        np.testing.assert_array_equal(labels.read(), written[key])
    table = sc.measure(nuclei, intensity=sc.open_folder(path).channel(0)).to_pandas()
    assert sorted(set(table["well"])) == ["A1", "B3"]
    n_objects = {key: len(np.unique(labels[labels > 0])) for key, labels in written.items()}
    assert table.groupby("key", observed=True).size().to_dict() == n_objects


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("factors", [[], [2, 4]], ids=["one level", "three levels"])
def test_sizes_that_were_not_given_are_unknown_at_every_level(tmp_path, version, factors) -> None:
    made, form = group(tmp_path / "a.zarr", version)
    data = noise("tczyx")
    writer.write_image(data, made, fmt=form, axes="tczyx", scale_factors=factors)
    for level in range(len(factors) + 1):
        image = sc.open(tmp_path / "a.zarr", level=level)
        assert (image.voxel_size, image.unit, image.time) == (None, None, None)
    np.testing.assert_array_equal(sc.open(tmp_path / "a.zarr").read(), data)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]
)
def test_types_of_voxels(tmp_path, version, dtype) -> None:
    made, form = group(tmp_path / "a.zarr", version)
    data = (noise("zyx") // 80).astype(dtype)
    writer.write_image(data, made, fmt=form, axes="zyx", scale_factors=[])
    image = sc.open(tmp_path / "a.zarr")
    assert image.dtype == data.dtype
    np.testing.assert_array_equal(image.read(), data)
