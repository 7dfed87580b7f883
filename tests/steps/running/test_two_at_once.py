"""Two runs that want the same results: one makes each, the other waits for it or takes over."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import scutoid as sc
from scutoid import events
from scutoid.errors import RunFailed
from scutoid.store import Lock
from scutoid.testing import Recorder

SCRIPT = """
    import json, os, sys, time
    from pathlib import Path
    import numpy as np
    import scutoid as sc
    from scutoid import events
    from scutoid.testing import Recorder

    folder = Path(sys.argv[1])

    @sc.blockwise(dtype="uint8", block=8, version="1", check_halo=False)
    def slow(image, *, place, block):
        with open(f"{place}/ran-{block.index}", "a") as file:
            file.write("x")
        # Two that want it are there before it is done, however long one takes to start
        while len(list(Path(place).glob("ran-*"))) > 5 and not Path(place, "met").exists():
            time.sleep(0.01)
        return image

    def meet(event):
        if isinstance(event, events.StepAwaited):
            (folder / "met").touch()

    @sc.blockwise(dtype="uint16", version="1")
    def double(image):
        return image.astype("uint16") * 2

    raw = np.arange(40 * 40).reshape(40, 40).astype("uint8")
    result = double(slow(sc.open(raw), place=str(folder)))
    recorder = Recorder(meet)
    run = sc.run(result, store=folder / "store", workers=1, listeners=[recorder])
    waited = [event.owner for event in recorder.of(events.StepAwaited)]
    cached = {step.name: step.n_cached for step in run.steps}
    same = bool((np.asarray(result) == raw.astype("uint16") * 2).all())
    print(json.dumps({"same": same, "waited": waited, "cached": cached}))
"""


@pytest.fixture
def start(tmp_path):
    """Starts a run in a process of its own, which ends with the test at the latest."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    begun = []

    def start_one():
        command = [sys.executable, str(script), str(tmp_path)]
        begun.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return begun[-1]

    yield start_one
    for process in begun:
        process.kill()
        process.wait()


def n_ran(folder):
    return [len(path.read_text()) for path in folder.glob("ran-*")]


def test_the_second_waits_for_the_first_and_computes_nothing(tmp_path, start, wait_for):
    first = start()
    wait_for(lambda: len(n_ran(tmp_path)) > 3)
    second = start()
    said = [json.loads(process.communicate()[0]) for process in (first, second)]
    assert all(each["same"] for each in said)
    assert said[0]["waited"] == []
    assert said[1]["waited"][0].startswith(f"process {first.pid} on ")
    assert said[1]["cached"] == {"slow": 25, "double": 1}
    assert n_ran(tmp_path) == [1] * 25
    assert not list((tmp_path / "store").glob("*/.*.lock*"))


def test_the_second_takes_over_from_a_first_that_was_killed(tmp_path, start, wait_for):
    first = start()
    wait_for(lambda: len(n_ran(tmp_path)) > 3)
    second = start()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    (tmp_path / "met").touch()
    said = json.loads(second.communicate()[0])
    assert said["same"]
    times = n_ran(tmp_path)
    assert len(times) == 25
    # What the first had under way when it was killed was not journalled.
    assert sum(times) <= 25 + 4
    assert not list((tmp_path / "store").glob("*/.*.lock*"))


def test_two_that_start_together_make_each_block_once(tmp_path, start):
    both = [start(), start()]
    said = [json.loads(process.communicate()[0]) for process in both]
    assert all(each["same"] for each in said)
    assert n_ran(tmp_path) == [1] * 25


def test_who_is_waited_for_is_told(tmp_path):
    raw = np.arange(100).reshape(10, 10).astype("uint8")

    @sc.blockwise(dtype="uint8", version="1")
    def copy(image):
        return image

    result = copy(sc.open(raw))
    planned = sc.plan(result, store=tmp_path).steps[0]
    lock = Lock(tmp_path / "copy" / planned.key[:12])
    assert lock.acquire()

    def let_go(event):
        if isinstance(event, events.StepAwaited):
            lock.release()

    recorder = Recorder(let_go)
    assert sc.run(result, store=tmp_path, executor="serial", listeners=[recorder]).ok
    (awaited,) = recorder.of(events.StepAwaited)
    assert awaited.task == "copy"


def test_a_process_elsewhere_that_gives_no_sign_is_told_again_and_again(tmp_path, monkeypatch):
    monkeypatch.setattr("scutoid.steps.running._claim._TOLD_SECONDS", 0.01)
    monkeypatch.setenv("SCUTOID_LOCK_TIMEOUT", "10m")
    raw = np.arange(100).reshape(10, 10).astype("uint8")

    @sc.blockwise(dtype="uint8", version="1")
    def copy(image):
        return image

    result = copy(sc.open(raw))
    lock = Lock(tmp_path / "copy" / sc.plan(result, store=tmp_path).steps[0].key[:12])
    lock.path.parent.mkdir(parents=True)
    said = {"host": "node7", "process": 12, "started": 5, "token": "x"}
    lock.path.write_text(json.dumps(said))
    os.utime(lock.path, (time.time() - 40,) * 2)

    def let_go(event):
        if len(recorder.of(events.StepAwaited)) == 3:
            lock.path.unlink(missing_ok=True)

    recorder, stream = Recorder(let_go), io.StringIO()
    listeners = [sc.Progress(stream, live=False), recorder]
    assert sc.run(result, store=tmp_path, executor="serial", listeners=listeners).ok
    awaited = recorder.of(events.StepAwaited)
    assert len(awaited) == 3
    assert all(event.last_seen >= 40 and event.limit == 600 for event in awaited)
    waiting = (
        r"copy: waiting for process 12 on node7, last seen \d+ s ago; taken over after 600 s\n"
    )
    assert re.match(rf"({waiting}){{3}}", stream.getvalue())


def test_a_run_that_fails_gives_its_locks_back(tmp_path):
    @sc.blockwise(dtype="uint8", version="1")
    def bad(image):
        raise ValueError("no")

    result = bad(sc.open(np.ones((4, 4), "uint8")))
    for _ in range(2):
        with pytest.raises(RunFailed):
            sc.run(result, store=tmp_path, executor="serial")
    assert not list(tmp_path.glob("*/.*.lock*"))
