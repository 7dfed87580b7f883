"""Stores in buckets: what would make a result wrong there, and only there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid import remote
from scutoid.errors import DamagedResult
from scutoid.store import EntryStore, Recipe

RAW = np.random.default_rng(0).integers(1, 255, (64, 64)).astype("u1")
RAW[:32, :32] = 0
QUIET = {"progress": False, "check_halo": False, "executor": "serial", "block": 32}


@sc.blockwise(retries=0, version="1")
def twice(a):
    return a * np.uint16(2)


@sc.blockwise(out=("image", "table"), version="1")
def both(a, *, add=1):
    return a + add, pd.DataFrame({"largest": [float(a.max())]})


@sc.blockwise(retries=0, version="1")
def stopping(a, *, marks):
    if Path(marks, "stop").exists() and a.shape == (32, 32) and a.sum() == RAW[32:, 32:].sum():
        raise ValueError("stopped here")
    return a * np.uint16(2)


def objects_of(store, pattern):
    return [o.url for o in remote.objects(store) if re.search(pattern, o.url)]


@pytest.mark.parametrize("place", ["bucket", "folder"])
def test_blocks_of_an_input_that_changed_for_a_while_do_not_count(store, tmp_path, place):
    store = store if place == "bucket" else tmp_path / "results"
    path, kept, other = (tmp_path / f"{name}.npy" for name in ("a", "kept", "other"))
    np.save(path, RAW)
    np.save(other, 255 - RAW)
    shutil.copy2(path, kept)

    class Changing:
        def on_event(self, event):
            if type(event).__name__ == "BatchDone" and other.exists():
                other.replace(path)

    target = twice(sc.open(path, axes="yx"))
    failed = sc.run(target, store=store, on_failure="return", listeners=[Changing()], **QUIET)
    assert not failed.ok
    shutil.copy2(kept, path)
    again = twice(sc.open(path, axes="yx"))
    sc.run(again, store=store, **QUIET)
    np.testing.assert_array_equal(again.read(), RAW * np.uint16(2))


@pytest.fixture
def stopped(store, tmp_path, machine):
    """Stop a run at its last block; gives what goes on elsewhere, and its shards' URL."""
    stop = tmp_path / "stop"
    stop.touch()

    def target():
        return stopping(sc.open(RAW, axes="yx"), marks=str(tmp_path))

    sc.run(target(), store=store, on_failure="return", **QUIET)
    stop.unlink()
    machine("second")
    (shard,) = objects_of(store, "/0/c/0/1$")
    return target, shard.removesuffix("0/1")


@pytest.mark.parametrize("place", ["1/1", "0/0"])
def test_a_shard_that_no_segment_notes_does_not_stay(store, stopped, place):
    target, shards = stopped
    remote.put(f"{shards}{place}", remote.get(f"{shards}0/1"))  # as of a run that was killed
    image = target()
    done = sc.run(image, store=store, **QUIET)
    assert done.step("stopping").n_cached == 3
    np.testing.assert_array_equal(image.read(), RAW * np.uint16(2))
    assert sc.Store(store).verify().ok


@pytest.mark.parametrize("change", [None, lambda content: content[:-1]])
def test_a_result_is_begun_anew_where_a_shard_of_it_is_not_as_noted(store, stopped, change):
    target, shards = stopped
    if change is None:
        remote.remove([f"{shards}0/1"])
    else:
        remote.put(f"{shards}0/1", change(remote.get(f"{shards}0/1")))
    image = target()
    done = sc.run(image, store=store, **QUIET)
    assert done.step("stopping").n_cached == 0
    np.testing.assert_array_equal(image.read(), RAW * np.uint16(2))
    assert sc.Store(store).verify().ok


@pytest.mark.parametrize("lost", ["table.parquet", "image.shards", "manifest.json"])
def test_force_makes_anew_what_is_damaged_and_others_can_be_made(store, machine, lost):
    def target(**parameters):
        return both(sc.open(RAW, axes="yx"), **parameters)

    sc.run(*target(), store=store, **QUIET)
    (url,) = objects_of(store, f"/{re.escape(lost)}$")
    remote.put(url, b"something else")
    machine("second")
    with pytest.raises(DamagedResult, match="force="):
        sc.run(*target(), store=store, **QUIET)
    sc.run(*target(add=2), store=store, **QUIET)
    sc.run(*target(), store=store, force=["both"], **QUIET)
    machine("third")
    np.testing.assert_array_equal(sc.Store(store)["both"][0].read(), RAW + 1)
    assert sc.Store(store).verify().ok


def test_a_shard_that_goes_after_it_was_seen_is_no_zeros(store):
    image = twice(sc.open(RAW, axes="yx"))
    sc.run(image, store=store, **QUIET)
    opened = sc.Store(store)["twice"]
    np.testing.assert_array_equal(opened.read(), RAW * np.uint16(2))
    remote.remove(objects_of(store, "/0/c/1/1$"))
    with pytest.raises(DamagedResult):
        opened[32:, 32:].read()


def begun(store):
    entry = EntryStore(store).entry("otsu", "3f9a1c0b7d42aa")
    lock = entry.lock()
    assert lock.acquire()
    entry.begin(Recipe(step="otsu", key="3f9a1c0b7d42aa"))
    entry.remote.announce()
    entry.save(41, "value")
    return entry, lock


def test_a_lock_that_could_not_be_given_back_is_free_for_its_own_process(bucket, store):
    entry, lock = begun(store)
    bucket.proxy.fault = lambda method, path: 503 if ".lock" in path else None
    lock.release()
    bucket.proxy.fault = lambda method, path: None
    assert not entry.lock().is_held


def test_a_working_folder_is_left_alone_by_a_look_that_waited_while_a_run_began(store, monkeypatch):
    entry, lock = begun(store)
    looks = iter([False])  # before the run had begun
    is_held = type(lock._here).is_held
    monkeypatch.setattr(
        type(lock._here), "is_held", property(lambda self: next(looks, is_held.fget(self)))
    )
    looks_at = EntryStore(store)
    remote.remove(objects_of(store, "begun"))
    looks_at.entry("otsu", "3f9a1c0b7d42aa")
    assert entry.status == "partial"
    lock.release()
