"""Bad input is refused when it is opened; the error names the rule, the place and a remedy."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import tifffile

from scutoid.arrays import ImageSpec, create, open_source
from scutoid.errors import MetadataError, ParameterError, SourceError, SourceNotFound
from scutoid.geometry import Roi


@pytest.fixture(autouse=True)
def quiet_tifffile(caplog):
    """Keep what tifffile logs of broken files out of the report."""
    caplog.set_level(logging.CRITICAL, logger="tifffile")
    logging.getLogger("tifffile").setLevel(logging.NOTSET)


def test_a_missing_file_names_the_nearest_folder_and_a_similar_name(tmp_path):
    (tmp_path / "brain.ome.zarr").mkdir()
    with pytest.raises(SourceNotFound, match=r"did you mean 'brain.ome.zarr'") as caught:
        open_source(tmp_path / "brian.ome.zarr" / "0")
    assert str(tmp_path) in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib"},
        {"tile": (16, 16), "compression": "zlib"},
        {"ome": True},
        {"metadata": None},
    ],
)
def test_a_truncated_tiff_is_refused_when_it_is_opened(tmp_path, fraction, options):
    truth = np.random.default_rng(0).integers(0, 9999, (6, 64, 64)).astype("uint16")
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, truth, photometric="minisblack", **options)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * fraction)])
    with pytest.raises(SourceError, match=r"a\.tif"):
        open_source(file)


def test_the_place_of_the_cut_is_named(tmp_path):
    truth = np.random.default_rng(0).integers(0, 9999, (6, 64, 64)).astype("uint16")
    tifffile.imwrite(tmp_path / "a.tif", truth, photometric="minisblack")
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: -64 * 64 * 3])
    with pytest.raises(SourceError, match="page 0"):
        open_source(tmp_path / "a.tif")


def test_a_damaged_page_is_named_when_it_is_read(tmp_path):
    file = tmp_path / "a.tif"
    truth = np.random.default_rng(0).integers(0, 9999, (64, 64)).astype("uint16")
    tifffile.imwrite(file, truth, compression="zlib")
    with tifffile.TiffFile(file) as opened:
        offset = opened.pages[0].dataoffsets[0]
    content = bytearray(file.read_bytes())
    content[offset : offset + 200] = b"\xff" * 200
    file.write_bytes(content)
    source = open_source(file)
    with pytest.raises(SourceError, match="can be decoded"):
        source.read(source.spec.roi)


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.npy", "a.jpg", "a.xyz", "a"])
def test_a_file_that_is_no_image(tmp_path, name):
    (tmp_path / name).write_bytes(b"this is not an image")
    with pytest.raises(SourceError, match="remedy"):
        open_source(tmp_path / name)


def test_an_npy_file_with_pickled_objects_is_not_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, None]), allow_pickle=True)
    with pytest.raises(SourceError):
        open_source(tmp_path / "a.npy")


def test_a_zarr_without_metadata_says_what_was_looked_for(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(SourceError, match=r"neither zarr.json nor .zarray or .zgroup"):
        open_source(tmp_path / "a.zarr")
    (tmp_path / "b").mkdir()
    with pytest.raises(SourceError, match="neither zarr metadata"):
        open_source(tmp_path / "b")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        json.dumps({"zarr_format": 3, "node_type": "array"}),
        json.dumps({"zarr_format": 3, "node_type": "array", "shape": [3], "data_type": "text"}),
    ],
)
def test_a_zarr_with_broken_metadata(tmp_path, text):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text(text)
    with pytest.raises(SourceError, match=r"a\.zarr"):
        open_source(tmp_path / "a.zarr")


def test_a_group_of_several_arrays_lists_them(tmp_path):
    import zarr

    group = zarr.create_group(str(tmp_path / "a.zarr"))
    for name in ("left", "right"):
        group.create_array(name, shape=(4, 4), dtype="u1")
    with pytest.raises(MetadataError, match="left, right"):
        open_source(tmp_path / "a.zarr")


@pytest.mark.parametrize("multiscales", [[{}], [{"axes": ["y", "x"], "datasets": [{}]}], "text"])
def test_ome_metadata_that_make_no_sense(tmp_path, multiscales):
    import zarr

    group = zarr.create_group(str(tmp_path / "a.zarr"))
    group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales}
    with pytest.raises(MetadataError, match="OME-NGFF"):
        open_source(tmp_path / "a.zarr")


def test_planes_that_differ_are_named(tmp_path):
    for n in range(4):
        shape = (8, 9) if n != 2 else (8, 8)
        tifffile.imwrite(tmp_path / f"z{n}.tif", np.zeros(shape, "uint8"))
    with pytest.raises(SourceError, match=r"z2\.tif"):
        open_source(tmp_path)


def test_planes_that_are_volumes_are_refused(tmp_path):
    for n in range(2):
        tifffile.imwrite(
            tmp_path / f"{n}.tif", np.zeros((5, 8, 9), "uint8"), photometric="minisblack"
        )
    with pytest.raises(MetadataError, match="one plane"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axes": "zy"}, "needs 3 letters"),
        ({"axes": "zyy"}, "twice here: 'y'"),
        ({"axes": "zyq"}, "unknown here: 'q'"),
        ({"voxel_size": (1, 2)}, "each spatial axis"),
        ({"voxel_size": 0}, "positive"),
        ({"voxel_size": (1, -2, 1)}, "positive"),
        ({"voxel_size": float("nan")}, "finite"),
        ({"voxel_size": "large"}, "one number a spatial axis"),
        ({"unit": "furlong"}, "name of a length"),
        ({"origin": (1, 2)}, "each spatial axis"),
        ({"level": 1}, "level"),
        ({"level": -1}, "level"),
    ],
)
@pytest.mark.parametrize("kind", ["zarr", "tif", "npy"])
def test_what_the_user_says_must_fit(tmp_path, kind, options, message):
    truth = np.zeros((3, 4, 5), "uint8")
    path = tmp_path / f"a.{kind}"
    if kind == "zarr":
        import zarr

        zarr.create_array(str(path), shape=truth.shape, dtype=truth.dtype)
    elif kind == "tif":
        tifffile.imwrite(path, truth, photometric="minisblack")
    else:
        np.save(path, truth)
    with pytest.raises(MetadataError, match=message):
        open_source(path, **options)


def test_ambiguous_axes_ask_for_names(tmp_path):
    truth = np.zeros((2, 3, 4, 5), "uint8")
    np.save(tmp_path / "a.npy", truth)
    tifffile.imwrite(tmp_path / "a.tif", truth, photometric="minisblack")
    for source in (truth, tmp_path / "a.npy", tmp_path / "a.tif"):
        with pytest.raises(MetadataError, match="axes="):
            open_source(source)
        assert open_source(source, axes="czyx").spec.axes == "czyx"


def test_other_things_are_refused():
    with pytest.raises(ParameterError, match="an array of numpy, dask or xarray"):
        open_source(3)
    with pytest.raises(ParameterError, match="listing"):
        open_source(np.zeros((3, 3)), key="mtime")
    with pytest.raises(MetadataError, match="voxels are"):
        open_source(np.array([["a"]]))


def test_an_unreachable_url():
    with pytest.raises((SourceError, SourceNotFound), match=r"127\.0\.0\.1"):
        open_source("http://127.0.0.1:1/a.zarr")
    with pytest.raises((SourceError, SourceNotFound), match=r"127\.0\.0\.1"):
        open_source("http://127.0.0.1:1/a.tif")
    with pytest.raises(SourceError, match="zarr has metadata"):
        open_source("memory://nothing/here.zarr")


def test_units_have_one_spelling():
    for text in ("um", "µm", "\u03bcm", "micron", "Micrometer", "micrometre"):
        assert ImageSpec((3,), "u1", "x", 1, text).unit == "um"


def test_a_spec_is_a_value():
    a = ImageSpec((3, 4), ">u2", "yx", voxel_size=2, unit="nm", origin=(0, 0))
    assert a == ImageSpec([3, 4], "uint16", "yx", (2.0, 2.0), "nanometer")
    assert hash(a) == hash(a.replace(shape=(3, 4)))
    assert (a.ndim, a.nbytes, a.roi) == (2, 24, Roi((0, 0), (3, 4)))


def test_a_masked_array_is_refused_unless_nothing_is_masked() -> None:
    array = np.ma.masked_array([[1, 2], [3, 4]], [[0, 1], [0, 0]])
    with pytest.raises(MetadataError, match="mask of an array"):
        open_source(array)
    assert open_source(np.ma.masked_array([[1, 2]], [[0, 0]])).spec.shape == (1, 2)


@pytest.mark.parametrize("name", ["a.zarr", "a.tif"])
def test_masked_voxels_are_not_written(tmp_path, name) -> None:
    array = np.ma.masked_array([[1, 2], [3, 4]], [[0, 1], [0, 0]])
    out = create(tmp_path / name, like=np.zeros((2, 2), array.dtype))
    with pytest.raises(MetadataError, match=f"mask of an array(.|\n)*{name}"):
        out.write(Roi((0, 0), (2, 2)), array)
    out.write(Roi((0, 0), (2, 2)), np.ma.masked_array(array.data, False))
    np.testing.assert_array_equal(open_source(tmp_path / name).read(out.spec.roi), array.data)


REMEDIES = {
    "a zip": ("a.zip", b"PK", r"rename it"),
    "a table": ("a.xlsx", b"PK", "convert it"),
    "objects": ("a_seg.npy", None, r"(?s)a pickle.*allow_pickle.*masks"),
    "half a header": ("b.npy", b"\x93NUMPY\x01\x00", "damaged"),
}


@pytest.mark.parametrize(("name", "content", "text"), REMEDIES.values(), ids=REMEDIES)
def test_a_file_that_is_no_image_says_what_to_do(tmp_path, name, content, text):
    path = tmp_path / name
    if content is None:
        np.save(path, np.array({"masks": np.ones((3, 4))}), allow_pickle=True)
    else:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=text):
        open_source(path)


def test_what_is_no_image_at_all_says_what_to_do(tmp_path):
    for given, text in ((["a.tif", "b.tif"], r"sc\.open_folder"), (object(), r"np\.asarray")):
        with pytest.raises(ParameterError, match=text):
            open_source(given)
    (tmp_path / "brain" / "ch0").mkdir(parents=True)
    with pytest.raises(SourceError, match=r"such as 'ch0': .*brain/\{folder\}/\*\.tif"):
        open_source(tmp_path / "brain")
