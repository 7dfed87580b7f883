"""Erosion, dilation, opening and closing equal scipy on the whole array, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.morphology import ball

import scutoid as sc
from scutoid.errors import ParameterError
from scutoid.kernels import footprint_array
from scutoid.testing import assert_block_invariant

STEPS = {
    "erosion": (sc.erosion, ndimage.binary_erosion),
    "dilation": (sc.dilation, ndimage.binary_dilation),
    "opening": (sc.opening, ndimage.binary_opening),
    "closing": (sc.closing, ndimage.binary_closing),
}


@st.composite
def cases(draw):
    """A mask, the shape of blocks, and a footprint of even or odd edges, with gaps."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=6, max_side=14))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = generator.random(shape) < draw(st.floats(0.1, 0.95))
    kind = draw(st.sampled_from(["bool", "uint8", "int32"]))
    footprint_sides = draw(st.tuples(*[st.integers(1, 4)] * len(shape)))
    footprint = draw(hnp.arrays(np.bool_, footprint_sides))
    footprint.flat[draw(st.integers(0, footprint.size - 1))] = True
    block = draw(st.tuples(*(st.integers(1, side + 1) for side in shape)))
    return mask.astype(kind) * (1 if kind == "bool" else 3), block, footprint


@pytest.mark.parametrize("name", STEPS)
@given(case=cases(), border_value=st.booleans())
@settings(max_examples=30)
def test_equals_scipy_for_footprints_of_any_shape(name, case, border_value) -> None:
    mask, block, footprint = case
    step, whole = STEPS[name]
    params = {"footprint": footprint, "border": border_value}
    found = np.asarray(step.options(block=block)(sc.open(mask), **params))
    expected = whole(mask, footprint, border_value=border_value)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", STEPS)
def test_a_radius_is_a_ball_and_every_time_point_is_its_own(name) -> None:
    step, whole = STEPS[name]
    movie = np.random.default_rng(0).random((2, 12, 13, 14)) < 0.7
    assert_block_invariant(step, sc.open(movie[0]), blocks=[5, (3, 13, 6)], footprint=2)
    found = np.asarray(step(sc.open(movie, axes="tzyx"), footprint=2))
    np.testing.assert_array_equal(found[1], whole(movie[1], ball(2)))


def test_the_same_through_a_store_in_threads(tmp_path) -> None:
    mask = np.random.default_rng(1).random((40, 41)) < 0.8
    found = sc.closing(sc.opening(sc.open(mask), footprint=(1, 2)), footprint=np.ones((2, 3)))
    sc.run(found, store=tmp_path, executor="threads", workers=2, block=9)
    ellipse = footprint_array((1, 2), 2)
    opened = ndimage.binary_opening(mask, ellipse)
    expected = ndimage.binary_closing(opened, np.ones((2, 3)))
    np.testing.assert_array_equal(np.asarray(found), expected)


@pytest.mark.parametrize(
    ("footprint", "rule"),
    [
        (-1, "radius"),
        (float("inf"), "radius"),
        ("3", "radius"),
        (np.zeros((3, 3), bool), "at least one voxel"),
    ],
    ids=["negative", "infinite", "text", "empty"],
)
def test_footprints_that_cannot_be_are_refused_by_the_plan(footprint, rule, tmp_path) -> None:
    with pytest.raises(ParameterError, match=rule):
        sc.plan(sc.erosion(sc.open(np.zeros((9, 9), bool)), footprint=footprint), store=tmp_path)


def test_footprints_of_other_axes_are_refused() -> None:
    mask = np.zeros((9, 9), bool)
    for image in (mask, sc.open(mask)):
        for footprint in (np.ones((3, 3, 3)), (1, 1, 1)):
            with pytest.raises(ParameterError, match="one axis"):
                sc.erosion(image, footprint=footprint)


def test_a_list_is_no_mask() -> None:
    with pytest.raises(ParameterError, match=r"numpy\.asarray"):
        sc.erosion([[True, False]], footprint=1)


@pytest.mark.parametrize("name", STEPS)
def test_floats_are_refused_with_a_remedy(name) -> None:
    with pytest.raises(ParameterError, match="compare first"):
        STEPS[name][0](np.zeros((9, 9)), footprint=1)


@pytest.mark.parametrize(
    "step", ["erosion", "dilation", "opening", "closing", "distance_transform"]
)
def test_a_mask_of_floats_is_refused_before_anything_runs(step) -> None:
    parameters = {"max_distance": 2} if step == "distance_transform" else {"footprint": 1}
    with pytest.raises(ParameterError, match="compare first"):
        getattr(sc, step)(sc.open(np.zeros((4, 4))), **parameters)
