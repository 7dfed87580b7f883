"""Measures of objects: the same from blocks as from the whole array."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import regionprops_table

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels import (
    Groups,
    RegionStats,
    measure_block,
    merge_regions,
    region_columns,
    renumber_regions,
)

AXES = {1: "x", 2: "yx", 3: "zyx", 4: "tzyx"}
LABEL_DTYPES = ("u1", "u2", "i4", "u4", "i8", "u8")
INTEGERS = ("?", "u1", "i1", "u2", "i2", "u4", "i4")
FLOATS = ("f2", "f4", "f8")


def blocks_of(shape, block_shape):
    axes = [
        [slice(start, min(start + step, size)) for start in range(0, size, step)]
        for size, step in zip(shape, block_shape, strict=True)
    ]
    return itertools.product(*axes)


def measure_in_blocks(labels, block_shape, intensity=None):
    channels = intensity is not None and intensity.ndim > labels.ndim
    return [
        measure_block(
            labels[where],
            [s.start for s in where],
            labels.shape,
            None if intensity is None else intensity[(slice(None), *where) if channels else where],
        )
        for where in blocks_of(labels.shape, block_shape)
    ]


def equal(a, b):
    left, right = a.to_arrays(), b.to_arrays()
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name])
        assert array.dtype == right[name].dtype


@st.composite
def labelled(draw, min_dims=1, max_dims=4):
    ndim = draw(st.integers(min_dims, max_dims))
    side = {1: 40, 2: 16, 3: 9, 4: 5}[ndim]
    shape = tuple(draw(st.integers(1, side)) for _ in range(ndim))
    block = tuple(draw(st.integers(1, n)) for n in shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_labels = draw(st.integers(0, 12))
    labels = rng.integers(0, n_labels + 1, size=shape)
    if draw(st.booleans()):  # runs longer than a voxel
        labels = np.repeat(labels, 3, axis=-1)[..., : shape[-1]]
    labels = np.where(rng.random(shape) < 0.3, 0, labels)
    return labels.astype(draw(st.sampled_from(LABEL_DTYPES))), block, rng


def values_of(rng, shape, dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(3, 50, size=shape).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, size=shape, dtype=dtype, endpoint=True)


@settings(max_examples=100, deadline=None)
@given(labelled(min_dims=2, max_dims=3))
def test_shapes_equal_regionprops_of_the_whole(case):
    labels, block, _ = case
    columns = region_columns(merge_regions(*measure_in_blocks(labels, block)), AXES[labels.ndim])
    wanted = regionprops_table(
        labels.astype(np.int64), properties=("label", "num_pixels", "centroid", "bbox")
    )
    axes = AXES[labels.ndim]
    np.testing.assert_array_equal(columns["label"], wanted["label"])
    np.testing.assert_array_equal(columns["n_voxels"], wanted["num_pixels"])
    for i, name in enumerate(axes):
        np.testing.assert_allclose(columns[f"{name}_voxel"], wanted[f"centroid-{i}"], rtol=1e-12)
        np.testing.assert_array_equal(columns[f"bbox_{name}0"], wanted[f"bbox-{i}"])
        np.testing.assert_array_equal(columns[f"bbox_{name}1"], wanted[f"bbox-{i + labels.ndim}"])


@settings(max_examples=100, deadline=None)
@given(labelled(min_dims=2, max_dims=3), st.sampled_from(INTEGERS + FLOATS))
def test_intensities_equal_numpy_of_each_object(case, dtype):
    labels, block, rng = case
    image = values_of(rng, labels.shape, dtype)
    columns = region_columns(
        merge_regions(*measure_in_blocks(labels, block, image)), AXES[labels.ndim]
    )
    rtol = 1e-12 if dtype not in {"f2", "f4"} else 1e-6
    for row, label in enumerate(columns["label"]):
        inside = image[labels == label].astype(np.float64)
        assert columns["min"][row] == inside.min()
        assert columns["max"][row] == inside.max()
        np.testing.assert_allclose(columns["sum"][row], inside.sum(), rtol=rtol, atol=1e-9)
        np.testing.assert_allclose(columns["mean"][row], inside.mean(), rtol=rtol, atol=1e-9)
        np.testing.assert_allclose(columns["std"][row], inside.std(), rtol=rtol, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(labelled(min_dims=2, max_dims=3))
def test_intensities_equal_regionprops(case):
    labels, block, rng = case
    image = values_of(rng, labels.shape, "u2")
    columns = region_columns(
        merge_regions(*measure_in_blocks(labels, block, image)), AXES[labels.ndim]
    )
    wanted = regionprops_table(
        labels.astype(np.int64),
        image,
        properties=("intensity_mean", "intensity_min", "intensity_max", "intensity_std"),
    )
    for name in ("mean", "min", "max", "std"):
        np.testing.assert_allclose(columns[name], wanted[f"intensity_{name}"], rtol=1e-12)


@settings(max_examples=80, deadline=None)
@given(labelled(), st.sampled_from((None, *INTEGERS)), st.randoms(use_true_random=False))
def test_blocks_and_their_order_change_no_bit_of_integers(case, dtype, random):
    labels, block, rng = case
    image = None if dtype is None else values_of(rng, labels.shape, dtype)
    parts = measure_in_blocks(labels, block, image)
    random.shuffle(parts)
    whole = measure_block(labels, (0,) * labels.ndim, labels.shape, image)
    equal(merge_regions(*parts), whole)
    folded = parts[0]
    for part in parts[1:]:
        folded = merge_regions(folded, part)
    equal(folded, whole)


@settings(max_examples=50, deadline=None)
@given(labelled(), st.sampled_from(INTEGERS + FLOATS), st.booleans())
def test_few_voxels_inside_objects_are_measured_as_many_are(case, dtype, has_channels):
    """Whether they are found by their places or by a mask changes no bit."""
    labels, _, rng = case
    wide = np.zeros((*labels.shape[:-1], 9 * labels.shape[-1]), labels.dtype)
    wide[..., : labels.shape[-1]] = labels  # a ninth of the voxels at most
    shape = (2, *wide.shape) if has_channels else wide.shape
    image = values_of(rng, shape, dtype)
    found = measure_block(wide, (0,) * wide.ndim, wide.shape, image, weighted=True)
    many = wide.copy()
    many[wide == 0] = 99  # one more object, which has all the rest
    expected = measure_block(many, (0,) * wide.ndim, wide.shape, image, weighted=True)
    equal(found, expected.select(expected.label != 99))


@settings(max_examples=60, deadline=None)
@given(labelled(), st.sampled_from(FLOATS))
def test_merging_floats_in_one_order_gives_the_same_bits(case, dtype):
    labels, block, rng = case
    image = values_of(rng, labels.shape, dtype)
    a = merge_regions(*measure_in_blocks(labels, block, image))
    b = merge_regions(*measure_in_blocks(labels, block, image))
    equal(a, b)
    whole = measure_block(labels, (0,) * labels.ndim, labels.shape, image)
    np.testing.assert_allclose(a.intensity.squares, whole.intensity.squares, rtol=1e-9, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    labelled(max_dims=3),
    st.sampled_from((None, *INTEGERS, "i8", *FLOATS)),
    st.data(),
    st.booleans(),
)
def test_renumbered_rows_are_those_of_renumbered_labels_to_the_last_bit(case, dtype, data, moments):
    labels, _, rng = case
    found, numbers = np.unique(labels, return_inverse=True)
    is_background = found[0] == 0
    pieces = (numbers.reshape(labels.shape) + (not is_background)).astype("uint32")
    n_pieces = int(pieces.max(initial=0))
    seed = data.draw(st.integers(0, 2**32))
    are_some_one = data.draw(st.booleans())
    table = np.zeros(n_pieces + 1, "uint32")
    table[1:] = np.random.default_rng(seed).choice(3 * n_pieces, n_pieces, replace=are_some_one) + 1
    image = None if dtype is None else values_of(rng, labels.shape, dtype)
    given = {"moments": moments, "weighted": image is not None}
    at, shape = [3] * labels.ndim, [n + 5 for n in labels.shape]
    stats = measure_block(pieces, at, shape, image, **given)
    wanted = measure_block(table[pieces], at, shape, image, **given)
    renumbered = renumber_regions(stats, table)
    if renumbered is None:
        assert are_some_one
        assert dtype in ("i8", "i4", "u4", *FLOATS)
        return
    equal(renumbered, wanted)
    assert [array.tobytes() for array in renumbered.to_arrays().values()] == [
        array.tobytes() for array in wanted.to_arrays().values()
    ]


def test_large_equal_values_have_no_deviation():
    labels = np.ones((40, 50), np.uint8)
    image = np.full(labels.shape, 2**32 - 1, np.uint32)
    columns = region_columns(merge_regions(*measure_in_blocks(labels, (7, 9), image)), "yx")
    assert columns["std"][0] == 0
    image[0, 0] -= 1
    columns = region_columns(merge_regions(*measure_in_blocks(labels, (7, 9), image)), "yx")
    np.testing.assert_allclose(columns["std"][0], np.sqrt(1999) / 2000, rtol=1e-12)


def test_small_deviations_of_large_floats_survive_merging():
    labels = np.ones((100, 10), np.uint8)
    image = 1e9 + np.tile([0.0, 1.0], 500).reshape(labels.shape)
    columns = region_columns(merge_regions(*measure_in_blocks(labels, (3, 10), image)), "yx")
    np.testing.assert_allclose(columns["std"][0], 0.5, rtol=1e-6)


@pytest.mark.parametrize("top", [2**40, 2**63 - 1, 2**63, 2**64 - 1])
def test_sparse_labels_cost_no_memory_and_keep_their_value(top):
    labels = np.zeros((4, 5), np.uint64)
    labels[1, 1:3] = top
    labels[3, 4] = 5
    stats = merge_regions(*measure_in_blocks(labels, (2, 2), labels % np.uint64(100)))
    columns = region_columns(stats, "yx")
    assert columns["label"].tolist() == [5, top]
    assert columns["label"].dtype == (np.int64 if top < 2**63 else np.uint64)
    assert columns["n_voxels"].tolist() == [1, 2]


def test_channels_are_named_or_numbered():
    labels = np.array([[1, 1], [0, 2]], np.uint8)
    image = np.stack([labels * 10, labels * 100]).astype(np.uint16)
    stats = merge_regions(*measure_in_blocks(labels, (1, 2), image))
    named = region_columns(stats, "yx", channels=("dapi", "gfp"))
    assert named["mean_dapi"].tolist() == [10, 20]
    assert named["sum_gfp"].tolist() == [200, 200]
    assert "max_1" in region_columns(stats, "yx")
    with pytest.raises(ParameterError, match="2 channels need 2 different names"):
        region_columns(stats, "yx", channels=("a",))


def test_a_single_named_channel_keeps_its_name_and_an_unnamed_image_none():
    labels = np.ones((2, 2), np.uint8)
    with_axis = measure_block(labels, (0, 0), (2, 2), labels[None])
    without = measure_block(labels, (0, 0), (2, 2), labels)
    assert "mean_gfp" in region_columns(with_axis, "yx", channels=["gfp"])
    assert "mean_0" in region_columns(with_axis, "yx")
    assert "mean" in region_columns(without, "yx")


def test_positions_and_sizes_are_in_the_unit():
    labels = np.zeros((4, 6), np.uint8)
    labels[1:3, 2:5] = 1
    columns = region_columns(
        measure_block(labels, (0, 0), (4, 6)), "yx", voxel_size=(2.0, 0.5), origin=(100, -1)
    )
    assert columns["size"].tolist() == [6.0]
    assert (columns["y_voxel"][0], columns["x_voxel"][0]) == (1.5, 3.0)
    assert (columns["y"][0], columns["x"][0]) == (103.0, 0.5)
    assert list(columns) == [
        *("label", "n_voxels", "size", "y", "x", "y_voxel", "x_voxel"),
        *("bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1", "touches_edge"),
    ]


def test_objects_at_the_edge_are_marked():
    labels = np.zeros((1, 5, 7), np.uint8)
    labels[0, 0, 3] = 1
    labels[0, 2, 2] = 2
    labels[0, 4, 4] = 3
    labels[0, 3, 6] = 4
    columns = region_columns(merge_regions(*measure_in_blocks(labels, (1, 2, 3))), "zyx")
    assert columns["touches_edge"].tolist() == [True, False, True, True]


def test_an_image_without_objects_has_all_columns():
    stats = merge_regions(
        *measure_in_blocks(np.zeros((3, 4), "u4"), (2, 2), np.zeros((3, 4), "f4"))
    )
    columns = region_columns(stats, "yx")
    assert len(stats) == 0
    assert all(len(values) == 0 for values in columns.values())
    assert columns["std"].dtype == np.float64
    assert columns["label"].dtype == np.int64


def test_an_empty_block_has_no_objects():
    assert len(measure_block(np.zeros((0, 4), "u1"), (0, 0), (5, 5), np.zeros((0, 4)))) == 0


def test_not_a_number_stays_where_it_is():
    labels = np.array([1, 1, 2, 2])
    image = np.array([np.nan, 1, 2, 4])
    columns = region_columns(merge_regions(*measure_in_blocks(labels, (1,), image)), "x")
    assert np.isnan(columns["mean"][0])
    assert columns["mean"][1] == 3
    assert columns["std"][1] == 1


@settings(max_examples=30, deadline=None)
@given(labelled(), st.sampled_from((None, "u2", "f4")))
def test_stored_arrays_give_the_same_stats_back(case, dtype):
    labels, _, rng = case
    image = None if dtype is None else values_of(rng, labels.shape, dtype)
    stats = measure_block(labels, (0,) * labels.ndim, labels.shape, image)
    equal(RegionStats.from_arrays(stats.to_arrays()), stats)


def test_selected_rows_are_those_of_the_objects():
    labels = np.array([[3, 3, 0, 9], [0, 5, 5, 9]])
    stats = measure_block(labels, (0, 0), labels.shape, labels * 2)
    kept = stats.select(stats.n_voxels > 1)
    equal(kept, stats)
    five = stats.select(stats.label == 5)
    assert five.intensity.sums(five.n_voxels).tolist() == [[20]]


@pytest.mark.parametrize("labels", [np.zeros((2, 2)), np.zeros((2, 2), complex), np.array(3)])
def test_labels_that_are_not_integers_are_refused(labels):
    with pytest.raises(ParameterError, match="array of integers"):
        measure_block(labels, (0, 0), (2, 2))


def test_negative_labels_are_refused():
    with pytest.raises(ParameterError, match="0 or more"):
        measure_block(np.array([[-1, 0]]), (0, 0), (1, 2))


def test_a_block_outside_its_image_is_refused():
    with pytest.raises(GeometryError, match="inside its image"):
        measure_block(np.zeros((2, 2), int), (9, 0), (10, 10))
    with pytest.raises(GeometryError, match="inside its image"):
        measure_block(np.zeros((2, 2), int), (-1, 0), (10, 10))


def test_an_intensity_of_another_shape_is_refused():
    with pytest.raises(GeometryError, match="shape of the labels"):
        measure_block(np.zeros((2, 2), int), (0, 0), (2, 2), np.zeros((2, 3)))


def test_an_intensity_of_complex_numbers_is_refused():
    with pytest.raises(ParameterError, match="real numbers"):
        measure_block(np.zeros((2, 2), int), (0, 0), (2, 2), np.zeros((2, 2), complex))


def test_parts_that_do_not_belong_together_are_refused():
    labels = np.ones((2, 2), int)
    a = measure_block(labels, (0, 0), (2, 2))
    with pytest.raises(ParameterError, match="same image shape"):
        merge_regions(a, measure_block(labels, (0, 0), (4, 2)))
    with pytest.raises(ParameterError, match="same intensity"):
        merge_regions(a, measure_block(labels, (0, 0), (2, 2), labels))
    with pytest.raises(ParameterError, match="at least one part"):
        merge_regions()


@settings(max_examples=60, deadline=None)
@given(labelled(max_dims=3), st.sampled_from(("u1", "u2", "i2")))
def test_moments_and_weights_are_the_same_bits_for_any_blocks(case, dtype):
    labels, block, rng = case
    intensity = values_of(rng, labels.shape, dtype)
    parts = [
        measure_block(
            labels[where],
            [s.start for s in where],
            labels.shape,
            intensity[where],
            moments=True,
            weighted=True,
        )
        for where in blocks_of(labels.shape, block)
    ]
    whole = measure_block(
        labels, (0,) * labels.ndim, labels.shape, intensity, moments=True, weighted=True
    )
    equal(merge_regions(*parts), whole)
    rng.shuffle(parts)
    equal(merge_regions(*parts), whole)
    assert whole.moments.dtype == np.int64
    for row, label in enumerate(whole.label):
        place = np.argwhere(labels == label) - whole.low[row]
        products = (place.T @ place)[np.triu_indices(labels.ndim)]
        assert whole.moments[row].tolist() == products.tolist()
        weights = intensity[labels == label].astype(np.int64)
        assert whole.intensity.weighted[row, 0].tolist() == (weights @ place).tolist()


def test_moments_of_objects_too_large_for_64_bits_are_rounded_not_wrapped():
    n, far = 10**6, 10**7  # two lines of voxels, far apart in an image of 10**7 on a side
    line = measure_block(np.ones((1, n), "u1"), (0, 0), (far, far), moments=True)
    there = measure_block(np.ones((1, n), "u1"), (far - 1, far - n), (far, far), moments=True)
    merged = merge_regions(line, there)
    assert merged.moments.dtype == np.float64
    exact = [n * (far - 1) ** 2, (far - 1) * sum(range(far - n, far))]
    np.testing.assert_allclose(merged.moments[0, :2], [float(one) for one in exact], rtol=1e-12)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-9, 9)), max_size=40), st.booleans())
def test_groups_are_the_same_for_labels_close_together_and_far_apart(rows, is_sparse):
    keys = np.array([key for key, _ in rows], np.uint64) * np.uint64(2**58 if is_sparse else 1)
    values = np.array([[value, -value] for _, value in rows], np.int64).reshape(-1, 2)
    groups = Groups.of(keys)
    assert groups.key.tolist() == sorted(set(keys.tolist()))
    for n, key in enumerate(groups.key):
        mine = values[keys == key]
        assert groups.total(values)[n].tolist() == mine.sum(axis=0).tolist()
        assert groups.minimum(values)[n].tolist() == mine.min(axis=0).tolist()
        assert groups.maximum(values)[n].tolist() == mine.max(axis=0).tolist()
    assert groups.key[groups.group].tolist() == keys.tolist()
