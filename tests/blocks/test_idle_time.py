"""The time of workers without a block goes to the tasks that are at it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from scutoid.blocks import _idle_time
from scutoid.blocks._idle_time import IdleTime


@dataclass
class Workers:
    n_workers: int = 4
    n_idle: int = 0


class Ledger:
    def __init__(self, monkeypatch) -> None:
        self._now = 0.0
        monkeypatch.setattr(_idle_time.time, "perf_counter", lambda: self._now)
        self.idle = IdleTime(3)
        self.idle.workers = self.workers = Workers()

    def pass_time(self, seconds, *, n_idle, kept=()):
        """Let time pass with so many idle workers."""
        self._now += seconds
        self.workers.n_idle = n_idle
        self.idle.note(kept)


@pytest.fixture
def ledger(monkeypatch):
    return Ledger(monkeypatch)


def test_idle_workers_wait_for_the_task_that_is_open(ledger) -> None:
    ledger.idle.begin(1)
    ledger.pass_time(2, n_idle=3)
    ledger.pass_time(5, n_idle=0)
    ledger.idle.end(1)
    assert ledger.idle.waiting == [0, 6, 0]


def test_several_open_tasks_share_it(ledger) -> None:
    ledger.idle.begin(0)
    ledger.pass_time(1, n_idle=2)
    ledger.idle.begin(2)
    ledger.pass_time(3, n_idle=4)
    assert ledger.idle.waiting == [2 + 6, 0, 6]


def test_nobody_waits_before_and_after_all_tasks(ledger) -> None:
    ledger.pass_time(1, n_idle=4)
    ledger.idle.begin(0)
    ledger.idle.end(0)
    ledger.pass_time(1, n_idle=4)
    assert ledger.idle.waiting == [0, 0, 0]


def test_the_time_in_which_the_driver_keeps_results_is_that_of_their_tasks(ledger) -> None:
    ledger.idle.begin(0)
    ledger.idle.begin(1)
    ledger.pass_time(3, n_idle=2, kept=(1,))
    ledger.pass_time(4, n_idle=0, kept=(0, 1))  # others compute meanwhile: nothing is lost
    assert ledger.idle.keeping == [0, 6, 0]
    assert ledger.idle.waiting == [0, 0, 0]


def test_workers_are_counted_while_a_task_is_open(ledger) -> None:
    assert ledger.idle.mean_workers == 0
    ledger.pass_time(9, n_idle=4)
    ledger.idle.begin(0)
    ledger.pass_time(1, n_idle=0)
    ledger.workers.n_workers = 2
    ledger.pass_time(3, n_idle=0)
    assert ledger.idle.mean_workers == (4 + 3 * 2) / 4
