"""Ranks are found digit by digit, in the order that numpy sorts in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scutoid.errors import ParameterError
from scutoid.kernels import count_digits, merge_digits, narrow, percentile_passes

TYPES = ["bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


@st.composite
def parts(draw):
    """Values in two parts, not both empty."""
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    elements = None
    if dtype.kind == "f":
        elements = st.floats(allow_nan=False, width=8 * dtype.itemsize)
    values = draw(hnp.arrays(dtype, st.integers(1, 30), elements=elements))
    cut = draw(st.integers(0, len(values)))
    return values[:cut], values[cut:]


@given(parts(), st.data())
@settings(max_examples=200)
def test_every_rank_is_that_of_the_sorted_values(case, data) -> None:
    values = np.sort(np.concatenate(case))
    rank = data.draw(st.integers(0, len(values) - 1))
    percent = 100.0 * rank / max(len(values) - 1, 1)
    found = None
    for _ in range(percentile_passes(values.dtype)):
        counted = merge_digits(*(count_digits(part, found) for part in case))
        found = narrow(counted, found, [percent])
        assert len(found["prefixes"]) <= 2
    below, above = values[max(rank - 1, 0)], values[min(rank + 1, len(values) - 1)]
    with np.errstate(invalid="ignore"):
        value = np.asarray(found["values"][0])
    assert np.isnan(value) or below <= value <= above


def test_a_digit_of_16_bits_is_a_pass() -> None:
    assert [percentile_passes(t) for t in ("u1", "f2", "i4", "f4", "f8", "u8")] == [
        1,
        1,
        2,
        2,
        4,
        4,
    ]
    with pytest.raises(ParameterError, match="64 bits"):
        percentile_passes("c8")


def test_nan_has_no_place_in_the_order() -> None:
    with pytest.raises(ParameterError, match="NaN"):
        count_digits(np.array([1, np.nan]), None)
