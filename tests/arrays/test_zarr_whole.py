"""Whole chunks are decoded without tensorstore where they are plain, with the same voxels."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from numcodecs import zstd

import scutoid.arrays._zarr_array as zarr_module
import scutoid.arrays._zarr_whole as whole_module
from scutoid.arrays import open_source
from scutoid.arrays._zarr_whole import WholeChunks, whole_chunks
from scutoid.errors import SourceError
from scutoid.geometry import Roi
from scutoid.spent import Clock

SHAPE, CHUNK = (7, 10, 12), (4, 5, 6)
FIRST, EDGE = Roi((0, 5, 6), CHUNK), Roi((4, 5, 6), (3, 5, 6))


def image(dtype):
    return np.random.default_rng(0).integers(0, 2, SHAPE).astype(dtype)


def written(folder, dtype="uint16", **given):
    """Write a zarr; return its path and voxels."""
    voxels = image(dtype)
    zarr.create_array(folder / "a.zarr", data=voxels, chunks=CHUNK, **given)
    return folder / "a.zarr", voxels


@pytest.fixture
def seen(monkeypatch):
    """Decode all arrays in this way, however small; what each look at a chunk came to."""
    found = []
    read = WholeChunks.read

    def noted(self, roi, dtype):
        voxels = read(self, roi, dtype)
        found.append(voxels is not None)
        return voxels

    monkeypatch.setattr(zarr_module, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(WholeChunks, "read", noted)
    return found


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float64"])
def test_a_whole_chunk_is_decoded_without_tensorstore(dtype, seen, tmp_path):
    path, voxels = written(tmp_path, dtype)
    source = open_source(str(path))
    found = source.read(FIRST)
    np.testing.assert_array_equal(found, voxels[FIRST.to_slices()])
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    found[...] = 1  # it is the caller's own
    np.testing.assert_array_equal(source.read(FIRST), voxels[FIRST.to_slices()])
    assert seen == [True, True]


@pytest.mark.parametrize("roi", [EDGE, Roi((0, 0, 0), (4, 10, 12)), Roi((1, 0, 0), CHUNK)])
def test_other_regions_are_left_to_tensorstore(roi, seen, tmp_path):
    path, voxels = written(tmp_path)
    np.testing.assert_array_equal(open_source(str(path)).read(roi), voxels[roi.to_slices()])
    assert not any(seen)


@pytest.fixture
def several(monkeypatch):
    """Take chunks for large, however small; the regions of several that were read in this way."""
    found = []
    read = WholeChunks.read_several

    def noted(self, roi, dtype):
        voxels = read(self, roi, dtype)
        found.append(voxels is not None)
        return voxels

    monkeypatch.setattr(whole_module, "_LARGE", 0)
    monkeypatch.setattr(WholeChunks, "read_several", noted)
    return found


@pytest.mark.parametrize(
    "roi", [EDGE, Roi((0, 0, 0), (4, 10, 12)), Roi((0, 5, 0), (7, 5, 12)), Roi((0, 0, 0), SHAPE)]
)
def test_workers_decode_whole_chunks_one_after_the_other(roi, several, seen, tmp_path):
    path, voxels = written(tmp_path)
    source = open_source(str(path))
    with Clock():
        found = source.read(roi)
    np.testing.assert_array_equal(found, voxels[roi.to_slices()])
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(source.read(roi), found)  # not a worker's: by tensorstore
    assert several == [True]


@pytest.mark.parametrize("how", ["gone", "small"])
def test_workers_leave_other_chunks_to_tensorstore(how, several, seen, tmp_path, monkeypatch):
    path, voxels = written(tmp_path)
    if how == "gone":
        (path / "c/1/1/1").unlink()
        voxels[4:, 5:, 6:] = 0
    else:
        monkeypatch.setattr(whole_module, "_LARGE", 2**20)
    with Clock():
        np.testing.assert_array_equal(open_source(str(path)).read(Roi((0, 0, 0), SHAPE)), voxels)
    assert several == [False]


def test_a_chunk_that_is_not_there_has_the_fill_value(seen, tmp_path):
    path, _ = written(tmp_path, fill_value=9)
    (path / "c/0/1/1").unlink()
    assert (open_source(str(path)).read(FIRST) == 9).all()
    assert seen == [False]


@pytest.mark.parametrize(
    "given",
    [
        {"compressors": None},
        {"compressors": zarr.codecs.GzipCodec()},
        {"compressors": [zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()]},
        {"serializer": zarr.codecs.BytesCodec(endian="big")},
        {"filters": [zarr.codecs.TransposeCodec(order=(2, 1, 0))]},
        {"chunk_key_encoding": {"name": "v2", "separator": "."}},
        {"zarr_format": 2},
    ],
    ids=lambda given: "_".join(given) + str(len(str(given))),
)
def test_arrays_of_other_kinds_are_left_to_tensorstore(given, seen, tmp_path):
    path, voxels = written(tmp_path, **given)
    np.testing.assert_array_equal(open_source(str(path)).read(FIRST), voxels[FIRST.to_slices()])
    assert not seen


@pytest.mark.parametrize("given", [{"level": 9, "checksum": True}, {"level": -3}])
def test_any_level_of_zstd_is_decoded(given, seen, tmp_path):
    path, voxels = written(tmp_path, compressors=zarr.codecs.ZstdCodec(**given))
    np.testing.assert_array_equal(open_source(str(path)).read(FIRST), voxels[FIRST.to_slices()])
    assert seen == [True]


def test_keys_with_dots_are_found(seen, tmp_path):
    keys = {"name": "default", "separator": "."}
    path, voxels = written(tmp_path, chunk_key_encoding=keys)
    np.testing.assert_array_equal(open_source(str(path)).read(FIRST), voxels[FIRST.to_slices()])
    assert seen == [True]


@pytest.mark.parametrize("dtype", ["bool", "uint16"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "short", "long", "nothing"])
def test_a_damaged_chunk_is_refused_as_tensorstore_refuses_it(damage, dtype, seen, tmp_path):
    path, voxels = written(tmp_path, dtype)
    chunk = path / "c/0/1/1"
    content = chunk.read_bytes()
    raw = voxels[FIRST.to_slices()].tobytes()
    chunk.write_bytes(
        {
            "cut": content[:-3],
            "flipped": content[:9] + bytes([content[9] ^ 255]) + content[10:],
            "short": zstd.compress(raw[:-2]),
            "long": zstd.compress(raw + raw[:2]),
            "nothing": b"",
        }[damage]
    )
    with pytest.raises(SourceError, match="can be read and decoded"):
        open_source(str(path)).read(FIRST)
    assert seen == [False]


def test_a_chunk_of_two_frames_is_what_tensorstore_takes_it_for(seen, tmp_path):
    path, voxels = written(tmp_path)
    chunk = path / "c/0/1/1"
    chunk.write_bytes(chunk.read_bytes() + zstd.compress(b"more"))
    np.testing.assert_array_equal(open_source(str(path)).read(FIRST), voxels[FIRST.to_slices()])
    assert seen == [False]


def test_what_no_bool_is_is_refused_as_tensorstore_refuses_it(seen, tmp_path):
    path, voxels = written(tmp_path, "bool")
    raw = voxels[FIRST.to_slices()].view("uint8") * 2
    (path / "c/0/1/1").write_bytes(zstd.compress(raw.tobytes()))
    with pytest.raises(SourceError, match="can be read and decoded"):
        open_source(str(path)).read(FIRST)
    assert seen == [False]


def test_small_arrays_stay_in_the_cache_of_tensorstore(tmp_path):
    path, _ = written(tmp_path)
    assert zarr_module._whole_chunks(open_source(str(path)).array) is None


def test_what_tensorstore_describes_otherwise_is_left_to_it():
    assert whole_chunks({"driver": "zarr", "kvstore": {"driver": "file"}}) is None
    assert whole_chunks({"driver": "zarr3", "kvstore": {"driver": "http"}, "metadata": {}}) is None
