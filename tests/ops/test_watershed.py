"""Blockwise watershed equals the reference on the whole array where components fit in the halo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import scutoid as sc
from scutoid.errors import ParameterError, RunFailed, StepError
from scutoid.kernels import reference_watershed


@st.composite
def scenes(draw):
    """Flat or rough landscapes, and a mask of components of up to 5 voxels on each axis."""
    ndim = draw(st.integers(2, 3))
    shape = tuple(draw(st.integers(1, {2: 24, 3: 11}[ndim])) for _ in range(ndim))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    image = rng.integers(0, draw(st.sampled_from([1, 3, 1000])), shape)
    image = image.astype(draw(st.sampled_from(["uint8", "int32", "float32"])))
    connectivity = draw(st.integers(1, ndim))
    mask = rng.random(shape) < draw(st.sampled_from([0.5, 0.9]))
    # Walls six voxels apart leave rooms of five
    for axis in range(ndim):
        mask[(slice(None),) * axis + (slice(draw(st.integers(0, 5)), None, 6),)] = False
    seeds = np.where(rng.random(shape) < 0.15, rng.integers(1, 2**20, shape), 0)
    block = tuple(draw(st.integers(3, 9)) for _ in shape)
    return image, seeds.astype("uint32"), mask, connectivity, block


def by_block(image, seeds, mask, connectivity, block, max_extent, **options):
    masks = [] if mask is None else [sc.open(mask)]
    how = {"connectivity": connectivity, "max_extent": max_extent}
    flood = sc.ops.watershed_step.options(block=block)
    labels = flood(sc.open(seeds), image, *masks, **how, **options)
    cut = sc.ops.labels_cut.options(block=block)(labels, *masks, **how)
    return np.asarray(labels), sc.ops.watershed_report(cut).to_pandas()


@given(scenes(), st.integers(5, 40))
@settings(max_examples=80, deadline=None)
def test_components_that_fit_equal_the_reference_for_any_block(case, max_extent) -> None:
    image, seeds, mask, connectivity, _ = case
    labels, report = by_block(*case, max_extent)
    wanted = reference_watershed(image, seeds, mask, connectivity)
    np.testing.assert_array_equal(labels, wanted)
    assert labels.dtype == seeds.dtype
    assert len(report) == 0
    np.testing.assert_array_equal(
        sc.watershed(image, seeds, mask, connectivity=connectivity), wanted
    )


@given(scenes(), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_what_does_not_equal_the_reference_is_reported(case, max_extent) -> None:
    image, seeds, mask, connectivity, _ = case
    labels, report = by_block(*case, max_extent)
    wanted = reference_watershed(image, seeds, mask, connectivity)
    reported = dict(zip(report["label"], report["n_voxels"], strict=True))
    wrong, counts = np.unique(labels[labels != wanted], return_counts=True)
    for label, count in zip(wrong, counts, strict=True):
        assert reported[label] >= count
    parts, n_parts = ndimage.label(mask, ndimage.generate_binary_structure(mask.ndim, connectivity))
    for where in ndimage.find_objects(parts, n_parts):
        if max(s.stop - s.start for s in where) <= max_extent:
            number = parts[where].max()
            inside = parts[where] == number
            np.testing.assert_array_equal(labels[where][inside], wanted[where][inside])


def test_without_a_mask_the_image_is_one_component() -> None:
    rng = np.random.default_rng(0)
    image = ndimage.gaussian_filter(rng.random((40, 50)), 3)
    seeds = np.where(rng.random(image.shape) < 0.01, rng.integers(1, 9, image.shape), 0)
    labels, report = by_block(image, seeds, None, 1, 10, 60)
    np.testing.assert_array_equal(labels, reference_watershed(image, seeds))
    assert len(report) == 0
    _, report = by_block(image, seeds, None, 1, 10, 12)
    assert report["n_voxels"].sum() == image.size


def test_a_voxel_that_no_flood_reaches_stays_background_and_is_reported() -> None:
    mask = np.ones((1, 60), bool)
    seeds = np.zeros((1, 60), int)
    seeds[0, 0] = 7
    labels, report = by_block(mask, seeds, mask, 1, 20, 8)
    assert labels[0].tolist() == [7] * 20 + [0] * 40
    assert report.to_dict("list") == {"label": [0, 7], "n_voxels": [40, 20]}


def test_large_components_are_refused_where_all_must_be_exact() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5, 3:11] = True
    how = {"connectivity": 1, "block": 10}
    labels, _ = by_block(mask, mask * 2, mask, **how, max_extent=8, exact=True)
    np.testing.assert_array_equal(labels, mask * 2)
    with pytest.raises(StepError, match="max_extent"):
        by_block(mask, mask * 2, mask, **how, max_extent=1, exact=True)


def test_each_time_point_is_flooded_and_reported_alone() -> None:
    rng = np.random.default_rng(1)
    movie = rng.integers(0, 9, (2, 1, 12, 40))
    seeds = np.where(rng.random(movie.shape) < 0.1, rng.integers(1, 9, movie.shape), 0)
    labels, report = sc.watershed(
        sc.open(movie, axes="tcyx"), sc.open(seeds, axes="tcyx"), report=True, max_extent=40
    )
    for t in range(2):
        np.testing.assert_array_equal(
            np.asarray(labels)[t, 0], reference_watershed(movie[t, 0], seeds[t, 0])
        )
    assert report.to_pandas().columns.tolist() == ["t", "c", "label", "n_voxels"]


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_the_same_through_a_store(tmp_path, executor) -> None:
    rng = np.random.default_rng(2)
    image = rng.integers(0, 50, (30, 31, 12)).astype("uint16")
    mask = ndimage.gaussian_filter(rng.random(image.shape), 1) > 0.55
    seeds = sc.label(sc.open(mask & (image < 5)))
    labels, table = sc.watershed(sc.open(image), seeds, sc.open(mask), report=True)
    run = sc.run(labels, table, store=tmp_path, executor=executor, workers=2, block=9)
    assert run.step("watershed").n_blocks == 32
    wanted = reference_watershed(image, np.asarray(seeds), mask)
    np.testing.assert_array_equal(np.asarray(labels), wanted)
    assert len(table.to_pandas()) == 0


def test_a_crop_ends_where_it_ends() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 9, (30, 30))
    seeds = np.where(rng.random(image.shape) < 0.1, rng.integers(1, 9, image.shape), 0)
    here = np.s_[4:21, 7:25]
    labels = sc.watershed(sc.open(image)[here], sc.open(seeds)[here], exact=True, max_extent=2)
    np.testing.assert_array_equal(np.asarray(labels), reference_watershed(image[here], seeds[here]))


@pytest.mark.parametrize("lazy", [False, True])
def test_bad_input_is_refused(lazy, tmp_path) -> None:
    given = sc.open if lazy else np.asarray
    image, seeds = np.zeros((4, 4)), np.zeros((4, 4), int)
    with pytest.raises(ParameterError, match="seeds are integers"):
        sc.watershed(given(image), given(image))
    with pytest.raises(ParameterError, match="1 or more"):
        sc.watershed(given(image), given(seeds), max_extent=0)
    with pytest.raises(ParameterError, match="0 or more"):
        np.asarray(sc.watershed(given(image), given(seeds - 1)))
    with pytest.raises(ParameterError, match="with an order"):
        np.asarray(sc.watershed(given(image * np.nan), given(seeds)))
    with pytest.raises(ValueError, match="shape"):
        np.asarray(sc.watershed(given(image), given(seeds), given(np.ones((4, 5), bool))))
    if lazy:
        with pytest.raises(RunFailed):
            sc.run(sc.watershed(given(image), given(seeds - 1)), store=tmp_path, executor="serial")


@pytest.mark.parametrize("fill", [False, True])
def test_nothing_and_everything(fill) -> None:
    mask = np.full((20, 21), fill)
    seeds = np.zeros(mask.shape, "uint8")
    seeds[3, 4] = 9
    labels, report = by_block(mask, seeds, mask, 1, 8, 30)
    assert (labels == 9 * fill).all()
    assert len(report) == 0
