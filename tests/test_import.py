"""What `import scutoid` loads, and what it leaves alone."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest

# Slow to load, or not installed everywhere: each is imported where it is used
NOT_LOADED = {
    "PIL", "aiohttp", "cc3d", "cloudpickle", "concurrent.futures.process", "cyclopts", "dask",
    "bioio", "distributed", "fsspec", "imagecodecs", "liffile", "matplotlib", "napari", "nd2",
    "neuroglancer", "pandas", "openpyxl", "prefect", "pyarrow", "pylibCZIrw", "roifile", "pytest",
    "rich", "scipy", "skimage", "tensorstore", "tifffile", "zarr",
}  # fmt: skip


def in_fresh_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


OF_THE_OUTSIDE = [
    "Best",
    "Preview",
    "Sweep",
    "best",
    "correct",
    "corrected",
    "open_corrections",
    "preview",
    "report",
    "suspicious",
    "sweep",
    "unapplied",
    "view",
]


def test_the_import_loads_no_slow_and_no_optional_package():
    code = f"""
import json, sys, scutoid
for name in scutoid.__all__:
    if name not in {OF_THE_OUTSIDE}:
        getattr(scutoid, name)
print(json.dumps(sorted(sys.modules)))
"""
    loaded = in_fresh_python(code)
    assert NOT_LOADED.isdisjoint(loaded)
    # The outside is loaded by those who use it
    names = ("cli", "correcting", "exploring", "integrations", "reports", "testing", "views")
    outside = {f"scutoid.{name}" for name in names}
    assert outside.isdisjoint(loaded)


def test_no_name_of_the_outside_loads_a_slow_package():
    code = f"""
import json, sys, scutoid
[getattr(scutoid, name) for name in {OF_THE_OUTSIDE}]
print(json.dumps(sorted(sys.modules)))
"""
    assert not NOT_LOADED.intersection(in_fresh_python(code))


@pytest.mark.parametrize("option", ["--help", "--version", "ls --help"])
def test_help_loads_neither_numpy_nor_an_operation(option):
    code = f"""
import contextlib, io, json, sys
from scutoid.cli import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as said:
    main({option.split()})
assert said.getvalue()
print(json.dumps(sorted(sys.modules)))
"""
    loaded = in_fresh_python(code)
    assert {"numpy", "scutoid.steps", "scutoid.ops"}.isdisjoint(loaded)


def test_writing_down_a_pipeline_loads_no_kernel():
    code = """
import json, sys
import numpy as np
import scutoid as sc

image = sc.open(np.zeros((64, 64, 64), "uint16"))
smooth = sc.gaussian(sc.median(image, size=3), sigma=2)
labels = sc.label(sc.threshold(smooth, level=sc.otsu(smooth)))
cells = sc.measure(labels, intensity=image)
assert (smooth.dtype, labels.dtype) == (np.float32, np.uint32)
print(json.dumps(sorted(sys.modules)))
"""
    assert {"scipy", "skimage", "cc3d", "zarr", "pandas"}.isdisjoint(in_fresh_python(code))


def test_a_worker_of_images_loads_nothing_that_its_blocks_do_not_need():
    code = """
import json, sys
from scutoid.executors import _worker
from scutoid.steps.work import BlockWork
from scutoid.ops import gaussian, label, threshold
print(json.dumps(sorted(sys.modules)))
"""
    others = {"asyncio", "email", "importlib.metadata", "pandas", "scipy", "tensorstore"}
    readers = {f"scutoid.arrays.{name}" for name in ("_open", "_pictures", "_tiff", "_planes")}
    reports = {"scutoid.remote._files", "scutoid.steps.handles._shown"}
    assert (others | readers | reports).isdisjoint(in_fresh_python(code))


def test_a_worker_that_reads_a_tiff_does_not_list_what_is_installed(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", np.full((9, 9), 7, "uint16"))
    code = f"""
import json, sys
from scutoid.arrays import open_source
from scutoid.geometry import Roi

source = open_source({str(tmp_path / "a.tif")!r})
assert source.read(Roi((0, 0), (9, 9))).max() == 7
print(json.dumps(sorted(sys.modules)))
"""
    assert {"email.message", "importlib.metadata"}.isdisjoint(in_fresh_python(code))


def test_a_run_on_an_array_loads_neither_scipy_nor_readers_of_files():
    code = """
import json, sys, tempfile
import numpy as np
import scutoid as sc

mask = sc.threshold(sc.open(np.ones((40, 40))), level=0.5)
with tempfile.TemporaryDirectory() as folder:
    sc.run(sc.label(mask), store=folder, executor="serial", block=16)
    loaded = sorted(sys.modules)
    assert np.asarray(sc.Store(folder)["label"]).max() == 1
print(json.dumps(loaded))
"""
    readers = {f"scutoid.arrays.{name}" for name in ("_planes", "_tiff", "_microscopes")}
    assert ({"scipy", "pandas", "pyarrow"} | readers).isdisjoint(in_fresh_python(code))


def test_a_run_in_threads_that_auto_has_chosen_loads_nothing_of_processes():
    code = """
import json, sys, tempfile
import numpy as np
import scutoid as sc

mask = sc.threshold(sc.open(np.ones((1100, 1000))), level=0.5)
with tempfile.TemporaryDirectory() as folder:
    sc.run(mask, store=folder)
print(json.dumps(sorted(sys.modules)))
"""
    loaded = in_fresh_python(code)
    assert "scutoid.executors._threads" in loaded
    processes = {"scutoid.executors._processes", "scutoid.executors._worker"}
    assert {"multiprocessing", *processes}.isdisjoint(loaded)


# What a run loads that finds all of its results: no reader, no worker, no engine of blocks
NOT_LOADED_WARM = NOT_LOADED | {
    "asyncio", "http", "multiprocessing", "ssl", "tomllib",
    "xml.etree.ElementTree",
    *(f"scutoid.arrays.{name}" for name in (
        "_create", "_download", "_microscopes", "_planes", "_shards", "_tensorstore", "_tiff",
        "_tiff_open", "_zarr", "_zarr_write",
    )),
    *(f"scutoid.blocks.{name}" for name in ("_dispatch", "_event_log", "_run", "_scheduler")),
    *(f"scutoid.executors.{name}" for name in ("_process", "_processes", "_work", "_worker")),
    *(f"scutoid.remote.{name}" for name in ("_anywhere", "_files", "_http", "_ranged")),
    *(f"scutoid.steps.planning.{name}" for name in ("_choice", "_first_keys", "_summary")),
    *(f"scutoid.steps.results.{name}" for name in (
        "_block_digests", "_damage", "_item_copies", "_merging", "_missing_shards", "_stored_image",
    )),
    *(f"scutoid.steps.running.{name}" for name in (
        "_comparison", "_drafts", "_going_on", "_inputs", "_sample", "_sending", "_tasks",
    )),
    *(f"scutoid.store.{name}" for name in ("_claims", "_object_lock", "_remote_result")),
    "scutoid.reports", "scutoid.steps.work",
}  # fmt: skip


def test_a_run_over_a_folder_that_finds_all_results_loads_what_it_needs(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    for number in range(3):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.full((9, 9), number, "uint16"))
    (tmp_path / "own_pipeline.py").write_text("""
import scutoid as sc

def bright(image):
    return image > 1

def count(mask):
    return int(mask.sum())

def main(folder):
    mask = sc.step(bright, out="image", dtype=bool)(sc.open_folder(f"{folder}/*.tif"))
    counts = sc.step(count)(mask)
    done = sc.run(counts, mask, store=f"{folder}/store", executor="serial", report=False)
    return done, counts.to_dict()
""")
    monkeypatch.syspath_prepend(str(tmp_path))
    _, counts = importlib.import_module("own_pipeline").main(tmp_path)
    assert counts == {"0.tif": 0, "1.tif": 0, "2.tif": 81}
    monkeypatch.delitem(sys.modules, "own_pipeline")
    code = f"""
import json, sys
sys.path.insert(0, {str(tmp_path)!r})
import own_pipeline

done, counts = own_pipeline.main({str(tmp_path)!r})
assert all(step.n_cached == step.n_blocks == 3 for step in done.steps)
assert counts == {counts}
print(json.dumps(sorted(sys.modules)))
"""
    assert not NOT_LOADED_WARM.intersection(in_fresh_python(code))


def test_the_import_changes_no_global_state():
    code = """
import json, logging, multiprocessing, os, signal, sys, threading, warnings
import numpy as np

def state():
    return [
        dict(os.environ),
        [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        [str(f) for f in warnings.filters],
        [str(h) for h in logging.getLogger().handlers],
        [t.name for t in threading.enumerate()],
        sys.path,
        str(sys.excepthook),
        multiprocessing.get_start_method(allow_none=True),
        {k: str(v) for k, v in np.geterr().items()},
        np.random.get_state()[1].tolist(),
    ]

before = state()
import scutoid
print(json.dumps([before, state()]))
"""
    before, after = in_fresh_python(code)
    assert before == after
