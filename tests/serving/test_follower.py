"""Following the events of a run: blocks by state, files that are cut, bounded memory."""

from __future__ import annotations

import json
import os
import random
import signal
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scutoid as sc
from scutoid.serving import _follower, _pulse
from scutoid.serving._block_map import BlockState
from scutoid.serving._follower import Follower
from scutoid.serving._pulse import Pulse
from scutoid.serving._run_view import RunView
from scutoid.steps.results import RUNS
from scutoid.store import EntryStore, Lock


def written(folder, events, mode="w"):
    folder.mkdir(exist_ok=True)
    with (folder / "events.jsonl").open(mode) as file:
        for event in events:
            file.write(json.dumps({"time": 1.0, **event}) + "\n")
    return folder


def begun(n=10, name="a"):
    info = {"name": name, "n_blocks": n, "n_cached": 0, "n_skipped": 0}
    return {"event": "RunStarted", "tasks": [info], "workers": 2}


def batch(event, blocks, worker=0):
    more = {"n_done": sum(n for _, n in blocks), "n_empty": 0, "seconds": 1.0}
    return {"event": event, "task": "a", "worker": worker, "blocks": blocks, **more}


def test_blocks_have_the_state_that_events_tell(tmp_path):
    failure = {"event": "BlockFailed", "task": "a", "attempt": 1, "error": "e", "traceback": ""}
    events = [
        begun(), batch("BatchStarted", [[0, 4]]), batch("BatchStarted", [[6, 2]], worker=1),
        batch("BatchDone", [[0, 2]]), {**failure, "index": 2, "will_retry": True},
        {**failure, "index": 3, "will_retry": False},
    ]  # fmt: skip
    follower = Follower()
    assert follower.read([written(tmp_path / "run", events)])
    assert follower.blocks["a"].tolist() == [2, 2, 4, 5, 0, 0, 1, 1, 0, 0]
    assert not follower.read([tmp_path / "run"])
    lost = {"event": "WorkerLost", "worker": 1, "reason": "killed"}
    follower.read([written(tmp_path / "run", [lost], "a")])
    assert follower.blocks["a"].tolist() == [2, 2, 4, 5, 0, 0, 0, 0, 0, 0]


def test_events_of_a_file_that_was_cut_are_forgotten(tmp_path):
    folder = written(tmp_path / "run", [begun(), batch("BatchDone", [[0, 5]])])
    follower = Follower()
    follower.read([folder])
    assert follower.progress.steps["a"].n_done == 5
    written(folder, [begun(3)])
    follower.read([folder])
    follower.read([folder])
    assert follower.progress.steps["a"].n_done == 0
    assert follower.blocks["a"].tolist() == [0, 0, 0]


@given(seed=st.integers(0, 10**6))
def test_damaged_lines_are_counted_and_the_others_hold(tmp_path_factory, seed):
    drawn = random.Random(seed)
    folder = tmp_path_factory.mktemp("run")
    bad = [
        b"\xff\xfe", b"{}", b"[]", b"null", b'{"event": "BatchDone"}', b"{", b'{"time": "x"}',
        b'{"event": "BatchStarted", "time": 1, "task": "a", "worker": 0, "blocks": [[5, 99]]}',
        b'{"event": "BatchStarted", "time": 1, "task": "a", "worker": 0, "blocks": 7}',
        b'{"event": "RunStarted", "time": 1, "tasks": [{"name": "b"}], "workers": 1}',
    ]  # fmt: skip
    good = [begun(), *(batch("BatchDone", [[n, 1]]) for n in range(10))]
    lines = [json.dumps({"time": 1.0, **event}).encode() for event in good]
    chosen = drawn.sample(bad, drawn.randint(0, len(bad)))
    for line in chosen:
        lines.insert(drawn.randint(1, len(lines)), line)
    (folder / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    follower = Follower()
    follower.read([folder])
    assert follower.progress.steps["a"].n_done == 10
    assert (follower.blocks["a"] == BlockState.DONE).sum() == 10
    assert follower._n_bad == len(chosen)
    assert bool(follower.problems) == bool(chosen)


def test_memory_for_blocks_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(_follower, "_MOST_BYTES", 100)
    infos = [begun(60, name)["tasks"][0] for name in "abc"]
    follower = Follower()
    follower.read([written(tmp_path / "run", [{**begun(), "tasks": infos}])])
    assert set(follower.blocks) == {"a"}
    assert follower.progress.steps["c"].n_blocks == 60


def test_parts_of_a_run_are_followed_one_after_the_other(tmp_path):
    first = written(tmp_path / "first", [begun(), batch("BatchDone", [[0, 4]])])
    second = tmp_path / "second"
    second.mkdir()
    follower = Follower()
    follower.read([first])
    follower.read([first, second])
    again = begun()
    again["tasks"][0]["n_cached"] = 4
    written(second, [again, batch("BatchDone", [[4, 3]])])
    follower.read([first, second])
    step = follower.progress.steps["a"]
    assert (step.n_cached, step.n_done) == (4, 3)


class Clock:
    """Both clocks that a pulse is taken by."""

    now = 1_000_000.0

    def alive(self, pulse):
        return pulse.is_alive(wall=self.now, steady=self.now)


@pytest.fixture
def elsewhere(tmp_path):
    """The lock of a run on another machine, touched a moment ago by its clock."""
    folder = tmp_path / RUNS / "2026-01-01T00-00-00_abcd"
    lock = Lock(folder)
    assert lock.acquire()
    lock.release()
    owner = {"host": "elsewhere", "process": 1, "started": 1, "token": "a"}
    lock.path.write_text(json.dumps(owner))
    os.utime(lock.path, (Clock.now, Clock.now))
    return folder, lock.path


def test_a_run_on_another_machine_lives_as_long_as_it_touches_its_lock(elsewhere):
    folder, path = elsewhere
    clock, pulse = Clock(), Pulse(folder)
    for _ in range(20):
        assert clock.alive(pulse)
        clock.now += 10
        os.utime(path, (clock.now - 300, clock.now - 300))  # its clock is slow
    clock.now += 50
    assert clock.alive(pulse)
    clock.now += 61
    assert not clock.alive(pulse)
    os.utime(path, (clock.now, clock.now))
    assert clock.alive(pulse)
    path.unlink()
    assert not clock.alive(pulse)


def test_an_old_lock_of_another_machine_is_dead_at_the_first_look(elsewhere):
    folder, path = elsewhere
    clock = Clock()
    clock.now += 4000
    assert not clock.alive(Pulse(folder))
    assert not list(path.parent.glob("*.lock.*")), "a look has written something"


def test_a_run_that_is_going_on_here_is_alive(tmp_path):
    with Lock(tmp_path / RUNS / "run"):
        assert Clock().alive(Pulse(tmp_path / RUNS / "run"))
    assert not Clock().alive(Pulse(tmp_path / RUNS / "run"))
    assert _pulse.__doc__


def view_of(store, wait_for, process):
    def names():
        assert process.poll() is None, "it has ended before its time"
        folder = store / RUNS
        return [p.name for p in folder.glob("2*") if (p / "events.jsonl").exists()]

    wait_for(names)
    return RunView(EntryStore(store), names()[0])


def seen(view, wait_for, holds):
    """Look at a run until something holds of its steps."""
    found = []

    def look():
        time.sleep(0.05)
        found[:] = [view.document()]
        return holds({step["name"]: step for step in found[0]["steps"]}, found[0])

    wait_for(look)
    return found[0]


def test_a_live_run_of_another_process_is_followed_to_its_end(live, wait_for):
    store, gates, process = live
    view = view_of(store, wait_for, process)
    seen(view, wait_for, lambda s, d: s["gated"]["state"] == "running" and d["alive"])
    wait_for(lambda: (view._states(view.step("gated")) == BlockState.RUNNING).sum() == 2)
    for number in (0, 1, 2):
        (gates / str(number)).touch()
    told = seen(view, wait_for, lambda s, d: s["gated"]["n_done"] == 3)
    assert told["state"] == "running"
    assert told["left"] is not None
    states = view._states(view.step("gated")).tolist()
    assert states[:3] == [BlockState.DONE] * 3
    for number in range(8):
        (gates / str(number)).touch()
    told = seen(view, wait_for, lambda s, d: d["state"] == "done")
    process.wait()
    assert {step["state"] for step in told["steps"]} == {"done"}
    assert view._states(view.step("gated")).tolist() == [BlockState.DONE] * 8


def test_a_run_that_is_killed_is_shown_as_killed(live, wait_for):
    store, gates, process = live
    view = view_of(store, wait_for, process)
    (gates / "0").touch()
    seen(view, wait_for, lambda s, d: s["gated"]["n_done"] == 1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    told = seen(view, wait_for, lambda s, d: d["state"] == "killed")
    states = np.bincount(view._states(view.step("gated")), minlength=8)
    assert states[BlockState.DONE] == 1
    assert states[BlockState.NOT_RUN] == 7
    assert told["left"] is None


def test_blocks_of_an_earlier_run_are_told_from_those_of_this_one(tmp_path):
    store = tmp_path / "results"
    raw = sc.open(np.zeros((20, 20), "uint8"), axes="yx", voxel_size=(1, 1))
    for _ in range(2):
        sc.run(sc.gaussian(raw, sigma=1), store=store, block=10, executor="serial")
    runs = sorted(p.name for p in (store / RUNS).glob("2*"))
    by_state = {}
    for name in runs:
        view = RunView(EntryStore(store), name)
        by_state[view.step("gaussian").state] = set(view._states(view.step("gaussian")).tolist())
    assert by_state == {"done": {BlockState.DONE}, "cached": {BlockState.CACHED}}
