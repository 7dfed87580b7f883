"""Wishes for workers, by which an adaptive cluster of Dask sees how many are wanted."""

from __future__ import annotations

import pytest

from scutoid.executors import _dask_invitations
from scutoid.executors._dask_invitations import Invitations


class Client:
    """Counts the calls that it is to make, and those that are given up."""

    def __init__(self):
        self.n = self.n_changes = 0

    def map(self, function, numbers, **options):
        self.n_changes += 1
        self.n += len(numbers)
        return list(numbers)

    def cancel(self, futures):
        self.n_changes += 1
        self.n -= len(futures)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(_dask_invitations, "time", made)
    return made


def test_there_are_as_many_as_workers_are_wanted(clock):
    client = Client()
    invitations = Invitations(client, "r", workers=4)
    for threads, n in ((1, 40), (1, 40), (2, 80), (0, 40)):
        invitations.keep(wanted=True, threads=threads)
        assert client.n == n
    invitations.withdraw()
    assert client.n == 0


def test_they_are_not_sent_again_at_each_look_where_workers_are_idle_now_and_then(clock):
    client = Client()
    invitations = Invitations(client, "r", workers=4)
    invitations.keep(wanted=False, threads=1)
    assert client.n_changes == 0
    for look in range(100):
        clock.now += 0.5
        invitations.keep(wanted=look % 3 != 2, threads=1)
    assert (client.n, client.n_changes) == (40, 1)
    for _ in range(12):
        clock.now += 0.5
        invitations.keep(wanted=False, threads=1)
    assert (client.n, client.n_changes) == (0, 2)
