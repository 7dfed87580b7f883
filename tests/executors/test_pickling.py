"""What travels to other processes by value."""

from __future__ import annotations

import traceback

import pytest

from scutoid.executors import dumps, loads


def test_functions_that_travel_by_value_name_their_file_and_lines():
    def outer(n):
        def inner():
            raise ValueError(n)

        return inner

    for function in (outer, outer(1), outer(2)):
        made = loads(dumps(function))
        assert made.__code__ is not function.__code__
        assert made.__code__.co_filename == __file__
    with pytest.raises(ValueError, match="2") as caught:
        made()
    assert "raise ValueError(n)" in "".join(traceback.format_tb(caught.tb))
