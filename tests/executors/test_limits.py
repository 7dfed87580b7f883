"""Numeric libraries are kept to one thread while workers are threads."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from scutoid.executors import _limits
from scutoid.executors._limits import limit_libraries


def threads():
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_runs_that_overlap_leave_the_libraries_as_they_were(order, monkeypatch):
    for held in ("_HELD", "_UNDONE_TOGETHER"):  # as if no test before had left a run open
        monkeypatch.setattr(_limits, held, [])
    np.linalg.inv(np.eye(2))  # loads one
    with threadpool_limits(limits=2):
        before = threads()
        assert 2 in before.values()
        limits = [limit_libraries(), limit_libraries()]
        limits[order[0]].restore_original_limits()
        assert set(threads().values()) == {1}
        limits[order[1]].restore_original_limits()
        assert threads() == before
