"""Blockwise local maxima equal those of the whole array."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.morphology import local_maxima as skimage_maxima

import scutoid as sc
from scutoid import kernels
from scutoid.errors import ParameterError


@st.composite
def scenes(draw):
    ndim = draw(st.integers(2, 3))
    shape = tuple(draw(st.integers(1, {2: 24, 3: 11}[ndim])) for _ in range(ndim))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    image = rng.integers(0, draw(st.sampled_from([2, 4, 1000])), shape)
    if draw(st.booleans()):  # plateaus that cross blocks
        image = image.repeat(3, axis=-1)[..., : shape[-1]]
    image = image.astype(draw(st.sampled_from(["bool", "uint8", "int32", "float32"])))
    labels = None
    if draw(st.booleans()):
        mask = rng.random(shape) < 0.7
        for axis in range(ndim):  # walls six voxels apart leave rooms of five
            mask[(slice(None),) * axis + (slice(draw(st.integers(0, 5)), None, 6),)] = False
        labels = ndimage.label(mask, np.ones((3,) * ndim))[0]
        if draw(st.booleans()):  # rooms that are shared
            labels[labels > 0] += 1000 * rng.integers(0, 2, np.count_nonzero(labels))
    block = tuple(draw(st.integers(3, 9)) for _ in shape)
    return image, labels, draw(st.sampled_from([None, *range(1, ndim + 1)])), block


def by_block(image, labels, connectivity, block, min_distance=1, h=None, max_extent=5):
    """Compute what `local_maxima` does, on a grid of our choice."""
    given = [sc.open(image)] if labels is None else [sc.open(image), sc.open(labels)]
    ops = sc.ops
    if h is not None:
        lower = ops.lower.options(block=block)
        given[0] = lower(*given, h=h, connectivity=connectivity, max_extent=max_extent)
    pieces = ops.maximum_pieces.options(block=block)(*given, connectivity=connectivity)
    merged = ops.maximum_merge(pieces, connectivity=connectivity, within=labels is not None)
    marks = ops.maximum_marks(given[0], merged, *given[1:], connectivity=connectivity)
    if min_distance > 1:
        marks = ops.keep_highest.options(block=block)(marks, *given, min_distance=min_distance)
    return np.asarray(marks)


@given(scenes(), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_equals_the_whole_array_for_any_block_and_distance(case, min_distance) -> None:
    image, labels, connectivity, _ = case
    whole = sc.local_maxima(image, labels, connectivity=connectivity, min_distance=min_distance)
    np.testing.assert_array_equal(by_block(*case, min_distance), whole)


def merge_without_places(*arguments, **options):
    """Return what stores hold of earlier merging: which pieces are marked, and not where."""
    found = sc.ops.maximum_merge.spec.function(*arguments, **options)
    return {block: {"marked": parts["marked"]} for block, parts in found.items()}


@pytest.mark.parametrize("axes", ["zyx", "tyx"])
@pytest.mark.parametrize("numbered", [False, True])
def test_marks_are_put_where_merging_said_and_found_again_where_it_did_not(axes, numbered) -> None:
    rng = np.random.default_rng(4)
    image = sc.open(rng.integers(0, 9, (3, 20, 25)), axes=axes)[:, 4:, 7:]
    labels = sc.open(rng.integers(0, 3, (3, 20, 25)), axes=axes)[:, 4:, 7:]
    given = [image, labels] if numbered else [image]
    of = {"within": numbered, "connectivity": None}
    pieces = sc.ops.maximum_pieces.options(block=7)(*given, connectivity=None)
    merge = sc.ops.maximum_merge
    earlier = type(merge)(replace(merge.spec, function=merge_without_places))
    found, n_searches = [], []
    for step in (merge, earlier):
        merged = step(pieces, **of)
        candidates = kernels.maximum_candidates
        with mock.patch.object(kernels, "maximum_candidates", wraps=candidates) as search:
            marks = sc.ops.maximum_marks(image, merged, *given[1:], connectivity=None)
            found.append(np.asarray(marks))
        n_searches.append(search.call_count)
    np.testing.assert_array_equal(*found)
    assert found[0].any()
    assert n_searches[0] < n_searches[1]


@given(scenes(), st.sampled_from([1, 0.5, 300]), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_with_depth_equals_the_whole_array_in_labels_that_fit(case, h, min_distance) -> None:
    image, labels, connectivity, block = case
    if labels is None:
        labels = np.zeros(image.shape, int)
        labels[tuple(slice(0, 5) for _ in image.shape)] = 1
    whole = sc.local_maxima(
        image, labels, connectivity=connectivity, h=h, min_distance=min_distance
    )
    found = by_block(image, labels, connectivity, block, min_distance, h)
    np.testing.assert_array_equal(found, whole)
    assert set(np.unique(labels[whole])) == set(np.unique(labels)) - {0} or connectivity == 1


def test_a_plateau_through_all_blocks_is_one_maximum() -> None:
    image = np.zeros((30, 31), "uint8")
    image[5, 2:29] = image[5:28, 28] = image[27, 3:29] = 9
    marks = by_block(image, None, None, (7, 7))
    assert np.argwhere(marks).tolist() == [[5, 2]]
    image[27, 2] = 10  # at the far end of the plateau, something higher
    assert np.argwhere(by_block(image, None, None, (7, 7))).tolist() == [[27, 2]]


def test_an_image_of_one_value_has_no_maximum_but_a_label_has_one() -> None:
    image = np.full((12, 13), 4)
    assert not by_block(image, None, None, (5, 5)).any()
    assert np.argwhere(by_block(image, np.ones_like(image), None, (5, 5))).tolist() == [[0, 0]]


@pytest.mark.parametrize("dtype", ["int16", "int32", "float64"])
def test_a_depth_counts_in_images_that_span_more_than_half_of_their_type(dtype) -> None:
    image = np.zeros((20, 21), dtype)
    image[4, 5], image[15, 6], image[0, 20] = 15000, 20000, -20000
    assert np.argwhere(sc.local_maxima(image, h=1000)).tolist() == [[4, 5], [15, 6]]
    assert np.argwhere(sc.local_maxima(image, h=17000)).tolist() == [[15, 6]]


def test_maxima_near_each_other_count_in_one_label_only() -> None:
    image = np.array([[0, 3, 0, 5, 0, 4, 0]])
    labels = np.array([[1, 1, 1, 1, 2, 2, 2]])
    assert np.argwhere(sc.local_maxima(image, min_distance=3)).tolist() == [[0, 3]]
    assert np.argwhere(sc.local_maxima(image, labels, min_distance=3)).tolist() == [[0, 3], [0, 5]]


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_the_same_through_a_store(tmp_path, executor) -> None:
    image = ndimage.gaussian_filter(np.random.default_rng(0).random((24, 25, 9)), 1)
    image = (image * 200).astype("uint8")
    marks = sc.local_maxima(sc.open(image), min_distance=3)
    sc.run(marks, store=tmp_path, executor=executor, workers=2, block=8)
    np.testing.assert_array_equal(np.asarray(marks), sc.local_maxima(image, min_distance=3))
    plateaus = ndimage.label(skimage_maxima(image), np.ones((3, 3, 3)))[1]
    assert sc.local_maxima(image).sum() == plateaus


def test_a_depth_may_be_a_result_and_an_array_of_dask_an_image() -> None:
    dask_array = pytest.importorskip("dask.array")
    image = np.random.default_rng(2).integers(0, 99, (20, 21))
    level = sc.otsu(sc.open(image))
    lazy = sc.local_maxima(dask_array.from_array(image, chunks=9), h=level, max_extent=21)
    assert isinstance(lazy, sc.Image)
    np.testing.assert_array_equal(np.asarray(lazy), sc.local_maxima(image, h=level.get()))


def test_each_time_point_has_maxima_of_its_own() -> None:
    movie = np.random.default_rng(1).integers(0, 9, (3, 2, 8, 9))
    marks = np.asarray(sc.local_maxima(sc.open(movie, axes="tcyx")))
    for t in range(3):
        for c in range(2):
            np.testing.assert_array_equal(marks[t, c], sc.local_maxima(movie[t, c]))


@pytest.mark.parametrize("lazy", [False, True])
def test_bad_input_is_refused(lazy) -> None:
    given = sc.open if lazy else np.asarray
    image = given(np.arange(12.0).reshape(3, 4))
    for bad in (
        {"h": 0},
        {"h": -1},
        {"h": "2"},
        {"min_distance": 0},
        {"min_distance": 1.5},
        {"max_extent": 0},
    ):
        with pytest.raises(ParameterError):
            sc.local_maxima(image, **bad)
    with pytest.raises(ParameterError, match="NaN"):
        np.asarray(sc.local_maxima(given(np.full((3, 4), np.nan))))
    with pytest.raises(ParameterError, match="labels are integers"):
        np.asarray(sc.local_maxima(image, given(np.zeros((3, 4)))))
    with pytest.raises(ParameterError, match="labels of 0 or more"):
        np.asarray(sc.local_maxima(image, given(np.full((3, 4), -1))))
    with pytest.raises(ValueError, match="shape"):
        np.asarray(sc.local_maxima(image, given(np.zeros((3, 5), int))))
