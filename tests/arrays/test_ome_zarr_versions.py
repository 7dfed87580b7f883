"""Axes and coordinate systems of OME-Zarr, in each version of its metadata."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import zarr

import scutoid as sc
from scutoid.arrays import open_source
from scutoid.errors import MetadataError, ScutoidWarning

FIVE = np.arange(2 * 3 * 4 * 5 * 6, dtype="uint16").reshape(2, 3, 4, 5, 6)
VOLUME = FIVE[0, 0]
TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def write(path, array, multiscale, *, version, zarr_format=3, separator="/", **more):
    """Write an image of one level with these metadata."""
    group = zarr.create_group(str(path), zarr_format=zarr_format, overwrite=True)
    encoding = {"name": "v2" if zarr_format == 2 else "default", "separator": separator}
    chunks = tuple(max(n // 2, 1) for n in array.shape)
    group.create_array("0", data=array, chunks=chunks, chunk_key_encoding=encoding)
    multiscale = {"datasets": [{"path": "0"}]} | multiscale
    if zarr_format == 2:
        group.attrs["multiscales"] = [multiscale | ({"version": version} if version else {})]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [multiscale], **more}
    return path


def placed(*steps):
    return {"datasets": [{"path": "0", "coordinateTransformations": list(steps)}]}


def axes_of(names, unit="micrometer"):
    """Return axes of the names and types of tczyx, by letter and name."""
    return [
        {"name": name, "type": TYPES[letter]} | ({"unit": unit} if letter in "zyx" else {})
        for letter, name in names
    ]


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("version", ["0.1", "0.2", None])
def test_versions_before_axes_are_tczyx(tmp_path, version, separator) -> None:
    path = tmp_path / "a.zarr"
    write(path, FIVE, {}, version=version, zarr_format=2, separator=separator)
    image = sc.open(path)
    assert (image.axes, image.voxel_size) == ("tczyx", None)
    np.testing.assert_array_equal(np.asarray(image), FIVE)
    image = sc.open(path, axes="ctzyx", voxel_size=(2, 1, 1), unit="um")
    assert (image.axes, image.voxel_size) == ("ctzyx", (2.0, 1.0, 1.0))


def test_axes_that_are_missing_are_asked_for(tmp_path) -> None:
    path = write(tmp_path / "a.zarr", VOLUME, {}, version="0.1", zarr_format=2)
    with pytest.raises(MetadataError, match="needs 3 letters"):
        sc.open(path)
    assert sc.open(path, axes="zyx").axes == "zyx"
    path = write(tmp_path / "b.zarr", VOLUME, {}, version="0.5")
    with pytest.raises(MetadataError, match=r"(?s)'axes'; version 0.5.*axes="):
        sc.open(path)
    assert sc.open(path, axes="zyx").axes == "zyx"


def test_axes_of_version_0_3_are_names(tmp_path) -> None:
    path = tmp_path / "a.zarr"
    write(path, FIVE, {"axes": list("tczyx")}, version="0.3", zarr_format=2)
    assert sc.open(path).axes == "tczyx"


NAMED = {
    "letters": ("tczyx", "tczyx", False),
    "capitals": (["T", "C", "Z", "Y", "X"], "tczyx", False),
    "words": (["time", "channel", "z", "y", "x"], "tczyx", False),
    "others": (["frame", "wavelength", "z", "y", "x"], "tczyx", False),
    "letters that mislead": (["z", "x", "zpos", "ypos", "xpos"], "tczyx", False),
    "places on earth": (["t", "c", "depth", "lat", "lon"], "tczyx", True),
    "one of its own": (["t", "c", "depth", "y", "x"], "tczyx", True),
    "another order": (["t", "c", "x", "y", "z"], "tcxyz", False),
    "numbers": (["t", "c", "dim_0", "dim_1", "dim_2"], "tczyx", True),
}


@pytest.mark.parametrize("name", NAMED)
def test_axes_are_known_by_their_type_and_then_by_their_name(tmp_path, name) -> None:
    names, letters, is_assumed = NAMED[name]
    axes = axes_of(zip("tczyx", names, strict=True))
    steps = placed({"type": "scale", "scale": [1, 1, 2.0, 0.5, 0.25]})
    path = write(tmp_path / "a.zarr", FIVE, {"axes": axes, **steps}, version="0.5")
    source = open_source(path)
    assert source.spec.axes == letters
    assert bool(source.spec.notes) == is_assumed
    assert (source.spec.voxel_size, source.spec.unit) == ((2.0, 0.5, 0.25), "um")
    if is_assumed:
        with pytest.warns(ScutoidWarning, match=f'taken for .*axes="{letters}"'):
            assert "tczyx (assumed)" in repr(sc.open(path))
    assert sc.open(path, axes=letters).axes == letters


OWN = {
    "by its type": ({"name": "tilt", "type": "angle"}, "a", False),
    "by its name": ({"name": "phase"}, "h", False),
    "by its letter": ({"name": "p"}, "p", False),
    "by its letter, of a type of its own": ({"name": "v", "type": "camera"}, "v", False),
    "by what its name begins with": ({"name": "lambda"}, "l", True),
    "time without a type": ({"name": "Time"}, "t", False),
    "a type of its own": ({"name": "tilt", "type": "custom"}, None, None),
    "a letter that is taken": ({"name": "zoom"}, None, None),
    "channels of a name that begins as theirs": ({"name": "cell"}, None, None),
    "no letter at all": ({"name": "detector"}, None, None),
    "a fourth one of space": ({"name": "w", "type": "space"}, None, None),
}


@pytest.mark.parametrize("name", OWN)
def test_axes_that_are_none_of_the_five(tmp_path, name) -> None:
    axis, letter, is_assumed = OWN[name]
    axes = [axis, *axes_of(zip("zyx", "zyx", strict=True))]
    steps = placed({"type": "scale", "scale": [1, 2.0, 0.5, 0.25]})
    path = write(tmp_path / "a.zarr", FIVE[0], {"axes": axes, **steps}, version="0.5")
    if letter is None:
        with pytest.raises(MetadataError, match=rf"(?s){axis['name']}, z, y, x.*a\.zarr.*axes="):
            sc.open(path)
        assert sc.open(path, axes="pzyx").voxel_size == (2.0, 0.5, 0.25)
        return
    spec = open_source(path).spec
    assert (spec.axes, spec.voxel_size) == (f"{letter}zyx", (2.0, 0.5, 0.25))
    assert bool(spec.notes) == is_assumed


@pytest.mark.parametrize("names", [["depth", "lat", "lon"], ["a", "a1", "a2"], "zyx"])
@pytest.mark.parametrize("letters", ["zyx", "tyx", "cyx", "xyz"])
def test_axes_of_the_user_hold_for_multiscale_groups(tmp_path, names, letters) -> None:
    axes = axes_of(zip("zyx", names, strict=True))
    steps = placed({"type": "scale", "scale": [2.0, 0.5, 0.25]})
    path = write(tmp_path / "a.zarr", VOLUME, {"axes": axes, **steps}, version="0.5")
    is_time = "t" in letters  # a size of space has no unit of time
    with pytest.warns(ScutoidWarning, match="no known unit of time") if is_time else nullcontext():
        image = sc.open(path, axes=letters)
    assert (image.time.unit if is_time else image.time) is None
    known = dict(zip(letters, (2.0, 0.5, 0.25), strict=True))
    assert image.axes == letters
    assert image.voxel_size == tuple(known[a] for a in letters if a in "zyx")
    assert image.unit == "um"


# ---- several coordinate systems

CYX = [
    {"name": "c", "type": "channel"},
    {"name": "y", "type": "space", "unit": "unit"},
    {"name": "x", "type": "space", "unit": "unit"},
]


def to(name, *scale, axes=None, **more):
    """Return a transformation to a coordinate system, as spatialdata writes it."""
    systems = {
        "input": {"name": "cyx"},
        "output": {"name": name} | ({"axes": axes} if axes else {}),
    }
    return {"type": "scale", "scale": list(scale), **systems, **more}


ALTERNATIVES = {
    "global first": ([to("global", 1, 0.5, 0.5), to("aligned", 1, 10, 10)], "global"),
    "global last": ([to("aligned", 1, 10, 10), to("global", 1, 0.5, 0.5)], "global"),
    "none global": ([to("sample", 1, 0.5, 0.5), to("aligned", 1, 10, 10)], "sample"),
    "one": ([to("sample", 1, 0.5, 0.5)], "sample"),
}


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_transformations_to_several_systems_are_alternatives(tmp_path, name) -> None:
    outer, default = ALTERNATIVES[name]
    steps = placed({"type": "scale", "scale": [1.0, 1.0, 1.0]})
    multiscale = {"axes": CYX, **steps, "coordinateTransformations": outer}
    path = write(tmp_path / "a.zarr", FIVE[0, :, 0], multiscale, version="0.5")
    assert sc.open(path).voxel_size == (0.5, 0.5)
    for step in outer:
        name = step["output"]["name"]
        image = sc.open(path, coordinate_system=name)
        assert image.voxel_size == tuple(map(float, step["scale"][1:]))
    assert sc.open(path, coordinate_system=default).voxel_size == (0.5, 0.5)
    with pytest.raises(MetadataError, match=rf"(?s)found: moon.*{default}"):
        sc.open(path, coordinate_system="moon")


def test_units_are_those_of_the_system(tmp_path) -> None:
    axes = [axis | ({"unit": "micrometer"} if axis["type"] == "space" else {}) for axis in CYX]
    shift = {"type": "translation", "translation": [0, 3.0, 4.0]}
    scale = {"type": "scale", "scale": [1, 0.5, 0.5]}
    sequence = {"type": "sequence", "transformations": [scale, shift]}
    outer = [to("other", 1, 7, 7), to("global", axes=axes) | sequence]
    steps = placed({"type": "scale", "scale": [1.0, 2.0, 2.0]})
    multiscale = {"axes": CYX, **steps, "coordinateTransformations": outer}
    path = write(tmp_path / "a.zarr", FIVE[0, :, 0], multiscale, version="0.5")
    image = sc.open(path)
    assert (image.voxel_size, image.unit, image.origin) == ((1.0, 1.0), "um", (3.0, 4.0))
    assert sc.open(path, coordinate_system="other").unit is None


def test_a_system_is_named_only_where_there_is_one(tmp_path) -> None:
    steps = placed({"type": "scale", "scale": [2.0, 0.5, 0.5]})
    multiscale = {"axes": axes_of(zip("zyx", "zyx", strict=True)), **steps}
    path = write(tmp_path / "a.zarr", VOLUME, multiscale, version="0.5")
    with pytest.raises(MetadataError, match="without a name"):
        sc.open(path, coordinate_system="global")
    zarr.save_array(str(tmp_path / "b.zarr"), VOLUME)
    np.save(tmp_path / "c.npy", VOLUME)
    for other in (tmp_path / "b.zarr", tmp_path / "c.npy", VOLUME):
        with pytest.raises(MetadataError, match="only an OME-Zarr has"):
            sc.open(other, coordinate_system="global")


# ---- version 0.6

SCALE = {"type": "scale", "scale": [2.0, 0.5, 0.25]}
MOVED = {"type": "translation", "translation": [10.0, 20.0, 30.0]}
OF_LEVEL = {
    "a scale": (SCALE, (2.0, 0.5, 0.25), (0.0, 0.0, 0.0)),
    "a scale and a translation": (
        {"type": "sequence", "transformations": [SCALE, MOVED]},
        (2.0, 0.5, 0.25),
        (10.0, 20.0, 30.0),
    ),
    "a translation and a scale": (
        {"type": "sequence", "transformations": [MOVED, SCALE]},
        (2.0, 0.5, 0.25),
        (20.0, 10.0, 7.5),
    ),
    "a sequence in another": (
        {
            "type": "sequence",
            "transformations": [
                {"type": "identity"},
                {"type": "sequence", "transformations": [SCALE, MOVED]},
                {"type": "scale", "scale": [1, 2, 2]},
            ],
        },
        (2.0, 1.0, 0.5),
        (10.0, 40.0, 60.0),
    ),
    "nothing": ({"type": "identity"}, None, (0.0, 0.0, 0.0)),
}


def version_06(step, *, names=("physical", "sample"), outer=(), as_text=False):
    """Return metadata of version 0.6: the first system is the image's own."""
    systems = [
        {"name": name, "axes": axes_of(zip("zyx", "zyx", strict=True), unit)}
        for name, unit in zip(names, ["micrometer", "millimeter"], strict=True)
    ]
    links = {"input": {"path": "0"}, "output": {"name": names[0]}}
    if as_text:
        links = {"input": "0", "output": names[0]}
    more = {"coordinateTransformations": list(outer)} if outer else {}
    return {"coordinateSystems": systems, **placed(step | links), **more}


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("name", OF_LEVEL)
def test_version_0_6_opens_where_it_is_placed_by_scales_and_translations(
    tmp_path, name, as_text
) -> None:
    step, size, origin = OF_LEVEL[name]
    multiscale = version_06(step, as_text=as_text)
    image = sc.open(write(tmp_path / "a.zarr", VOLUME, multiscale, version="0.6"))
    assert (image.axes, image.voxel_size, image.origin) == ("zyx", size, origin)
    assert image.unit == (None if size is None else "um")
    np.testing.assert_array_equal(np.asarray(image), VOLUME)


def test_another_system_of_version_0_6_is_chosen_by_its_name(tmp_path) -> None:
    link = {"input": {"name": "physical"}, "output": {"name": "sample"}}
    outer = [{"type": "scale", "scale": [0.001] * 3, **link}]
    multiscale = version_06(SCALE, outer=outer)
    path = write(tmp_path / "a.zarr", VOLUME, multiscale, version="0.6")
    for name in (None, "physical"):
        image = sc.open(path, coordinate_system=name)
        assert (image.voxel_size, image.unit) == ((2.0, 0.5, 0.25), "um")
    image = sc.open(path, coordinate_system="sample")
    assert (image.voxel_size, image.unit) == ((0.002, 0.0005, 0.00025), "mm")


UNKNOWN = {
    "affine": {"type": "affine", "affine": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]},
    "rotation": {"type": "rotation", "rotation": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]},
    "mapAxis": {"type": "mapAxis", "mapAxis": [0, 1, 2]},
    "in a sequence": {"type": "sequence", "transformations": [{"type": "affine"}]},
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_other_transformations_are_refused_with_the_version(tmp_path, name) -> None:
    path = write(tmp_path / "a.zarr", VOLUME, version_06(UNKNOWN[name]), version="0.6")
    with pytest.raises(MetadataError, match=r"(?s)of type '\w+', version 0.6.*voxel_size="):
        sc.open(path)
    image = sc.open(path, axes="zyx", voxel_size=(2, 1, 1), unit="um")
    assert (image.voxel_size, image.unit) == ((2.0, 1.0, 1.0), "um")
    np.testing.assert_array_equal(np.asarray(image), VOLUME)
