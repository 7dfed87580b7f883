"""The commands at a store in a bucket, whose working folder is that of another machine."""

from __future__ import annotations

import re
import tempfile

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid import remote
from scutoid.cli._main import run_command

RAW = np.random.default_rng(0).integers(1, 255, (256, 384)).astype("u1")
PIPELINE = """
import numpy as np
import scutoid as sc

@sc.pipeline
def cells(sigma: float = 1.0):
    raw = np.random.default_rng(0).integers(1, 255, (256, 384)).astype("u1")
    return sc.gaussian(sc.open(raw, axes="yx"), sigma=sigma)
"""


@sc.blockwise(out="table")
def rows(a):
    return pd.DataFrame({"sum": [float(a.sum())], "n": [a.size]})


@sc.blockwise(retries=0, version="1")
def picky(a, *, block):
    if block.index == 3:
        raise ValueError("told to fail")
    return a


@sc.step(out="value")
def described(a):
    return {"mean": float(a.mean())}


@pytest.fixture(scope="module")
def store(bucket_of_module, tmp_path_factory):
    """Results that another machine has made."""
    url = bucket_of_module.url("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("made")))
        raw = sc.open(RAW, axes="yx")
        bright = sc.gaussian(raw, sigma=1)
        labels = sc.label(sc.threshold(bright, level=120))
        targets = [bright, rows(bright), labels, sc.measure(labels), described(bright), picky(raw)]
        sc.run(
            *targets,
            store=url,
            block=128,
            executor="serial",
            on_failure="return",
            check_halo=False,
            progress=False,
        )
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("read")))
        yield url


def said(capsys, *args):
    """Give a command; tell its exit code and what it said."""
    code = run_command([str(arg) for arg in args])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_ls(store, capsys):
    code, text = said(capsys, "ls", "--store", store)
    assert code == 0
    line = next(line for line in text.splitlines() if line.startswith("picky"))
    assert re.search(r"image\s+partial.*5/6", line)


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        ("gaussian", "Image('gaussian', yx, (256, 384)"),
        ("label", "Image('label'"),
        ("rows", "6 rows, 2 columns"),
        ("described", "'mean': "),
        ("picky", "5/6 of 128 x 128"),
    ],
)
def test_show(store, capsys, step, shown):
    code, text = said(capsys, "show", step, "--store", store)
    assert code == 0
    assert shown in text
    assert f"in      {store}/{step}/" in text


def test_du_counts_what_lies_in_the_bucket(store, capsys):
    code, _ = said(capsys, "du", "--store", store)
    assert code == 0
    sizes = sc.Store(store).du()
    for step in ("gaussian", "picky"):
        there = [each for each in remote.objects(f"{store}/{step}") if "/c/" in each.url]
        nbytes = sum(each.size for each in there)
        assert nbytes <= sizes[step] < nbytes + 10_000, step


def test_what_is_exported_is_what_was_stored(store, capsys, tmp_path):
    assert said(capsys, "export", "rows", tmp_path / "rows.csv", "--store", store)[0] == 0
    assert pd.read_csv(tmp_path / "rows.csv")["n"].sum() == RAW.size
    assert said(capsys, "export", "gaussian", tmp_path / "a.npy", "--store", store)[0] == 0
    expected = sc.Store(store)["gaussian"].read()
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)


@pytest.mark.parametrize("command", ["plan", "why"])
def test_what_a_run_would_do(store, capsys, tmp_path, command):
    (tmp_path / "cells.py").write_text(PIPELINE)
    flags = ("--store", store, "--block", 128)
    code, text = said(capsys, command, tmp_path / "cells.py", *flags, "--sigma", 2)
    assert code == 0
    assert re.search("`?sigma`?.* 1 -> 2.0", text)


def kept(store):
    return {each.url for each in remote.objects(store) if ".lock/" not in each.url}


def test_verify_and_gc_keep_what_is_whole(store, capsys):
    before = kept(store)
    assert said(capsys, "verify", "--store", store)[0] == 0
    code, text = said(capsys, "gc", "--dry-run", "--store", store)
    assert code == 0
    assert text.startswith("0 would be removed")
    assert said(capsys, "gc", "--store", store)[0] == 0
    assert kept(store) == before


def test_view_in_the_browser(store):
    pytest.importorskip("neuroglancer", reason="pip install 'scutoid[web]'")
    from scutoid.views import web

    image = sc.Store(store)["gaussian"]
    with web(image, open_browser=False) as page:
        served = sc.open(page.address.replace("/v/", "/data/") + "0")
        np.testing.assert_array_equal(served.read(), image.read())


MISTAKES = {
    "no such step": (("show", "nothing"), "the store has results of the step"),
    "nothing to view": (("view", "nothing"), "the store has results of"),
    "nothing to export": (("export", "nothing", "a.csv"), "the store has results of"),
    "a result in part": (("export", "picky", "a.npy"), "a result that is read is complete"),
    "conditions": (("gc", "--keep-runs", 2), "no results"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_of_the_url(store, capsys, mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args, rule = MISTAKES[mistake]
    code, text = said(capsys, *args, "--store", store)
    assert code in (1, 2)
    assert rule in text
    assert tempfile.gettempdir() not in text


READING = [
    ("ls",),
    ("show", "rows"),
    ("du",),
    ("verify",),
    ("gc",),
    ("view", "rows"),
    ("export", "rows", "a.csv"),
    ("correct", "label", "--corrections", "a.corrections"),
]


@pytest.mark.parametrize("args", READING, ids=[args[0] for args in READING])
@pytest.mark.parametrize("place", ["s3://bucket/no-store", "s3://no-such-bucket/results"])
def test_a_store_that_is_not_there(store, capsys, args, place):
    code, text = said(capsys, *args, "--store", place)
    assert code == 2
    assert "exists" in text
    assert f"where: {place}" in text


def test_a_result_is_found_by_the_url_that_is_shown(store):
    opened = sc.Store(store)
    entry, _ = opened.entries("rows")[0]
    assert opened.at(entry.place).to_pandas()["n"].sum() == RAW.size
    assert store in repr(opened)
