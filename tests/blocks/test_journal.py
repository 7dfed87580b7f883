"""Journals return what was recorded, also after cuts and damage of the file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scutoid.blocks import BlockGrid, BlockStatus, Journal
from scutoid.errors import DamagedResult, StoreError
from scutoid.geometry import Roi
from scutoid.records import RecordLog

GRID = BlockGrid(Roi((0, 0), (10, 10)), 2, halo=1)


def batch(indices, status=BlockStatus.WRITTEN, attempt=1):
    return np.array(indices), np.full(len(indices), status, np.uint8), attempt


def test_later_records_hold_and_a_reopened_journal_goes_on(tmp_path):
    path = tmp_path / "t.journal"
    with Journal.open(path, "t", GRID) as journal:
        assert not journal.statuses.any()
        journal.append([batch([3, 1]), batch([7], BlockStatus.EMPTY, 300)])
        journal.append([batch([3], BlockStatus.EMPTY)])
    with Journal.open(path, "t", GRID) as journal:
        assert np.flatnonzero(journal.statuses).tolist() == [1, 3, 7]
        journal.append([batch([0], BlockStatus.FOUND)])
    statuses = Journal.read(path)
    assert statuses.shape == (25,)
    assert statuses[[0, 1, 3, 7]].tolist() == [4, 2, 3, 3]


def test_there_are_no_blocks_where_there_is_no_journal(tmp_path):
    assert len(Journal.read(tmp_path / "none")) == 0


def test_a_journal_cut_at_any_byte_loses_whole_batches_at_its_end_only(tmp_path):
    path = tmp_path / "t.journal"
    with Journal.open(path, "t", GRID) as journal:
        for index in range(5):
            journal.append([batch([2 * index, 2 * index + 1])])
    whole = path.read_bytes()
    lengths = set()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with Journal.open(path, "t", GRID) as journal:
            done = np.flatnonzero(journal.statuses).tolist()
        assert done == list(range(len(done)))
        assert len(done) % 2 == 0
        lengths.add(len(done))
    assert lengths == {0, 2, 4, 6, 8}


@pytest.mark.parametrize(
    "grid",
    [
        BlockGrid(Roi((0, 0), (10, 11)), 2, halo=1),
        BlockGrid(Roi((0, 1), (10, 10)), 2, halo=1),
        BlockGrid(Roi((0, 0), (10, 10)), 3, halo=1),
        BlockGrid(Roi((0, 0), (10, 10)), 2),
        BlockGrid(Roi((0, 0), (10, 10)), 2, halo=1, fit="valid"),
    ],
)
def test_a_journal_belongs_to_its_grid(tmp_path, grid):
    path = tmp_path / "t.journal"
    Journal.open(path, "t", GRID).close()
    for name, other in (("t", grid), ("u", GRID)):
        with pytest.raises(StoreError, match="task and grid") as caught:
            Journal.open(path, name, other)
        assert str(path) in str(caught.value)


def test_records_of_blocks_that_cannot_be_are_damage(tmp_path):
    path = tmp_path / "t.journal"
    with Journal.open(path, "t", GRID) as journal:
        journal.append([batch([25])])
    with pytest.raises(DamagedResult, match="of its grid"):
        Journal.read(path)


def test_a_record_file_of_another_kind_is_no_journal(tmp_path):
    RecordLog.open(tmp_path / "log", json.dumps({"other": 1}).encode()).close()
    with pytest.raises(StoreError, match="header says"):
        Journal.read(tmp_path / "log")


def test_a_journal_tells_that_it_is_of_another_key(tmp_path):
    path = tmp_path / "t.journal"
    assert Journal.key_of(path) is None
    with Journal.open(path, "t", GRID, key="one") as journal:
        journal.append([batch([3])])
    assert Journal.key_of(path) == "one"
    assert Journal.read(path, key="one")[3] == 2
    with pytest.raises(DamagedResult, match="its own"):
        Journal.read(path, key="two")
    Journal.open(tmp_path / "plain", "t", GRID).close()
    assert Journal.key_of(tmp_path / "plain") == ""
    assert len(Journal.read(tmp_path / "plain", key="two")) == GRID.n_blocks
