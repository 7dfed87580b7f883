"""Ranges of sliders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.errors import ParameterError
from scutoid.tuning._ranges import range_of


@given(st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6).map(lambda number: round(number, 3)))
def test_a_range_has_the_value_on_one_of_its_positions(start):
    found = range_of(start, place="level")
    assert found.low <= start <= found.high
    assert found.low <= 0 <= found.high
    places = (start - found.low) / found.step
    assert places == pytest.approx(round(places), abs=1e-3)
    assert (found.high - found.low) / found.step >= (1000 if isinstance(start, float) else 10)


def test_a_range_that_is_given_is_taken():
    found = range_of(0.25, (0, 1), place="level")
    assert (found.low, found.high, found.step) == (0, 1, 0.001)
    assert range_of(3, (0, 9), place="n").step == 1
    assert range_of(300, (0, 1000, 50), place="n").step == 50
    assert range_of(2.0, (0.0, 9.0, 0.5), place="n").step == 0.5


@pytest.mark.parametrize(
    "given", [(1,), (2, 1), (0, 0), "01", 3, (0, float("inf")), (0, 1, 2, 3), ("a", "b")]
)
def test_what_is_no_range_is_refused(given):
    with pytest.raises(ParameterError, match=r"a range is \(low, high\)"):
        range_of(1.0, given, place="level")


def test_a_range_without_the_value_is_refused_with_one_that_has_it():
    with pytest.raises(ParameterError, match=r"ranges=\{'level': \(0, 20\)\}"):
        range_of(20, (0, 10), place="level")
