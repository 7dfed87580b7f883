"""Blocks with halos read chunks that are kept no longer, and no more of, than others need them."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid.arrays._zarr_array as zarr_module
import scutoid.arrays._zarr_cut as cut_module
from scutoid.arrays import open_source
from scutoid.arrays._zarr_cut import CutChunks
from scutoid.arrays._zarr_whole import WholeChunks
from scutoid.geometry import Roi
from scutoid.spent import Clock

SHAPE, CHUNK, HALO = (40, 48, 52), 16, 1
BYTES = CHUNK**3 * 2
PLAIN = np.zeros((CHUNK,) * 3, "uint16")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A zarr, its voxels, and its chunks."""
    path = tmp_path_factory.mktemp("cut") / "a.zarr"
    voxels = np.random.default_rng(0).integers(0, 999, SHAPE).astype("uint16")
    zarr.create_array(path, data=voxels, chunks=(CHUNK,) * 3)
    chunks = WholeChunks(f"{path}/", "c/", "/", (CHUNK,) * 3, np.dtype("uint16"))
    return path, voxels, chunks


@pytest.fixture
def decoded(monkeypatch):
    """Which chunks were decoded."""
    found = []
    decode = WholeChunks.decoded

    def noted(self, place):
        found.append(tuple(place))
        return decode(self, place)

    monkeypatch.setattr(WholeChunks, "decoded", noted)
    return found


def blocks(shape=SHAPE, block=CHUNK, halo=HALO):
    """Regions of blocks with their halo, in C order."""
    for start in itertools.product(*(range(0, size, block) for size in shape)):
        low = [max(a - halo, 0) for a in start]
        high = [min(a + block + halo, size) for a, size in zip(start, shape, strict=True)]
        yield Roi(low, [b - a for a, b in zip(low, high, strict=True)])


@settings(max_examples=30)
@given(
    block=st.sampled_from([11, 16, 21, 32, 48]),
    halo=st.integers(0, 20),
    limit=st.sampled_from([1, 4 * BYTES, 2**30]),
)
def test_regions_are_those_of_the_image(block, halo, limit, written):
    path, voxels, chunks = written
    cut = CutChunks(limit)
    for roi in blocks(block=block, halo=halo):
        found = cut.read(path, chunks, SHAPE, roi)
        if found is not None:
            np.testing.assert_array_equal(found, voxels[roi.to_slices()])
            assert found.flags.c_contiguous
            found[...] = 0  # it is the caller's own
        assert cut.n_bytes <= limit


def test_each_chunk_is_decoded_once_and_nothing_is_left(written, decoded):
    path, _, chunks = written
    cut = CutChunks(2**30)
    most = 0
    for roi in blocks():
        cut.read(path, chunks, SHAPE, roi)
        most = max(most, cut.n_bytes)
    assert len(decoded) == len(set(decoded)) == 36
    assert cut.n_bytes == 0
    assert most < 36 * BYTES * 2 // 3


def test_with_little_room_chunks_are_decoded_for_their_faces_and_for_their_block(written, decoded):
    path, _, chunks = written
    cut = CutChunks(12 * BYTES)  # whole, 27 of them would be needed for a block
    for roi in blocks():
        cut.read(path, chunks, SHAPE, roi)
    assert len(decoded) <= 2 * 36


def test_with_very_little_room_what_is_read_next_is_kept(monkeypatch, tmp_path, decoded):
    chunks = WholeChunks(f"{tmp_path}/", "c/", "/", (CHUNK,) * 3, np.dtype("uint16"))
    monkeypatch.setattr(WholeChunks, "decoded", lambda self, at: decoded.append(at) or PLAIN)
    monkeypatch.setattr(cut_module, "stamp_of", lambda path: (0, 0))
    cut = CutChunks(8 * BYTES)
    for roi in blocks(shape=(5 * CHUNK,) * 3):
        assert cut.read(tmp_path, chunks, (5 * CHUNK,) * 3, roi) is not None
        assert cut.n_bytes <= 8 * BYTES
    assert len(decoded) <= 5 * 5**3


def test_with_little_room_and_wide_halos_the_faces_that_come_next_are_kept(written, decoded):
    path, _, chunks = written
    cut = CutChunks(12 * BYTES)
    for roi in blocks(halo=2):
        cut.read(path, chunks, SHAPE, roi)
    assert len(decoded) <= 3 * 36


def test_chunks_smaller_than_blocks_need_their_outer_faces_alone(written, decoded):
    path, _, chunks = written
    cut = CutChunks(2**30)
    for roi in blocks(block=2 * CHUNK):
        cut.read(path, chunks, SHAPE, roi)
    assert len(decoded) == 36
    assert cut.n_bytes == 0


def test_a_chunk_that_was_written_again_is_decoded_again(tmp_path):
    path = tmp_path / "a.zarr"
    array = zarr.create_array(path, shape=(48,), chunks=(16,), dtype="uint16")
    chunks = WholeChunks(f"{path}/", "c/", "/", (16,), np.dtype("uint16"))
    cut = CutChunks(2**30)
    array[:] = 1
    assert (cut.read(path, chunks, (48,), Roi((0,), (18,))) == 1).all()
    array[:] = 2
    assert (cut.read(path, chunks, (48,), Roi((14,), (20,))) == 2).all()


def test_threads_decode_a_chunk_once(written, monkeypatch):
    path, voxels, chunks = written
    cut, decode, n_decoded = CutChunks(2**30), WholeChunks.decoded, []
    is_waited_for = threading.Event()

    def slow(self, place):
        n_decoded.append(place)
        assert is_waited_for.wait(30)
        return decode(self, place)

    class Watched(dict):
        def get(self, key, default=None):
            if key in self:
                is_waited_for.set()
            return super().get(key, default)

    monkeypatch.setattr(WholeChunks, "decoded", slow)
    cut._coming = Watched()
    roi = Roi((0, 0, 0), (CHUNK,) * 3)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(cut.read(path, chunks, SHAPE, roi)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert all((each == voxels[roi.to_slices()]).all() for each in found)
    assert len(n_decoded) <= 2  # the own chunk of a block is not kept for another


def test_workers_read_in_this_way_and_others_by_tensorstore(written, decoded, monkeypatch):
    monkeypatch.setattr(zarr_module, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(zarr_module, "CUT", CutChunks(2**30))
    path, voxels, _ = written
    source, roi = open_source(str(path)), Roi((0, 0, 0), (18, 18, 18))
    np.testing.assert_array_equal(source.read(roi), voxels[:18, :18, :18])
    assert not decoded
    with Clock():
        np.testing.assert_array_equal(source.read(roi), voxels[:18, :18, :18])
    assert len(decoded) == 8


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_a_chunk_that_is_not_plain_is_left_to_tensorstore(how, tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=np.ones(48, "uint16"), chunks=(16,))
    chunks = WholeChunks(f"{path}/", "c/", "/", (16,), np.dtype("uint16"))
    if how == "gone":
        (path / "c/1").unlink()
    else:
        (path / "c/1").write_bytes(b"no zstd")
    assert CutChunks(2**30).read(path, chunks, (48,), Roi((0,), (18,))) is None


def test_a_run_of_several_steps_gives_the_same(written):
    path, voxels, chunks = written
    cut = CutChunks(2**30)
    for halo in (HALO, 5):  # two steps that read with halos of their own
        for roi in blocks(halo=halo):
            np.testing.assert_array_equal(
                cut.read(path, chunks, SHAPE, roi), voxels[roi.to_slices()]
            )
