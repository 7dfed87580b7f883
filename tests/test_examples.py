"""Examples of hypothesis are the same each time, unless new ones are asked for."""

from __future__ import annotations

import os

from hypothesis import settings


def test_no_test_draws_examples_by_settings_of_its_own(request) -> None:
    is_same = "SCUTOID_NEW_EXAMPLES" not in os.environ
    assert settings.default.derandomize == is_same
    drawn = {
        item.nodeid: item.obj._hypothesis_internal_use_settings.derandomize
        for item in request.session.items
        if hasattr(getattr(item, "obj", None), "_hypothesis_internal_use_settings")
    }
    assert [name for name, fixed in drawn.items() if fixed != is_same] == []
