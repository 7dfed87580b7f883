"""Headers of npy files: of files that are alike one text is read by numpy once."""

from __future__ import annotations

import numpy as np
import pytest

from scutoid.arrays import _npy
from scutoid.arrays._npy import npy_header


@pytest.fixture
def read_by_numpy(monkeypatch):
    """Versions of headers that numpy reads, from now on."""
    versions = []

    def noting(version, read):
        def called(file, **options):
            versions.append(version)
            return read(file, **options)

        return called

    readers = {version: noting(version, read) for version, read in _npy._READERS.items()}
    monkeypatch.setattr(_npy, "_READERS", readers)
    _npy._fields_of.cache_clear()
    return versions


def written(path, array, version=None):
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version=version)
    return str(path)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_the_text_of_files_that_are_alike_is_read_once(tmp_path, read_by_numpy, version):
    headers = set()
    for number in range(5):
        array = np.full((2, 3), number, ">u2", order="F")
        headers.add(npy_header(written(tmp_path / f"{number}.npy", array, version)))
    (header,) = headers
    assert (header.shape, header.dtype, header.is_fortran) == ((2, 3), np.dtype(">u2"), True)
    assert header.start == (tmp_path / "0.npy").stat().st_size - 12
    other = npy_header(written(tmp_path / "other.npy", np.zeros((3, 2), "f4"), version))
    assert (other.shape, other.dtype, other.is_fortran) == ((3, 2), np.dtype("f4"), False)
    assert read_by_numpy == [version] * 2


@pytest.mark.parametrize("n_bytes", range(8, 80, 7))
def test_a_header_that_is_cut_off_is_refused_each_time(tmp_path, n_bytes):
    content = (tmp_path / "a.npy", np.zeros((2, 3)))
    whole = npy_header(written(*content))
    with (tmp_path / "a.npy").open("r+b") as file:
        file.truncate(n_bytes)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"EOF|array header"):
            npy_header(str(tmp_path / "a.npy"))
    assert npy_header(written(*content)) == whole


def test_a_long_text_is_left_to_numpy(tmp_path, read_by_numpy):
    with (tmp_path / "a.npy").open("wb") as file:
        text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".ljust(5000) + b"\n"
        file.write(b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text + b"\0" * 24)
    for _ in range(2):
        header = npy_header(str(tmp_path / "a.npy"))
        assert (header.shape, header.start) == ((2, 3), 12 + len(text))
    assert read_by_numpy == [(2, 0)] * 2
