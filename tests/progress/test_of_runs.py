"""Runs show their progress by themselves: on terminals and in notebooks, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading

import numpy as np
import pytest

import scutoid as sc
from scutoid.events import RunDone, RunStarted, StepAwaited, TaskInfo
from scutoid.progress import Progress, progress_shown

SCRIPT = """
import sys
import numpy as np
import scutoid as sc
image = sc.open(np.random.default_rng(0).random((40, 40)))
labels = sc.label.options(block=20)(sc.threshold(image, level=0.5))
run = sc.run(labels, store=sys.argv[1], executor="serial", **eval(sys.argv[2]))
print("done", run.ok)
"""


def on_terminal(*arguments):
    """Return what a script writes where all its output is a terminal."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments], stdout=theirs, stderr=theirs, stdin=theirs
    )
    os.close(theirs)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    assert done.wait() == 0
    return b"".join(pieces).decode()


def test_a_terminal_shows_bars_and_the_same_run_again_shows_nothing(tmp_path):
    first = on_terminal(str(tmp_path), "{}")
    assert "label" in first
    assert "the run" in first
    assert "label_merge" not in first
    assert on_terminal(str(tmp_path), "{}").strip() == "done True"


def test_it_can_be_turned_off(tmp_path):
    assert on_terminal(str(tmp_path), "{'progress': False}").strip() == "done True"


@pytest.mark.parametrize(("option", "is_shown"), [("{}", False), ("{'progress': True}", True)])
def test_piped_it_is_silent_unless_asked_for(tmp_path, option, is_shown):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), option],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "done True"
    assert ("label: 9 of 9 blocks done" in done.stderr) == is_shown
    assert "\x1b" not in done.stderr


def test_a_listener_that_shows_it_is_enough():
    assert progress_shown(True, [Progress()]) is None
    assert isinstance(progress_shown(True, []), Progress)
    assert progress_shown(False, []) is None


@pytest.fixture
def kernel():
    manager = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    kernel, client = manager.start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    kernel.shutdown_kernel(now=True)


def test_a_notebook_shows_a_table_that_is_drawn_again(kernel, tmp_path):
    shown = []

    def hear(message):
        data = message["content"].get("data", {})
        if message["msg_type"] in ("display_data", "update_display_data"):
            shown.append((message["msg_type"], data["text/html"]))
        elif message["msg_type"] == "error":
            shown.append(("error", message["content"]["evalue"]))

    code = SCRIPT.replace("sys.argv[1]", repr(str(tmp_path))).replace("eval(sys.argv[2])", "{}")
    kernel.execute_interactive(code, timeout=120, output_hook=hear)
    assert shown[0][0] == "display_data"
    kind, last = shown[-1]
    assert kind == "update_display_data"
    assert "label_merge" not in last
    assert '<progress value="9" max="9">' in last
    assert "the run" in last
    assert "<script" not in last


def test_a_notebook_shows_who_is_waited_for_before_there_is_a_table(monkeypatch):
    display = pytest.importorskip("IPython.display")
    drawn = []

    class Handle:
        def update(self, shown):
            drawn.append(shown.data)

    def show(shown, *, display_id):
        assert not drawn
        drawn.append(shown.data)
        return Handle()

    monkeypatch.setattr(display, "display", show)
    progress = Progress.in_notebook()
    for seen in (30.0, 40.0):
        progress.on_event(StepAwaited(0.0, "label", "process 12 on node7", seen, 60.0))
    assert "waiting for process 12 on node7, last seen 40 s ago" in drawn[-1]
    progress.on_event(RunStarted(0.0, (TaskInfo("label", 4, 0),), 1))
    progress.on_event(RunDone(1.0, ok=False, seconds=1.0))
    assert "<progress" in drawn[-1]
    assert "last seen 40 s ago" in drawn[-1]


def test_two_runs_in_threads_do_not_draw_over_one_another(tmp_path, capsys):
    image = sc.open(np.random.default_rng(0).random((40, 40)))

    def compute(number):
        smooth = sc.gaussian(image, sigma=1 + number)
        sc.run(smooth, store=tmp_path, executor="serial", progress=True)

    threads = [threading.Thread(target=compute, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = capsys.readouterr().err
    assert written.count("gaussian: 1 of 1 blocks done") == 2
