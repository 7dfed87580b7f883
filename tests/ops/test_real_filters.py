"""Filters, levels and masks on a real stack of nuclei and a real crop of a brain, by blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage
from skimage import filters

import scutoid as sc

DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="module")
def stack():
    paths = sorted((DATA / "embryo3d" / "images").glob("*.tif*"))
    if not paths:
        pytest.skip(f"no stacks in {DATA / 'embryo3d'}")
    return tifffile.imread(paths[-1])


@pytest.mark.data
def test_levels_and_masks_of_nuclei_equal_those_of_the_whole_stack(stack, tmp_path) -> None:
    raw = sc.open(stack, voxel_size=(1.75, 0.8, 0.8), unit="um")
    low, high = sc.percentile(raw, q=80), sc.percentile(raw, q=97)
    nuclei = sc.fill_holes(sc.hysteresis(raw, low=low, high=high), connectivity=1)
    opened = sc.opening(nuclei, footprint=(1, 2, 2))
    depth = sc.distance_transform(opened, max_distance=6)
    levels = [sc.li(raw), sc.triangle(raw), sc.otsu(raw)]
    sc.run(depth, *levels, store=tmp_path, executor="threads", workers=2, block=(17, 40, 33))

    found = [filters.threshold_li(stack), filters.threshold_triangle(stack)]
    assert [level.get() for level in levels] == [*found, filters.threshold_otsu(stack)]
    levels = np.percentile(stack, 80.0), np.percentile(stack, 97.0)
    whole = ndimage.binary_fill_holes(filters.apply_hysteresis_threshold(stack, *levels))
    np.testing.assert_array_equal(np.asarray(nuclei), whole)
    np.testing.assert_array_equal(np.asarray(opened), sc.opening(whole, footprint=(1, 2, 2)))
    expected = ndimage.distance_transform_edt(np.asarray(opened), sampling=(1.75, 0.8, 0.8))
    np.testing.assert_allclose(np.asarray(depth), np.minimum(expected, 6), rtol=1e-14)


@pytest.fixture(scope="module")
def cortex():
    paths = sorted((DATA / "cortex_crop" / "ch0").glob("*.tif*"))
    if not paths:
        pytest.skip(f"no planes in {DATA / 'cortex_crop'}")
    return np.stack([tifffile.imread(path) for path in paths])


@pytest.mark.data
def test_a_background_of_a_brain_is_taken_away_and_cells_stay(cortex) -> None:
    raw = sc.open(cortex, voxel_size=(5, 2, 2), unit="um")
    found = np.asarray(sc.subtract_background(raw, radius=sc.um(30)))
    before = ndimage.uniform_filter(cortex.astype("float64"), (3, 61, 61))
    after = ndimage.uniform_filter(found.astype("float64"), (3, 61, 61))
    assert np.std(after) < 0.5 * np.std(before)
    brightest = np.unravel_index(np.argmax(cortex), cortex.shape)
    assert found[brightest] > 0.7 * (cortex[brightest] - np.median(cortex))
