"""Shares with worker processes that are killed in each of their phases; others do the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import scutoid as sc
from scutoid.cli._main import run_command

PIPELINE = """
import numpy as np
import pandas as pd
import scutoid as sc


@sc.blockwise(out=("image", "table"), block=4, version="1")
def doubled(image, *, block):
    return image * 2, pd.DataFrame({"block": [block.index], "sum": [int(image.sum())]})


@sc.pipeline
def main():
    return doubled(sc.open(np.arange(64, dtype="u2").reshape(8, 8), axes="yx"))
"""
PHASES = {
    "before it claims": ("/0000-0000.claim", False),
    "in a block": ("/c/0/0", False),
    "when it has recorded a batch": ("-00000000", True),
    "before the manifest": ("/manifest.json", False),
    "when the manifest is there": ("/manifest.json", True),
}
"""The request at which it is killed, and whether the server has done then what it asks for."""


@pytest.mark.parametrize("phase", PHASES)
def test_what_a_share_with_workers_leaves_that_is_killed_is_gone_on_with(
    bucket, store, tmp_path, phase
):
    what, is_done = PHASES[phase]
    (tmp_path / "cells.py").write_text(PIPELINE)
    args = ["run", str(tmp_path / "cells.py"), "--store", store, "--executor", "processes"]
    args += ["--workers", "2", "--no-check-halo"]
    killed = []

    def kill(method, path):
        if method == "PUT" and what in path and not killed:
            killed.append(path)
            os.kill(process.pid, signal.SIGKILL)
            return bucket.proxy.late("drop") if is_done else "drop"
        return None

    command = [sys.executable, "-m", "scutoid", *args, "--share", "1/2"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        bucket.proxy.fault = kill
        assert process.wait() == -signal.SIGKILL, (tmp_path / "said").read_text()
    assert run_command([*args, "--share", "2/2"]) == 0
    there = sc.Store(store)
    image, rows = there["doubled"]
    np.testing.assert_array_equal(image.read(), np.arange(64).reshape(8, 8) * 2)
    assert sorted(rows.to_pandas()["block"]) == list(range(4))
    assert there.verify(heal=False).ok
    there.gc()
    assert there.gc(dry_run=True).removals == ()
