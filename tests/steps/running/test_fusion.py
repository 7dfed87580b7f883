"""Steps that are not kept are computed inside the blocks of whoever reads them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import scutoid as sc


@sc.blockwise(halo=lambda size: size // 2, block_invariant=True, keep=False)
def brightest(image, *, size):
    return ndimage.maximum_filter(image, size=size)


@sc.blockwise(halo=lambda size: size // 2, keep=False)
def darkest(image, *, size):
    return ndimage.minimum_filter(image, size=size)


@sc.blockwise(dtype="int64")
def doubled(image):
    return image.astype("int64") * 2


@sc.reduction(merge=lambda a, b: a + b)
def total(image):
    return int(image.sum())


@given(
    shape=st.tuples(*[st.integers(1, 24)] * 2),
    block=st.integers(1, 12),
    sizes=st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 7])),
)
@settings(max_examples=60, deadline=None)
def test_a_fused_chain_equals_the_whole_array_for_any_block(shape, block, sizes) -> None:
    image = np.random.default_rng(0).integers(0, 100, shape, dtype="uint8")
    if min(shape) < max(sizes) // 2:
        return  # refused: a halo larger than the image
    lazy = sc.open(image)
    chain = doubled.options(block=block)(darkest(brightest(lazy, size=sizes[0]), size=sizes[1]))
    wanted = doubled(darkest(brightest(image, size=sizes[0]), size=sizes[1]))
    np.testing.assert_array_equal(np.asarray(chain), wanted)


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_only_what_is_kept_is_stored(tmp_path, executor) -> None:
    image = np.random.default_rng(1).integers(0, 100, (40, 50), dtype="uint8")
    smooth = brightest(sc.open(image), size=5)
    run = sc.run(
        doubled(smooth), total(smooth), store=tmp_path, block=16, executor=executor, workers=2
    )
    wanted = brightest(image, size=5)
    np.testing.assert_array_equal(np.asarray(run["doubled"]), doubled(wanted))
    assert run["total"].get() == int(wanted.sum())
    assert not (tmp_path / "brightest").exists()


def test_halos_are_added_up_and_nothing_else_is_read(tmp_path) -> None:
    seen: list[tuple[int, ...]] = []

    @sc.blockwise(halo=2, keep=False, version="1", dtype="same")
    def first(image):
        seen.append(image.shape)
        return image

    @sc.blockwise(halo=3, version="1", dtype="same")
    def second(image):
        return image

    image = np.zeros((60, 60), "uint8")
    chain = second.options(block=20)(first(sc.open(image)))
    seen.clear()
    sc.run(chain, store=tmp_path, executor="serial", check_halo=False)
    # 20 voxels, 3 and 2 around them where the image goes on: once a block of the reader
    assert sorted(seen) == sorted((a, b) for a in (25, 30, 25) for b in (25, 30, 25))


def test_a_chain_reads_the_input_once(tmp_path, monkeypatch) -> None:
    image = np.random.default_rng(2).integers(0, 100, (64, 64, 64), dtype="uint16")
    raw = sc.open(image)
    read = type(raw.ref.node.source).read
    regions = []

    def counted(source, roi):
        regions.append(roi)
        return read(source, roi)

    monkeypatch.setattr(type(raw.ref.node.source), "read", counted)
    smooth = sc.gaussian.options(keep=False)(raw, sigma=0.5)
    mask = sc.threshold.options(keep=False)(smooth, level=50)
    pieces = sc.ops.label_pieces.options(block=32)(mask, connectivity=1)
    sc.run(pieces, store=tmp_path / "store", executor="serial")
    # once for each block, with the halo of the Gaussian (2) where the image goes on
    assert [tuple(region.shape) for region in regions] == [(34, 34, 34)] * 8


def test_a_step_that_is_read_twice_in_a_block_is_computed_once(tmp_path) -> None:
    calls = []

    @sc.blockwise(keep=False, version="1", dtype="same")
    def shared(image):
        calls.append(image.shape)
        return image

    @sc.blockwise(keep=False, version="1", dtype="same")
    def opposite(image):
        return 255 - image

    @sc.blockwise(version="1", dtype="same")
    def both(image, other):
        return np.maximum(image, other)

    once = shared(sc.open(np.zeros((20, 20), "uint8")))
    result = both.options(block=10)(once, opposite(once))
    sc.run(result, store=tmp_path, executor="serial", check_halo=False)
    assert len(calls) == 4


def test_the_plan_says_where_a_step_is_computed_and_counts_its_memory(tmp_path) -> None:
    image = sc.open(np.zeros((64, 64), "uint8"))
    plan = sc.plan(doubled(brightest(image, size=5)), store=tmp_path)
    assert plan["brightest"].reason == "not kept: computed inside the blocks of doubled"
    alone = sc.plan(doubled(image), store=tmp_path)
    assert plan["doubled"].memory > alone["doubled"].memory


def test_what_depends_on_where_blocks_lie_is_in_the_key(tmp_path) -> None:
    """A fused step that is not block invariant makes its readers depend on their blocks."""
    image = sc.open(np.zeros((64, 64), "uint8"))

    def key(step, block):
        chain = sc.gaussian.options(block=block)(step(image, size=3), sigma=1)
        return sc.plan(chain, store=tmp_path)["gaussian"].key

    assert key(darkest, 16) != key(darkest, 32)
    assert key(brightest, 16) == key(brightest, 32)
    assert key(darkest, 16) != key(darkest.options(keep=True), 16)
    assert key(brightest, 16) == key(brightest.options(keep=True), 16)


def test_a_fused_step_that_is_a_target_as_well_is_stored(tmp_path) -> None:
    image = np.random.default_rng(3).integers(0, 100, (40, 50), dtype="uint8")
    for step in (brightest, darkest):
        store = tmp_path / step.spec.name
        inner = step(sc.open(image), size=3)
        run = sc.run(inner, doubled(inner), store=store, executor="serial", block=16)
        np.testing.assert_array_equal(np.asarray(run[step.spec.name]), step(image, size=3))
        np.testing.assert_array_equal(np.asarray(run["doubled"]), doubled(step(image, size=3)))
        again = sc.run(inner, doubled(inner), store=store, executor="serial", block=16)
        assert all(each.n_cached == each.n_blocks for each in again.steps)


def test_time_points_and_crops_and_channels_go_through_a_fused_chain(tmp_path) -> None:
    movie = np.random.default_rng(4).integers(0, 100, (3, 2, 20, 24), dtype="uint8")
    raw = sc.open(movie, axes="tcyx")
    inner = brightest(raw, size=3)
    wanted = np.stack([[brightest(plane, size=3) for plane in point] for point in movie])
    cropped = inner[1:, 1, 4:, :20]
    run = sc.run(doubled(cropped), store=tmp_path, executor="serial", block=8)
    np.testing.assert_array_equal(np.asarray(run["doubled"]), doubled(wanted[1:, 1, 4:, :20]))


@pytest.mark.parametrize("border", ["reflect", "nearest", "crop", 7])
def test_borders_of_fused_steps(tmp_path, border) -> None:
    image = np.random.default_rng(5).integers(0, 100, (20, 24), dtype="uint8")

    @sc.blockwise(halo=2, border=border, keep=False, version="1", dtype="same")
    def window(image):
        return ndimage.maximum_filter(image, 5)

    chain = doubled(window(sc.open(image)))
    kept = doubled(window.options(keep=True)(sc.open(image)))
    run = sc.run(chain, store=tmp_path / "fused", executor="serial", block=8)
    wanted = sc.run(kept, store=tmp_path / "kept", executor="serial", block=8)
    np.testing.assert_array_equal(np.asarray(run["doubled"]), np.asarray(wanted["doubled"]))


def test_a_step_with_parts_is_computed_in_its_own_blocks(tmp_path) -> None:
    mask = np.random.default_rng(6).random((30, 30)) > 0.6
    pieces = sc.ops.label_pieces.options(block=10)(sc.open(mask), connectivity=1)
    merged = sc.ops.label_merge(pieces, connectivity=1)
    labels = sc.ops.label_apply.options(keep=False)(sc.open(mask), merged, connectivity=1)
    run = sc.run(
        brightest.options(keep=True, block=7)(labels, size=5), store=tmp_path, executor="serial"
    )
    wanted = brightest(sc.label(mask), size=5)
    np.testing.assert_array_equal(np.asarray(run["brightest"]), wanted)


@given(
    shape=st.tuples(*[st.integers(12, 24)] * 2),
    blocks=st.tuples(*[st.integers(2, 9)] * 2),
    halos=st.tuples(*[st.tuples(st.integers(0, 5), st.integers(0, 5))] * 3),
    border=st.sampled_from(["clip", "reflect", "nearest"]),
    keeps=st.tuples(st.booleans(), st.booleans()),
)
@settings(max_examples=30, deadline=None)
def test_a_block_waits_for_all_that_is_read_inside_it(
    tmp_path_factory, shape, blocks, halos, border, keeps
) -> None:
    """Blocks follow one another closely; one that came too early would read zeros."""

    def shifted(low, high, keep):
        def largest(image):
            size, origin = low + high + 1, (low - high) // 2
            return ndimage.maximum_filter(image, size, origin=origin, mode="constant")

        return sc.blockwise(
            halo=[(low, high)] * 2, border=border, version=f"{low} {high}", dtype="same", keep=keep
        )(largest)

    raw = sc.open(np.random.default_rng(0).integers(1, 250, shape, dtype="uint8"))
    first = shifted(*halos[0], True).options(name="first", block=blocks[0])(raw)
    second = shifted(*halos[1], keeps[0]).options(name="second", block=blocks[1])(first)
    third = shifted(*halos[2], keeps[1]).options(name="third", block=blocks[1])(second)
    last = doubled.options(block=blocks[1])(third)
    store = tmp_path_factory.mktemp("store")
    wanted = np.asarray(last)  # in this process, from the input on
    run = sc.run(last, store=store, executor="serial")
    np.testing.assert_array_equal(np.asarray(run["doubled"]), wanted)


def test_the_memory_of_a_block_counts_its_halo_on_both_sides(tmp_path) -> None:
    image = sc.open(np.zeros((300, 300), "uint8"))
    step = brightest.options(keep=True, block=50)
    wide, none = (
        sc.plan(step(image, size=size), store=tmp_path)["brightest"].memory for size in (41, 1)
    )
    assert wide / none == pytest.approx((90 / 50) ** 2)


@pytest.mark.parametrize("n_between", [0, 1])
def test_a_change_of_a_fused_step_runs_what_reads_it_and_the_plan_says_what_changed(
    tmp_path, n_between
) -> None:
    raw = sc.open(np.random.default_rng(7).integers(0, 100, (30, 30), dtype="uint8"))

    def first(image, *, size=3):
        return ndimage.maximum_filter(image, size)

    def edited(image, *, size=3):
        return ndimage.minimum_filter(image, size)

    def targets(function, size):
        fused = sc.blockwise(halo=lambda size: size // 2, keep=False, block_invariant=True)(
            function
        )
        read = fused.options(name="fused")(raw, size=size)
        for _ in range(n_between):
            read = brightest(read, size=3)
        return doubled.options(block=10)(read), doubled.options(name="beside", block=10)(raw)

    def reasons(function, size):
        plan = sc.plan(*targets(function, size), store=tmp_path)
        return {step.name: (step.status, step.reason) for step in plan}

    where = "brightest" if n_between else "doubled"
    inside = f"not kept: computed inside the blocks of {where}"
    assert reasons(first, 3)["fused"] == ("run", inside)
    sc.run(*targets(first, 3), store=tmp_path, executor="serial")
    assert reasons(first, 3).keys() == {"doubled", "beside"}
    for changed, said in (((edited, 3), "own code is new"), ((first, 5), "`size` 3 -> 5")):
        found = reasons(*changed)
        assert found["beside"][0] == "cached"
        assert found["doubled"][0] == "run"
        assert found["fused"][1].startswith(f"{inside}; {said}")
    assert f"    {said}" in sc.plan(*targets(first, 5), store=tmp_path)["fused"].why()


def test_blocks_that_do_not_count_are_no_reason(tmp_path) -> None:
    raw = sc.open(np.zeros((30, 30), "uint8"))
    step = brightest.options(keep=True)
    sc.run(step(raw, size=3), store=tmp_path, executor="serial", block=10)
    assert sc.plan(step(raw, size=5), store=tmp_path)["brightest"].reason == "`size` 3 -> 5"


def test_steps_on_other_grids_are_fused_where_a_block_reads_nothing_of_them(tmp_path) -> None:
    image = np.random.default_rng(8).integers(0, 100, (10, 20), dtype="uint8")
    scaled = sc.scale_nearest.options(keep=False)(sc.open(image), shape=(9, 8))
    joined = sc.concatenate([scaled, scaled], axis="y")  # a block reads one of them, seldom both
    moved = sc.affine_transform.options(keep=False)(joined, matrix=[[1, 0, -7], [0, 1, -5]])
    padded = sc.pad(sc.flip.options(keep=False)(moved, axis="yx"), width=6)
    sc.run(padded, store=tmp_path, executor="serial", block=3)
    wanted = sc.scale_nearest(image, shape=(9, 8))
    wanted = sc.affine_transform(np.concatenate([wanted, wanted]), matrix=[[1, 0, -7], [0, 1, -5]])
    np.testing.assert_array_equal(np.asarray(padded), np.pad(np.flip(wanted), 6))
    assert {path.name for path in tmp_path.iterdir()} >= {"concatenate", "pad"}
    assert not (tmp_path / "scale_nearest").exists()


def test_steps_inside_that_read_one_by_two_ways_are_planned_once(tmp_path):
    """Two ways each, thirty times over: 2**30 ways from the last to the first."""

    @sc.blockwise(halo=1, dtype="same", check_halo=False, block_invariant=True)
    def both(first, second):
        return first + second

    image = sc.open(np.zeros((8, 8), "uint8"))
    for number in range(30):
        image = both.options(keep=False, name=f"both_{number}")(image, image)
    planned = sc.plan(sc.gaussian(image, sigma=1), store=tmp_path, block=4)
    assert len(planned.steps) == 31
