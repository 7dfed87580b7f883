"""Blocks that have read the same as those of an earlier result are taken over, and no others."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import scutoid as sc
from scutoid.blocks import Journal
from scutoid.errors import ScutoidWarning
from scutoid.steps.compute._reads import _Reads
from scutoid.steps.results import BlockDigests, RunRecord
from scutoid.steps.work import EarlierBlocks

EXECUTORS = ["serial", "threads", "processes"]
SIDE, BLOCK = 32, 8
OPTIONS = {"block": BLOCK, "executor": "serial", "check_halo": False}


@sc.blockwise(halo=lambda reach: reach)
def spread(image, *, reach=2):
    return ndimage.maximum_filter(image, 2 * reach + 1)


@sc.blockwise(dtype="int64", block_invariant=True)
def with_level(image, *, level):
    return image.astype("int64") + level


@sc.step
def highest(image):
    return int(image.max())


@sc.reduction(merge=lambda one, other: one + other)
def total(image):
    return int(image.sum(dtype="int64"))


def volume(seed=0, side=SIDE):
    return np.random.default_rng(seed).integers(0, 200, (side,) * 3).astype("uint16")


def write(path, array, chunk=BLOCK):
    zarr.create_array(path, data=array, chunks=(chunk,) * array.ndim, overwrite=True)


def paint(path, at, value=60_000):
    array = zarr.open_array(path)
    array[at] = value
    return array[...]


def ran(run, name):
    step = run.step(name)
    return step.n_taken, step.n_run


def entry_of(store, name):
    (folder,) = sorted(Path(store).glob(f"{name}/*/recipe.json"))
    return sc.store.EntryStore(store).entries(name)[0][0], folder.parent


def as_arrays(run, names):
    return [np.asarray(run[name]) for name in names]


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.zarr"
    write(path, volume())
    return path


@pytest.mark.parametrize("executor", EXECUTORS)
def test_one_voxel_of_a_zarr_has_eight_blocks_at_most_run_again(raw, tmp_path, executor):
    options = {**OPTIONS, "executor": executor, "workers": 2}
    sc.run(spread(sc.open(raw)), store=tmp_path / "store", **options)
    changed = paint(raw, (8, 16, 16))
    run = sc.run(spread(sc.open(raw)), store=tmp_path / "store", **options)
    assert ran(run, "spread") == (56, 8)
    assert np.array_equal(run["spread"], ndimage.maximum_filter(changed, 5))
    assert sc.Store(tmp_path / "store").verify().ok


def test_a_rewritten_chunk_has_the_blocks_run_that_read_what_changed_in_it(raw, tmp_path):
    sc.run(spread(sc.open(raw)), store=tmp_path / "store", **OPTIONS)
    changed = zarr.open_array(raw)[...]
    part = np.s_[8:16, 8:16, 8:16]
    changed[part] = np.where(np.arange(8) < 4, changed[part] + 1, changed[part])  # half of it
    write(raw, changed)  # all chunks have new times
    run = sc.run(spread(sc.open(raw)), store=tmp_path / "store", **OPTIONS)
    assert ran(run, "spread") == (64 - 18, 18)  # 3 x 3 x 2 blocks read the half that changed
    assert np.array_equal(run["spread"], ndimage.maximum_filter(changed, 5))


@pytest.mark.parametrize("executor", EXECUTORS[1:])
def test_digests_are_the_same_in_every_process(raw, tmp_path, executor):
    def known(executor):
        store = tmp_path / executor
        image = sc.open(raw)
        options = {**OPTIONS, "executor": executor, "workers": 2}
        sc.run(with_level(spread(image), level=highest(image)), store=store, **options)
        entry = sc.store.EntryStore(store).entries("with_level")[0][0]
        found = BlockDigests.of(entry)
        return found.family, found.digests

    assert known(executor) == known("serial")


def test_one_plane_of_a_folder_replaced(tmp_path):
    planes = volume()
    folder = tmp_path / "planes"
    folder.mkdir()
    for z, plane in enumerate(planes):
        tifffile.imwrite(folder / f"{z:03}.tif", plane)
    options = {**OPTIONS, "block": (BLOCK, SIDE, SIDE)}
    sc.run(spread(sc.open(folder, axes="zyx")), store=tmp_path / "store", **options)
    planes[12] = 7
    tifffile.imwrite(folder / "012.tif", planes[12])
    run = sc.run(spread(sc.open(folder, axes="zyx")), store=tmp_path / "store", **options)
    assert ran(run, "spread") == (3, 1)
    assert np.array_equal(run["spread"], ndimage.maximum_filter(planes, 5))


def test_an_array_that_was_painted(tmp_path):
    image = volume()
    sc.run(spread(sc.open(image)), store=tmp_path / "store", **OPTIONS)
    image[3, 3, 3] = 9_999
    run = sc.run(spread(sc.open(image)), store=tmp_path / "store", **OPTIONS)
    assert ran(run, "spread") == (63, 1)


def test_what_is_taken_can_be_taken_again_and_says_from_where(raw, tmp_path):
    store = tmp_path / "store"
    first = sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    paint(raw, (0, 0, 0))
    second = sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    paint(raw, (31, 31, 31))
    third = sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    assert [ran(run, "spread") for run in (first, second, third)] == [(0, 64), (63, 1), (63, 1)]
    (newest, recipe), (middle, _), _ = sc.store.EntryStore(store).entries("spread")
    known = BlockDigests.of(newest)
    assert known is not None
    assert recipe.key == newest.key
    assert known.sources == dict.fromkeys(range(63), middle.key)
    assert sorted(known.digests) == list(range(64))


def test_a_block_that_is_not_written_for_it_is_all_zero_is_taken_too(raw, tmp_path):
    image = np.zeros((SIDE,) * 3, "uint16")
    image[20, 20, 20] = 1
    write(raw, image)
    sc.run(spread(sc.open(raw)), store=tmp_path / "store", **OPTIONS)
    changed = paint(raw, (1, 1, 1))
    run = sc.run(spread(sc.open(raw)), store=tmp_path / "store", **OPTIONS)
    assert ran(run, "spread") == (63, 1)
    assert np.array_equal(run["spread"], ndimage.maximum_filter(changed, 5))


@pytest.mark.parametrize(
    "storage",
    [
        {"chunks": 4},
        {"levels": 3},
        {"compressor": "none"},
        {"levels": 2, "chunks": 2, "downsampling": "max"},
    ],
)
def test_shards_of_every_layout_and_level_are_taken(raw, tmp_path, storage):
    store, stored = tmp_path / "store", spread.options(storage=sc.Storage(**storage))
    sc.run(stored(sc.open(raw)), store=store, **OPTIONS)
    paint(raw, (8, 16, 16))
    run = sc.run(stored(sc.open(raw)), store=store, **OPTIONS)
    fresh = sc.run(stored(sc.open(raw)), store=tmp_path / "fresh", **OPTIONS)
    assert ran(run, "spread") == (56, 8)
    assert sc.Store(store).verify().ok
    one, other = (
        sorted(p for p in Path(f).rglob("*") if p.is_file() and "/c/" in str(p))
        for f in (sc.store.EntryStore(store).entries("spread")[0][0].path, tmp_path / "fresh")
    )
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in other]
    assert np.array_equal(run["spread"], fresh["spread"])


PYRAMIDS = {
    "mean": ({}, False),
    "max": ({"downsampling": "max"}, False),
    "labels": ({}, True),
    "levels": ({"levels": 3}, False),
    "factors": ({"factors": (4, 4, 4)}, False),
}


@pytest.mark.parametrize("other", PYRAMIDS)
@pytest.mark.parametrize("one", ["mean", "labels"])
def test_coarser_levels_are_taken_where_they_are_made_alike(tmp_path, one, other):
    """Storage and `labels=` are in no key, but they say how the levels of a block are made."""
    image = volume(side=12)

    def run(pyramid, store):
        changes, labels = PYRAMIDS[pyramid]

        @sc.blockwise(dtype="uint16", labels=labels, version="1")
        def copied(image):
            return image + 1

        stored = copied.options(storage=sc.Storage(**{"levels": 2, **changes}))
        done = sc.run(stored(sc.open(image)), store=tmp_path / store, **OPTIONS)
        folder = sc.store.EntryStore(tmp_path / store).entries("copied")[0][0].path
        files = sorted(path for path in folder.rglob("c/*/*/*") if path.is_file())
        return done.step("copied"), [path.read_bytes() for path in files]

    run(one, "store")
    image[0, 0, 0] = 60_000
    step, shards = run(other, "store")
    _, fresh = run(other, "fresh")
    assert shards == fresh
    assert (step.n_taken > 0) == (one == other)


@sc.blockwise(keep=False)
def doubled(one, other):
    return one + other


@sc.blockwise(keep=False)
def raised(image):
    return image + 1


@sc.blockwise(dtype="int64")
def weighed(one, two, three):
    return one.astype("int64") + 100 * two.astype("int64") + 10_000 * three.astype("int64")


def test_steps_that_are_computed_inside_are_told_apart_by_their_places(raw, tmp_path):
    image = sc.open(raw)
    one, two = raised(image), doubled(image, image)
    voxels = zarr.open_array(raw)[...]
    values = {one: voxels + 1, two: 2 * voxels, image: voxels}
    for chosen in itertools.product(values, repeat=3):
        run = sc.run(weighed(*chosen), store=tmp_path / "store", **OPTIONS)
        assert ran(run, "weighed") == (0, 64)
        expected = sum(values[x].astype("int64") * 100**n for n, x in enumerate(chosen))
        assert np.array_equal(run["weighed"], expected)


def test_steps_that_read_one_inside_by_two_ways_walk_it_once(raw, tmp_path, monkeypatch):
    walked = []
    walk = _Reads.block
    monkeypatch.setattr(
        _Reads, "block", lambda self, *given: (walked.append(given), walk(self, *given))[1]
    )
    image = raised(sc.open(raw))
    for _ in range(6):
        image = doubled(image, image)
    last = raised.options(name="last", keep=True)
    sc.run(last(image), store=tmp_path / "store", **{**OPTIONS, "block": SIDE})
    assert len(walked) == 8  # 2**6 ways lead to the first
    paint(raw, (0, 0, 0))
    run = sc.run(last(image), store=tmp_path / "store", **{**OPTIONS, "block": SIDE})
    assert np.array_equal(run["last"], (zarr.open_array(raw)[...] + 1) * 64 + 1)


@sc.blockwise(halo=lambda reach: reach)
def shrink(image, *, reach=2):
    return ndimage.minimum_filter(image, 2 * reach + 1)


OTHERS = {
    "parameters": lambda image: spread(image, reach=1),
    "code": shrink.options(name="spread"),
    "grid": spread.options(block=(8, 8, 16)),
    "part": lambda image: spread(image[1:]),
    "storage": spread.options(storage=sc.Storage(chunks=2)),
    "dtype": lambda image: spread(sc.open(image.read().astype("int32"))),
    "voxel size": lambda image: spread(sc.open(image.read(), voxel_size=(2, 1, 1), unit="um")),
}


@pytest.mark.parametrize("what", OTHERS)
def test_nothing_is_taken_where_something_else_is_other_too(raw, tmp_path, what):
    store = tmp_path / "store"
    sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    paint(raw, (8, 16, 16))
    run = sc.run(OTHERS[what](sc.open(raw)), store=store, **OPTIONS)
    assert run.step("spread").n_taken == 0
    assert run.step("spread").n_run == run.step("spread").n_blocks


def test_force_takes_nothing(raw, tmp_path):
    sc.run(spread(sc.open(raw)), store=tmp_path / "store", **OPTIONS)
    paint(raw, (8, 16, 16))
    run = sc.run(spread(sc.open(raw)), store=tmp_path / "store", force=["spread"], **OPTIONS)
    assert ran(run, "spread") == (0, 64)


def test_a_value_from_another_step_counts(raw, tmp_path):
    store = tmp_path / "store"

    def leveled():
        image = sc.open(raw)
        return with_level(image, level=highest(image))

    sc.run(leveled(), store=store, **OPTIONS)
    image = paint(raw, (8, 16, 16), 5)  # the highest stays as it is
    run = sc.run(leveled(), store=store, **OPTIONS)
    assert ran(run, "with_level") == (63, 1)
    image = paint(raw, (8, 16, 16), 60_000)
    run = sc.run(leveled(), store=store, **OPTIONS)
    assert ran(run, "with_level") == (0, 64)
    assert np.array_equal(run["with_level"], image.astype("int64") + 60_000)


def test_what_holds_for_all_blocks_counts(raw, tmp_path):
    """A voxel size, an origin or channels that the function can ask for."""

    @sc.blockwise(dtype="float64")
    def sized(image, *, voxel_size=sc.injected):
        return image * voxel_size[0]

    for size in (1.0, 2.0):
        image = sc.open(raw, voxel_size=(size, 1, 1), unit="um")
        run = sc.run(sized(image), store=tmp_path / "store", **OPTIONS)
        assert run.step("sized").n_taken == 0
        assert np.array_equal(run["sized"], zarr.open_array(raw)[...] * size)


def test_a_step_that_sees_its_neighbours_takes_nothing(raw, tmp_path):
    @sc.blockwise(halo=1, dtype="uint16", sees_neighbours=True)
    def numbered(image, *, neighbours):
        return np.maximum(image, neighbours.max())

    sc.run(numbered(sc.open(raw)), store=tmp_path / "store", **OPTIONS)
    paint(raw, (31, 31, 31))
    run = sc.run(numbered(sc.open(raw)), store=tmp_path / "store", **OPTIONS)
    assert run.step("numbered").n_taken == 0


def test_a_step_that_the_plan_cannot_see_all_of_takes_nothing(raw, tmp_path):
    @sc.blockwise(dtype="float64")
    def noisy(image):
        return image + np.random.random()  # noqa: NPY002

    def run():
        with pytest.warns(ScutoidWarning, match="random numbers"):
            return sc.run(noisy(sc.open(raw)), store=tmp_path / "store", **OPTIONS)

    run()
    paint(raw, (0, 0, 0))
    assert run().step("noisy").n_taken == 0


@pytest.mark.parametrize("way", ["flip", "cut", "gone", "note", "swapped"])
def test_a_damaged_block_is_never_taken(raw, tmp_path, way):
    store = tmp_path / "store"
    sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    entry, folder = entry_of(store, "spread")
    shard = folder / "image.ome.zarr/0/c/3/3/3"
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 4
    if way == "flip":
        shard.write_bytes(content)
    elif way == "cut":
        shard.write_bytes(content[:-5])
    elif way == "gone":
        shard.unlink()
    elif way == "note":
        (folder / "image.shards").unlink()
    else:
        shutil.copy(folder / "image.ome.zarr/0/c/3/3/2", shard)
    changed = paint(raw, (0, 0, 0))
    run = sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    assert ran(run, "spread") == ((0, 64) if way == "note" else (62, 2))
    assert np.array_equal(run["spread"], ndimage.maximum_filter(changed, 5))
    newest = sc.store.EntryStore(store).entries("spread")[0][0]
    assert newest.key != entry.key
    assert [d for d in sc.Store(store).verify(heal=False).damages if d.key == newest.key] == []


def test_a_new_result_stays_whole_when_the_old_one_is_removed(raw, tmp_path):
    store = tmp_path / "store"
    sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    changed = paint(raw, (0, 0, 0))
    sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    removed = sc.Store(store).gc(keep_runs=1)
    assert [one.path.parent.name for one in removed.removals] == ["spread", "runs"]
    assert sc.Store(store).verify().ok
    assert np.array_equal(sc.Store(store)["spread"], ndimage.maximum_filter(changed, 5))


@pytest.mark.parametrize("n_before", [0, 10])
def test_an_old_result_that_is_removed_while_blocks_are_taken(raw, tmp_path, monkeypatch, n_before):
    store = tmp_path / "store"
    sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    _, folder = entry_of(store, "spread")
    changed, take = paint(raw, (31, 31, 31)), EarlierBlocks.take
    asked = []

    def removing(self, *arguments):
        asked.append(1)
        if len(asked) == n_before + 1:
            shutil.rmtree(folder)
        return take(self, *arguments)

    monkeypatch.setattr(EarlierBlocks, "take", removing)
    run = sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    assert ran(run, "spread") == (n_before, 64 - n_before)
    assert np.array_equal(run["spread"], ndimage.maximum_filter(changed, 5))
    assert sc.Store(store).verify().ok


def test_an_old_result_that_was_not_finished_gives_what_it_has(raw, tmp_path):
    store = tmp_path / "store"
    failing = {"n": 0}

    def stop(event):
        failing["n"] += type(event).__name__ == "BatchDone" and event.n_done
        if failing["n"] >= 20:
            raise KeyboardInterrupt

    class Stopping:
        on_event = staticmethod(stop)

    with pytest.raises(KeyboardInterrupt):
        sc.run(spread(sc.open(raw)), store=store, listeners=[Stopping()], **OPTIONS)
    (entry, _), *_ = sc.store.EntryStore(store).entries("spread")
    done = Journal.read(entry.journal) != 0
    assert 0 < done.sum() < 64
    changed = paint(raw, (31, 31, 31))
    run = sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    assert ran(run, "spread") == (done.sum(), 64 - done.sum())
    assert np.array_equal(run["spread"], ndimage.maximum_filter(changed, 5))


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_run_that_was_stopped_while_it_took_blocks_goes_on(raw, tmp_path, executor):
    store = tmp_path / "store"
    options = {**OPTIONS, "executor": executor, "workers": 2}
    sc.run(spread(sc.open(raw)), store=store, **options)
    changed = paint(raw, (8, 16, 16))
    seen = []

    class Stopping:
        def on_event(self, event):
            seen.append(getattr(event, "n_taken", 0))
            if sum(seen) > 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sc.run(spread(sc.open(raw)), store=store, listeners=[Stopping()], **options)
    run = sc.run(spread(sc.open(raw)), store=store, **options)
    step = run.step("spread")
    assert step.n_cached > 5
    assert step.n_taken + step.n_cached >= 56
    assert np.array_equal(run["spread"], ndimage.maximum_filter(changed, 5))
    assert sc.Store(store).verify().ok


KILLED = """
import os, signal, sys
import test_taken_blocks as here
import scutoid as sc

n_taken = 0


class Killing:
    def on_event(self, event):
        global n_taken
        n_taken += getattr(event, "n_taken", 0)
        if n_taken > 5:
            os.kill(os.getpid(), signal.SIGKILL)


raw, store, executor = sys.argv[1:]
options = {**here.OPTIONS, "executor": executor, "workers": 2}
sc.run(here.spread(sc.open(raw)), store=store, listeners=[Killing()], **options)
"""


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_run_that_was_killed_while_it_took_blocks_goes_on(raw, tmp_path, executor):
    store = tmp_path / "store"
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}){KILLED}"
    sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    changed = paint(raw, (8, 16, 16))
    command = [sys.executable, "-c", script, str(raw), str(store), executor]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run = sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    step = run.step("spread")
    assert step.n_cached > 0
    assert step.n_taken + step.n_cached >= 56
    assert np.array_equal(run["spread"], ndimage.maximum_filter(changed, 5))
    assert sc.Store(store).verify().ok


def test_where_the_disk_makes_no_second_names_shards_are_copied(raw, tmp_path, monkeypatch):
    store = tmp_path / "store"
    sc.run(spread(sc.open(raw)), store=store, **OPTIONS)

    def refused(*arguments, **named):
        raise OSError

    monkeypatch.setattr(os, "link", refused)
    changed = paint(raw, (8, 16, 16))
    run = sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    assert ran(run, "spread") == (56, 8)
    assert np.array_equal(run["spread"], ndimage.maximum_filter(changed, 5))
    newest = sc.store.EntryStore(store).entries("spread")[0][0]
    assert all(shard.stat().st_nlink == 1 for shard in newest.path.rglob("c/*/*/*"))


def test_results_of_versions_without_digests_give_nothing(raw, tmp_path):
    store = tmp_path / "store"
    sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    _, folder = entry_of(store, "spread")
    (folder / "blocks.digests").unlink()
    assert sc.plan(spread(sc.open(raw)), store=store, block=BLOCK).is_done
    assert sc.Store(store).verify().ok
    paint(raw, (8, 16, 16))
    assert ran(sc.run(spread(sc.open(raw)), store=store, **OPTIONS), "spread") == (0, 64)


def test_digests_that_are_cut_off_or_those_of_another_result_count_as_none(raw, tmp_path):
    store = tmp_path / "store"
    sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    entry, folder = entry_of(store, "spread")
    path = folder / "blocks.digests"
    content = path.read_bytes()
    path.write_bytes(content.replace(entry.key.encode(), b"0" * 64))
    assert BlockDigests.of(entry) is None
    assert BlockDigests.family_of(entry) == ""
    path.write_bytes(content[:-1])
    known = BlockDigests.of(entry)
    assert known is not None
    assert 0 < len(known.digests) < 64
    assert BlockDigests.family_of(entry) == known.family


# --- laws ---

EDITS = st.lists(
    st.tuples(*[st.integers(0, 15)] * 3, st.integers(0, 65_535)), min_size=1, max_size=3
)


def chain(image, *, sigma, level, connectivity, keep):
    smooth = sc.gaussian.options(keep=keep)(image, sigma=sigma)
    mask = sc.threshold(smooth, level=level)
    labels = sc.label(mask, connectivity=connectivity)
    return labels, total(labels), sc.measure(labels, intensity=image)


@settings(max_examples=8)
@given(
    seed=st.integers(0, 99),
    edits=EDITS,
    block=st.sampled_from([(4, 4, 4), (8, 5, 16), (16, 16, 16), (3, 7, 5)]),
    sigma=st.sampled_from([0.5, 1.0]),
    level=st.sampled_from([90, 100, 120]),
    connectivity=st.sampled_from([1, 3]),
    keep=st.booleans(),
    executor=st.sampled_from(["serial", "threads"]),
)
def test_a_chain_gives_what_a_run_from_nothing_gives(
    tmp_path_factory, seed, edits, block, sigma, level, connectivity, keep, executor
):
    folder = tmp_path_factory.mktemp("chain")
    path, image = folder / "raw.zarr", volume(seed, 16)
    named = {"sigma": sigma, "level": level, "connectivity": connectivity, "keep": keep}
    options = {"block": block, "executor": executor, "workers": 2, "check_halo": False}
    write(path, image, 5)
    sc.run(*chain(sc.open(path), **named), store=folder / "store", **options)
    for z, y, x, value in edits:
        image = paint(path, (z, y, x), value)
    run = sc.run(*chain(sc.open(path), **named), store=folder / "store", **options)
    fresh = sc.run(*chain(sc.open(path), **named), store=folder / "fresh", **options)
    assert np.array_equal(run["label"], fresh["label"])
    assert run["total"].get() == fresh["total"].get()
    assert run["measure"].to_pandas().equals(fresh["measure"].to_pandas())
    assert sc.Store(folder / "store").verify().ok


@settings(max_examples=15)
@given(
    seed=st.integers(0, 99),
    edits=EDITS,
    reach=st.integers(0, 5),
    block=st.sampled_from([4, 5, 8]),
)
def test_the_blocks_that_run_are_those_that_read_what_was_painted(
    tmp_path_factory, seed, edits, reach, block
):
    folder = tmp_path_factory.mktemp("law")
    path, before = folder / "raw.zarr", volume(seed, 16)
    options = {**OPTIONS, "block": block}
    write(path, before, 6)
    sc.run(spread(sc.open(path), reach=reach), store=folder / "store", **options)
    for z, y, x, value in edits:
        after = paint(path, (z, y, x), value)
    run = sc.run(spread(sc.open(path), reach=reach), store=folder / "store", **options)
    assert np.array_equal(run["spread"], ndimage.maximum_filter(after, 2 * reach + 1))
    starts = np.stack(np.meshgrid(*[np.arange(0, 16, block)] * 3), -1).reshape(-1, 3)
    places = np.argwhere(before != after)
    reads = (places[:, None] >= starts - reach) & (places[:, None] < starts + block + reach)
    n_changed = int(reads.all(-1).any(0).sum()) if len(places) else 0
    step = run.step("spread")
    assert step.n_run == n_changed
    assert step.n_taken + step.n_cached == len(starts) - n_changed


# --- what blocks return, and what is made of it ---


@sc.blockwise(out="parts")
def extremes(image):
    return {"ends": np.array([image.min(), image.max()])}


@sc.step
def overall(parts):
    ends = np.array([parts[index]["ends"] for index in parts])
    return {"low": int(ends[:, 0].min()), "high": int(ends[:, 1].max()), "n": len(ends)}


@sc.blockwise(out="table")
def bright(image, *, block):
    places = np.argwhere(image > 190) + np.array(block.write_roi.offset)
    return pd.DataFrame(places, columns=list("zyx"))


@sc.blockwise(out=("image", "parts", "table"), dtype=("uint16", None, None), halo=1)
def several(image):
    smooth = ndimage.maximum_filter(image, 3)
    rows = pd.DataFrame({"sum": [int(image.sum())]})
    return smooth, {"sum": np.array([image.sum()])}, rows


JOINED = {
    "overall": lambda image: overall(extremes(image)),
    "bright": bright,
    "total": total,
    "several": several,
}


def contents(result):
    results = result if isinstance(result, tuple) else (result,)
    for one in results:
        if isinstance(one, sc.Image):
            yield np.asarray(one).tobytes()
        elif isinstance(one, sc.Table):
            yield one.to_pandas().to_csv()
        elif isinstance(one, sc.Value):
            yield one.get()


@pytest.mark.parametrize("executor", ["serial", "processes"])
@pytest.mark.parametrize("name", JOINED)
def test_joined_steps_merge_what_was_taken_with_what_ran(raw, tmp_path, name, executor):
    options = {**OPTIONS, "executor": executor, "workers": 2}

    def run(store):
        handles = JOINED[name](sc.open(raw))
        handles = handles if isinstance(handles, tuple) else (handles,)
        return sc.run(*handles, store=tmp_path / store, **options)

    run("store")
    paint(raw, (12, 12, 12))
    again, fresh = run("store"), run("fresh")
    blockwise = "extremes" if name == "overall" else name
    assert ran(again, blockwise) == (63, 1)
    assert list(contents(again[name])) == list(contents(fresh[name])) != []
    said = again.summary()
    assert "63 taken, 1 run" in said
    assert ("merged" in said) == (name != "overall")
    assert sc.Store(tmp_path / "store").verify().ok


@pytest.mark.parametrize("file", ["blocks.pack", "blocks.pack.index"])
def test_a_damaged_value_of_a_block_is_never_taken(raw, tmp_path, file):
    store = tmp_path / "store"
    sc.run(total(sc.open(raw)), store=store, **OPTIONS)
    _, folder = entry_of(store, "total")
    content = bytearray((folder / file).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / file).write_bytes(content)
    changed = paint(raw, (0, 0, 0))
    run = sc.run(total(sc.open(raw)), store=store, **OPTIONS)
    assert run["total"].get() == int(changed.sum(dtype="int64"))
    assert run.step("total").n_run > 1


def test_parts_of_the_block_count(raw, tmp_path):
    """A block whose voxels are equal and whose parts are others runs again."""

    @sc.blockwise(out="parts", axes="zyx")
    def seen(image):
        return {"first": image[:1, :1, :1].copy()}

    @sc.blockwise(dtype="int64")
    def marked(image, parts):
        return image.astype("int64") + int(parts["first"].ravel()[0])

    other, store = tmp_path / "other.zarr", tmp_path / "store"
    write(other, volume(1))
    sc.run(marked(sc.open(raw), seen(sc.open(other))), store=store, **OPTIONS)
    paint(other, (8, 8, 8))  # the first voxel of a block
    paint(other, (9, 9, 9))
    paint(other, (17, 17, 17))  # seen by nobody
    run = sc.run(marked(sc.open(raw), seen(sc.open(other))), store=store, **OPTIONS)
    assert ran(run, "seen") == (62, 2)
    assert ran(run, "marked") == (63, 1)


def test_the_plan_says_from_where_and_the_record_of_the_run_how_many(raw, tmp_path):
    store = tmp_path / "store"
    sc.run(spread(sc.open(raw)), store=store, **OPTIONS)
    (first, _), *_ = sc.store.EntryStore(store).entries("spread")
    assert sc.plan(spread(sc.open(raw)), store=store, block=BLOCK)["spread"].takes_from == ""
    paint(raw, (0, 0, 0))
    plan = sc.plan(spread(sc.open(raw)), store=store, block=BLOCK)
    assert plan["spread"].takes_from == first.key
    assert f"blocks may be taken from {first.key[:12]}" in str(plan)
    assert f"blocks may be taken from {first.key[:12]}" in plan["spread"].why()
    heard = []

    class Hearing:
        def on_event(self, event):
            heard.append(getattr(event, "n_taken", 0))

    run = sc.run(spread(sc.open(raw)), store=store, listeners=[Hearing()], **OPTIONS)
    record = RunRecord.from_json((run.folder / "run.json").read_bytes())
    assert sum(heard) == record.steps[0].outcome.n_taken == run.step("spread").n_taken == 63
