"""Voxel sizes of images that meet in one step are compared as lengths, in whatever unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.arrays import METRES
from scutoid.errors import MetadataError

A = np.arange(16.0).reshape(4, 4)
units = st.sampled_from(sorted(METRES))


@sc.blockwise(dtype="float64", version="1")
def add(first, second):
    return first + second


def opened(metres, unit):
    return sc.open(A, voxel_size=metres / METRES[unit], unit=unit)


@given(metres=st.floats(1e-8, 1e-3), first=units, second=units)
def test_one_length_in_two_units_is_one_voxel_size(metres, first, second) -> None:
    np.testing.assert_array_equal(
        np.asarray(add(opened(metres, first), opened(metres, second))), A + A
    )


@given(metres=st.floats(1e-8, 1e-3), first=units, second=units, factor=st.floats(1.01, 1e6))
def test_two_lengths_are_two_voxel_sizes_in_any_units(metres, first, second, factor) -> None:
    with pytest.raises(MetadataError, match="the same voxel size"):
        np.asarray(add(opened(metres, first), opened(metres * factor, second)))


def test_a_number_without_a_unit_is_compared_as_it_is() -> None:
    bare = sc.open(A, voxel_size=0.5)
    assert add(bare, sc.open(A, voxel_size=0.5, unit="um")).shape == (4, 4)
    with pytest.raises(MetadataError, match="the same voxel size"):
        add(bare, sc.open(A, voxel_size=500, unit="nm")).read()
