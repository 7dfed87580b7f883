"""`assert_block_invariant` finds faults of blocks, and compares a bounded number of blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

import scutoid as sc
from scutoid.geometry import BlockGrid, Roi
from scutoid.testing import assert_block_invariant
from scutoid.testing._block_sample import sample
from scutoid.testing._pipelines import _are_like

SHAPE = (24, 48, 48)
NOISE = np.random.default_rng(0).random(SHAPE).astype("float32")
SPOT = np.zeros(SHAPE, "float32")
SPOT[9:12, 20:23, 30:33] = 1


def gaussian(image):
    return ndimage.gaussian_filter(image, 1, truncate=4)


def labelled(image):
    return ndimage.label(image > 0.5)[0].astype("int32")


def shifted_in_short_blocks(image, *, block):
    """Wrong in the last block of an axis that is not cut evenly."""
    short = any(n not in (3, 8, 13) for n in block.write_roi.shape)
    return image + (short and max(block.write_roi.shape) < 14)


def wrong_in_a_corner(image, *, block):
    at_end = tuple(block.write_roi.end) == SHAPE
    image = image.copy()
    image[-1, -1, -1] += at_end and max(block.write_roi.shape) < 14
    return image


def wrong_at_a_face(image, *, block):
    image = image.copy()
    if block.write_roi.offset[0] == 0 and block.write_roi.shape[0] < SHAPE[0]:
        image[0] += 1
    return image


@pytest.mark.parametrize("image", [NOISE, SPOT], ids=["noise", "one spot"])
@pytest.mark.parametrize(
    ("function", "halo"),
    [
        (gaussian, 1),
        (labelled, 1),
        (shifted_in_short_blocks, 0),
        (wrong_in_a_corner, 0),
        (wrong_at_a_face, 0),
    ],
)
def test_faults_in_some_of_many_blocks_are_found(function, halo, image):
    if function is labelled and image is SPOT:
        image = SPOT + np.roll(SPOT, 15, axis=1)
    step = sc.blockwise(halo=halo, dtype="same" if function is not labelled else "int32")(function)
    with pytest.raises(AssertionError, match="differs from one block at"):
        assert_block_invariant(step, image, rtol=1e-5)


def test_the_place_and_the_values_are_of_the_image():
    step = sc.blockwise(halo=0, dtype="same")(wrong_in_a_corner)
    with pytest.raises(AssertionError, match=r"blocks of 3 .* at \(23, 47, 47\): 1.0, not 0.0"):
        assert_block_invariant(step, SPOT)


@pytest.mark.parametrize("block", [(2, 2, 2), 3])
def test_a_right_step_passes_whatever_the_blocks(block):
    step = sc.blockwise(halo=4)(gaussian)
    assert_block_invariant(step, NOISE, blocks=[block], rtol=1e-5)
    assert_block_invariant(step, sc.open(NOISE)[3:, :40, 5:], blocks=[block], rtol=1e-5)


def test_few_blocks_of_an_image_are_computed():
    numbers = set()

    @sc.blockwise(dtype="same")
    def counted(image, *, block):
        numbers.add((block.index, tuple(block.write_roi.shape)))
        return image

    assert_block_invariant(counted, NOISE)
    assert len(numbers) == 1 + 200 + 108 + 32  # one block; of 3, of 8 and of 13


def test_few_blocks_of_a_table_are_computed_and_its_faults_found():
    n_calls = 0

    @sc.reduction(merge=lambda a, b: a + b)
    def total(image):
        nonlocal n_calls
        n_calls += 1
        return int((image > 0.5).sum())

    @sc.reduction(merge=lambda a, b: a + b)
    def n_objects(image):
        return int(ndimage.label(image > 0.5)[1])

    assert_block_invariant(total, NOISE)
    assert 100 < n_calls <= 601
    with pytest.raises(AssertionError, match="in blocks of"):
        assert_block_invariant(n_objects, NOISE)


def test_a_step_upon_a_step_is_compared_whole():
    smooth = sc.blockwise(halo=4)(gaussian)(sc.open(NOISE))
    assert_block_invariant(sc.blockwise(halo=4)(gaussian), smooth, rtol=1e-4)
    with pytest.raises(AssertionError, match="in blocks of"):
        assert_block_invariant(sc.blockwise(halo=1)(gaussian), smooth, rtol=1e-4)


def test_a_sample_has_the_corners_and_the_blocks_where_the_image_changes():
    grid = BlockGrid(Roi((0, 0, 0), (100, 100, 100)), 3)
    image = np.zeros((100, 100, 100))
    image[50:53, 31:33, 70:71] = 1
    chosen = sample(grid, image)
    assert len(chosen) == len(set(chosen)) == 200
    assert chosen == sample(grid, image)
    assert {grid.block_at(p) for p in np.ndindex(2, 2, 2) for p in [np.multiply(p, 99)]} < {*chosen}
    assert grid.block_at((51, 32, 70)) in chosen


def test_all_of_few_blocks_and_all_of_many_corners_are_chosen():
    few = BlockGrid(Roi((0, 0), (40, 14)), 3)
    assert sample(few, np.zeros((40, 14))) == list(range(few.n_blocks))
    corners = BlockGrid(Roi((0,) * 8, (3,) * 8), 1)
    assert len(sample(corners, np.zeros(1))) == 256


def rounded(image, *, block):
    """Differ in blocks by about 1e-4, near 0 as anywhere."""
    return image + np.float32(1e-4) * (block.write_roi.offset[0] > 0)


def summed(image):
    return {"mean": 1.0 + 1e-4 * (len(image) < 40), "name": ["x"]}


@pytest.mark.parametrize("image", [np.zeros((16, 16), "float32"), np.ones((60, 60), "float32")])
def test_a_step_that_differs_by_rounding_is_asserted_within_a_tolerance(image):
    step = sc.blockwise(halo=0, dtype="same", check_halo=False)(rounded)
    assert_block_invariant(step, image, atol=2e-4)
    for tolerance in ({}, {"atol": 1e-5}, {"rtol": 1e-5}):
        with pytest.raises(AssertionError, match="differs from one block at"):
            assert_block_invariant(step, image, **tolerance)


def test_integers_and_where_nan_stands_are_compared_exactly():
    @sc.blockwise(dtype="int32", check_halo=False)
    def counted(image, *, block):
        return (image + (block.write_roi.offset[0] > 0)).astype("int32")

    @sc.blockwise(dtype="same", check_halo=False)
    def lost(image, *, block):
        return np.where(block.write_roi.offset[0] > 0, np.nan, image)

    for step in (counted, lost):
        with pytest.raises(AssertionError, match="differs from one block at"):
            assert_block_invariant(step, np.ones((16, 16)), atol=100, rtol=1)


def test_numbers_in_values_may_differ_as_much():
    step = sc.reduction(merge=lambda one, other: one)(summed)
    assert_block_invariant(step, np.ones((40, 40)), atol=2e-4)
    for tolerance in ({}, {"atol": 1e-5}):
        with pytest.raises(AssertionError, match="differs from one block"):
            assert_block_invariant(step, np.ones((40, 40)), **tolerance)


def test_columns_of_tables_may_differ_as_much():
    one = pd.DataFrame({"y": [1, 2], "mean": [1.0, np.nan], "name": ["a", "b"]})
    near, far = one.assign(mean=[1.0 + 1e-4, np.nan]), one.assign(y=[1, 3])
    assert _are_like(one, near, (0.0, 2e-4))
    assert not _are_like(one, near, (0.0, 1e-5))
    assert not _are_like(one, far, (1.0, 100.0))
    assert not _are_like(one, one.assign(mean=[np.nan, 1.0]), (1.0, 100.0))
    assert not _are_like(one, one[:1], (0.0, 0.0))


SAME = {
    "numbers": (1, 1),
    "nothing": (None, None),
    "not a number": (float("nan"), float("nan")),
    "within": ({"a": [1, (2.0,)]}, {"a": [1, (2.0,)]}),
    "columns on their own": (pd.Series([1.0, None]), pd.Series([1.0, None])),
    "tables without rows": (pd.DataFrame({"a": []}), pd.DataFrame({"a": []})),
    "missing integers": (pd.DataFrame({"a": pd.array([1, None], "Int64")}),) * 2,
    "missing numbers": tuple(pd.DataFrame({"a": pd.array([1.5, None], "Float64")}) for _ in "ab"),
    "complex numbers": tuple(pd.DataFrame({"a": [1j]}) for _ in "ab"),
    "arrays of text": (np.array(["a"]), np.array(["a"])),
}
OTHER = {
    "types": (1, 1.0),
    "keys": ({"a": 1}, {"b": 1}),
    "indexes": (pd.DataFrame({"a": [1.0]}), pd.DataFrame({"a": [1.0]}, index=[6])),
    "missing numbers": tuple(
        pd.DataFrame({"a": pd.array([1.5, end], "Float64")}) for end in (None, 2.0)
    ),
}


@pytest.mark.parametrize("what", SAME)
def test_equal_results_are_alike(what):
    assert _are_like(*SAME[what], (0.0, 0.0))


@pytest.mark.parametrize("what", OTHER)
def test_other_results_are_not_alike_within_any_tolerance(what):
    assert not _are_like(*OTHER[what], (0.1, 0.1))
