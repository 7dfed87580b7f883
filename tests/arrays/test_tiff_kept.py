"""Small TIFFs stay open from their description to the reading of their voxels."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from scutoid.arrays import ImageSpec, open_source, write_tiff
from scutoid.arrays import _tiff_open as opening
from scutoid.arrays._tiff_files import FILES
from scutoid.errors import SourceError

SPEC = ImageSpec((20, 30), "uint16", "yx")


@pytest.fixture
def parsed(monkeypatch):
    """Paths of TIFFs that are parsed, from now on."""
    FILES.close()
    paths: list[str] = []

    class Noting(tifffile.TiffFile):
        def __init__(self, place, **options):
            paths.append(str(place))
            super().__init__(place, **options)

    monkeypatch.setattr(tifffile, "TiffFile", Noting)
    return paths


def written(path, value):
    write_tiff(path, np.full(SPEC.shape, value, "uint16"), SPEC)
    return path


def test_a_small_file_is_parsed_once(tmp_path, parsed):
    path = written(tmp_path / "a.tif", 3)
    source = open_source(path)
    assert (source.read(SPEC.roi) == 3).all()
    assert open_source(path).spec == source.spec
    assert parsed == [str(path)] * 2  # each description is made anew


def test_a_large_file_is_closed_once_it_is_described(tmp_path, parsed, monkeypatch):
    monkeypatch.setattr(opening, "SMALL", 100)
    path = written(tmp_path / "a.tif", 3)
    open_source(path)
    assert not FILES._held


def test_voxels_are_of_the_file_as_it_was_described(tmp_path, parsed):
    source = open_source(written(tmp_path / "a.tif", 3))
    (tmp_path / "a.tif").unlink()
    written(tmp_path / "a.tif", 4)
    with pytest.raises(SourceError, match="changed"):
        source.read(SPEC.roi)
    assert (open_source(tmp_path / "a.tif").read(SPEC.roi) == 4).all()


def test_a_file_that_is_replaced_while_it_is_described_is_read_anew(tmp_path, parsed, monkeypatch):
    path, describe = written(tmp_path / "a.tif", 3), opening._describe

    def replacing(*arguments):
        written(path, 4)
        return describe(*arguments)

    monkeypatch.setattr(opening, "_describe", replacing)
    assert (open_source(path).read(SPEC.roi) == 4).all()


def test_few_files_stay_open(tmp_path, parsed):
    for number in range(40):
        open_source(written(tmp_path / f"{number}.tif", number))
    assert len(FILES._held) == 16
