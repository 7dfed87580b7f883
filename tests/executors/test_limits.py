"""Numeric libraries are kept to one thread while workers are threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from scutoid.executors import _limits
from scutoid.executors._limits import limit_libraries
from scutoid.executors._threads import ThreadsExecutor


def threads():
    return {library["filepath"]: library["num_threads"] for library in threadpool_info()}


@pytest.fixture(autouse=True)
def none_held(monkeypatch):
    """No limits of a run that a test before has left open."""
    for held in ("_HELD", "_UNDONE_TOGETHER"):
        monkeypatch.setattr(_limits, held, [])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_runs_that_overlap_leave_the_libraries_as_they_were(order):
    np.linalg.inv(np.eye(2))  # loads one
    with threadpool_limits(limits=2):
        before = threads()
        assert 2 in before.values()
        limits = [limit_libraries(), limit_libraries()]
        limits[order[0]].restore_original_limits()
        assert set(threads().values()) == {1}
        limits[order[1]].restore_original_limits()
        assert threads() == before


def test_a_wait_for_workers_that_ctrl_c_ends_leaves_the_libraries_as_they_were(monkeypatch):
    def interrupted(thread, timeout=None):
        raise KeyboardInterrupt

    np.linalg.inv(np.eye(2))  # loads one
    with threadpool_limits(limits=2):
        before = threads()
        pool = ThreadsExecutor().open([], 2)
        assert set(threads().values()) == {1}
        monkeypatch.setattr(threading.Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.stop(grace=5)
        assert threads() == before
