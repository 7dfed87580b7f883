"""TIFFs that are written whole: what tifffile writes, with less work for each."""

from __future__ import annotations

import re
import zlib

import numpy as np
import pytest

from scutoid.arrays import ImageSpec, _tiff_write, open_source, write_tiff
from scutoid.arrays._tiff_write import as_stored, at_least_2d, compression_of, put_tiff

RNG = np.random.default_rng(5)
UUID = re.compile(rb"urn:uuid:([0-9a-f-]{36})")
SHAPES = [
    ((40, 50), "yx"),
    ((5, 40, 30), "zyx"),
    ((2, 3, 4, 10, 11), "tczyx"),
    ((20, 30, 3), "yxc"),
    ((7,), "x"),
    ((1, 1), "yx"),
]
TYPES = ["uint16", "float32", "int64", "complex64", "bool"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("shape", "axes"), SHAPES)
def test_a_file_is_what_tifffile_writes_but_for_its_number(tmp_path, shape, axes, dtype):
    spec = ImageSpec(shape, dtype, axes, voxel_size=0.5, unit="um")
    numbers = set()
    for name in "ab":
        image = (RNG.random(shape) * 200).astype(dtype)
        written = write_tiff(tmp_path / name, image, spec)
        content = (tmp_path / name).read_bytes()
        assert written.checksum == zlib.crc32(content)
        pages = as_stored(image).reshape(at_least_2d(shape))
        if not compression_of(as_stored(image)):
            put_tiff(tmp_path / "whole", pages, spec)
            assert UUID.sub(b"", content) == UUID.sub(b"", (tmp_path / "whole").read_bytes())
        found = open_source(str(tmp_path / name))
        assert found.spec == spec
        np.testing.assert_array_equal(found.read(spec.roi), image)
        numbers |= {name, *UUID.findall(content)}
    assert len(numbers) in (2, 4)  # OME-XML, where there is any, has another number each time


def test_an_image_of_no_voxels_is_written_by_tifffile(tmp_path):
    spec = ImageSpec((0, 5), "uint16", "yx")
    with pytest.warns(UserWarning, match="zero-size"):
        written = write_tiff(tmp_path / "a.tif", np.zeros((0, 5), "uint16"), spec)
    assert written.checksum is None
    assert open_source(str(tmp_path / "a.tif")).spec == spec


@pytest.mark.parametrize(("shape", "axes"), [((300, 500), "yx"), ((3, 300, 200), "zyx")])
@pytest.mark.parametrize("dtype", ["bool", "int32"])
@pytest.mark.parametrize("has_imagecodecs", [True, False])
def test_masks_and_labels_are_compressed(
    tmp_path, monkeypatch, shape, axes, dtype, has_imagecodecs
):
    import tifffile

    if not has_imagecodecs:
        monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    image = np.zeros(shape, dtype)
    image[..., 20:60, 30:90] = 1
    spec = ImageSpec(shape, dtype, axes)
    write_tiff(tmp_path / "a.tif", image, spec)
    assert (tmp_path / "a.tif").stat().st_size < image.nbytes / 10
    np.testing.assert_array_equal(open_source(str(tmp_path / "a.tif")).read(spec.roi), image)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("axes", ["yx", "x"])
@pytest.mark.parametrize("dtype", ["bool", "int32", "uint16", "int64"])
def test_a_compressed_page_stands_in_what_tifffile_writes_around_it(
    tmp_path, monkeypatch, dtype, axes
):
    spec = ImageSpec((40, 50)[: len(axes)], dtype, axes, voxel_size=0.5, unit="um")
    image = np.ones(spec.shape, dtype)
    for length in (7, 8, 1001, 70_000):  # an odd page is filled up to an even byte
        page = bytes(length)
        monkeypatch.setattr(_tiff_write, "compression_of", lambda values: _tiff_write._FASTEST)
        monkeypatch.setattr(_tiff_write, "_deflated", lambda stored, page=page: page)
        written = write_tiff(tmp_path / "a.tif", image, spec)
        content = (tmp_path / "a.tif").read_bytes()
        assert written.checksum == zlib.crc32(content)
        rows = at_least_2d(spec.shape)[0]
        whole = tmp_path / "whole"
        put_tiff(whole, iter([page]), spec, rowsperstrip=rows, **_tiff_write._FASTEST)
        assert UUID.sub(b"", content) == UUID.sub(b"", whole.read_bytes())


def test_of_images_of_one_description_the_tags_are_made_once(tmp_path, monkeypatch):
    calls = []

    def noted(*given, **options):
        calls.append(given)
        return put_tiff(*given, **options)

    monkeypatch.setattr(_tiff_write, "put_tiff", noted)
    spec = ImageSpec((41, 53), "bool", "yx")
    masks = [RNG.random(spec.shape) < share for share in (0.01, 0.02, 0.03)]
    for mask in masks:
        write_tiff(tmp_path / "a.tif", mask, spec)
        found = open_source(tmp_path / "a.tif").read(spec.roi)
        np.testing.assert_array_equal(found, mask)
    assert len(calls) == 1
