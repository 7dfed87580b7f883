"""Faults for real: a killed run, scripts without a guard, stores that cannot be written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import zarr

import scutoid as sc
from scutoid.blocks import Journal

SLOW = """
import os, sys, time
from pathlib import Path
import numpy as np
import scutoid as sc
from scutoid.blocks import Journal

def is_to_be_killed():
    "Whether some blocks are done, of a run that is not to come to its end."
    journals = Path(os.environ.get("KILLED", "none")).glob("slow/*/journal")
    return any((Journal.read(path) != 0).sum() >= 6 for path in journals)

@sc.blockwise(halo=2)
def slow(image):
    while is_to_be_killed():
        time.sleep(0.01)
    return image.astype("float32") * 2

@sc.blockwise
def level(image):
    return image > 100

raw = sc.open(sys.argv[1])
smooth = slow(raw)
labels = sc.label(level(smooth))
cells = sc.measure(labels, intensity=raw)
run = sc.run(smooth, labels, cells, store=sys.argv[2], workers=2, block=16)
print({step.name: (step.n_cached, step.n_done) for step in run.steps})
"""


@pytest.fixture
def volume(tmp_path):
    data = np.random.default_rng(5).integers(0, 200, (64, 48, 48)).astype("uint16")
    path = tmp_path / "raw.zarr"
    zarr.create_array(path, data=data, chunks=(16, 16, 16))
    return path


def script(tmp_path, text):
    path = tmp_path / "pipeline_script.py"
    path.write_text(textwrap.dedent(text))
    return path


@pytest.fixture
def kill_in_the_middle(wait_for):
    """Kills a run when it has journalled some blocks of its slow step."""

    def run(path, volume, store):
        process = subprocess.Popen(
            [sys.executable, str(path), str(volume), str(store)],
            env={**os.environ, "KILLED": str(store)},
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: process.poll() is not None or n_journalled(store) >= 6)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == -signal.SIGKILL

    return run


def images(store):
    found = {}
    for name in ("slow", "label"):
        (path,) = store.glob(f"{name}/*/image.ome.zarr")
        found[name] = np.asarray(sc.open(path))
    return found


def n_journalled(store):
    return sum(int((Journal.read(path) != 0).sum()) for path in store.glob("slow/*/journal"))


def test_kill_9_in_the_middle_then_the_same_command_gives_the_same_result(
    tmp_path, volume, kill_in_the_middle
) -> None:
    path = script(tmp_path, SLOW)
    whole = tmp_path / "whole"
    subprocess.run([sys.executable, path, volume, whole], check=True, capture_output=True)
    killed = tmp_path / "killed"
    kill_in_the_middle(path, volume, killed)
    resumed = subprocess.run(
        [sys.executable, path, volume, killed], check=True, capture_output=True, text=True
    )
    n_cached, n_done = eval(resumed.stdout)["slow"]  # noqa: S307
    assert n_done == 36
    assert 0 < n_cached < 36
    expected, found = images(whole), images(killed)
    for name, image in expected.items():
        np.testing.assert_array_equal(found[name], image)
    expected_table = sc.Store(whole)["measure"].to_pandas()
    assert sc.Store(killed)["measure"].to_pandas().equals(expected_table)


def test_a_killed_run_redoes_only_what_was_in_flight(tmp_path, volume, kill_in_the_middle) -> None:
    """What the journal names when the run is killed is what the next run counts as cached."""
    path = script(tmp_path, SLOW)
    store = tmp_path / "store"
    kill_in_the_middle(path, volume, store)
    n_before = n_journalled(store)
    resumed = subprocess.run(
        [sys.executable, path, volume, store], check=True, capture_output=True, text=True
    )
    n_cached, _ = eval(resumed.stdout)["slow"]  # noqa: S307
    assert n_cached == n_before


def test_steps_of_a_script_without_a_guard_work_with_processes(tmp_path, volume) -> None:
    text = """
    import sys
    import scutoid as sc
    FACTOR = 3
    def times(image):
        return image * FACTOR
    @sc.blockwise
    def scaled(image):
        return times(image)
    plus = sc.blockwise(lambda image: image + 1)
    result = plus(scaled(sc.open(sys.argv[1])))
    print(sc.run(result, store=sys.argv[2], workers=2, block=32).ok, result.read().sum())
    """
    path = script(tmp_path, text)
    done = subprocess.run(
        [sys.executable, path, volume, tmp_path / "s"], check=True, capture_output=True, text=True
    )
    data = np.asarray(sc.open(volume))
    assert done.stdout.split() == ["True", str((data * 3 + 1).astype("uint16").sum())]


def test_a_changed_helper_runs_the_step_again_and_a_comment_does_not(tmp_path, volume) -> None:
    text = """
    import sys
    import scutoid as sc
    def helper(image):
        return image * 2
    @sc.blockwise
    def step(image):
        return helper(image)
    result = step(sc.open(sys.argv[1]))
    plan = sc.plan(result, store=sys.argv[2])
    print(plan.steps[0].status, plan.steps[0].reason, sep="|")
    sc.run(result, store=sys.argv[2], executor="serial")
    """

    def run(text):
        done = subprocess.run(
            [sys.executable, script(tmp_path, text), volume, tmp_path / "s"],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip().split("|")

    assert run(text) == ["run", "first run"]
    assert run(text)[0] == "cached"
    commented = text.replace("return image * 2", "# twice\n        return (image*2)")
    assert run(commented)[0] == "cached"
    status, reason = run(text.replace("image * 2", "image * 3"))
    assert status == "run"
    assert "helper" in reason


def test_steps_of_a_notebook_cell_work_with_processes(tmp_path, volume) -> None:
    """Code that was compiled from a string, as a notebook does, with its source in linecache."""
    cell = "@sc.blockwise\ndef tripled(image):\n    return image * 3\n"
    text = f"""
    import linecache, sys
    import scutoid as sc
    cell = {cell!r}
    linecache.cache["<cell 1>"] = (len(cell), None, cell.splitlines(True), "<cell 1>")
    exec(compile(cell, "<cell 1>", "exec"))
    result = tripled(sc.open(sys.argv[1]))
    print(sc.run(result, store=sys.argv[2], workers=2).ok)
    """
    done = subprocess.run(
        [sys.executable, script(tmp_path, text), volume, tmp_path / "s"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "True"


def test_the_run_is_written_down(tmp_path, volume) -> None:
    result = sc.threshold(sc.open(volume), level=3)
    sc.run(result, store=tmp_path / "s", executor="serial")
    (said,) = (tmp_path / "s" / "runs").glob("*/run.json")
    record = json.loads(said.read_text())
    assert record["ok"] is True
    assert record["steps"][0]["name"] == "threshold"
