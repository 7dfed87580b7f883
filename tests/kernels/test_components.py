"""Labels and first voxels of one array."""

from __future__ import annotations

import cc3d
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels import apply_lookup, faces, find_components, label_components

MASK_DTYPES = ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")


def by_scipy(mask, connectivity):
    structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
    return ndimage.label(mask, structure)


@st.composite
def masks(draw, max_dims=5, max_side=7):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=max_dims, max_side=max_side))
    density = draw(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.95]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    foreground = rng.random(shape) < density
    dtype = np.dtype(draw(st.sampled_from(MASK_DTYPES)))
    low = -3 if dtype.kind == "i" else 1
    values = rng.integers(low, 5, size=shape)
    values[values == 0] = 1
    mask = np.where(foreground, values, 0).astype(dtype)
    if draw(st.booleans()):
        mask = np.asfortranarray(mask)
    if draw(st.booleans()):
        mask = np.flip(mask, axis=draw(st.integers(0, mask.ndim - 1)))
    return mask


@settings(max_examples=150, deadline=None)
@given(masks(), st.data())
def test_equals_scipy_in_labels_and_in_numbering(mask, data):
    connectivity = data.draw(st.integers(1, mask.ndim))
    labels, first = label_components(mask, connectivity)
    expected, count = by_scipy(mask, connectivity)
    assert labels.dtype == np.uint32
    assert labels.flags.c_contiguous
    np.testing.assert_array_equal(labels, expected)
    assert len(first) == count


@settings(max_examples=80, deadline=None)
@given(masks())
def test_first_is_the_lowest_linear_index_of_each_label(mask):
    labels, first = label_components(mask, mask.ndim)
    flat = labels.reshape(-1)
    assert first.dtype == np.int64
    assert first.tolist() == [int(np.argmax(flat == n)) for n in range(1, len(first) + 1)]


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 41),
    height=st.integers(1, 41),
    seed=st.integers(0, 2**32),
    hops=st.integers(1, 2),
)
def test_boolean_planes_of_odd_width_are_labelled_right(width, height, seed, hops):
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    np.testing.assert_array_equal(label_components(mask, hops)[0], by_scipy(mask, hops)[0])


def test_neighbours_share_faces_unless_told_otherwise():
    mask = np.eye(4, dtype=bool)
    assert len(label_components(mask)[1]) == 4
    assert len(label_components(mask, 2)[1]) == 1


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0, 2)])
def test_empty_arrays_have_no_labels(shape):
    labels, first = label_components(np.zeros(shape, bool))
    assert labels.shape == shape
    assert len(first) == 0


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1, 1, 1), (1, 5, 1), (5, 1, 1, 1), (1, 4, 1, 3)])
def test_axes_of_one_voxel_are_no_obstacle(shape):
    labels, first = label_components(np.ones(shape, bool), len(shape))
    assert (labels == 1).all()
    assert labels.shape == shape
    assert first.tolist() == [0]


@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_checkerboard_falls_apart_only_by_faces(connectivity):
    mask = np.indices((5, 6, 7)).sum(axis=0) % 2 == 0
    labels, _ = label_components(mask, connectivity)
    np.testing.assert_array_equal(labels, by_scipy(mask, connectivity)[0])
    assert labels.max() == (mask.sum() if connectivity == 1 else 1)


@settings(max_examples=80, deadline=None)
@given(
    shape=hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=17),
    seed=st.integers(0, 2**32),
    density=st.sampled_from([0.1, 0.5, 0.7]),
)
def test_numbers_as_they_are_found_are_those_of_cc3d_for_any_values(shape, seed, density):
    """Blocks that were labelled before are labelled again with the numbers of then."""
    mask = (np.random.default_rng(seed).random(shape) < density).astype(np.uint8)
    connectivities = {2: {1: 4, 2: 8}, 3: {1: 6, 2: 18, 3: 26}}[len(shape)]
    for hops, connectivity in connectivities.items():
        wanted = cc3d.connected_components(mask, connectivity=connectivity)
        np.testing.assert_array_equal(find_components(mask, hops), wanted)
        np.testing.assert_array_equal(find_components(mask.astype(bool), hops), wanted)


@pytest.mark.parametrize("kind", ["u1", "u4", "i8"])
@pytest.mark.parametrize("in_place", [False, True])
def test_labels_are_looked_up_in_their_place_only_where_they_need_not_stay(kind, in_place):
    labels = np.random.default_rng(0).integers(0, 9, (3, 50_000)).astype(kind)
    table = np.array([0, 5, 3, 8, 1, 7, 2, 6, 4], kind)  # chains: what is found is a label too
    before = labels.copy()
    found = apply_lookup(table, labels, in_place=in_place)
    np.testing.assert_array_equal(found, table[before])
    assert found.dtype == kind
    assert np.shares_memory(found, labels) == (in_place and kind != "i8")
    if not in_place:
        np.testing.assert_array_equal(labels, before)


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "O", "U1"])
def test_a_mask_of_anything_but_integers_is_refused(dtype):
    with pytest.raises(ParameterError, match="bool or integers"):
        label_components(np.zeros((2, 2), dtype))


@pytest.mark.parametrize("connectivity", [0, 3, -1, 1.0, True, "1"])
def test_a_connectivity_out_of_range_is_refused(connectivity):
    with pytest.raises(ParameterError, match="connectivity"):
        label_components(np.zeros((2, 2), bool), connectivity)


def test_a_single_value_is_no_mask():
    with pytest.raises(ParameterError, match="at least one axis"):
        label_components(np.array(1))


@pytest.mark.parametrize("shape", [(7,), (6, 7), (3, 4, 5), (2, 3, 2, 3)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32"])
@pytest.mark.parametrize("by_value", [False, True])
def test_a_mask_that_may_not_be_written_to_is_labelled(shape, dtype, by_value):
    mask = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    expected = label_components(mask, by_value=by_value)[0]
    mask.flags.writeable = False
    np.testing.assert_array_equal(label_components(mask, by_value=by_value)[0], expected)


def test_the_mask_is_left_as_it_was():
    mask = np.array([[0, 2], [3, 0]], np.uint8)
    label_components(mask, 2)
    assert mask.tolist() == [[0, 2], [3, 0]]


@settings(max_examples=50, deadline=None)
@given(masks(max_dims=4))
def test_faces_are_copies_of_the_outer_planes(array):
    planes = faces(array)
    assert list(planes) == [
        f"{side}{axis}" for axis in range(array.ndim) for side in ("low", "high")
    ]
    for axis in range(array.ndim):
        np.testing.assert_array_equal(planes[f"low{axis}"], np.take(array, 0, axis))
        np.testing.assert_array_equal(planes[f"high{axis}"], np.take(array, -1, axis))
        assert not np.shares_memory(planes[f"low{axis}"], array)


def test_a_block_without_voxels_has_no_faces():
    with pytest.raises(GeometryError, match="at least one voxel"):
        faces(np.zeros((0, 3)))


@settings(max_examples=150, deadline=None)
@given(masks(max_dims=4, max_side=6), st.data())
def test_by_value_each_object_is_a_connected_part_of_one_value(mask, data):
    connectivity = data.draw(st.integers(1, mask.ndim))
    values = np.where(mask < 0, -mask, mask) if mask.dtype.kind == "i" else mask
    labels, first = label_components(values, connectivity, by_value=True)
    expected = np.zeros(values.shape, np.int64)
    for value in np.unique(values[values != 0]):
        parts, _ = by_scipy(values == value, connectivity)
        expected += np.where(parts, parts + expected.max(), 0)
    _, place, number = np.unique(expected, return_index=True, return_inverse=True)
    order = np.argsort(place[1:] if 0 in expected else place)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    table = np.concatenate([[0], rank]) if 0 in expected else rank
    np.testing.assert_array_equal(labels, table[number.reshape(values.shape)])
    assert first.tolist() == [int(np.argmax(labels.ravel() == n)) for n in range(1, len(rank) + 1)]


@settings(max_examples=40, deadline=None)
@given(
    shape=hnp.array_shapes(min_dims=2, max_dims=3, max_side=17),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from(["u1", "i2", "u4", "i8", "u8", ">u2", ">i4"]),
)
def test_by_value_parts_are_those_of_scikit_image(shape, seed, dtype):
    from skimage.measure import label as skimage_label

    values = np.random.default_rng(seed).integers(0, 4, shape).astype(dtype)
    for connectivity in range(1, len(shape) + 1):
        labels, first = label_components(values, connectivity, by_value=True)
        wanted = skimage_label(values.astype(np.int64), connectivity=connectivity)
        pairs = np.unique(np.stack([labels.ravel(), wanted.ravel()]), axis=1)
        assert pairs.shape[1] == len(first) + (labels == 0).any() == len(np.unique(wanted))


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (4, 5), (2, 3, 4)])
def test_by_value_of_the_largest_numbers(shape):
    numbers = np.array([0, 2**63 - 1, 2**63, 2**64 - 1], "uint64")
    small = np.random.default_rng(0).integers(1, 4, shape)
    found = label_components(numbers[small], by_value=True)[0]
    np.testing.assert_array_equal(found, label_components(small, by_value=True)[0])


def test_by_value_refuses_values_below_zero():
    with pytest.raises(ParameterError, match="0 or more"):
        label_components(np.array([1, -1]), by_value=True)


def test_by_value_a_mask_of_truth_values_has_one_value():
    mask = np.array([True, True, False, True])
    assert label_components(mask, by_value=True)[0].tolist() == [1, 1, 0, 2]


@given(masks(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_labels_in_no_order_are_the_same_objects(mask, by_value) -> None:
    mask = abs(mask) if by_value and mask.dtype != bool else mask
    ordered, first = label_components(mask, by_value=by_value)
    found, seen = label_components(mask, by_value=by_value, is_ordered=False)
    np.testing.assert_array_equal(find_components(mask, by_value=by_value), found)
    order = np.argsort(seen)
    np.testing.assert_array_equal(seen[order], first)
    table = np.zeros(len(seen) + 1, int)
    table[order + 1] = np.arange(1, len(seen) + 1)
    np.testing.assert_array_equal(apply_lookup(table, found), ordered)


@pytest.mark.parametrize("fits", ["as it is", "type", "order", "read-only"])
def test_entries_are_put_in_place_of_labels_where_these_can_take_them(fits) -> None:
    labels = np.random.default_rng(0).integers(0, 9, (300, 400), "uint32")
    table = np.arange(9, 0, -1, dtype="uint16" if fits == "type" else "uint32")
    wanted = table[labels]
    given = labels.T if fits == "order" else labels
    given.flags.writeable = fits != "read-only"
    found = apply_lookup(table, given, in_place=True)
    np.testing.assert_array_equal(found, wanted.T if fits == "order" else wanted)
    assert (found is given) == (fits == "as it is")
