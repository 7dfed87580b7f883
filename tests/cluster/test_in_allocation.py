"""From inside an allocation of SLURM: an array is submitted, and a run has jobs as workers."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time

import numpy as np
import pytest

import scutoid as sc

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif("SCUTOID_SOAK" not in os.environ, reason="takes minutes: make soak"),
]

PIPELINE = """
import os
import numpy as np
import scutoid as sc


@sc.blockwise(version="1", check_halo=False, dtype="uint8")
def more(image, *, place):
    with open(f"{place}/jobs", "a") as file:
        file.write(os.environ["SLURM_JOB_ID"] + "\\n")
    return image + np.uint8(1)


@sc.step(out="value", version="1")
def total(image):
    return float(np.asarray(image).sum())


@sc.pipeline
def cells(place: str):
    image = np.arange(1024).reshape(32, 32).astype("uint8") % 7
    return total(more(sc.open(image), place=place))
"""
EXPECTED = float((np.arange(1024) % 256 % 7 + 1).sum())
WAYS = {
    "an array": ["submit", "--array", "2", "--executor", "serial", "--sbatch", "mem=500M"],
    "workers in jobs": ["run", "--executor", "slurm", "--workers", "2"],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("made_by", ["sbatch", "salloc"])
def test_a_run_from_inside_an_allocation_is_done_by_jobs_of_their_own(
    slurm, jobs, tmp_path, made_by, way
):
    place = tmp_path / "place"
    place.mkdir()
    (place / "cells.py").write_text(PIPELINE)
    jobs()
    name, *options = WAYS[way]
    command = [sys.executable, "-P", "-m", "scutoid", name, "cells.py", "--place", str(place)]
    command += ["--block", "8", *options]
    outer = ["--mem=300M", "--cpus-per-task=1", "--time=10"]
    if made_by == "sbatch":
        said = place / "outer.log"
        made = ["sbatch", "--parsable", *outer, f"--output={said}", "--wrap", shlex.join(command)]
        number = subprocess.run(
            made, cwd=place, capture_output=True, text=True, check=True
        ).stdout.strip()
    else:
        done = subprocess.run(
            ["salloc", *outer, *command],
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        number = done.stderr.partition("job allocation ")[2].split()[0]
    end = time.monotonic() + 600
    while slurm.jobs():
        assert time.monotonic() < end, slurm.last_words()
        time.sleep(0.5)
    logs = [path.read_text() for path in (*place.glob("*.log"), *place.glob("results/runs/*.log"))]
    assert sc.Store(place / "results")["total"].get() == EXPECTED, logs
    did = set((place / "jobs").read_text().split())
    assert did
    assert number not in did
