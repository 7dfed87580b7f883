"""Pyramids of results: levels are those of the whole array, and are told apart from others."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid import kernels
from scutoid.arrays import open_source
from scutoid.errors import MetadataError, ParameterError, PipelineError

DTYPES = ["bool", "uint8", "uint16", "int32", "float32"]
RAW = np.random.default_rng(0).integers(0, 999, (21, 50, 70)).astype("uint16")


def stored_levels(store):
    paths = list(Path(store).rglob("*.ome.zarr"))
    assert len(paths) == 1
    n_levels = open_source(paths[0]).levels
    sources = [open_source(paths[0], level=number) for number in range(n_levels)]
    return [source.read(source.spec.roi) for source in sources], sources


def check_cascade(levels, factors, method="mean"):
    for above, below in itertools.pairwise(levels):
        np.testing.assert_array_equal(below, kernels.downsample(above, factors, method))


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_levels_are_those_of_the_whole_array(executor, tmp_path):
    image = sc.open(RAW, voxel_size=1, unit="um")
    run = sc.run(
        sc.pyramid(image, levels=4), store=tmp_path, executor=executor, workers=2, block=16
    )
    levels, sources = stored_levels(tmp_path)
    assert run.step("pyramid").n_blocks == 2 * 4 * 5
    assert [level.shape for level in levels] == [
        (21, 50, 70), (11, 25, 35), (6, 13, 18), (3, 7, 9),
    ]  # fmt: skip
    np.testing.assert_array_equal(levels[0], RAW)
    check_cascade(levels, 2)
    assert sources[1].spec.origin == (0.5, 0.5, 0.5)


@st.composite
def stacks(draw):
    axes = draw(st.sampled_from(["yx", "zyx", "tyx", "czyx", "tcyx"]))
    shape = [draw(st.integers(1, 20 if letter in "zyx" else 2)) for letter in axes]
    spatial = [letter for letter in axes if letter in "zyx"]
    size = [draw(st.sampled_from([0.5, 1.0, 2.0, 5.0])) for _ in spatial]
    factors = draw(st.sampled_from([None, 2, 3, tuple(range(1, 1 + len(spatial)))]))
    values = np.random.default_rng(0).integers(0, 9, shape).astype(draw(st.sampled_from(DTYPES)))
    return sc.open(values, axes=axes, voxel_size=size, unit="um"), values, factors


@settings(max_examples=25, deadline=None)
@given(stacks(), st.integers(1, 4), st.integers(1, 12), st.booleans())
def test_levels_of_any_stack_for_any_block_lie_where_their_voxels_do(
    tmp_path_factory, stack, n_levels, block, is_fused
):
    image, values, factors = stack
    read = image
    if is_fused and image.dtype != bool:  # levels of what is computed in the blocks themselves
        read = sc.ops.pad_step.options(keep=False)(image, width=0, fill=0)
    store = tmp_path_factory.mktemp("s")
    result = sc.pyramid(read, levels=n_levels, factors=factors)
    sc.run(result, store=store, executor="serial", block=block)
    levels, sources = stored_levels(store)
    np.testing.assert_array_equal(levels[0], values)
    spatial = [image.axes.index(letter) for letter in image.axes if letter in "zyx"]
    for number, source in enumerate(sources[1:], 1):
        ratio = np.divide(source.spec.voxel_size, sources[number - 1].spec.voxel_size)
        widths = [1] * image.ndim
        for axis, width in zip(spatial, ratio, strict=True):
            widths[axis] = round(width)
        method = "mode" if image.dtype == bool else "mean"
        check_cascade(levels[number - 1 : number + 1], widths, method)
        windows = np.divide(source.spec.voxel_size, image.voxel_size)
        middle = (windows - 1) / 2 * image.voxel_size
        np.testing.assert_allclose(source.spec.origin, middle)


def test_a_stopped_pyramid_goes_on_where_it_stopped(tmp_path):
    breaks = [True]

    @sc.blockwise(dtype="same", version="1", block_invariant=True, keep=False)
    def fragile(image):
        if breaks and image.max() == RAW.max():
            raise OSError("the disk is away")
        return image

    result = sc.pyramid(fragile(sc.open(RAW)), levels=3)
    options = {"store": tmp_path, "executor": "serial", "block": 16}
    stopped = sc.run(result, on_failure="return", **options).step("pyramid")
    breaks.clear()
    resumed = sc.run(result, **options).step("pyramid")
    assert 0 < stopped.n_done == resumed.n_cached < resumed.n_blocks == resumed.n_done
    levels, _ = stored_levels(tmp_path)
    np.testing.assert_array_equal(levels[0], RAW)
    check_cascade(levels, 2)


def test_files_that_say_so_hold_labels(tmp_path):
    labels = sc.label(sc.open(RAW[0] > 900))
    sc.run(labels, store=tmp_path, executor="serial")
    opened = sc.open(next(tmp_path.rglob("*.ome.zarr")))
    assert opened.is_labels
    assert opened[2:, 3:].is_labels
    sc.run(sc.pyramid(opened, levels=2), store=tmp_path / "p", executor="serial")
    levels, _ = stored_levels(tmp_path / "p")
    check_cascade(levels, 2, "mode")
    with pytest.raises(MetadataError, match="never averaged"):
        sc.downsample(opened, factors=2, method="mean")


def test_members_of_a_stored_collection_are_labels_still(tmp_path):
    np.save(tmp_path / "a.npy", RAW[0])
    members = sc.open_folder(str(tmp_path / "*.npy"))
    found = sc.label(sc.threshold(members, level=900))
    sc.run(found, store=tmp_path / "s", executor="serial")
    assert sc.Store(tmp_path / "s")["label"].member("a.npy").is_labels
    assert not sc.Store(tmp_path / "s")["threshold"].member("a.npy").is_labels


def test_blocks_are_chosen_so_that_levels_fit(tmp_path):
    image = sc.open(RAW[:, :, :1].repeat(300, 2))
    sc.run(sc.pyramid(image, levels=5), store=tmp_path, executor="serial")
    check_cascade(stored_levels(tmp_path)[0], 2)


def test_any_step_writes_levels_and_levels_of_labels_hold_its_numbers(tmp_path):
    mask = sc.open(RAW[:16] > 700)
    labels = sc.ops.label_pieces(mask, connectivity=1)
    merged = sc.ops.label_merge(labels, connectivity=1)
    step = sc.ops.label_apply.options(storage=sc.Storage(levels=3))
    sc.run(step(mask, merged, connectivity=1), store=tmp_path, executor="serial", block=8)
    levels, _ = stored_levels(tmp_path)
    check_cascade(levels, 2, "mode")
    assert set(np.unique(levels[2])) <= set(np.unique(levels[0]))


def test_fewer_and_other_levels_are_another_result(tmp_path):
    image = sc.open(RAW)
    options = {"store": tmp_path, "executor": "serial"}
    sc.run(sc.pyramid(image, levels=2), **options)
    again = sc.run(sc.pyramid(image, levels=2), **options)
    assert again.step("pyramid").n_cached == again.step("pyramid").n_blocks
    for other in (
        sc.pyramid(image, levels=3),
        sc.pyramid(image, levels=2, factors=(1, 2, 2)),
        sc.pyramid(image, levels=2, downsampling="max"),
    ):
        run = sc.run(other, **options)
        assert run.step("pyramid").n_cached == 0


def test_a_damaged_level_is_made_anew(tmp_path):
    image = sc.open(RAW)
    sc.run(sc.pyramid(image, levels=2), store=tmp_path, executor="serial", block=16)
    folder = next(tmp_path.rglob("*.ome.zarr")) / "1" / "c"
    bad, gone = folder / "0/1/1", folder / "0/2/3"
    content = bytearray(bad.read_bytes())
    content[7] ^= 4
    bad.write_bytes(content)
    gone.unlink()
    found = sc.Store(tmp_path).verify(heal=True)
    assert len(found.damages) == 2
    again = sc.run(sc.pyramid(image, levels=2), store=tmp_path, executor="serial", block=16)
    step = again.step("pyramid")
    assert step.n_blocks - step.n_cached == 2
    check_cascade(stored_levels(tmp_path)[0], 2)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: sc.pyramid(sc.open(RAW), levels=0), MetadataError),
        (lambda: sc.pyramid(sc.open(RAW), levels=2, factors=0), ParameterError),
        (lambda: sc.pyramid(sc.open(RAW), levels=2, factors=(2, 2)), ParameterError),
        (lambda: sc.pyramid(sc.open(RAW), levels=2, factors=1.5), ParameterError),
        (lambda: sc.pyramid(sc.open(RAW), levels=2, downsampling="median"), ParameterError),
        (lambda: sc.pyramid(sc.label(sc.open(RAW)), levels=2, downsampling="mean"), MetadataError),
        (lambda: sc.pyramid(RAW, levels=2), PipelineError),
    ],
    ids=[
        "no level",
        "no voxel",
        "two factors",
        "half a voxel",
        "unknown method",
        "labels averaged",
        "array",
    ],
)
def test_what_cannot_be_a_pyramid_is_refused_before_it_runs(call, error):
    with pytest.raises(error):
        call()
