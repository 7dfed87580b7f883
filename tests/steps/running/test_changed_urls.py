"""Inputs at URLs that are replaced: before a run, within a process, and half-way through a run."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

import scutoid as sc
from scutoid.arrays import open_source
from scutoid.errors import RunFailed, SourceError
from scutoid.store import key_of_source

OLD, NEW = 2, 7


def put_zarr(path, value, **options):
    import zarr

    shape = options.setdefault("shape", (4, 30, 30))
    chunks = {"chunks": (4, 15, 15)[-len(shape) :], **options} if shape else options
    array = zarr.create_array(path, dtype="u2", overwrite=True, **chunks)
    array[...] = value


def put(path, value):
    if path.suffix == ".tif":
        tifffile.imwrite(path, np.full((4, 30, 30), value, "u2"), photometric="minisblack")
    elif path.suffix == ".npy":
        np.save(path, np.full((4, 30, 30), value, "u2"))
    else:
        put_zarr(path, value)


@sc.step
def largest(image):
    return int(image.max())


def run(url, store, *, key=None, paranoid=False):
    """Say whether all was done, and the result."""
    result = largest(sc.open(url, key=key))
    is_done = sc.plan(result, store=store, paranoid=paranoid).is_done
    sc.run(result, store=store, executor="serial", paranoid=paranoid)
    return is_done, result.get()


SAYS = pytest.mark.parametrize(
    "says",
    [
        pytest.param(says, id=" ".join(says) or "nothing")
        for n in range(4)
        for says in itertools.combinations(("ETag", "Last-Modified", "Content-Length"), n)
    ],
)


@SAYS
@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("key", [None, "content"])
def test_a_zarr_that_is_rewritten_is_computed_again(web, tmp_path, says, lists, key):
    web.says, web.lists = says, lists
    for value in (OLD, NEW):
        put(web.folder / "a.zarr", value)
        assert run(web.url("a.zarr"), tmp_path / "store", key=key) == (False, value)
        assert run(web.url("a.zarr"), tmp_path / "store", key=key) == (True, value)


@SAYS
@pytest.mark.parametrize("name", ["a.tif", "a.npy"])
def test_a_file_that_is_rewritten_is_opened_anew_within_a_process(web, tmp_path, says, name):
    web.says = says
    for value in (OLD, NEW):
        put(web.folder / name, value)
        assert run(web.url(name), tmp_path / "store") == (False, value)
        assert run(web.url(name), tmp_path / "store") == (True, value)


def test_an_image_that_was_opened_before_its_file_changed_is_not_planned(web, tmp_path):
    put(web.folder / "a.tif", OLD)
    result = largest(sc.open(web.url("a.tif")))
    put(web.folder / "a.tif", NEW)
    with pytest.raises(SourceError, match=r"stays as it was(.|\n)*open it again"):
        sc.plan(result, store=tmp_path / "store")


@pytest.mark.parametrize(
    "options",
    [
        {"zarr_format": 2},
        {"zarr_format": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
        {"zarr_format": 3},
        {"zarr_format": 3, "chunk_key_encoding": {"name": "default", "separator": "."}},
        {"zarr_format": 3, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
        {"zarr_format": 3, "shards": (4, 30, 30)},
        {"zarr_format": 3, "shape": (7, 31, 20), "chunks": (3, 8, 20)},
        {"zarr_format": 2, "shape": (9,), "chunks": (2,)},
    ],
)
def test_each_chunk_counts_without_a_listing(web, options):
    """All files that the library writes are asked for, and no folder is listed."""
    put_zarr(web.folder / "a.zarr", OLD, **options)
    web.lists = False
    web.says = ("ETag",)
    source = open_source(web.url("a.zarr"))
    before = key_of_source(source.identity, source.spec)
    assert key_of_source(source.identity, source.spec) == before
    files = [path for path in (web.folder / "a.zarr").rglob("*") if path.is_file()]
    assert len(files) > 1
    for path in files:
        content = path.read_bytes()
        (path.parent / "new").write_bytes(content)
        (path.parent / "new").replace(path)
        after = key_of_source(source.identity, source.spec)
        assert after != before, path
        before = after


@sc.blockwise(block=(2, 30, 30), dtype="same", retries=0)
def copied(image, *, marker):
    marked = Path(marker.replace("|", "/"))
    if not marked.exists():
        marked.touch()
        put(Path(str(marked).removesuffix(".marker")), NEW)
    return image


@pytest.mark.parametrize("name", ["a.zarr", "a.tif"])
@pytest.mark.parametrize("key", [None, "content"])
@pytest.mark.parametrize("says", [("ETag",), ("Last-Modified",), ()])
def test_an_object_that_is_replaced_half_way_fails_the_run(web, tmp_path, name, key, says):
    web.says = says
    put(web.folder / name, OLD)
    marker = str(web.folder / f"{name}.marker").replace("/", "|")
    result = copied(sc.open(web.url(name), key=key), marker=marker)
    with pytest.raises((RunFailed, SourceError), match="stays as it was") as caught:
        sc.run(result, store=tmp_path / "store", executor="serial")
    assert web.url(name) in str(caught.value)
    assert not list((tmp_path / "store").glob("*/*/COMPLETE"))
    again = copied(sc.open(web.url(name), key=key), marker=marker)
    sc.run(again, store=tmp_path / "store", executor="serial")
    assert np.unique(again.read()).tolist() == [NEW]


@pytest.mark.parametrize("name", ["a.zarr", "a.tif"])
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_so_it_does_with_other_executors(web, tmp_path, name, executor):
    put(web.folder / name, OLD)
    marker = str(web.folder / f"{name}.marker").replace("/", "|")
    result = copied(sc.open(web.url(name)), marker=marker)
    with pytest.raises((RunFailed, SourceError), match="stays as it was"):
        sc.run(result, store=tmp_path / "store", executor=executor, workers=1)
    assert not list((tmp_path / "store").glob("*/*/COMPLETE"))


def test_content_is_read_again_by_a_paranoid_run_alone(web, tmp_path, monkeypatch):
    monkeypatch.setattr("scutoid.remote._files._SETTLED_S", -1)
    put(web.folder / "a.zarr", OLD)
    url, store = web.url("a.zarr"), tmp_path / "store"
    run(url, store, key="content")

    def chunks_read(**options):
        result = largest(sc.open(url, key="content"))
        web.asked.clear()
        assert sc.plan(result, store=store, **options).is_done
        return sum(method == "GET" and "/c/" in path for method, path in web.asked)

    assert chunks_read() == 0
    assert chunks_read(paranoid=True) == 4


def test_a_file_whose_tag_stays_is_noticed_by_a_paranoid_plan(web, tmp_path, monkeypatch):
    monkeypatch.setattr("scutoid.remote._files._SETTLED_S", -1)
    path = web.folder / "a.tif"
    put(path, OLD)
    web.says = ("Last-Modified", "Content-Length")
    result = largest(sc.open(web.url("a.tif")))
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    put(path, NEW)
    os.utime(path, ns=times)
    sc.plan(result, store=tmp_path / "store")
    with pytest.raises(SourceError, match="open it again"):
        sc.plan(result, store=tmp_path / "store", paranoid=True)


def test_looking_costs_one_request_of_headers_a_file(web, tmp_path):
    put(web.folder / "a.zarr", OLD)
    web.says = ("ETag",)
    result = largest(sc.open(web.url("a.zarr")))
    web.asked.clear()
    sc.plan(result, store=tmp_path / "store")
    asked = [path for method, path in web.asked if method == "HEAD"]
    assert len(asked) == len(set(asked)) == 5
    assert not any("/c/" in path for method, path in web.asked if method == "GET")
