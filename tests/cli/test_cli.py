"""The command line, in processes of its own: its output and exit codes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import zarr

import scutoid as sc
from scutoid.blocks import Journal

PIPELINE = '''
from pathlib import Path
import time
import scutoid as sc
from factors import FACTOR
from scutoid.blocks import Journal

def is_to_be_stopped():
    journals = Path("results").glob("scaled/*/journal")
    return Path("held").exists() and any((Journal.read(path) > 0).sum() >= 6 for path in journals)

@sc.blockwise(retries=0)
def scaled(image, *, slow, fail):
    while slow and is_to_be_stopped():
        time.sleep(0.01)
    if fail and image.size > 512:  # not in the trial call
        raise ValueError("told to fail")
    return image * FACTOR

@sc.blockwise
def bright(image, *, level):
    return image > level

@sc.pipeline
def count(
    raw: Path,
    level: float = 100.0,
    slow: bool = False,
    fail: bool = False,
    voxel_size: tuple[float, ...] | None = None,
):
    """Count bright objects.

    Parameters
    ----------
    raw : Path
        The volume.
    level : float
        Brighter voxels are objects.
    """
    by_16 = scaled.options(block=16)
    image = sc.open(raw, voxel_size=voxel_size)
    mask = bright(by_16(image, slow=slow, fail=fail), level=level)
    return sc.measure(sc.label(mask))
'''


@pytest.fixture
def project(tmp_path):
    """A folder with a pipeline, a helper beside it, and a volume of 24 blocks."""
    (tmp_path / "cells.py").write_text(PIPELINE)
    (tmp_path / "factors.py").write_text("FACTOR = 2\n")
    data = np.random.default_rng(1).integers(0, 90, (32, 48, 64)).astype("uint16")
    zarr.create_array(tmp_path / "raw.zarr", data=data, chunks=(16, 16, 16))
    return tmp_path


@pytest.fixture
def scutoid(forks):
    return partial(forks.run, "scutoid")


def test_run_then_again_then_with_another_parameter(scutoid, project) -> None:
    command = ("run", "cells.py", "--raw", "raw.zarr", "--store", "results", "--workers", "2")
    first = scutoid(*command, cwd=project)
    assert first.returncode == 0, first.stderr
    assert "7 steps run, 0 up to date" in first.stdout
    assert re.search(r"^most of the time: .+ing \(\d+% of ", first.stdout, re.MULTILINE)
    assert "scaled: 24 of 24 blocks done" in first.stderr
    second = scutoid(*command, cwd=project)
    assert "nothing to run: all 7 steps are up to date" in second.stdout
    plan = scutoid("plan", "cells.py", "--raw", "raw.zarr", "--level", "120", cwd=project)
    assert "`level` 100.0 -> 120.0" in plan.stdout
    third = scutoid(*command, "--level", "120", cwd=project)
    assert "6 steps run, 1 up to date" in third.stdout
    assert len(sc.Store(project / "results")["measure"].to_pandas()) > 0


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--executor", "mine", "--preset", "lab.toml"], 0, "7 steps run"),
        (["--executor", "mine"], 2, "an executor is given by a known name"),
        (["--executor", "other", "--preset", "lab.toml"], 2, "a preset is one of those in its"),
        (["--preset", "lab.toml"], 2, "mine, two"),
        (["--executor", "two", "--preset", "none.toml"], 2, "a preset is in a file"),
    ],
)
def test_a_preset_is_of_the_file_that_is_named_and_no_other(
    scutoid, project, flags, code, said
) -> None:
    for name in ("lab.toml", "presets.toml", "scutoid.toml"):
        (project / name).write_text("[mine]\nkind = 'local'\nworkers = 1\n[two]\nkind = 'local'\n")
    done = scutoid("run", "cells.py", "--raw", "raw.zarr", *flags, cwd=project)
    assert done.returncode == code, done.stderr
    assert said in done.stdout + done.stderr
    assert (project / "results").exists() == (code == 0)


def test_ls_and_show(scutoid, project) -> None:
    scutoid("run", "cells.py", "--raw", "raw.zarr", "--executor", "serial", cwd=project)
    listed = scutoid("ls", cwd=project)
    assert listed.returncode == 0
    for name in ("scaled", "bright", "label", "measure", "complete"):
        assert name in listed.stdout
    shown = scutoid("show", "measure", cwd=project)
    assert "pieces = measure_pieces" in shown.stdout
    assert "n_voxels" in shown.stdout
    image = scutoid("show", "bright", cwd=project)
    assert "level = 100.0" in image.stdout
    assert "(32, 48, 64), bool" in image.stdout


def test_a_flag_takes_several_values(scutoid, project) -> None:
    command = (
        "run",
        "cells.py",
        "--raw",
        "raw.zarr",
        "--voxel-size",
        "2",
        "1",
        "0.5",
        "--level",
        "9",
    )
    done = scutoid(*command, "--executor", "serial", cwd=project)
    assert done.returncode == 0, done.stderr
    assert sc.Store(project / "results")["scaled"].voxel_size == (2.0, 1.0, 0.5)


def test_help_tells_the_flags_of_a_pipeline(scutoid, project) -> None:
    general = scutoid("--help", cwd=project)
    assert general.returncode == 0
    for word in ("run", "plan", "ls", "show", "demo"):
        assert word in general.stdout
    special = scutoid("run", "cells.py", "--help", cwd=project)
    assert special.returncode == 0
    for word in ("--level", "Brighter voxels are objects", "--store", "--workers", "Count bright"):
        assert word in special.stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run", "nothing.py"], "nothing.py"),
        (["run", "factors.py"], "@sc.pipeline"),
        (["run", "cells.py", "--raw", "raw.zarr", "--sigma", "3"], "--sigma"),
        (["run", "cells.py"], "--raw"),
        (["run", "cells.py", "--raw", "raw.zarr", "other.zarr"], "given by name: --NAME VALUE"),
        (["run", "cells.py", "--raw", "no.zarr"], "did you mean"),
        (["plan", "cells.py", "--raw", "raw.zarr", "--level", "high"], "high"),
        (["show", "nothing"], "store"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_usage_says_what_and_exits_with_2(scutoid, project, args, words) -> None:
    (project / "no").mkdir()
    done = scutoid(*args, cwd=project)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_failed_blocks_are_told_and_exit_with_1(scutoid, project) -> None:
    command = ("run", "cells.py", "--raw", "raw.zarr", "--fail", "--executor", "serial")
    done = scutoid(*command, cwd=project)
    assert done.returncode == 1
    assert "told to fail" in done.stderr
    assert "24 failed" in done.stderr
    assert "same command again" in done.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_stops_and_the_same_command_resumes(project, wait_for, number, code) -> None:
    command = [sys.executable, "-m", "scutoid", "run", "cells.py", "--raw", "raw.zarr"]
    command += ["--slow", "--workers", "2"]
    (project / "held").touch()
    process = subprocess.Popen(
        command,
        cwd=project,
        env=os.environ | {"SCUTOID_GRACE": "0.2s"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journals = partial((project / "results").glob, "scaled/*/journal")
    try:
        wait_for(lambda: any((Journal.read(path) > 0).sum() >= 6 for path in journals()))
        process.send_signal(number)
        _, errors = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, errors
    if number != signal.SIGINT:
        assert f"stopped by {number.name}" in errors
        assert re.search(r"^scaled: \d+ of 24 blocks done", errors, re.MULTILINE)
    assert "same command goes on" in errors
    (project / "held").unlink()
    resumed = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    line = next(x for x in resumed.stderr.splitlines() if x.startswith("scaled: 24 of 24"))
    assert "cached" in line


def test_view_says_how_to_install_napari(scutoid, project) -> None:
    try:
        import napari  # noqa: F401
    except ImportError:
        scutoid("run", "cells.py", "--raw", "raw.zarr", "--executor", "serial", cwd=project)
        done = scutoid("view", "label", cwd=project)
        assert done.returncode == 2
        assert 'pip install "scutoid[napari]"' in done.stderr
    else:
        pytest.skip("napari is installed")


@pytest.mark.parametrize("flags", [["--link", "http://x"], ["--port", "8123"], ["--no-browser"]])
def test_flags_of_a_page_need_web(scutoid, project, flags) -> None:
    done = scutoid("view", *flags, cwd=project)
    assert done.returncode == 2
    assert "remedy: add --web" in done.stderr


def test_the_demonstration_finds_its_cells_and_is_cached(scutoid, tmp_path) -> None:
    first = scutoid("demo", "--out", tmp_path / "demo", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "found 290 cells; 290 of the 290 that were placed" in first.stdout
    second = scutoid("demo", "--out", tmp_path / "demo", cwd=tmp_path)
    assert "14 steps, of which 14 were up to date" in second.stdout


def test_a_report_is_written(scutoid, project) -> None:
    command = ("run", "cells.py", "--raw", "raw.zarr", "--executor", "serial")
    assert scutoid(*command, cwd=project).returncode == 0
    done = scutoid("report", cwd=project)
    assert done.returncode == 0, done.stderr
    page = project / done.stdout.strip()
    assert page.name == "report.html"
    assert "cells.py --raw raw.zarr" in page.read_text()
    run = page.parent.name
    other = scutoid("report", run, "--output", "page.html", cwd=project)
    assert (other.returncode, other.stdout) == (0, "page.html\n")
    none = scutoid("report", "2026-01-01T00-00-00_abcd", cwd=project)
    assert none.returncode == 2
    assert run in none.stderr


def test_the_store_is_looked_after(scutoid, project) -> None:
    command = ("run", "cells.py", "--raw", "raw.zarr", "--executor", "serial")
    assert scutoid(*command, cwd=project).returncode == 0
    (shard, *_) = (project / "results").glob("scaled/*/image.ome.zarr/0/c/0/0/1")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    told = scutoid("verify", "--no-heal", cwd=project)
    assert told.returncode == 1
    assert "1 damaged, left as it is" in told.stdout
    assert "1 damaged, removed" in scutoid("verify", cwd=project).stdout
    again = scutoid(*command, cwd=project)
    assert "1 steps run, 6 up to date" in again.stdout, again.stderr
    assert scutoid("verify", cwd=project).returncode == 0

    table = scutoid("export", "measure", "final/cells.csv", cwd=project)
    assert table.stdout.strip() == str(project / "final" / "cells.csv")
    assert (project / "final" / "cells.csv").read_text().startswith("label,")

    sizes = scutoid("du", cwd=project)
    assert sizes.stdout.splitlines()[0].endswith("scaled")
    would = scutoid("gc", "--keep-runs", "0", "--dry-run", cwd=project)
    assert "would be removed" in would.stdout
    assert sc.Store(project / "results").names()
    assert scutoid("gc", "--older-than", "soon", cwd=project).returncode == 2
    for flags in (("--older-than", "30"), ("--max-size", "100")):
        told = scutoid("gc", *flags, cwd=project)
        assert told.returncode == 2
        assert "unit" in told.stderr
    assert scutoid("gc", "--keep-runs", "0", cwd=project).returncode == 0
    assert sc.Store(project / "results").names() == ()


def test_why_and_accept(scutoid, project) -> None:
    command = ("cells.py", "--raw", "raw.zarr")
    assert scutoid("run", *command, "--executor", "serial", cwd=project).returncode == 0
    (project / "factors.py").write_text("FACTOR = 3\n")
    why = scutoid("why", *command, "--step", "scaled", "--step", "bright", cwd=project)
    first, beside, difference, *others = why.stdout.splitlines()
    assert first.startswith("scaled ")
    assert first.endswith(": run, constant `FACTOR` changed")
    assert beside.startswith("  beside ")
    assert difference == "    constant `FACTOR` changed"
    assert others[0].endswith("input `image` (scaled) changed")
    planned = scutoid("plan", *command, "--accept", "scaled", cwd=project)
    assert "accepted, although constant `FACTOR` changed" in planned.stdout
    accepted = scutoid("run", *command, "--accept", "scaled", cwd=project)
    assert "nothing to run: all 7 steps" in accepted.stdout
    assert "nothing to run: all 7 steps" in scutoid("run", *command, cwd=project).stdout


SHORT = """
import os
import numpy as np
import scutoid as sc
from scipy import ndimage

@sc.blockwise(halo=1)
def blurred(image):
    os.environ.get("UNSEEN_BY_KEYS")
    return ndimage.gaussian_filter(image, 2)

@sc.pipeline
def blur():
    return blurred(sc.open(np.random.default_rng(0).random((64, 80))))
"""


def test_warnings_stand_below_what_a_run_printed(scutoid, tmp_path) -> None:
    (tmp_path / "blur.py").write_text(SHORT)
    command = ("run", "blur.py", "--block=32", "--executor=serial")
    done = scutoid(*command, "--store=results", cwd=tmp_path)
    said = done.stderr.splitlines()
    assert sum("UNSEEN_BY_KEYS" in line for line in said) == 2, "before and after the run"
    assert sum("how the image is cut" in line for line in said) == 1, "at its end"
    off = scutoid(*command, "--store=other", "--no-check-halo", cwd=tmp_path)
    assert "how the image is cut" not in off.stderr


def test_a_failed_run_prints_the_command_that_opens_the_debugger_at_the_line(
    scutoid, project
) -> None:
    command = ("run", "cells.py", "--raw", "raw.zarr", "--fail", "--workers", "1")
    failed = scutoid(*command, "--executor=serial", cwd=project)
    assert failed.returncode == 1
    (line,) = (row for row in failed.stderr.splitlines() if row.startswith("to debug it: "))
    again = shlex.split(line.removeprefix("to debug it: "))
    assert again[:5] == ["scutoid", "debug", "cells.py", "--raw", "raw.zarr"]
    assert not {"--workers", "--executor=serial"} & set(again)
    opened = scutoid(*again[1:], cwd=project, input="p image.size\np fail\nq\n")
    assert opened.returncode == 1
    assert 'raise ValueError("told to fail")' in opened.stdout
    assert "(Pdb) 4096\n(Pdb) True\n" in opened.stdout


def test_debug_stops_at_the_begin_of_the_function_and_says_what_came(scutoid, project) -> None:
    command = ("debug", "cells.py", "--raw", "raw.zarr", "--step", "scaled", "--at", "0,1,2")
    begun = scutoid(*command, "--begin", cwd=project, input="p image.shape\nc\n")
    assert begun.returncode == 0, begun.stderr
    assert "(16, 16, 16)" in begun.stdout
    assert "output 1: " in begun.stdout
    raw = zarr.open_array(project / "raw.zarr")[:16, 16:32, 32:48]
    assert f"from {raw.min() * 2} to {raw.max() * 2}" in begun.stdout
    wrong = scutoid("debug", "cells.py", "--raw", "raw.zarr", "--at", "99", cwd=project)
    assert wrong.returncode == 2
    assert "at= is the number of a block" in wrong.stderr


def test_parameters_of_a_file_are_taken_where_no_flag_says_otherwise(scutoid, project) -> None:
    file = project / "tuned.json"
    content = {"scutoid_parameters": 1, "of": "count", "kind": "pipeline"}
    saved = {"raw": "raw.zarr", "level": 120}
    file.write_text(json.dumps({**content, "parameters": saved}))
    command = ("run", "cells.py", "--executor", "serial")
    done = scutoid(*command, "--parameters", file, cwd=project)
    assert done.returncode == 0, done.stderr
    done = scutoid(*command, f"--parameters={file}", "--level", "80", cwd=project)
    assert done.returncode == 0, done.stderr
    entries = sc.Store(project / "results").entries("bright")
    assert [recipe.parameters["level"].text for _, recipe in entries] == ["80.0", "120.0"]

    file.write_text(json.dumps({**content, "parameters": {"levels": 120.0}}))
    refused = scutoid("run", "cells.py", "--raw", "raw.zarr", "--parameters", file, cwd=project)
    assert refused.returncode == 2
    assert "did you mean 'level'?" in refused.stderr
    file.write_text(json.dumps({**content, "of": "other", "parameters": {}}))
    refused = scutoid("run", "cells.py", "--raw", "raw.zarr", "--parameters", file, cwd=project)
    assert refused.returncode == 2
    assert "those of the pipeline 'other'" in refused.stderr
