"""Chunks inside of shards are decoded as those that have files of their own."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, ZstdCodec

import scutoid.arrays._zarr_array as zarr_module
from scutoid.arrays import open_source
from scutoid.arrays._zarr_cut import CutChunks
from scutoid.arrays._zarr_whole import ShardedChunks
from scutoid.errors import SourceError
from scutoid.geometry import Roi
from scutoid.spent import Clock

SHAPE, CHUNK, SHARD = (13, 20, 24), (4, 5, 6), (8, 10, 12)
INSIDE = (BytesCodec(), ZstdCodec(level=1), Crc32cCodec())
FIRST = Roi((0, 0, 0), (9, 11, 13))


def written(folder, dtype="uint16", **given):
    """Write a zarr of shards, in which one chunk is of zeros; return its path and voxels."""
    voxels = np.random.default_rng(0).integers(0, 2, SHAPE).astype(dtype)
    voxels[4:8, 5:10, :6] = 0
    fill = given.pop("fill_value", 0)
    codec = ShardingCodec(chunk_shape=CHUNK, **{"codecs": INSIDE, **given})
    array = zarr.create_array(
        folder / "a.zarr",
        shape=SHAPE,
        chunks=SHARD,
        dtype=dtype,
        serializer=codec,
        compressors=None,
        fill_value=fill,
    )
    array[...] = voxels
    return folder / "a.zarr", voxels


@pytest.fixture
def decoded(monkeypatch):
    """Which chunks of shards are decoded, of arrays however small, and what came of it."""
    found = []
    decode = ShardedChunks.decoded

    def noted(self, place):
        voxels = decode(self, place)
        found.append((tuple(place), voxels is not None))
        return voxels

    monkeypatch.setattr(ShardedChunks, "decoded", noted)
    monkeypatch.setattr(zarr_module, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(zarr_module, "CUT", CutChunks(2**30))
    return found


@pytest.mark.parametrize("dtype", ["bool", "uint16", "float32"])
def test_blocks_with_halos_decode_each_chunk_once(dtype, decoded, tmp_path):
    path, voxels = written(tmp_path, dtype)
    source = open_source(str(path))
    with Clock():
        for start in itertools.product(
            *(range(0, n, e) for n, e in zip(SHAPE, SHARD, strict=True))
        ):
            low = [max(at - 1, 0) for at in start]
            high = [min(at + e + 1, n) for at, e, n in zip(start, SHARD, SHAPE, strict=True)]
            roi = Roi(low, [b - a for a, b in zip(low, high, strict=True)])
            np.testing.assert_array_equal(source.read(roi), voxels[roi.to_slices()])
    assert len(decoded) == 4 * 4 * 4
    assert {place for place, _ in decoded} == set(np.ndindex(4, 4, 4))
    assert zarr_module.CUT.n_bytes == 0


@pytest.mark.parametrize("damage", ["chunk", "its checksum", "index", "cut", "empty"])
def test_what_is_damaged_is_left_to_tensorstore(damage, decoded, tmp_path):
    path, _ = written(tmp_path)
    shard = path / "c/0/0/0"
    content = bytearray(shard.read_bytes())
    at = {"chunk": 0, "its checksum": _end_of_first(content) - 1, "index": -9}.get(damage)
    if at is not None:
        content[at] ^= 1
    shard.write_bytes({"cut": content[:-7], "empty": b""}.get(damage, content))
    with Clock(), pytest.raises(SourceError, match="can be read and decoded"):
        open_source(str(path)).read(FIRST)
    assert not all(is_there for _, is_there in decoded)


def _end_of_first(shard):
    """Where the first chunk ends, with its checksum."""
    index = np.frombuffer(shard[-4 - 16 * 8 : -4], "<u8").reshape(8, 2)
    offset, size = min(index.tolist())
    return offset + size


def test_a_shard_that_is_not_there_is_left_to_tensorstore(decoded, tmp_path):
    path, _ = written(tmp_path)
    (path / "c/0/0/0").unlink()
    with Clock():
        found = open_source(str(path)).read(FIRST)
    assert not found[:8, :10, :12].any()
    assert not decoded


@pytest.mark.parametrize(
    "given",
    [
        {"fill_value": 3},
        {"codecs": INSIDE[:2]},
        {"codecs": (BytesCodec(endian="big"), *INSIDE[1:])},
        {"index_location": "start"},
        {"index_codecs": (BytesCodec(),)},
    ],
    ids=lambda given: next(iter(given)),
)
def test_shards_of_other_kinds_are_left_to_tensorstore(given, decoded, tmp_path):
    path, voxels = written(tmp_path, **given)
    with Clock():
        np.testing.assert_array_equal(open_source(str(path)).read(FIRST), voxels[FIRST.to_slices()])
    assert not decoded
