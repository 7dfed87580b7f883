"""Voxel sizes in files: a unit an axis, and what is not known said of that axis alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import METRES, ImageSpec, create_image, open_source, write_tiff
from scutoid.arrays._units import LENGTHS, long_unit
from scutoid.errors import MetadataError, ScutoidWarning

VOXELS = np.arange(3 * 6 * 8, dtype="uint16").reshape(3, 6, 8)
UNSAID = ("pixel", "reference frame")
OME_LENGTHS = {unit.ome: float(unit.size) for unit in LENGTHS.values()}
NGFF_LENGTHS = {long_unit(unit): metres for unit, metres in METRES.items()}


def ome_tiff(path, sizes):
    """Write an OME-TIFF with a size and a unit for some axes."""
    metadata = {"axes": "ZYX"}
    for axis, (size, unit) in sizes.items():
        metadata[f"PhysicalSize{axis.upper()}"] = size
        if unit is not None:
            metadata[f"PhysicalSize{axis.upper()}Unit"] = unit
    tifffile.imwrite(path, VOXELS, ome=True, photometric="minisblack", metadata=metadata)
    return path


def ome_zarr(path, sizes):
    """Write an OME-Zarr with a scale for each axis, and a unit for some."""
    group = zarr.create_group(str(path), zarr_format=3, overwrite=True)
    group.create_array("0", data=VOXELS, chunks=(3, 6, 8))
    axes = [
        {"name": axis, "type": "space"} | ({"unit": sizes[axis][1]} if sizes[axis][1] else {})
        for axis in "zyx"
    ]
    scale = [{"type": "scale", "scale": [sizes[axis][0] for axis in "zyx"]}]
    dataset = {"path": "0", "coordinateTransformations": scale}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [dataset]}]}
    return path


def imagej(path, *, spacing, resolution=(4.0, 4.0), **metadata):
    tifffile.imwrite(
        path,
        VOXELS,
        imagej=True,
        resolution=resolution,
        metadata={"axes": "ZYX", "spacing": spacing, **metadata},
    )
    return path


@given(unit=st.sampled_from(sorted(OME_LENGTHS)), size=st.floats(0.1, 100))
def test_ome_xml_gives_each_axis_in_a_unit_of_its_own(tmp_path_factory, unit, size) -> None:
    path = tmp_path_factory.mktemp("o") / "a.ome.tif"
    spec = open_source(ome_tiff(path, {"z": (size, unit), "y": (300, "nm"), "x": (0.3, "µm")})).spec
    assert spec.unit == "um"
    np.testing.assert_allclose(spec.voxel_size, (size * OME_LENGTHS[unit] * 1e6, 0.3, 0.3))
    assert not spec.notes


@given(unit=st.sampled_from(sorted(NGFF_LENGTHS)), size=st.floats(0.1, 100))
def test_ome_zarr_gives_each_axis_in_a_unit_of_its_own(tmp_path_factory, unit, size) -> None:
    sizes = {"z": (size, unit), "y": (300, "nanometer"), "x": (0.3, "micrometer")}
    spec = open_source(ome_zarr(tmp_path_factory.mktemp("o") / "a.zarr", sizes)).spec
    assert spec.unit == "um"
    np.testing.assert_allclose(spec.voxel_size, (size * NGFF_LENGTHS[unit] * 1e6, 0.3, 0.3))
    assert not spec.notes


IMAGEJ = {
    "one unit": ({"spacing": 2.0, "unit": "um"}, (2.0, 0.25, 0.25), "um"),
    "z in another": ({"spacing": 2.0, "unit": "nm", "zunit": "um"}, (2000.0, 0.25, 0.25), "nm"),
    "y in another": ({"spacing": 2.0, "unit": "um", "yunit": "nm"}, (2.0, 0.00025, 0.25), "um"),
    "downwards": ({"spacing": -2.0, "unit": "um"}, (2.0, 0.25, 0.25), "um"),
    "escaped": ({"spacing": 2.0, "unit": "\\u00B5m"}, (2.0, 0.25, 0.25), "um"),
    "z in pixels": ({"spacing": 2.0, "unit": "um", "zunit": "pixel"}, (2.0, 0.25, 0.25), "um"),
    "pixels": ({"spacing": 2.0, "unit": "pixel"}, None, None),
    "no unit": ({"spacing": 2.0}, None, None),
}


@pytest.mark.parametrize("name", IMAGEJ)
def test_imagej_gives_a_unit_for_all_axes_or_for_one(tmp_path, name) -> None:
    metadata, sizes, unit = IMAGEJ[name]
    spec = open_source(imagej(tmp_path / "a.tif", **metadata)).spec
    assert (spec.voxel_size, spec.unit, spec.notes) == (sizes, unit, ())


HALF_KNOWN = {
    "no size of z": ({"y": (0.5, None), "x": (0.5, None)}, "no size"),
    "z in pixels": ({"z": (2, "pixel"), "y": (0.5, "µm"), "x": (0.5, "µm")}, "unit 'pixel'"),
    "z on the stage": (
        {"z": (2, "reference frame"), "y": (0.5, "µm"), "x": (0.5, "µm")},
        "unit 'reference frame'",
    ),
    "z of size 0": ({"z": (0, "µm"), "y": (0.5, "µm"), "x": (0.5, "µm")}, "size 0"),
    "z below 0": ({"z": (-2, "µm"), "y": (0.5, "µm"), "x": (0.5, "µm")}, "size -2"),
    "z without end": ({"z": (math.inf, "µm"), "y": (0.5, "µm"), "x": (0.5, "µm")}, "size inf"),
}


@pytest.mark.parametrize("name", HALF_KNOWN)
def test_a_size_that_is_not_known_is_said_and_not_taken_from_another_axis(tmp_path, name) -> None:
    sizes, reason = HALF_KNOWN[name]
    path = ome_tiff(tmp_path / "a.ome.tif", sizes)
    with pytest.warns(ScutoidWarning, match=rf"unknown along z \({reason}\).*voxel_size="):
        image = sc.open(path)
    assert image.voxel_size is None
    assert "voxel size (?, 0.5, 0.5) um" in repr(image)
    assert (image[0].voxel_size, image[0].unit) == ((0.5, 0.5), "um")
    assert image[1:, 2:].framed.spec.sizes == {"y": 0.5, "x": 0.5}
    assert image[1, 2:].origin == (1.0, 0.0)


@pytest.mark.parametrize("size", [0, -1, math.nan, math.inf])
def test_sizes_that_are_none_on_any_axis_are_said(tmp_path, size) -> None:
    sizes = dict.fromkeys("zyx", (size, "µm"))
    path = ome_tiff(tmp_path / "a.ome.tif", sizes)
    with pytest.warns(ScutoidWarning, match=rf"no voxel size that can be one.*x \(size {size:g}\)"):
        assert (sc.open(path).voxel_size, sc.open(path).unit) == (None, None)
    assert sc.open(path, voxel_size=2, unit="um").voxel_size == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("unit", [None, "pixel", "reference frame", "unit"])
def test_an_axis_of_an_ome_zarr_without_a_unit_is_not_in_that_of_another(tmp_path, unit) -> None:
    sizes = {"z": (1.0, unit), "y": (0.5, "micrometer"), "x": (0.5, "micrometer")}
    spec = open_source(ome_zarr(tmp_path / "a.zarr", sizes)).spec
    assert (spec.voxel_size, spec.known_sizes, spec.unit) == (None, (None, 0.5, 0.5), "um")
    assert [note.subject for note in spec.notes] == ["voxel_size"]


def test_sizes_without_any_unit_stay_sizes_in_an_unknown_one(tmp_path) -> None:
    for unit in UNSAID:
        sizes = {"z": (2.0, unit), "y": (0.5, unit), "x": (0.5, unit)}
        for spec in (
            open_source(ome_tiff(tmp_path / "a.ome.tif", sizes)).spec,
            open_source(ome_zarr(tmp_path / "a.zarr", sizes)).spec,
        ):
            assert (spec.voxel_size, spec.unit, spec.notes) == ((2.0, 0.5, 0.5), None, ())


def test_a_unit_that_is_no_length_is_said(tmp_path) -> None:
    sizes = {"z": (2.0, "furlong"), "y": (0.5, "furlong"), "x": (0.5, "furlong")}
    path = ome_zarr(tmp_path / "a.zarr", sizes)
    with pytest.warns(ScutoidWarning, match="no known unit of length, z in 'furlong'"):
        assert sc.open(path).voxel_size == (2.0, 0.5, 0.5)
    assert sc.open(path, unit="um").unit == "um"
    assert sc.open(path, voxel_size=1, unit="um").voxel_size == (1.0, 1.0, 1.0)


def test_the_user_gives_the_axes_that_are_not_known(tmp_path) -> None:
    path = ome_tiff(tmp_path / "a.ome.tif", {"y": (0.5, None), "x": (0.5, None)})
    image = sc.open(path, voxel_size={"z": 2})
    assert (image.voxel_size, image.unit) == ((2.0, 0.5, 0.5), "um")
    image = sc.open(path, voxel_size={"z": 2000}, unit="nm")
    assert (image.voxel_size, image.unit) == ((2000.0, 500.0, 500.0), "nm")
    assert sc.open(path, voxel_size=(2, 1, 1)).voxel_size == (2.0, 1.0, 1.0)
    with pytest.warns(ScutoidWarning):
        assert sc.open(path, voxel_size={"y": 1}).framed.spec.known_sizes == (None, 1.0, 0.5)
    for wrong in ({"c": 2}, {"z": None}, {"z": -1}):
        with pytest.raises(MetadataError):
            sc.open(path, voxel_size=wrong)


def test_what_is_known_of_some_axes_is_written_and_read_back(tmp_path) -> None:
    spec = ImageSpec((3, 6, 8), "uint16", "zyx", known_sizes=(None, 0.5, 0.25), unit="um")
    write_tiff(tmp_path / "a.tif", VOXELS, spec)
    assert open_source(tmp_path / "a.tif").spec == spec
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        xml = file.ome_metadata
    assert "PhysicalSizeZ" not in xml
    assert 'PhysicalSizeX="0.25"' in xml
    writer = create_image(tmp_path / "a.zarr", spec, storage=sc.Storage(levels=2))
    writer.write(spec.roi, VOXELS)
    assert open_source(tmp_path / "a.zarr").spec == spec
    coarse = open_source(tmp_path / "a.zarr", level=1).spec
    assert coarse.sizes == {"y": 1.0, "x": 0.5}


def test_planes_of_a_folder_have_sizes_and_no_distance(tmp_path) -> None:
    options = {"resolution": (40000, 20000), "resolutionunit": "CENTIMETER"}
    for n, plane in enumerate(VOXELS):
        tifffile.imwrite(tmp_path / f"{n}.tif", plane, metadata=None, **options)
    with pytest.warns(ScutoidWarning, match="do not say how far apart they are"):
        image = sc.open(tmp_path)
    assert (image.voxel_size, image[0].voxel_size, image.unit) == (None, (0.5, 0.25), "um")
    image = sc.open(tmp_path, voxel_size={"z": 2})
    assert image.voxel_size == (2.0, 0.5, 0.25)
    assert sc.open(tmp_path, axes="tyx").voxel_size == (0.5, 0.25)
    assert sc.open(tmp_path, axes="xzy", voxel_size=1).voxel_size == (1.0, 1.0, 1.0)
    np.testing.assert_array_equal(np.asarray(image), VOXELS)


@sc.blockwise
def keep(image):
    return image


@sc.blockwise(axes="yx", halo=sc.um(1.0))
def smooth(image):
    return image


def test_steps_carry_what_is_known_and_say_it_once(tmp_path) -> None:
    path = ome_tiff(tmp_path / "a.ome.tif", {"y": (0.5, None), "x": (0.25, None)})
    with pytest.warns(ScutoidWarning) as caught:
        image = sc.open(path)
    assert len(caught) == 1
    kept = keep(image)
    assert kept.framed.spec.known_sizes == (None, 0.5, 0.25)
    planes = smooth(kept)  # a length needs the axes that the function sees
    plan = sc.plan(planes, store=tmp_path / "store")
    assert [text for text in plan.warnings if "unknown along z" in text]
    run = sc.run(planes, store=tmp_path / "store")  # warned of when it was opened
    assert run.warnings == plan.warnings
    np.testing.assert_array_equal(np.asarray(run[planes]), VOXELS)
    assert run[planes].framed.spec.sizes == {"y": 0.5, "x": 0.25}


def test_a_plan_of_a_folder_says_what_is_not_known_of_the_first_image(tmp_path) -> None:
    for name in "ab":
        ome_tiff(tmp_path / f"{name}.ome.tif", {"y": (0.5, None), "x": (0.25, None)})
    kept = keep(sc.open_folder(tmp_path / "*.tif"))
    plan = sc.plan(kept, store=tmp_path / "store")
    assert ["unknown along z" in text for text in plan.warnings] == [True]


def test_a_size_that_is_known_counts_where_another_is_not(tmp_path) -> None:
    keys = set()
    for size in (0.5, 0.25):
        path = ome_tiff(tmp_path / "a.ome.tif", {"y": (0.5, None), "x": (0.5, None)})
        with pytest.warns(ScutoidWarning):
            image = sc.open(path, voxel_size={"x": size})
        keys.add(sc.plan(keep(image), store=tmp_path / "store")["keep"].key)
    assert len(keys) == 2
