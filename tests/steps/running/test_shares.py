"""How blocks are cut into shares, and which of them a process takes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.steps.running._shares import Part, shares_of, taking
from scutoid.store import take_share


@given(n=st.integers(0, 10_000_000))
def test_shares_cover_all_blocks_once_and_are_equally_long(n):
    bounds = shares_of(n)
    assert bounds[0] == 0
    assert bounds[-1] == n
    lengths = np.diff(bounds)
    assert len(lengths) == max(min(n, 1024), 1)
    assert lengths.max() - lengths.min() <= 1


@pytest.fixture
def step(tmp_path):
    """Return a step of 40 blocks, as far as taking shares of it goes."""
    entry = SimpleNamespace(path=tmp_path / "step" / "3f9a", remote=None)
    return SimpleNamespace(n_blocks=40, entry=entry)


def taken(step, open_blocks, part, **options):
    with taking(step, open_blocks, part, **options) as found:
        return np.flatnonzero(found.blocks).tolist()


@pytest.mark.parametrize(
    ("part", "worth", "expected"),
    [
        (Part(1, 5), 0, [0, 1, 2, 3]),
        (Part(3, 5), 0, [16, 17, 18, 19]),
        (Part(5, 5), 0, [32, 33, 34, 35]),
        (Part(1, 1), 0, list(range(20))),
        (Part(1, 100), 0, [0]),
        (Part(1, 100), 6, list(range(6))),
        (Part(1, 2), 6, list(range(10))),
        (Part(5, 5), 10, [0, 1, *range(32, 40)]),
        (Part(1, 1), 1000, list(range(32))),
    ],
)
def test_a_process_begins_at_its_own_place_and_takes_a_part(step, part, worth, expected):
    assert taken(step, np.ones(40, bool), part, worth=worth) == expected


def test_what_is_done_is_not_taken_and_what_another_has_is_passed_over(step):
    open_blocks = np.arange(40) % 2 == 0
    lock = take_share(step.entry.path, 0)
    with taking(step, open_blocks, Part(1, 5)) as found:
        assert np.flatnonzero(found.blocks).tolist() == [2, 4]
        assert found.busy.path == lock.path
        assert take_share(step.entry.path, 2) is None
    lock.release()
    assert taken(step, open_blocks, Part(1, 5)) == [0, 2]
    assert taken(step, np.zeros(40, bool), Part(1, 5)) == []
