"""Runs into a store in a bucket: read, reported and shown on another machine."""

from __future__ import annotations

import tempfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid import remote
from scutoid.cli._main import run_command
from scutoid.errors import StoreError
from scutoid.reports import picture, read_run, run_names
from scutoid.steps.results import RunRecord
from scutoid.store import EntryStore

RAW = np.random.default_rng(0).integers(1, 255, (64, 96)).astype("u1")


@sc.blockwise(out="table", version="1")
def rows(a):
    return pd.DataFrame({"size": [float(a.sum()), 1.0, 2.0], "n": [a.size, 1, 2]})


@sc.blockwise(retries=0, version="1", dtype="uint8")
def picky(a, *, block):
    if block.index == 3:
        raise ValueError("told to fail")
    return a


def run(store, **options):
    raw = sc.open(RAW, axes="yx")
    bright = sc.gaussian(raw, sigma=1)
    labels = sc.label(sc.threshold(bright, level=120))
    given = {"block": 32, "executor": "serial", "check_halo": False, "progress": False}
    targets = (labels, rows(bright), picky(raw))
    return sc.run(*targets, store=store, on_failure="return", **given, **options)


@pytest.fixture(scope="module")
def stores(bucket_of_module, tmp_path_factory):
    """A folder, and the URL of a store that another machine has made in the same way."""
    url, folder = bucket_of_module.url("results"), tmp_path_factory.mktemp("folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SCUTOID_REPORT")
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("made")))
        run(url)
        run(folder)
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("read")))
        yield folder, url


@pytest.fixture
def store(stores):
    return stores[1]


def plain(facts):
    """Return what must be equal of two runs at two places."""
    return [
        replace(step, seconds=0.0, slowest=(), spent=None, failures=len(step.failures))
        for step in facts.steps
    ]


def test_a_run_is_read_as_in_a_folder(stores):
    here, there = map(read_run, stores)
    assert plain(there) == plain(here)
    assert there.store == stores[1]
    assert (there.state, there.ok) == ("failed", False)
    assert there.problems == ()
    error = "told to fail"
    assert any(error in failure.error for step in there.steps for failure in step.failures)


def test_a_run_has_its_report_in_the_bucket(store):
    (name,) = run_names(store)
    page = remote.get(f"{store}/runs/{name}/report.html").decode()
    assert "told to fail" in page
    assert f"store = sc.Store({store!r})" in page.replace("&#x27;", "'")
    assert remote.get(f"{store}/runs/{name}/report.json") is not None


def test_the_report_is_written_by_the_command(store, capsys, tmp_path):
    place = tmp_path / "page.html"
    assert run_command(["report", "--store", store, "--output", str(place)]) == 0
    assert str(place) in capsys.readouterr().out
    assert place.read_text().count("data:image/png") >= 2
    assert run_command(["report", run_names(store)[0], "--store", store]) == 0


def test_pictures_are_those_of_a_folder(stores):
    here, there = map(read_run, stores)
    for step in ("gaussian", "label"):
        assert picture(there, step) == picture(here, step)


def test_no_such_run_is_told_of_the_url(store):
    with pytest.raises(StoreError) as caught:
        read_run(store, "2026-01-01T00-00-00_abcd")
    assert f"where: {store}/runs" in str(caught.value)


def test_a_run_on_another_machine_goes_on_while_it_holds_a_result(store, monkeypatch):
    (name,) = run_names(store)
    place = f"{store}/runs/{name}/run.json"
    content = remote.get(place)
    begun = replace(RunRecord.from_json(content), ok=None, seconds=None)
    remote.put(place, begun.to_json().encode())
    try:
        assert read_run(store).state == "killed"
        step = next(step for step in begun.steps if step.name == "picky")
        lock = EntryStore(store).entry_in(step.entry, step.name, step.key).lock()
        assert lock.acquire()
        try:
            assert read_run(store).state == "running"
        finally:
            lock.release()
    finally:
        remote.put(place, content)
    assert read_run(store).state == "failed"
