"""Components that take the place of the mask they were found in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from scutoid.kernels import parts_seen
from scutoid.kernels._slabs import replace_by_components


@given(
    mask=hnp.arrays(
        np.uint32, hnp.array_shapes(max_dims=4, max_side=9), elements=st.integers(0, 2)
    ),
    voxels=st.integers(1, 60),
    data=st.data(),
)
def test_slabs_have_the_components_of_the_whole(mask, voxels, data):
    hops = data.draw(st.integers(1, mask.ndim))
    structure = ndimage.generate_binary_structure(mask.ndim, hops)
    expected, n_parts = ndimage.label(mask, structure)
    found = replace_by_components(mask, hops, voxels=voxels)
    assert found.dtype == np.uint32
    pairs = np.unique(np.stack([expected.reshape(-1), found.reshape(-1)]), axis=1)
    assert len(pairs.T) == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))
    assert set(np.unique(found)) | {0} == set(range(n_parts + 1))


def test_labels_take_the_memory_of_the_mask():
    mask = np.tri(2048, dtype=np.uint32)[:, ::-1].copy()
    mask[1000] = 0
    found, _, _ = parts_seen(mask, np.s_[:, :], [(False, False)] * 2, in_place=True)
    assert np.shares_memory(found, mask)
    assert np.array_equal(np.unique(found), [0, 1, 2])


@pytest.mark.parametrize("dtype", ["?", "u2", "u8", ">u4"])
def test_masks_of_other_types_stay(dtype):
    mask = np.ones((9, 9), dtype)
    mask[4] = 0
    before = mask.copy()
    assert replace_by_components(mask, voxels=9).max() == 2
    assert np.array_equal(mask, before)


def test_a_mask_that_cannot_be_written_to_stays():
    mask = np.ones((9, 9), np.uint32)
    mask.flags.writeable = False
    assert replace_by_components(mask, voxels=9).all()
