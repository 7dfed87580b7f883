"""Bad metadata around good pixels, plain resolutions, and places of stages."""

from __future__ import annotations

import logging
import re
import warnings

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

import scutoid as sc
from scutoid.errors import MetadataError, ParameterError, ScutoidWarning

STACK = np.arange(5 * 8 * 9, dtype="uint16").reshape(5, 8, 9)
GIVEN = {"axes": "zyx", "voxel_size": (2, 0.5, 0.5), "unit": "um"}


@pytest.fixture(autouse=True)
def _quiet():
    """Let tifffile say what it thinks of broken metadata to no one."""
    logger = logging.getLogger("tifffile")
    level = logger.level
    logger.setLevel(100)
    yield
    logger.setLevel(level)


def ome_xml(*, name="A", sizes="", size_z="5", inside="<TiffData/>"):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0" Name="{name}"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        f'Type="uint16" SizeX="9" SizeY="8" SizeZ="{size_z}" SizeC="1" SizeT="1" {sizes}>'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{inside}</Pixels></Image></OME>'
    )


def write(path, xml):
    text = xml.encode()
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata=None, description=text)
    return path


BROKEN = {
    "an ampersand": ome_xml(name="A & B"),
    "an end that is cut off": ome_xml()[:-40],
    "more after the end": ome_xml() + "Software v1",
    "two blocks": ome_xml() + ome_xml(),
    "an end that is missing": ome_xml().replace("</Pixels>", ""),
    "a decimal comma": ome_xml(sizes='PhysicalSizeX="0,25" PhysicalSizeY="0,25"'),
    "a size in words": ome_xml(sizes='PhysicalSizeX="small"'),
    "a number of planes in words": ome_xml(size_z="five"),
    "a page in words": ome_xml(inside='<TiffData IFD="first"/>'),
}


@pytest.mark.parametrize("name", BROKEN)
def test_pixels_open_where_all_that_is_needed_is_given(tmp_path, name) -> None:
    path = write(tmp_path / "a.ome.tif", BROKEN[name])
    with pytest.raises(MetadataError, match=r"(?s)its pixels may be good.*voxel_size="):
        sc.open(path)
    image = sc.open(path, **GIVEN)
    assert (image.axes, image.voxel_size, image.unit) == ("zyx", (2.0, 0.5, 0.5), "um")
    np.testing.assert_array_equal(np.asarray(image), STACK)
    np.testing.assert_array_equal(image[2:4, 1:].read(), STACK[2:4, 1:])


def pref(xml):
    return re.sub(r"<(/?)(?=[A-Z])", r"<\1ome:", xml).replace("xmlns=", "xmlns:ome=")


WELL_FORMED = {
    "a comment before": "<!-- Warning: <OME> metadata -->\n" + ome_xml().split("?>")[1],
    "a comment after": ome_xml() + "\n<!-- by hand -->",
    "an instruction after": ome_xml() + "<?software v1?>",
    "names with a prefix": pref(ome_xml()),
    "no name space": ome_xml().replace("xmlns=", "about="),
    "a mark of byte order": "\N{BYTE ORDER MARK}" + ome_xml(),
    "an entity of its own": '<!DOCTYPE OME [<!ENTITY a "b>">]>' + ome_xml().split("?>")[1],
}


@pytest.mark.parametrize("name", WELL_FORMED)
def test_ome_xml_is_read_whatever_it_begins_and_ends_with(tmp_path, name) -> None:
    xml = WELL_FORMED[name].replace("SizeC=", 'PhysicalSizeZ="2" PhysicalSizeX="1" SizeC=')
    with pytest.warns(ScutoidWarning, match="unknown along y"):
        image = sc.open(write(tmp_path / "a.tif", xml))
    assert image.axes == "zyx"
    assert image.framed.spec.sizes == {"z": 2.0, "x": 1.0}
    np.testing.assert_array_equal(np.asarray(image), STACK)


def test_good_metadata_are_followed_where_all_is_given(tmp_path) -> None:
    path = write(tmp_path / "a.ome.tif", ome_xml(inside='<TiffData IFD="1" PlaneCount="5"/>'))
    with pytest.raises(OSError, match="page 5"):
        sc.open(path, **GIVEN)


def test_a_spacing_of_imagej_with_a_comma(tmp_path) -> None:
    path = tmp_path / "a.tif"
    metadata = {"axes": "ZYX", "unit": "um", "spacing": "1,5"}
    tifffile.imwrite(path, STACK, imagej=True, resolution=(4, 4), metadata=metadata)
    with pytest.raises(MetadataError, match=r"(?s)spacing='1,5'.*ImageJ.*voxel_size="):
        sc.open(path)
    assert sc.open(path, voxel_size=(2, 1, 1), unit="um").voxel_size == (2.0, 1.0, 1.0)


BAD_NGFF = {
    "a scale in words": [{"type": "scale", "scale": ["2,0", 1, 1]}],
    "a negative scale": [{"type": "scale", "scale": [-2.0, 1, 1]}],
    "no type": [{"scale": [2.0, 1, 1]}],
}


@pytest.mark.parametrize("name", BAD_NGFF)
def test_metadata_of_an_ome_zarr(tmp_path, name) -> None:
    group = zarr.create_group(str(tmp_path / "a.zarr"))
    group.create_array("0", data=STACK)
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    dataset = {"path": "0", "coordinateTransformations": BAD_NGFF[name]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [dataset]}]}
    with pytest.raises(MetadataError, match="metadata"):
        sc.open(tmp_path / "a.zarr")
    image = sc.open(tmp_path / "a.zarr", **GIVEN)
    assert image.voxel_size == (2.0, 0.5, 0.5)
    np.testing.assert_array_equal(np.asarray(image), STACK)


# ---- the resolution of a plain TIFF

RESOLUTIONS = {
    "centimetres": ("CENTIMETER", (20000, 40000), (0.25, 0.5)),
    "inches": ("INCH", (50800, 25400), (1.0, 0.5)),
    "no unit": ("NONE", (20000, 40000), None),
    "of a screen": ("INCH", (72, 72), None),
    "of another screen": ("INCH", (96, 96), None),
    "of a screen in centimetres": ("CENTIMETER", (28.3465, 28.3465), None),
    "one a millimetre": ("CENTIMETER", (10, 10), None),
    "one a millimetre in inches": ("INCH", (25.4, 25.4), None),
    "one a centimetre": ("CENTIMETER", (1, 1), None),
    "one an inch": ("INCH", (1, 1), None),
    "near one a millimetre": ("CENTIMETER", (10.01, 10.01), (999.001, 999.001)),
}


@pytest.mark.parametrize("name", RESOLUTIONS)
@pytest.mark.parametrize("metadata", [None, {"axes": "YX"}], ids=["bare", "by tifffile"])
def test_the_resolution_of_a_plain_tiff(tmp_path, name, metadata) -> None:
    unit, resolution, size = RESOLUTIONS[name]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0], resolution=resolution, resolutionunit=unit, metadata=metadata)
    image = sc.open(path)
    assert image.voxel_size == (None if size is None else pytest.approx(size))
    assert image.unit == (None if size is None else "um")
    assert sc.open(path, voxel_size=3, unit="nm").voxel_size == (3.0, 3.0)


@pytest.mark.parametrize("name", RESOLUTIONS)
def test_imagej_without_a_unit_has_that_of_the_resolution(tmp_path, name) -> None:
    unit, resolution, size = RESOLUTIONS[name]
    options = {"imagej": True, "resolution": resolution, "resolutionunit": unit}
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], metadata={"axes": "YX"}, **options)
    image = sc.open(tmp_path / "a.tif")
    assert image.voxel_size == (None if size is None else pytest.approx(size))
    metadata = {"axes": "ZYX", "spacing": -0.0003}
    tifffile.imwrite(tmp_path / "b.tif", STACK, metadata=metadata, **options)
    depth = {"CENTIMETER": 3.0, "INCH": 7.62}[unit] if size is not None else None
    image = sc.open(tmp_path / "b.tif")
    assert image.voxel_size == (None if size is None else pytest.approx((depth, *size)))
    metadata = {"axes": "YX", "unit": "pixel"}
    tifffile.imwrite(tmp_path / "c.tif", STACK[0], metadata=metadata, **options)
    assert sc.open(tmp_path / "c.tif").voxel_size is None


def test_a_picture_that_is_to_be_turned_is_said(tmp_path) -> None:
    for orientation in range(10):
        path = tmp_path / f"{orientation}.tif"
        tag = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(path, STACK[0], metadata=None, extratags=tag)
        picture = Image.fromarray(STACK[0].astype("uint8"))
        exif = picture.getexif()
        exif[274] = orientation
        names = [path]
        for ending in ("png", "jpg"):
            names.append(tmp_path / f"{orientation}.{ending}")
            picture.save(names[-1], exif=exif)
        for name in names:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                assert sc.open(name).shape == STACK[0].shape
            words = [f"orientation {orientation}: its pixels"] * (2 <= orientation <= 8)
            assert len(said) == len(words)
            assert all(word in str(each.message) for word, each in zip(words, said, strict=True))


def test_the_resolution_of_pages_is_not_the_distance_of_planes(tmp_path) -> None:
    path = tmp_path / "a.tif"
    options = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, STACK, metadata={"axes": "ZYX"}, photometric="minisblack", **options)
    with pytest.warns(ScutoidWarning, match=r"the resolution of its pages.*unknown along z"):
        image = sc.open(path)
    assert (image.voxel_size, image[0].voxel_size) == (None, (0.5, 0.5))
    assert sc.open(path, voxel_size={"z": 2}).voxel_size == (2.0, 0.5, 0.5)
    assert sc.open(path, axes="tyx").voxel_size == (0.5, 0.5)


# ---- the place of the stage

MICRONS = 'PhysicalSizeX="0.5" PhysicalSizeY="0.5" PhysicalSizeZ="2"'
AT = 'PositionX="1.5" PositionXUnit="mm" PositionY="-250" PositionYUnit="µm"'
FIRST = f'<Plane TheZ="0" TheC="0" TheT="0" {AT} PositionZ="3" PositionZUnit="µm"/>'
LATER = '<Plane TheZ="1" TheC="0" TheT="0" PositionX="7" PositionXUnit="mm"/>'
LABEL = '<StageLabel Name="a" X="1.5" XUnit="mm" Y="-250" YUnit="µm" Z="3" ZUnit="µm"/>'


@pytest.mark.parametrize("kind", ["of planes", "of the image"])
def test_the_stage_of_an_ome_tiff_is_asked_for(tmp_path, kind) -> None:
    xml = ome_xml(sizes=MICRONS, inside=f"<TiffData/>{LATER}{FIRST}")
    if kind == "of the image":
        xml = ome_xml(sizes=MICRONS).replace("<Pixels", f"{LABEL}<Pixels")
    path = write(tmp_path / "a.ome.tif", xml)
    assert sc.open(path).origin == (0.0, 0.0, 0.0)
    image = sc.open(path, origin="stage")
    assert (image.origin, image.unit) == ((3.0, -250.0, 1500.0), "um")
    image = sc.open(path, origin="stage", voxel_size=(2e-3, 5e-4, 5e-4), unit="mm")
    assert image.origin == (0.003, -0.25, 1.5)
    assert image[1:, 2:].origin == (0.005, -0.249, 1.5)
    folder = sc.open_folder(tmp_path / "*.tif", origin="stage")
    assert folder["a.ome.tif"].origin == (3.0, -250.0, 1500.0)


def test_a_stage_along_some_axes_only_is_said(tmp_path) -> None:
    inside = f'<TiffData/><Plane TheZ="0" TheC="0" TheT="0" {AT}/>'
    path = write(tmp_path / "a.ome.tif", ome_xml(sizes=MICRONS, inside=inside))
    with pytest.warns(ScutoidWarning, match="no position of the stage along z"):
        assert sc.open(path, origin="stage").origin == (0.0, -250.0, 1500.0)


NO_STAGE = {
    "nothing": ome_xml(sizes=MICRONS),
    "a frame of its own": ome_xml(
        sizes=MICRONS, inside='<TiffData/><Plane TheZ="0" TheC="0" TheT="0" PositionX="4"/>'
    ),
    "an image without a unit": ome_xml(inside=f"<TiffData/>{FIRST}"),
    "a comma": ome_xml(
        sizes=MICRONS,
        inside='<TiffData/><Plane TheZ="0" TheC="0" TheT="0" PositionX="4,5" PositionXUnit="mm"/>',
    ),
}


@pytest.mark.parametrize("name", NO_STAGE)
def test_a_stage_that_is_not_there_or_has_no_unit_is_refused(tmp_path, name) -> None:
    path = write(tmp_path / "a.ome.tif", NO_STAGE[name])
    assert sc.open(path).shape == STACK.shape
    with pytest.raises(MetadataError, match=r"give origin= in numbers"):
        sc.open(path, origin="stage")
    assert sc.open(path, origin=(1, 2, 3)).origin == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("size", [None, (4, 1, 1)])
def test_the_origin_of_imagej_is_asked_for(tmp_path, size) -> None:
    path = tmp_path / "a.tif"
    metadata = {"axes": "ZYX", "unit": "um", "spacing": 2.0}
    metadata |= {"xorigin": 10, "yorigin": -20, "zorigin": 1.5}
    tifffile.imwrite(path, STACK, imagej=True, resolution=(2, 2), metadata=metadata)
    assert sc.open(path, voxel_size=size).origin == (0.0, 0.0, 0.0)
    image = sc.open(path, voxel_size=size, origin="stage")
    np.testing.assert_allclose(image.origin, np.array([-1.5, 20, -10]) * (size or (2, 0.5, 0.5)))


def test_only_a_tiff_has_a_stage(tmp_path) -> None:
    np.save(tmp_path / "a.npy", STACK)
    zarr.save_array(str(tmp_path / "a.zarr"), STACK)
    for source in (STACK, tmp_path / "a.npy", tmp_path / "a.zarr"):
        with pytest.raises(ParameterError, match='"stage" for a TIFF'):
            sc.open(source, origin="stage", axes="zyx")
    path = write(tmp_path / "a.ome.tif", ome_xml(sizes=MICRONS, inside=f"<TiffData/>{FIRST}"))
    with pytest.raises(ParameterError, match='"stage" for a TIFF'):
        sc.open(path, origin="Stage")
    plain = tmp_path / "b.tif"
    tifffile.imwrite(plain, STACK[0])
    with pytest.raises(MetadataError, match="gives none"):
        sc.open(plain, origin="stage")
