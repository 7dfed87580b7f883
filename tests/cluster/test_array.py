"""Job arrays on a SLURM of one node: all of it is done, whatever becomes of the elements."""

from __future__ import annotations

import os
import subprocess
import time

import numpy as np
import pytest

import scutoid as sc
from scutoid.cli._main import run_command

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PIPELINE = """
import os, time
import numpy as np
import scutoid as sc


@sc.blockwise(version="1", check_halo=False, dtype="uint8")
def slow(image, *, place):
    with open(f"{place}/ran", "a") as file:
        file.write("x")
    while os.path.exists(f"{place}/hold"):
        time.sleep(0.05)
    return image + np.uint8(1)


@sc.step(out="value", version="1")
def total(image):
    return float(np.asarray(image).sum())


@sc.pipeline
def cells(place: str):
    image = np.arange(1024).reshape(32, 32).astype("uint8") % 7
    return total(slow(sc.open(image), place=place))
"""
EXPECTED = float((np.arange(1024) % 256 % 7 + 1).sum())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "a folder's"
    place.mkdir()
    (place / "cells.py").write_text(PIPELINE)
    (place / "hold").touch()
    monkeypatch.chdir(place)
    return place


def submitted(folder, capsys, *more):
    given = ["submit", "cells.py", "--place", str(folder), "--block", "8", "--executor", "serial"]
    assert run_command([*given, "--array", "3", "--sbatch", "mem=500M", *more]) == 0
    return capsys.readouterr().out.partition("as job ")[2].partition(":")[0]


def until(is_so, folder):
    end = time.monotonic() + 400
    while not is_so():
        logs = [path.read_text() for path in (folder / "results" / "runs").glob("slurm-*")]
        assert time.monotonic() < end, logs
        time.sleep(0.2)


def n_begun(folder):
    return len((folder / "ran").read_text()) if (folder / "ran").exists() else 0


def test_an_array_is_done_though_an_element_is_cancelled_and_one_requeued(slurm, folder, capsys):
    number = submitted(folder, capsys)
    until(lambda: n_begun(folder) >= 3, folder)
    subprocess.run(["scancel", f"{number}_1"], check=True)
    subprocess.run(["scontrol", "requeue", f"{number}_2"], check=True)
    (folder / "hold").unlink()

    def ended():
        at_once = ["scontrol", "update", f"JobId={number}_2", "StartTime=now"]  # not in 2 minutes
        subprocess.run(at_once, check=False, stderr=subprocess.DEVNULL)
        return not slurm.jobs()

    until(ended, folder)
    assert sc.Store(folder / "results")["total"].get() == EXPECTED
    assert sc.Store(folder / "results").verify(heal=False).ok
    assert 16 <= n_begun(folder) <= 19
    cancelled = folder / "results" / "runs" / f"slurm-{number}_1.log"
    assert "stopped by SIGTERM" in cancelled.read_text()
    assert "requeued" not in cancelled.read_text()


@pytest.mark.skipif("SCUTOID_SOAK" not in os.environ, reason="takes minutes: make soak")
def test_an_array_goes_on_after_its_time_limit(slurm, folder, capsys):
    number = submitted(folder, capsys, "--time", "2", "--notice", "100")
    until(lambda: n_begun(folder) >= 3, folder)
    logs = folder / "results" / "runs"

    def requeued():
        return sum("requeued" in path.read_text() for path in logs.glob(f"slurm-{number}_*"))

    until(lambda: requeued() == 3, folder)  # blocks are held until SLURM tells of the limit
    (folder / "hold").unlink()
    until(lambda: not slurm.jobs(), folder)
    assert sc.Store(folder / "results")["total"].get() == EXPECTED
