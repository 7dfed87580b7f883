"""Which files are read otherwise than when keys of members began, told by their raw metadata."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import zarr

from scutoid.arrays import look_at, open_source, write_tiff
from scutoid.arrays._spec import ImageSpec

STACK = np.zeros((3, 6, 7), "uint16")
XY = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}


def ome(axes="ZYX", **said):
    return {"ome": True, "metadata": {"axes": axes, **said}}


def imagej(axes="ZYX", resolution=(2, 2), **said):
    return {"imagej": True, "resolution": resolution, "metadata": {"axes": axes, **said}}


def plain(unit, dots=300):
    return {"metadata": None, "resolution": (dots, dots), "resolutionunit": unit}


TIFFS = {
    "nothing": ({"metadata": None}, ()),
    "plain, in no unit": (plain("NONE"), ()),
    "plain, in inches": (plain("INCH"), ("sizes 2",)),
    "plain, in centimetres": (plain("CENTIMETER"), ("sizes 2",)),
    "plain, of a screen": (plain("INCH", 72), ()),
    "ome without sizes": (ome(), ()),
    "ome in micrometres": (ome(**XY, PhysicalSizeZ=2), ()),
    "ome in one known unit": (
        ome(**XY, PhysicalSizeZ=2, **{f"PhysicalSize{a}Unit": "nm" for a in "XYZ"}),
        (),
    ),
    "ome in one unit, spelled in two ways": (
        ome(**XY, PhysicalSizeZ=2, PhysicalSizeZUnit="micron"),
        (),
    ),
    "ome in two units": (ome(**XY, PhysicalSizeZ=2, PhysicalSizeZUnit="nm"), ("sizes 2",)),
    "ome in a unit of later": (
        ome(**XY, PhysicalSizeZ=2, **{f"PhysicalSize{a}Unit": "dm" for a in "XYZ"}),
        ("sizes 2",),
    ),
    "ome with half of the sizes": (ome(**XY), ("sizes 2",)),
    "ome with times": (ome("TYX", **XY, TimeIncrement=2.5), ("times 2",)),
    "ome with an interval of one time": (ome(**XY, PhysicalSizeZ=2, TimeIncrement=2.5), ()),
    "ome with half of the names": (ome("CYX", **XY, Channel={"Name": ["a", "b", ""]}), None),
    "imagej without a unit": (imagej(), ()),
    "imagej in micrometres": (imagej(unit="um", spacing=2), ()),
    "imagej in microns, escaped": (imagej(unit="\\u00B5m", spacing=2), ()),
    "imagej in two units": (imagej(unit="nm", zunit="um", spacing=2), ("sizes 2",)),
    "imagej with one unit twice": (imagej(unit="um", yunit="um", spacing=2), ()),
    "imagej upside down": (imagej(unit="um", spacing=-2), ("sizes 2",)),
    "imagej with times": (imagej("TYX", unit="um", finterval=2.5), ("times 2",)),
    "imagej in centimetres, by its resolution": (
        {**imagej(), "resolutionunit": "CENTIMETER"},
        ("sizes 2",),
    ),
    "imagej in a unit of its own, and centimetres": (
        {**imagej(unit="um", spacing=2), "resolutionunit": "CENTIMETER"},
        (),
    ),
    "imagej in pixels": (imagej(unit="pixel"), ()),
}


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("case", TIFFS)
def test_a_tiff_is_read_otherwise_where_its_metadata_say_more_than_was_read(
    tmp_path, case, byteorder
) -> None:
    options, wanted = TIFFS[case]
    name = "a.ome.tif" if options.get("ome") else "a.tif"
    if options.get("imagej") and byteorder == "<":
        byteorder = ">"  # as ImageJ writes
    tifffile.imwrite(
        tmp_path / name, STACK, byteorder=byteorder, photometric="minisblack", **options
    )
    assert look_at(str(tmp_path / name)) == (
        True,
        wanted if wanted is not None else ("channels 2",),
    )


def test_ome_xml_that_was_taken_for_none_is_read_otherwise(tmp_path) -> None:
    path = tmp_path / "a.ome.tif"
    for more, wanted in (("", 0), ("\n", 0), ("<!-- by hand -->", 4)):
        tifffile.imwrite(path, STACK, photometric="minisblack", **ome(**XY, PhysicalSizeZ=2))
        with tifffile.TiffFile(path) as file:
            text = file.pages[0].description + more
        options = {"photometric": "minisblack", "metadata": None, "description": text.encode()}
        tifffile.imwrite(path, STACK, **options)
        assert len(look_at(str(path))[1]) == wanted


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif"])
def test_files_of_ours_are_read_as_they_were_written(tmp_path, name) -> None:
    spec = ImageSpec(STACK.shape, STACK.dtype, "zyx", voxel_size=(2, 0.5, 0.5), unit="nm")
    write_tiff(tmp_path / name, STACK, spec)
    assert look_at(str(tmp_path / name))[1] == ()


def ngff(axes=(("z", "space"), ("y", "space"), ("x", "space")), unit="micrometer", scale=(2, 1, 1)):
    units = unit if isinstance(unit, tuple) else (unit,) * len(axes)
    return {
        "axes": [
            {"name": name, "type": kind, **({"unit": own} if own else {})}
            for (name, kind), own in zip(axes, units, strict=True)
        ],
        "datasets": [
            {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}
        ],
    }


def pyramid(*scales, unit=None):
    """Describe levels of these scales, which are one array here."""
    found = ngff(unit=unit)
    found["datasets"] = [ngff(unit=unit, scale=scale)["datasets"][0] for scale in scales]
    return found


TIMED = (("t", "time"), ("y", "space"), ("x", "space"))
LONG = (("depth", "space"), ("lat", "space"), ("lon", "space"))
ZARRS = {
    "micrometres": (ngff(), ()),
    "no units": (ngff(unit=None), ()),
    "levels of voxels of 1": (pyramid((1, 1, 1), (2, 2, 2)), ("sizes 2",)),
    "levels of voxels of 1 um": (pyramid((1, 1, 1), (2, 2, 2), unit="micrometer"), ()),
    "levels of other voxels": (pyramid((2, 1, 1), (4, 2, 2)), ()),
    "two units": (ngff(unit=("nanometer", "micrometer", "micrometer")), ("sizes 2",)),
    "a unit of one axis": (ngff(unit=(None, "micrometer", "micrometer")), ("sizes 2",)),
    "a unit of later": (ngff(unit="decimeter"), ("sizes 2",)),
    "long names": (ngff(LONG), ("axes 2",)),
    "times": (ngff(TIMED, ("second", "micrometer", "micrometer")), ("times 2",)),
    "an interval": (ngff(TIMED, (None, "micrometer", "micrometer")), ("times 2",)),
    "unknown times": (ngff(TIMED, (None, "micrometer", "micrometer"), (1, 1, 1)), ()),
}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("case", ZARRS)
def test_a_zarr_is_read_otherwise_where_its_metadata_say_more_than_was_read(
    tmp_path, case, version
) -> None:
    multiscale, wanted = ZARRS[case]
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=version)
    group.create_array("0", data=STACK)
    ome = {"version": "0.5" if version == 3 else "0.4", "multiscales": [multiscale]}
    group.attrs.update({"ome": ome} if version == 3 else ome)
    place = str(tmp_path / "a.zarr")
    assert look_at(place) == (True, wanted)
    if version == 3:
        assert open_source(place, axes="tyx" if "time" in case else None).spec.ndim == 3


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"attributes": {"ome": 3}}', b"null"])
def test_metadata_that_are_none_are_read_as_before(tmp_path, content) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_bytes(content)
    assert look_at(str(tmp_path / "a.zarr")) == (True, ())
