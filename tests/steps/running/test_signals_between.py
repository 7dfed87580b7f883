"""Signals that come while no block runs: what is half done is taken back, or written down."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import IncompleteResult, RunStopped
from scutoid.exploring import _sweep
from scutoid.steps.handles import _export
from scutoid.steps.results import _garbage
from scutoid.steps.running import _runner
from scutoid.store import Lock

RAW = np.arange(32 * 32).reshape(32, 32).astype("uint8")


@sc.blockwise(dtype="uint8", block=8, version="1", check_halo=False)
def copy(image):
    return image


@sc.step(version="1")
def brightest(image):
    return int(image.max())


class Stops:
    """Has a function do its work, and a signal come before or after it."""

    def __init__(self, number, monkeypatch):
        self.number = number
        self._monkeypatch = monkeypatch

    def at(self, owner, name, *, after=False, times=1):
        function, left = getattr(owner, name), [times]

        def stopped(*args, **kwargs):
            done = function(*args, **kwargs) if after else None
            if left[0]:
                left[0] -= 1
                self()
            return done if after else function(*args, **kwargs)

        self._monkeypatch.setattr(owner, name, stopped)

    def __call__(self):
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        signal.raise_signal(self.number)

    def expected(self):
        if self.number == signal.SIGINT:
            return pytest.raises(KeyboardInterrupt)
        return pytest.raises(RunStopped)


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def stops(request, monkeypatch):
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number in before:  # a test that sets no handlers would end the process
        signal.signal(number, lambda *_: None)
    yield Stops(request.param, monkeypatch)
    for number, handler in before.items():
        signal.signal(number, handler)


def outcome(store):
    """Return the record of the only run of a store."""
    (path,) = store.glob("runs/*/run.json")
    return json.loads(path.read_text())


def run(*results, store, **options):
    return sc.run(*results, store=store, executor="serial", report=False, **options)


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        pytest.param(_runner.Runner, "announce", True, id="announced"),
        pytest.param(_runner.Runner, "run", False, id="before it begins"),
        pytest.param(_runner.Told, "of", False, id="told of what is there"),
        pytest.param(_runner.Runner, "_tasks", False, id="before results are begun"),
        pytest.param(_runner.Runner, "_tasks", True, id="once results are begun"),
    ],
)
def test_a_run_that_is_stopped_before_its_blocks_has_an_outcome(
    tmp_path, stops, owner, name, after
):
    image = sc.open(RAW)
    run(copy(image), store=tmp_path / "before")
    (done,) = (tmp_path / "before").glob("copy/*")
    (tmp_path / "store" / "copy").mkdir(parents=True)
    result = brightest(copy(image))
    run(copy(image), store=tmp_path / "store")
    for path in (tmp_path / "store" / "runs").rglob("*.json*"):
        path.unlink()
    stops.at(owner, name, after=after)
    with stops.expected():
        run(result, store=tmp_path / "store")
    (path,) = (tmp_path / "store").glob("runs/*/run.json")
    record = json.loads(path.read_text())
    assert (record["ok"], record["seconds"] is None) == (False, False)
    steps = {step["name"]: (step["n_done"], step["n_blocks"]) for step in record["steps"]}
    assert steps == {"copy": (16, 16), "brightest": (0, 1)}
    assert not list(tmp_path.glob("store/**/.*.lock"))
    assert done.is_dir()
    assert run(result, store=tmp_path / "store").ok


def test_ctrl_c_among_the_blocks_leaves_an_outcome_that_counts_them(tmp_path):
    def stop(event):
        if type(event).__name__ == "BatchDone":
            raise KeyboardInterrupt

    class Listens:
        on_event = staticmethod(stop)

    with pytest.raises(KeyboardInterrupt):
        run(copy(sc.open(RAW)), store=tmp_path, listeners=[Listens()])
    record = outcome(tmp_path)
    (step,) = record["steps"]
    assert record["ok"] is False
    assert 0 < step["n_done"] < step["n_blocks"] == 16


@pytest.fixture
def partial(tmp_path, monkeypatch):
    """A store with a part of an image, and of a collection."""
    store = tmp_path / "partial"

    @sc.blockwise(dtype="uint8", block=8, version="1", check_halo=False, retries=0)
    def half(image, *, block):
        if block.index >= 6:
            raise ValueError("no more")
        return image

    run(half(sc.open(RAW)), store=store, on_failure="return")
    return store


def test_of_a_result_that_is_there_in_part_it_is_said_how_far(partial):
    for take in (lambda store: store["half"], lambda store: store.image("half")):
        with pytest.raises(IncompleteResult, match=r"6/16 blocks or members are done"):
            take(sc.Store(partial))
    with pytest.raises(sc.errors.StoreError, match="no step"):
        sc.Store(partial)["other"]


@pytest.fixture
def targets(tmp_path):
    """Results of each kind that is exported, twice: two versions of each."""
    files = tmp_path / "plate"
    files.mkdir()
    for name in "ab":
        np.save(files / f"{name}.npy", RAW)

    def of(level):
        image = sc.open(RAW + np.uint8(level))
        table = sc.step(version=str(level))(lambda image: pd.DataFrame({"n": [level]}))(image)
        plate = sc.gaussian(sc.open_folder(files / "*.npy", axes="yx"), sigma=level + 1)
        return {"a.tif": image, "a.ome.zarr": image, "a.csv": table, "plate": plate}

    return of(0), of(1)


def content(path):
    """Return what lies at a path."""
    below = [path] if path.is_file() else sorted(path.rglob("*"))
    return {str(each.relative_to(path)): each.read_bytes() for each in below if each.is_file()}


@pytest.mark.parametrize("name", ["a.tif", "a.ome.zarr", "a.csv", "plate"])
@pytest.mark.parametrize("at", ["while it is written", "between two renames"])
def test_an_export_that_is_stopped_leaves_what_was_there(tmp_path, stops, targets, name, at):
    path = tmp_path / "out" / name
    old, new = targets
    sc.export(old[name], path)
    before = content(path)
    if at == "while it is written":
        stops.at(_export, "_replacing", after=True)
    elif path.is_dir():
        stops.at(Path, "rename", after=True)
    else:
        stops.at(_export.filecmp, "cmp", after=True)
    with stops.expected():
        sc.export(new[name], path)
    assert content(path) == before
    assert [each.name for each in path.parent.iterdir()] == [name]
    sc.export(new[name], path)
    assert content(path) != before


def test_a_collector_that_is_stopped_leaves_no_lock_and_goes_on_later(tmp_path, stops):
    results = [copy(sc.open(RAW + np.uint8(level))) for level in range(3)]
    run(*results, store=tmp_path)
    store = sc.Store(tmp_path)
    stops.at(_garbage, "announcing", times=1)
    with stops.expected():
        store.gc(older_than=0)
    assert not list(tmp_path.rglob(".*.lock"))
    assert len(list(tmp_path.glob("copy/*"))) == 3
    store.gc(older_than=0)
    assert not list(tmp_path.glob("copy/*"))


def test_a_lock_that_is_taken_just_now_is_given_back(tmp_path, stops):
    run(copy(sc.open(RAW)), store=tmp_path)
    stops.at(Lock, "acquire", after=True)
    with stops.expected():
        sc.Store(tmp_path).gc(older_than=0)
    assert not list(tmp_path.rglob(".*.lock"))


def test_a_sweep_that_is_stopped_keeps_what_was_run(tmp_path, stops):
    result = sc.threshold(copy(sc.open(RAW)), level=3)
    stops.at(_sweep, "_swept")
    with stops.expected():
        sc.sweep(
            result,
            {"threshold.level": [10, 20]},
            store=tmp_path,
            running={"executor": "serial", "report": False},
        )
    assert len(sc.Store(tmp_path).find("threshold")) == 2
