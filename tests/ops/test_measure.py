"""`measure` and `remove_small` equal scikit-image on the whole array, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.measure import regionprops_table

import scutoid as sc
from scutoid.errors import ParameterError

cases = hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=11).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.uint8, shape, elements=st.integers(0, 4)),
        hnp.arrays(np.uint16, shape, elements=st.integers(0, 65535)),
        st.tuples(*(st.integers(1, size) for size in shape)),
    )
)


def measured(labels, intensity, block):
    """Measure in blocks of a given shape, without a store."""
    step = sc.ops.measure_step.options(block=block)
    return step(sc.open(labels), sc.open(intensity)).to_pandas()


@given(cases)
@settings(max_examples=100, deadline=None)
def test_equals_regionprops_for_any_shape_and_block(case) -> None:
    labels, intensity, block = case
    table = measured(labels, intensity, block)
    if not labels.any():
        assert len(table) == 0
        return
    expected = pd.DataFrame(
        regionprops_table(
            labels,
            intensity,
            properties=(
                "label",
                "area",
                "bbox",
                "centroid",
                "mean_intensity",
                "max_intensity",
                "min_intensity",
                "intensity_std",
            ),
        )
    )
    axes = "zyx"[-labels.ndim :]
    assert table["label"].tolist() == expected["label"].tolist()
    assert table["n_voxels"].tolist() == expected["area"].tolist()
    for n, axis in enumerate(axes):
        assert table[f"bbox_{axis}0"].tolist() == expected[f"bbox-{n}"].tolist()
        assert table[f"bbox_{axis}1"].tolist() == expected[f"bbox-{n + labels.ndim}"].tolist()
        np.testing.assert_allclose(table[f"{axis}_voxel"], expected[f"centroid-{n}"], rtol=1e-12)
    np.testing.assert_allclose(table["mean"], expected["mean_intensity"], rtol=1e-12)
    assert table["min"].tolist() == expected["min_intensity"].tolist()
    assert table["max"].tolist() == expected["max_intensity"].tolist()
    np.testing.assert_allclose(table["std"], expected["intensity_std"], rtol=1e-9, atol=1e-6)
    sums = [int(intensity[labels == label].sum()) for label in table["label"]]
    assert table["sum"].tolist() == sums
    inside = np.zeros_like(labels, bool)
    inside[(slice(1, -1),) * labels.ndim] = True
    for label, touches in zip(table["label"], table["touches_edge"], strict=True):
        assert touches == bool(((labels == label) & ~inside).any())


def test_positions_are_in_the_unit_and_in_the_frame_of_the_uncropped_image() -> None:
    labels = np.zeros((6, 8, 10), "uint8")
    labels[3, 4, 6] = 1
    image = sc.open(labels, voxel_size=(2, 0.5, 0.25), unit="um", origin=(10, 20, 30))
    whole = sc.measure(image).to_pandas()
    cropped = sc.measure(image[2:, 3:, 5:]).to_pandas()
    row = whole.iloc[0]
    assert (row.z, row.y, row.x) == (16.0, 22.0, 31.5)
    assert (row.z_voxel, row.y_voxel, row.x_voxel) == (3, 4, 6)
    assert row["size"] == 0.25
    pd.testing.assert_frame_equal(whole, cropped)


def test_each_place_of_an_iterated_axis_has_rows_of_its_own() -> None:
    labels = np.zeros((2, 5, 5), "uint8")
    labels[0, 1, 1] = 1
    labels[1, 2:4, 2] = 1
    table = sc.measure(sc.open(labels, axes="tyx")).to_pandas()
    assert table[["t", "label", "n_voxels"]].to_numpy().tolist() == [[0, 1, 1], [1, 1, 2]]


def test_channels_are_measured_by_name(tmp_path) -> None:
    labels = np.zeros((5, 6), "uint8")
    labels[1:3, 1:3] = 7
    channels = np.stack([np.full((5, 6), 10), np.arange(30).reshape(5, 6)]).astype("uint16")
    table = sc.measure(sc.open(labels), intensity=sc.open(channels, axes="cyx")).to_pandas()
    assert table["mean_0"].tolist() == [10.0]
    assert table["sum_1"].tolist() == [int(channels[1, 1:3, 1:3].sum())]


@given(cases, st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_remove_small_keeps_the_numbers_of_the_others(case, min_size) -> None:
    labels, _, block = case
    counts = np.bincount(labels.ravel(), minlength=5)
    expected = np.where(counts[labels] >= min_size, labels, 0)
    image = sc.open(labels)
    parts = sc.ops.object_counts.options(block=block)(image, connectivity=None)
    small = sc.ops.small_objects(parts, min_size=min_size, connectivity=None)
    result = np.asarray(sc.ops.remove_objects(image, small, connectivity=None))
    assert result.dtype == labels.dtype
    np.testing.assert_array_equal(result, expected)


@given(hnp.arrays(np.bool_, (9, 10)), st.integers(1, 9), st.integers(1, 2), st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_remove_small_counts_objects_of_a_mask_across_blocks(
    mask, block, connectivity, min_size
) -> None:
    labels, _ = ndimage.label(mask, ndimage.generate_binary_structure(2, connectivity))
    counts = np.bincount(labels.ravel())
    expected = mask & (counts[labels] >= min_size)
    image = sc.open(mask)
    parts = sc.ops.object_counts.options(block=block)(image, connectivity=connectivity)
    small = sc.ops.small_objects(parts, min_size=min_size, connectivity=connectivity)
    result = sc.ops.remove_objects(image, small, connectivity=connectivity)
    assert result.dtype == np.bool_
    np.testing.assert_array_equal(np.asarray(result), expected)


def test_a_negative_minimum_is_refused() -> None:
    with pytest.raises(ParameterError, match="0 or more"):
        sc.remove_small(np.ones((2, 2), bool), min_size=-1)
