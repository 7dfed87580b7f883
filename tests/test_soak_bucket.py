"""The soak of a store in a bucket: a short sample of it, and that it finds what it is to find."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "soak_bucket.py"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the soak finds processes by /proc"
)


@pytest.fixture(scope="module")
def soak():
    pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    spec = importlib.util.spec_from_file_location("soak_bucket", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("elements", ["0", "2"])
def test_runs_that_are_killed_come_to_the_right_results(soak, elements):
    options = ["--kills", "1", "--seed", "1", "--elements", elements]
    done = subprocess.run(
        [sys.executable, TOOL, *options], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    words = done.stdout.splitlines()[-1].split()
    found = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    assert found["sites"] >= 1
    assert found["kills"] >= 1
    assert {kind: found[kind] for kind in soak.KINDS} == dict.fromkeys(soak.KINDS, 0)


ENDS = {
    "killed": (-9, 4, []),
    "less than before": (-9, 2, ["lost"]),
    "an error": (3, 4, ["raised"]),
    "an error of others": (4, 4, ["raised"]),
    "no end": (None, 4, ["hung"]),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_a_run_says_of_itself_is_judged(soak, tmp_path, monkeypatch, end):
    code, n_done, expected = ENDS[end]
    site = soak.Site(SimpleNamespace(folder=tmp_path, elements=0), 0)
    site.n_done = {"doubled": 3, "summed": 0, "turned": 0}
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"doubled": n_done, "summed": 0}))
    report.with_suffix(".error").write_text("what was raised")
    ended = []
    monkeypatch.setattr(soak.os, "killpg", lambda process, signal: ended.append(process))
    site.note(code, 7, {"report": str(report)})
    assert site.faults == expected
    assert ended == ([7] if code is None else [])
