"""Damage in any level of a pyramid is seen by a run as in the finest, and a run heals it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import scutoid as sc

IMAGE = np.random.default_rng(0).integers(1, 250, (20, 24)).astype("uint8")
LEVELS, LAST = 3, 1
DAMAGES = {
    "missing": lambda _: None,
    "cut off": lambda content: content[: len(content) // 2],
    "longer": lambda content: content + b"x",
}


@sc.blockwise(dtype="same", block_invariant=True, version="1")
def halved(image):
    return image // 2 + 1


def target():
    """Return an image in blocks, the last of which an edge of the image cuts off."""
    storage = sc.Storage(format="zarr", levels=LEVELS)
    return halved.options(storage=storage, block=(16, 16))(sc.open(IMAGE))


def run(store):
    return sc.run(target(), store=store, executor="serial", report=False, check_halo=False)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A store with a pyramid."""
    store = tmp_path_factory.mktemp("s") / "good"
    run(store)
    return store


def voxels(store):
    (path,) = store.glob("halved/*/image.ome.zarr")
    return path, [sc.open(path, level=level).read() for level in range(LEVELS)]


def check_same(store, good):
    for now, then in zip(voxels(store)[1], voxels(good)[1], strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("place", [0, LAST], ids=["first", "at the edge"])
@pytest.mark.parametrize("level", range(LEVELS))
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_sees_a_damaged_shard_of_any_level_and_heals_it(
    tmp_path, good, damage, level, place
) -> None:
    store = tmp_path / "s"
    shutil.copytree(good, store)
    path, _ = voxels(store)
    shard = path / f"{level}/c/{place}/{place}"
    content = DAMAGES[damage](shard.read_bytes())
    shard.unlink() if content is None else shard.write_bytes(content)
    assert sc.plan(target(), store=store)["halved"].status != "cached"
    assert run(store).ok
    check_same(store, good)
    assert sc.Store(store).verify(heal=False).ok
    assert sc.plan(target(), store=store)["halved"].status == "cached"


@pytest.mark.parametrize("level", range(LEVELS))
def test_verify_tells_a_flipped_bit_of_any_level_and_the_next_run_heals_it(
    tmp_path, good, level
) -> None:
    store = tmp_path / "s"
    shutil.copytree(good, store)
    shard = voxels(store)[0] / f"{level}/c/{LAST}/{LAST}"
    content = bytearray(shard.read_bytes())
    content[0] ^= 1
    shard.write_bytes(content)
    assert not sc.Store(store).verify().ok
    assert run(store).ok
    check_same(store, good)
