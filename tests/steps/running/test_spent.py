"""What the time of a run was spent on: each step by its cause, on every executor."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import tifffile

import scutoid as sc
from scutoid.reports import read_run
from scutoid.spent import Spent
from scutoid.steps.graph import ImageRef, Opened
from scutoid.steps.handles import handle_of
from scutoid.steps.results import RunRecord

EXECUTORS = ["serial", "threads", "processes"]
# All of it lies in one chunk, which takes long to be decoded, and longer to be encoded
FEW_BITS = np.random.default_rng(0).integers(0, 16, (2048, 4096), "uint8")


@sc.blockwise(dtype="same", version="1", block=8)
def doze(image, *, seconds=0.05):
    time.sleep(seconds)
    return image


@sc.reduction(merge=max, version="1", block=4096)
def brightest(image):
    return int(image.max())


@sc.blockwise(dtype="same", version="1", block=4096, storage=sc.Storage(compressor="gzip"))
def copied(image):
    return image


def cause(spent):
    """Return what took most."""
    seconds = spent.to_dict()
    return max(seconds, key=seconds.get)


def causes(run):
    return {step.name: cause(step.spent) for step in run.steps}


def column(n):
    """Return an image of so many blocks."""
    return sc.open(np.zeros((8 * n, 8), "uint8"))


class Sleepy:
    """An image that takes long to be read."""

    def __init__(self):
        self.source = sc.open(np.zeros((8, 8), "uint8")).ref.node.source
        self.spec, self.chunks, self.levels = self.source.spec, self.source.chunks, 1
        self.identity = self.source.identity

    def read(self, roi):
        time.sleep(0.4)
        return self.source.read(roi)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_each_step_is_named_with_what_it_takes(executor, tmp_path) -> None:
    slow = handle_of(ImageRef(Opened(Sleepy(), "sleepy")))
    targets = doze(column(4)), brightest(slow), copied(sc.open(FEW_BITS))
    options = {"executor": executor, "workers": 1, "check_halo": False}
    run = sc.run(*targets, store=tmp_path, **options)
    assert causes(run) == {"doze": "computing", "brightest": "reading", "copied": "writing"}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_each_step_of_a_folder_is_named_with_what_it_takes(executor, tmp_path) -> None:
    (tmp_path / "plate").mkdir()
    for name in "ab":
        tifffile.imwrite(tmp_path / f"plate/{name}.tif", FEW_BITS, compression="zlib")
    (tmp_path / "small").mkdir()
    for name in "ab":
        np.save(tmp_path / f"small/{name}.npy", np.zeros((8, 8), "uint8"))
    (tmp_path / "large").mkdir()
    np.save(tmp_path / "large/a.npy", FEW_BITS)
    small, plate, large = (
        sc.open_folder(tmp_path / name, axes="yx") for name in ("small", "plate", "large")
    )
    kept = copied.options(storage=sc.Storage(format="zarr", compressor="gzip"))
    targets = doze(small, seconds=0.1), brightest(plate), kept(large)
    run = sc.run(*targets, store=tmp_path / "store", executor=executor, workers=1)
    assert causes(run) == {"doze": "computing", "brightest": "reading", "copied": "writing"}


def test_what_is_fused_counts_for_the_step_that_is_kept(tmp_path) -> None:
    kept = copied.options(block=8)(doze.options(keep=False)(column(4), seconds=0.05))
    run = sc.run(kept, store=tmp_path, executor="serial", check_halo=False)
    assert run.step("doze").spent == Spent()
    assert run.step("copied").spent.computing >= 4 * 0.05


@sc.step(out="value", version="1")
def whole(image):
    time.sleep(0.3)
    return int(image.sum())


def test_workers_wait_where_there_are_fewer_blocks(tmp_path) -> None:
    total = whole(doze(column(4), seconds=0))
    run = sc.run(total, store=tmp_path, executor="threads", workers=4, check_halo=False)
    spent = run.step("whole").spent
    assert cause(spent) == "waiting"
    assert spent.waiting > 2.5 * spent.computing  # three others had nothing to do meanwhile


def test_all_times_together_are_those_of_the_workers(tmp_path) -> None:
    run = sc.run(doze(column(6)), store=tmp_path, executor="threads", workers=2, check_halo=False)
    assert 0 < sum(step.spent.total for step in run.steps) <= run.worker_seconds
    assert run.seconds < run.worker_seconds <= 2.001 * run.seconds


def test_the_line_ends_the_summary_and_stands_in_report_and_plan(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("SCUTOID_REPORT")
    run = sc.run(doze(column(4)), store=tmp_path, executor="serial", check_halo=False)
    line = run.summary().splitlines()[-1]
    assert line.startswith("most of the time: doze, computing (")
    assert f" of {run.seconds:.1f} s)" in line
    assert line in run._repr_html_()
    assert "doze, computing (" in run.report.read_text()
    facts = json.loads((run.folder / "report.json").read_text())
    assert facts["steps"][0]["spent"] == run.step("doze").spent.rounded().to_dict()
    assert facts["worker_seconds"] == pytest.approx(run.worker_seconds, abs=1e-3)

    assert sc.plan(doze(column(4)), store=tmp_path).last_time == ""  # nothing is to be made
    plan = sc.plan(doze(column(4), seconds=0.0), store=tmp_path)
    assert plan.last_time.startswith("most of the time: doze, computing (")
    assert f"last time, {plan.last_time}" in plan.text().splitlines()
    assert sc.plan(brightest(column(4)), store=tmp_path).last_time == ""  # it never ran


def test_nothing_is_said_where_nothing_was_computed(tmp_path) -> None:
    sc.run(doze(column(1)), store=tmp_path, executor="serial", check_halo=False)
    again = sc.run(doze(column(1)), store=tmp_path, executor="serial")
    assert again.most_of_the_time() == ""
    assert again.worker_seconds == 0


def test_runs_of_earlier_versions_are_read_without_it(tmp_path) -> None:
    run = sc.run(doze(column(2)), store=tmp_path, executor="serial", check_halo=False)
    path = run.folder / "run.json"
    content = json.loads(path.read_text())
    del content["worker_seconds"]
    for step in content["steps"]:
        del step["spent"]
    path.write_text(json.dumps(content))
    record = RunRecord.from_json(path.read_text())
    assert [step.spent for step in record.steps] == [None]
    assert RunRecord.from_json(record.to_json()) == record
    facts = read_run(tmp_path)
    assert (facts.step("doze").spent, facts.worker_seconds) == (None, None)
    assert facts.most_of_the_time("1 s") == ""
    assert sc.plan(doze(column(2), seconds=0.0), store=tmp_path).last_time == ""


def test_what_a_killed_run_spent_is_known_from_its_events(tmp_path) -> None:
    run = sc.run(doze(column(2)), store=tmp_path, executor="serial", check_halo=False)
    path = run.folder / "run.json"
    record = RunRecord.from_json(path.read_text())
    steps = tuple(replace(step, outcome=None) for step in record.steps)
    path.write_text(replace(record, steps=steps, ok=None, seconds=None).to_json())
    assert read_run(tmp_path).step("doze").spent.computing >= 2 * 0.05


def test_what_a_function_reads_by_itself_is_reading(tmp_path) -> None:
    (tmp_path / "plate").mkdir()
    for name in "abc":
        tifffile.imwrite(tmp_path / f"plate/{name}.tif", FEW_BITS, compression="zlib")
    gathered = sc.gather(sc.open_folder(tmp_path / "plate", axes="yx"))
    run = sc.run(number_of(gathered), store=tmp_path / "store", executor="serial")
    assert cause(run.step("number_of").spent) == "reading"


@sc.step(out="value", version="1")
def number_of(images):
    return sum(int(image[0, 0]) >= 0 for image in images.values())


def test_a_run_inside_a_function_counts_for_itself(tmp_path) -> None:
    inner = tmp_path / "inner"

    @sc.blockwise(dtype="same", version="1")
    def outer(image):
        sc.run(copied(sc.open(FEW_BITS)), store=inner, executor="serial", check_halo=False)
        return image

    run = sc.run(outer(column(1)), store=tmp_path / "outer", executor="serial", check_halo=False)
    assert cause(run.step("outer").spent) == "computing"
    assert cause(read_run(inner).step("copied").spent) == "writing"
