"""Regions of transformed images equal those of scipy's result on the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from scutoid.errors import ParameterError
from scutoid.kernels import Affine, affine


@st.composite
def transforms(draw):
    ndim = draw(st.integers(1, 3))
    numbers = st.one_of(
        st.sampled_from([0.0, 0.5, 1.0, -1.0, 2.0]), st.floats(-2, 2, allow_subnormal=False)
    )
    matrix = np.array([[draw(numbers) for _ in range(ndim)] for _ in range(ndim)])
    if draw(st.booleans()):
        matrix = np.diag(np.diag(matrix))
    shift = np.array([draw(st.one_of(st.integers(-3, 9), st.floats(-3, 9))) for _ in range(ndim)])
    sides = {"min_dims": ndim, "max_dims": ndim, "min_side": 1, "max_side": 9}
    return matrix, shift, draw(hnp.array_shapes(**sides)), draw(hnp.array_shapes(**sides))


@settings(max_examples=200, deadline=None)
@given(
    transforms(),
    st.sampled_from(["u1", "i2", "u4", "f4", "f8"]),
    st.sampled_from([0, 1]),
    st.sampled_from(["constant", "voxel", "nearest"]),
    st.data(),
)
def test_any_region_equals_scipy_on_the_whole_image(case, dtype, order, mode, data):
    matrix, shift, shape, out = case
    image = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
    expected = ndimage.affine_transform(
        image, matrix, shift, out, order=order, cval=3, prefilter=False,
        mode="constant" if mode == "constant" else "nearest",
    )  # fmt: skip
    transform = Affine.of(np.column_stack([matrix, shift]), image.ndim)
    if mode == "voxel":  # the image ends half a voxel beyond the centres of the outermost
        for place, edge in zip(transform.places((0,) * len(out), out), shape, strict=True):
            expected[np.broadcast_to((place < -0.5) | (place >= edge - 0.5), out)] = 3
    start = [data.draw(st.integers(0, n - 1)) for n in out]
    size = [data.draw(st.integers(1, n - a)) for n, a in zip(out, start, strict=True)]
    offset, part = transform.source(start, size, shape, mode)
    region = tuple(slice(a, a + n) for a, n in zip(offset, part, strict=True))
    found = affine(
        image[region], transform, start, size,
        order=order, mode=mode, cval=3, offset=offset,
    )  # fmt: skip
    assert found.dtype == image.dtype
    np.testing.assert_array_equal(
        found, expected[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))]
    )


def test_large_indices_do_not_change_a_voxel():
    """A block far from the origin: its places are those of the whole image, bit for bit."""
    image = np.random.default_rng(0).random((300_000,))
    transform = Affine.of([[0.9173, 0.37]], 1)
    whole = affine(image, transform, (0,), (320_000,))
    expected = ndimage.affine_transform(image, [[0.9173]], 0.37, (320_000,), order=1)
    np.testing.assert_array_equal(whole, expected)
    offset, part = transform.source((300_001,), (999,), image.shape, "constant")
    found = affine(
        image[offset[0] : offset[0] + part[0]], transform, (300_001,), (999,),
        offset=offset,
    )  # fmt: skip
    np.testing.assert_array_equal(found, expected[300_001:301_000])


def test_object_numbers_keep_all_their_bits():
    labels = np.array([2**63 + 1, 2**53 + 1, 7], "u8")
    found = affine(labels, Affine.of([[0.5, 0]], 1), (0,), (6,), order=0)
    assert found.tolist() == [2**63 + 1, 2**53 + 1, 2**53 + 1, 7, 7, 0]


def test_half_precision_is_served():
    image = np.array([0, 1], "f2")
    assert affine(image, Affine.of([[0.5, 0]], 1), (0,), (3,)).tolist() == [0, 0.5, 1]


def test_nothing_is_read_for_what_lies_outside():
    far = Affine.of([[1.0, 100.0]], 1)
    assert far.source((0,), (5,), (10,), "constant") == ((0,), (0,))
    assert far.source((0,), (5,), (10,), "nearest") == ((9,), (1,))
    outside = affine(np.zeros(0), far, (0,), (5,), cval=4)
    assert outside.tolist() == [4] * 5


@pytest.mark.parametrize(
    "matrix", [np.eye(2), np.eye(3), [2, 3], np.eye(2, 3), np.diag([2.0, 3, 1])]
)
def test_matrices_are_read_as_scipy_reads_them(matrix):
    image = np.random.default_rng(0).random((6, 7))
    found = affine(image, Affine.of(matrix, 2), (0, 0), image.shape)
    np.testing.assert_array_equal(found, ndimage.affine_transform(image, matrix, order=1))


@pytest.mark.parametrize(
    "matrix",
    [np.eye(4), [1, 2, 3], [[1, np.nan], [0, 1]], [[1, 0, 0], [0, 1, 0], [0, 0, 2]], "eye", None],
    ids=["too large", "too many", "nan", "projective", "text", "nothing"],
)
def test_other_matrices_are_refused(matrix):
    with pytest.raises(ParameterError, match="finite numbers"):
        Affine.of(matrix, 2)
