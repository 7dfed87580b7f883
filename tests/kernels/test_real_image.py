"""The kernels on a stack of real nuclei, cut into blocks that cut nuclei."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import regionprops_table

from scutoid.kernels import (
    faces,
    global_first,
    histogram_of,
    label_components,
    measure_block,
    merge_blocks,
    merge_histograms,
    merge_regions,
    otsu_from_histogram,
    region_columns,
)

STACKS = Path(__file__).parents[2].parent / "shared" / "data" / "embryo3d" / "images"


@pytest.fixture(scope="module")
def stack():
    paths = sorted(STACKS.glob("*.tif*"))
    if not paths:
        pytest.skip(f"no stacks in {STACKS}")
    return tifffile.imread(paths[0])


@pytest.mark.data
@pytest.mark.parametrize("connectivity", [1, 3])
def test_threshold_label_and_measure_equal_the_whole_stack(stack, connectivity):
    starts = [range(0, size, step) for size, step in zip(stack.shape, (10, 50, 77), strict=True)]
    blocks = [
        tuple(slice(o, o + s) for o, s in zip(offset, (10, 50, 77), strict=True))
        for offset in itertools.product(*starts)
    ]
    found = merge_histograms(*(histogram_of(stack[where]) for where in blocks))
    level = otsu_from_histogram(found.counts, found.values)
    assert level == threshold_otsu(stack)

    labelled = [label_components(stack[where] > level, connectivity) for where in blocks]
    first = [
        global_first(places, [s.start for s in where], labels.shape, stack.shape)
        for where, (labels, places) in zip(blocks, labelled, strict=True)
    ]
    merged = merge_blocks(
        tuple(map(len, starts)),
        [len(places) for places in first],
        first,
        lambda block: faces(labelled[block][0]),
        connectivity,
    )
    structure = ndimage.generate_binary_structure(3, connectivity)
    whole, count = ndimage.label(stack > level, structure)
    assert merged.n_objects == count

    parts = []
    for block, (where, (labels, _)) in enumerate(zip(blocks, labelled, strict=True)):
        numbered = merged.lut(block)[labels]
        np.testing.assert_array_equal(numbered, whole[where])
        offset = [s.start for s in where]
        parts.append(measure_block(numbered, offset, stack.shape, stack[where]))
    columns = region_columns(merge_regions(*parts), "zyx")
    wanted = regionprops_table(
        whole, stack, properties=("label", "num_pixels", "centroid", "bbox", "intensity_std")
    )
    np.testing.assert_array_equal(columns["label"], wanted["label"])
    np.testing.assert_array_equal(columns["n_voxels"], wanted["num_pixels"])
    np.testing.assert_allclose(columns["y_voxel"], wanted["centroid-1"], rtol=1e-12)
    np.testing.assert_array_equal(columns["bbox_z1"], wanted["bbox-3"])
    np.testing.assert_allclose(columns["std"], wanted["intensity_std"], rtol=1e-9, atol=1e-9)
