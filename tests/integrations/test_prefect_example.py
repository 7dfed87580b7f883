"""The Prefect example, with Prefect itself: cached, damaged, and with an input edited in place.

The first run is the script itself, in a process of Dask; the others, in threads of one process,
take its results.  Prefect's own server runs for as long as each process does.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage

pytest.importorskip("prefect", reason='needs Prefect 3: pip install "scutoid[prefect]"')
pytest.importorskip("prefect_dask", reason='needs prefect-dask: pip install "scutoid[prefect]"')

SCRIPT = Path(__file__).parents[2] / "examples" / "prefect_flow.py"
PAGE = Path(__file__).parents[2] / "docs" / "prefect.md"
SIGMA, THRESHOLD = 2, 400
ALL_CACHED = {
    "denoise": ["Cached"] * 3,
    "segment": ["Cached"] * 3,
    "count": ["Cached"],
}

AGAIN = """
import os, runpy, sys
from pathlib import Path

from prefect import flow, task

from scutoid.integrations.prefect import ByContent, StoreSerializer

script, folder, results, page = sys.argv[1:]


def run():
    sys.argv = [script, folder, results]
    runpy.run_path(script, run_name="__main__")


def one(pattern):
    (path,) = Path(results).glob(pattern)
    return path


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


run()  # 0
flip(one("denoise/A01-*.tif"))
run()  # 1
one("segment/A02-*.tif").unlink()
run()  # 2
flip(one("count/*.parquet"))
run()  # 3
source = Path(folder, "A03.tif")
before = source.stat()
content = source.read_bytes()
source.write_bytes(content[:1000] + bytes(len(content) - 1000))
os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
run()  # 4


@task(cache_policy=ByContent(), result_serializer=StoreSerializer(folder="other"))
def fail(value):
    raise ValueError(f"{value} is refused")


@task(cache_policy=ByContent(), result_serializer=StoreSerializer(folder="other"))
def give(value):
    return object()


@flow(result_serializer=StoreSerializer(folder="other"))
def refused():
    print("GIVEN", type(give.submit(1).result()).__name__)
    fail(7)


try:
    refused()
except ValueError as error:
    print("RAISED", error)
runpy.run_path(page, run_name="__main__")
"""


def prefect_environment(folder):
    """Return an environment in which Prefect keeps all of its own below a folder."""
    kept = {name: v for name, v in os.environ.items() if not name.startswith("PREFECT_")}
    return {
        **kept,
        "HOME": str(folder),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(folder / "prefect" / "storage"),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # A server makes its database when it starts: 10 s on an idle machine, longer on a busy one
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "240",
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
        "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "DO_NOT_TRACK": "1",
    }


def run(command, folder):
    """Run a command; return how the tasks of each run ended, and all its output."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env=prefect_environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    runs = []
    for line in done.stdout.splitlines():
        if line.startswith("STATES "):
            states = {}
            for state in json.loads(line.removeprefix("STATES ")):
                step, _, ended = state.partition(" ")
                states.setdefault(step, []).append(ended)
            runs.append(states)
    return runs, output


def make_images(folder):
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in (1, 2, 3):
        points = np.zeros((96, 96))
        points[tuple(rng.integers(8, 88, (2, 4 * number)))] = 1
        cells = ndimage.gaussian_filter(points, 3)
        image = 100 + 1500 * cells / cells.max() + rng.normal(0, 20, cells.shape)
        tifffile.imwrite(folder / f"A0{number}.tif", image.clip(0).astype("uint16"))


def stored(results):
    """Return all stored results."""
    read = {".tif": tifffile.imread, ".parquet": pd.read_parquet}
    paths = sorted(path for path in results.rglob("*") if path.is_file())
    return {path.relative_to(results).as_posix(): read[path.suffix](path) for path in paths}


def expected(folder):
    masks = {}
    for path in sorted(folder.iterdir()):
        masks[path.stem] = ndimage.gaussian_filter(tifffile.imread(path), SIGMA) > THRESHOLD
    return masks


@pytest.mark.timeout(900)
def test_results_are_kept_verified_and_made_again_one_by_one(tmp_path):
    images, results = tmp_path / "raw", tmp_path / "measured"
    make_images(images)
    before = expected(images)

    (first,), _ = run([SCRIPT, images, results, "--dask", 1], tmp_path)
    assert Counter(ended for step in first.values() for ended in step) == {"Completed": 7}
    kept = stored(results)
    masks = {name: value for name, value in kept.items() if name.startswith("segment/")}
    assert [name[8:11] for name in masks] == ["A01", "A02", "A03"]
    for mask, truth in zip(masks.values(), before.values(), strict=True):
        assert np.array_equal(mask > 0, truth)
    (table,) = (value for name, value in kept.items() if name.startswith("count/"))
    assert list(table["objects"]) == [ndimage.label(truth)[1] for truth in before.values()]

    (tmp_path / "again.py").write_text(AGAIN)
    page = tmp_path / "page.py"
    code = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    page.write_text("".join(code))
    runs, output = run([tmp_path / "again.py", SCRIPT, images, results, page], tmp_path)
    cached, flipped, deleted, flipped_table, edited = runs
    assert cached == ALL_CACHED
    assert flipped == {**ALL_CACHED, "denoise": ["Completed", "Cached", "Cached"]}
    assert deleted == {**ALL_CACHED, "segment": ["Cached", "Completed", "Cached"]}
    assert flipped_table == {**ALL_CACHED, "count": ["Completed"]}
    assert edited["denoise"] == edited["segment"] == ["Cached", "Cached", "Completed"]
    assert edited["count"] == ["Completed"]
    assert output.count("is not used, and its task runs again") == 3
    # What cannot be stored is still handed on, and a task's error is its own
    assert "GIVEN object" in output
    assert "RAISED 7 is refused" in output

    # The page's own flow, which ran last, in the current folder
    steps = [path.parent.name for path in sorted((tmp_path / "results").glob("*/A01-*.tif"))]
    assert steps == ["denoise", "segment"]
    now = stored(results)
    assert kept.keys() < now.keys()  # what was damaged has its name again, and nothing lies beside
    assert len(now) == len(kept) + 3
    for name, value in kept.items():
        assert value.equals(now[name]) if name.endswith("parquet") else (value == now[name]).all()
    assert not np.array_equal(expected(images)["A03"], before["A03"])
    (new,) = (now[n] for n in now.keys() - kept.keys() if n.startswith("segment/"))
    assert np.array_equal(new > 0, expected(images)["A03"])
