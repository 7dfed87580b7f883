"""Examples of hypothesis are the same each time, unless new ones are asked for."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st


def test_no_test_draws_examples_by_settings_of_its_own(request) -> None:
    is_same = "SCUTOID_NEW_EXAMPLES" not in os.environ
    assert settings.default.derandomize == is_same
    drawn = {
        item.nodeid: item.obj._hypothesis_internal_use_settings.derandomize
        for item in request.session.items
        if hasattr(getattr(item, "obj", None), "_hypothesis_internal_use_settings")
    }
    assert [name for name, fixed in drawn.items() if fixed != is_same] == []


@given(st.none())
@settings(max_examples=9)
def test_a_law_asks_for_nine(nothing) -> None:
    assert nothing is None


def test_half_of_the_examples_are_drawn_unless_new_ones_are_asked_for() -> None:
    is_half = "SCUTOID_NEW_EXAMPLES" not in os.environ
    law = test_a_law_asks_for_nine
    assert law._hypothesis_internal_use_settings.max_examples == (5 if is_half else 9)
