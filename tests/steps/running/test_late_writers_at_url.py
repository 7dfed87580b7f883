"""Processes that stand still, are taken for dead, and go on when others have made the result."""

from __future__ import annotations

import itertools
import threading
from contextlib import contextmanager

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import StoreError, UnwritableStore
from scutoid.steps import run_share
from scutoid.store import ObjectLock, Sharer

QUIET = {"executor": "serial", "check_halo": False}
NUMBERS = itertools.count(1)
RAW = np.arange(64, dtype="u2").reshape(8, 8)


@sc.blockwise(block=4, version="1")
def drawn(image):
    return image * 0 + next(NUMBERS)  # another image each time


@sc.step(out="value", version="1")
def brightest(image):
    return int(image.max())


def single(folder):
    return drawn(sc.open(RAW, axes="yx"))


def partial(folder):
    """Make one that a run which was stopped has begun."""
    return single(folder)


def members(folder):
    return brightest(sc.open_folder(folder, axes="yx"))


@pytest.fixture
def plate(tmp_path):
    folder = tmp_path / "plate"
    folder.mkdir()
    for number in range(3):
        np.save(folder / f"{number}.npy", RAW + number)
    return folder


class Late(threading.Thread):
    """A process in a thread that stands still at a request: the answer comes when it may go on.

    The request is the last of a number of them, each with a text in its method and path.
    """

    def __init__(self, bucket, work, requests):
        super().__init__()
        self.work = work
        self.stands, self.may_go = threading.Event(), threading.Event()
        self.done = self.error = None
        due = list(requests)

        def fault(method, path):
            if due and due[0] in f"{method} {path}":
                due.pop(0)
                if not due:
                    self.stands.set()
                    return self.may_go
            return None

        bucket.proxy.fault = fault

    def run(self):
        try:
            self.done = self.work()
        except StoreError as error:
            self.error = error
        finally:
            self.stands.set()

    def begin(self):
        self.start()
        assert self.stands.wait(240)
        assert self.is_alive(), self.error

    def end(self):
        self.may_go.set()
        self.join(240)
        assert not self.is_alive()


@contextmanager
def all_seem_dead():
    """Let whoever looks take others for dead, as after a minute without a sign."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ObjectLock, "_is_free", lambda self, epoch: True)
        patch.setattr(Sharer, "is_held", property(lambda self: False))
        yield


def by_run(result, store):
    return sc.run(result, store=store, progress=False, on_failure="return", **QUIET)


def by_share(result, store):
    return run_share(result, store=store, share=(1, 2), **QUIET)


CLAIM, SEGMENT = ".claim", "-00000000"
LOCK = "PUT /bucket/results/drawn/."
_HAS_LOCK = "%2Fshares%2F"  # who has it looks for those that do shares
_ALL, _LOOKS = ["/c/"] * 4, ["manifest.json", "segments%2F"]
PLACES = {
    "it is about to begin": (by_run, single, ["PUT /bucket/results/runs/"]),
    "it is about to go on": (by_run, partial, ["PUT /bucket/results/runs/"]),
    "it has begun": (by_run, single, ["zarr.json"]),
    "it publishes": (by_run, single, [*_ALL, "image.shards"]),
    "it is about to begin a collection": (by_run, members, ["PUT /bucket/results/runs/"]),
    "it has recorded members": (by_run, members, [SEGMENT]),
    "a share has the lock to begin": (by_share, single, [_HAS_LOCK, "manifest.json"]),
    "a share has claimed": (by_share, single, [CLAIM, *_LOOKS]),
    "a share has written a shard": (by_share, single, ["/c/"]),
    "a share has the lock to end": (by_share, single, [*_ALL, LOCK, _HAS_LOCK, *_LOOKS]),
    "a share has the lock of a collection": (by_share, members, [_HAS_LOCK, "manifest.json"]),
}
"""Who it is, what it makes, and the requests at the last of which it stands still."""


@pytest.mark.parametrize("place", PLACES)
def test_who_stood_still_and_was_taken_for_dead_spoils_nothing(
    bucket, store, machine, plate, place
):
    by, kind, requests = PLACES[place]
    if kind is partial:
        bucket.proxy.fails((403, "AccessDenied"), of="/c/1/", method="PUT")
        with pytest.raises(UnwritableStore):
            by(kind(plate), store)
    late = Late(bucket, lambda: by(kind(plate), store), requests)
    late.begin()
    machine("second")
    with all_seem_dead():
        assert by(kind(plate), store).ok
    late.end()
    machine("third")
    result = kind(plate)
    assert [step.status for step in sc.plan(result, store=store)] == ["cached"]
    assert sc.Store(store).verify(heal=False).ok
    by_run(result, store)
    if kind is members:
        assert list(result.to_dict().values()) == [63, 64, 65]
    else:
        blocks = result.read().reshape(2, 4, 2, 4).swapaxes(1, 2).reshape(4, 16)
        assert (blocks == blocks[:, :1]).all()
        assert len({0, *blocks[:, 0].tolist()}) == 5
    if by is by_share:
        assert late.error is None
        assert late.done.ok
    elif late.error is not None:
        assert "has its lock until the end" in str(late.error)
