"""What the benchmark of operations compares is the same work, and its figures are what they say."""

from __future__ import annotations

import importlib
import mmap
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from scipy import ndimage

FOLDER = Path(__file__).parents[1] / "benchmarks"
MODULES = (
    "harness",
    "blobs",
    "operations_rows",
    "operations_work",
    "stitching_work",
    "operations_measure",
    "operations_growth",
    "operations",
)


@pytest.fixture(scope="module")
def bench():
    """The modules of the benchmark, by name."""
    before = list(sys.path)
    sys.path.insert(0, str(FOLDER))
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    sys.path[:] = before
    for name in MODULES:
        del sys.modules[name]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Zarrs of a small image with bright blobs, hollow ones among them, and of its mask."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(3)
    smooth = ndimage.gaussian_filter(rng.random((22, 26, 30)), 1.5)
    raw = (4000 * (smooth - smooth.min()) / np.ptp(smooth)).astype("uint16")
    mask = (raw > 1900) & (raw < 3600)
    for name, array in {"raw": raw, "mask": mask}.items():
        zarr.create_array(folder / f"{name}.zarr", data=array, chunks=(16, 16, 16))
    return folder


EQUAL = [
    "gaussian 2",
    "median 3",
    "white_tophat 4",
    "threshold_local 15",
    "otsu",
    "hysteresis",
    "erosion 3",
    "opening 3",
    "resample 1.5",
    "downsample 2",
    "fill_holes",
    "remove_small 50",
    "distance_transform 16",
    "label",
    "label + measure",
    "measure, labels not kept",
]


def test_the_rows_that_are_called_equal_are_those_that_are_compared(bench):
    rows = bench.operations_rows.ROWS
    assert [name for name, row in rows.items() if row.is_equal] == EQUAL


@pytest.mark.parametrize("name", EQUAL)
def test_a_row_does_the_work_of_its_reference(bench, inputs, tmp_path, name):
    work, row = bench.operations_work, bench.operations_rows.ROWS[name]
    found = []
    for way in ("reference", "serial"):
        (out := tmp_path / way).mkdir()
        scene = bench.operations_rows.Scene(inputs / "raw.zarr", inputs / "mask.zarr", out)
        result = work.carry_out(row, way, scene, workers=1, block=16)()
        assert any(out.iterdir())
        assert work.number(result) > 0
        found.append(work.digest(result))
    assert found[0] == found[1]


def test_a_digest_tells_values_shapes_and_types_apart(bench):
    digest = bench.operations_work.digest
    array = np.arange(6, dtype="uint16")
    others = [array[::-1], array.reshape(2, 3), array.astype("int16")]
    assert digest(array) == digest(array.copy())
    assert digest(array) not in {digest(other) for other in others}


def test_memory_is_that_of_the_work_and_not_of_what_comes_before(bench):
    memory = [bench.harness.Memory(at, mb, 1) for at, mb in ((1, 900), (2, 50), (3, 80), (4, 990))]
    sample = bench.harness.Sample(5.0, "said", memory)
    assert sample.peak_mb == 990
    part = sample.within(1.5, 3.5)
    assert (part.peak_mb, part.seconds, part.said) == (80, 2.0, "said")


CHILD = """
import mmap, sys
with open(sys.argv[1], "r+b") as file:
    pages = mmap.mmap(file.fileno(), 0)
sum(pages[n] for n in range(0, len(pages), 4096))
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_page_that_two_processes_hold_counts_once(bench, tmp_path):
    size = 32 * 2**20
    place = tmp_path / "shared"
    place.write_bytes(bytes(size))
    command = [sys.executable, "-c", CHILD, place]
    with (
        place.open("r+b") as file,
        mmap.mmap(file.fileno(), 0) as pages,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child,
    ):
        assert sum(pages[n] for n in range(0, size, 4096)) == 0
        assert child.stdout.readline() == "ready\n"
        both = [os.getpid(), child.pid]
        apart = bench.harness.summed(both) - bench.harness.Proportional()(both)
        child.stdin.close()
    assert apart > 0.9 * size / 1e6


def test_processor_time_of_children_that_have_ended_counts(bench):
    before = bench.harness.cpu_seconds(os.getpid())
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    subprocess.run([sys.executable, "-c", burn], check=True)
    assert bench.harness.cpu_seconds(os.getpid()) - before >= 0.19


def test_idle_workers_are_taken_off_where_there_are_workers(bench, monkeypatch):
    harness, measure = bench.harness, bench.operations_measure
    said = {"idle": 100.0, "cpu": 1.0, "start": 1.0, "digest": "d", "number": 1}

    def timed(row, way, side, *, workers, more=()):
        peak = 170.0 if "--idle" in more else 400.0
        n_processes = 1 if way.name == "threads" else 3
        return said, harness.Sample(1.0, "", [harness.Memory(0.5, peak, n_processes)])

    monkeypatch.setattr(measure, "timed", timed)
    ways = {way.name: way for way in measure.ways_of(None)}
    assert measure.cost("a row", ways["threads"], 64).mb == 300
    assert measure.cost("a row", ways["processes"], 64).mb == 230


def test_work_that_ends_between_two_looks_at_its_memory_takes_none(bench, monkeypatch):
    said = {"idle": 100.0, "cpu": 0.0, "start": 1.0, "digest": "d", "number": 1}
    sample = bench.harness.Sample(0.01, "", [])
    monkeypatch.setattr(bench.operations_measure, "timed", lambda *given, **more: (said, sample))
    way = bench.operations_measure.ways_of(None)[0]
    assert bench.operations_measure.cost("a row", way, 64).mb == 0


def test_results_that_differ_end_the_benchmark(bench, monkeypatch):
    measure = bench.operations_measure
    costs = {name: measure.Cost(1, 1, 1, 1, name[0], 1) for name in ("reference", "threads")}
    monkeypatch.setattr(measure, "cost", lambda row, way, side, *, workers: costs[way.name])
    ways = [way for way in measure.ways_of(None) if way.name in costs]
    with pytest.raises(SystemExit, match="is not the reference's"):
        measure.measure("label", ways, 64, repeats=1, workers=2)
    assert len(measure.measure("local_maxima", ways, 64, repeats=2, workers=2)[ways[0]]) == 2


def test_a_ratio_is_taken_turn_by_turn(bench):
    Cost, ratio = bench.operations_measure.Cost, bench.operations_measure.ratio
    ours = [Cost(wall, 1, 1, 1, "", 1) for wall in (2, 40, 3)]
    theirs = [Cost(wall, 1, 1, 1, "", 1) for wall in (1, 10, 1)]
    assert ratio(ours, theirs) == 3


STAND_IN = """
print('{"begin": 0, "end": 0, "who": "another"}', flush=True)
raise SystemExit
"""


def test_another_checkout_is_the_one_that_its_processes_import(bench, monkeypatch, tmp_path):
    measure = bench.operations_measure
    package = tmp_path / "src" / "scutoid"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STAND_IN)
    monkeypatch.setattr(measure, "WORK", tmp_path)
    *ours, way = measure.ways_of(tmp_path)
    said, _ = measure.timed("otsu", way, 48, workers=1)
    assert said["who"] == "another"
    assert way.said not in {one.said for one in ours}


def test_label_images_that_differ_in_their_numbers_alone_hold_the_same_objects(bench):
    from_one = np.array([[1, 1, 0, 2], [0, 0, 0, 2]])
    renumbered = np.array([[7, 7, 0, 3], [0, 0, 0, 3]])
    merged = np.array([[7, 7, 0, 7], [0, 0, 0, 7]])
    split = np.array([[7, 5, 0, 3], [0, 0, 0, 3]])
    smaller = np.array([[7, 7, 0, 3], [0, 0, 0, 0]])
    same = bench.stitching_work.same_objects
    assert same(renumbered, from_one)
    assert not any(same(other, from_one) for other in (merged, split, smaller))
