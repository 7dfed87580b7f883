"""Of TIFFs that differ in nothing but their voxels, the first is parsed, and it alone."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile

from scutoid.arrays import open_source
from scutoid.arrays._tiff_alike import Forms
from scutoid.errors import SourceError

RNG = np.random.default_rng(5)


@pytest.fixture
def parsed(monkeypatch):
    """Paths of TIFFs that are parsed, from now on; none was before."""
    paths: list[str] = []

    class Noting(tifffile.TiffFile):
        def __init__(self, place, **options):
            paths.append(str(place))
            super().__init__(place, **options)

    monkeypatch.setattr(tifffile, "TiffFile", Noting)
    monkeypatch.setattr("scutoid.arrays._tiff_open.FORMS", Forms())
    return paths


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"bigtiff": True}, {"imagej": True}])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_file_like_one_before_is_read_without_its_tags(tmp_path, parsed, dtype, options):
    arrays = [(RNG.random((20, 30)) * 200).astype(dtype) for _ in range(3)]
    options = {"byteorder": ">"} if "imagej" in options and dtype == "float32" else options
    for number, array in enumerate(arrays):
        tifffile.imwrite(
            tmp_path / f"{number}.tif", array, resolution=(5000, 5000), resolutionunit=3, **options
        )
    sources = [open_source(tmp_path / f"{number}.tif") for number in range(3)]
    for source, array in zip(sources, arrays, strict=True):
        np.testing.assert_array_equal(source.read(source.spec.roi), array)
        assert source.spec == sources[0].spec
        assert source.spec.voxel_size == (2.0, 2.0)
    assert sources[1].identity.locations == (str(tmp_path / "1.tif"),)
    assert set(parsed) == {str(tmp_path / "0.tif")}


def test_colours_are_read_too(tmp_path, parsed):
    arrays = [RNG.integers(0, 99, (8, 9, 3)).astype("uint8") for _ in range(2)]
    for number, array in enumerate(arrays):
        tifffile.imwrite(tmp_path / f"{number}.tif", array, photometric="rgb")
    source = [open_source(tmp_path / f"{number}.tif") for number in range(2)][1]
    np.testing.assert_array_equal(source.read(source.spec.roi), arrays[1])
    assert source.spec.axes == "yxc"
    assert set(parsed) == {str(tmp_path / "0.tif")}


def test_a_file_with_other_tags_is_described_by_its_own(tmp_path, parsed):
    for number, resolution in enumerate((5000, 2000)):  # files of one size
        array = np.zeros((20, 30), "uint8")
        place = tmp_path / f"{number}.tif"
        tifffile.imwrite(place, array, resolution=(resolution,) * 2, resolutionunit=3)
    sizes = [open_source(tmp_path / f"{number}.tif").spec.voxel_size for number in range(2)]
    assert sizes == [(2.0, 2.0), (5.0, 5.0)]


def test_what_the_user_says_of_a_file_counts(tmp_path, parsed):
    for number in range(2):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.full((20, 30), number, "uint8"))
    open_source(tmp_path / "0.tif")
    assert open_source(tmp_path / "1.tif", axes="zx").spec.axes == "zx"
    assert open_source(tmp_path / "1.tif").spec.axes == "yx"


def test_a_file_whose_tags_lie_among_its_voxels_is_told_by_its_own(tmp_path, parsed):
    for number, per_cm in enumerate((5000, 2000)):
        place = tmp_path / f"{number}.tif"
        tifffile.imwrite(place, np.zeros((20, 30), "uint8"), resolutionunit=3, resolution=(1, 1))
        with tifffile.TiffFile(place) as file:
            page = file.pages.first
            offsets = [page.tags[code].offset + 8 for code in (282, 283)]
            voxels = page.dataoffsets[0]
        content = bytearray(place.read_bytes())
        for offset in offsets:
            struct.pack_into("<I", content, offset, voxels + 8)
        struct.pack_into("<II", content, voxels + 8, per_cm, 1)
        place.write_bytes(content)
    sizes = [open_source(tmp_path / f"{number}.tif").spec.voxel_size for number in range(2)]
    assert sizes == [(2.0, 2.0), (5.0, 5.0)]


def test_a_file_that_changes_after_it_was_opened_is_refused(tmp_path, parsed):
    for number in range(2):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.full((20, 30), number, "uint8"))
    source = [open_source(tmp_path / f"{number}.tif") for number in range(2)][1]
    (tmp_path / "1.tif").write_bytes((tmp_path / "1.tif").read_bytes()[:-5])
    with pytest.raises(SourceError, match="changed"):
        source.read(source.spec.roi)


def test_a_file_that_is_cut_off_is_told_as_any(tmp_path, parsed):
    for number in range(2):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.full((20, 30), number, "uint8"))
    open_source(tmp_path / "0.tif")
    (tmp_path / "1.tif").write_bytes((tmp_path / "1.tif").read_bytes()[:-5])
    with pytest.raises(SourceError, match="cut off"):
        open_source(tmp_path / "1.tif")
