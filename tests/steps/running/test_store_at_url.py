"""Stores in buckets: results as in a folder, gone on with from any machine, and what is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid import remote
from scutoid.errors import DamagedResult, ScutoidError, SourceError, StoreError
from scutoid.steps.handles import Files
from scutoid.store import EntryStore

RAW = np.random.default_rng(0).integers(0, 255, (64, 96)).astype("u1")
RAW[:32, :32] = 0
QUIET = {"progress": False, "check_halo": False}


@sc.blockwise(halo=1)
def brighten(a):
    return a * np.float32(2)


@sc.blockwise(out="table")
def rows(a):
    return pd.DataFrame({"sum": [float(a.sum())], "n": [a.size]})


@sc.blockwise(out=("image", "table"))
def both(a):
    return a + 1, pd.DataFrame({"largest": [float(a.max())]})


@sc.step(out="image")
def turned(a):
    return np.ascontiguousarray(a[::-1])


@sc.step(out="value")
def described(a):
    return {"shape": a.shape, "mean": float(a.mean())}


@sc.step(out="files")
def written(a, *, folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "sum.txt").write_text(str(int(a.sum())))


def pipeline():
    bright = brighten(sc.open(RAW, axes="yx"))
    labels = sc.label(sc.threshold(bright, level=400))
    return {
        "image": bright,
        "table": rows(bright),
        "two": both(bright),
        "labels": labels,
        "objects": sc.measure(labels),
        "whole": turned(bright),
        "value": described(bright),
        "files": written(bright),
        "levels": sc.gaussian.options(storage=sc.Storage(levels=2))(bright, sigma=1),
    }


def files_in(folder):
    folder = Path(folder)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def flat(results):
    return [one for each in results for one in (each if isinstance(each, tuple) else (each,))]


def content(result):
    if isinstance(result, sc.Table):
        return result.to_pandas()
    if isinstance(result, Files):
        return files_in(result.path)
    value = result.get() if isinstance(result, sc.Value) else result.read()
    return dict(value) if isinstance(value, Mapping) else value


def assert_equal(one, other):
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    else:
        np.testing.assert_equal(one, other)


def contents_after_run(place, **options):
    """Run the pipeline into a store; return by their names what is read of all its results."""
    targets = flat(pipeline().values())
    assert sc.run(*targets, store=place, block=32, **options, **QUIET).ok
    opened = sc.Store(place)
    return {name: [content(r) for r in flat([opened[name]])] for name in opened.names()}


@pytest.fixture(scope="module")
def contents_of_folder(tmp_path_factory):
    """What is read after a serial run into a folder."""
    return contents_after_run(tmp_path_factory.mktemp("folder") / "results", executor="serial")


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_results_are_those_of_a_folder(store, contents_of_folder, executor):
    there = contents_after_run(store, executor=executor, workers=2)
    assert contents_of_folder.keys() == there.keys()
    for name, contents in contents_of_folder.items():
        for one, other in zip(contents, there[name], strict=True):
            assert_equal(one, other)


@pytest.fixture
def elsewhere(monkeypatch):
    """Have all that is sent to a worker arrive as on another machine."""
    from scutoid.store._working import folder_elsewhere

    marks = iter(range(10**9))
    monkeypatch.setattr("scutoid.store._entry.mark_above", lambda path: b"%d" % next(marks))
    return folder_elsewhere()


@pytest.mark.skipif(not find_spec("distributed"), reason="distributed is not installed")
def test_results_of_workers_elsewhere_are_those_of_a_folder(store, tmp_path, elsewhere):
    from distributed import Client

    targets = flat(pipeline().values())
    here = sc.run(*targets, store=tmp_path / "results", block=32, executor="serial", **QUIET)
    options = {
        "n_workers": 1,
        "threads_per_worker": 1,
        "processes": False,
        "dashboard_address": ":0",
    }
    with Client(**options) as client:
        there = sc.run(*targets, store=store, block=32, executor=client, **QUIET)
    assert here.ok
    assert there.ok
    fetched = {path.name for path in elsewhere.rglob("*") if path.is_file()}
    assert {"blocks.pack", "table.parquet"} <= fetched
    for step in here.steps:
        pairs = zip(flat([here[step.name]]), flat([there[step.name]]), strict=True)
        for one, other in pairs:
            assert_equal(content(one), content(other))


def test_shards_are_those_of_a_folder_and_lie_plain_in_the_bucket(bucket, store, tmp_path):
    target = brighten(sc.open(RAW, axes="yx"))
    for place in (tmp_path / "results", store):
        sc.run(target, store=place, block=32, executor="serial", **QUIET)
    (image,) = (tmp_path / "results").glob("*/*/image.ome.zarr")
    (manifest,) = (o.url for o in remote.objects(store) if o.url.endswith("manifest.json"))
    token = json.loads(remote.get(manifest))["token"]
    begin = f"{manifest.rpartition('/')[0]}/{token}/image.ome.zarr/"
    there = {o.url.removeprefix(begin) for o in remote.objects(begin)}
    here = {p.relative_to(image).as_posix(): p for p in image.rglob("*") if p.is_file()}
    assert there == here.keys()
    for name, path in here.items():
        assert remote.get(begin + name) == path.read_bytes(), name
    opened = sc.open(begin.rstrip("/"))
    np.testing.assert_array_equal(opened.read(), RAW * np.float32(2))


def test_results_are_read_on_another_machine(store, machine):
    targets = flat(pipeline().values())
    sc.run(*targets, store=store, block=32, executor="threads", workers=2, **QUIET)
    machine("second")
    again = sc.run(*targets, store=store, block=32, executor="serial", **QUIET)
    assert all(step.n_cached == step.n_blocks for step in again.steps)
    np.testing.assert_array_equal(again["brighten"].read(), RAW * np.float32(2))
    machine("third")
    code = f"import scutoid; print(scutoid.Store({store!r})['rows'].to_pandas()['sum'].sum())"
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert float(printed) == float(RAW.sum()) * 2


def test_a_run_is_gone_on_with_at_the_block_on_another_machine(store, machine, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()

    @sc.blockwise(out=("image", "table"), retries=0, version="1")
    def counted(a, *, marks):
        number = len(list(Path(marks).iterdir()))
        if number == 3 and not Path(marks).with_name("go").exists():
            raise ValueError("stopped here")
        (Path(marks) / f"{number}-{a.sum()}").touch()
        return a, pd.DataFrame({"sum": [int(a.sum())]})

    image, table = counted(sc.open(RAW, axes="yx"), marks=str(marks))
    options = {"store": store, "block": 32, "executor": "serial", **QUIET}
    n_done = sc.run(image, table, on_failure="return", **options).step("counted").n_done
    assert 0 < n_done < 6
    marks.with_name("go").touch()
    machine("second")
    planned = sc.plan(image, table, store=store, block=32)
    assert planned["counted"].n_done == n_done
    n_before = len(list(marks.iterdir()))
    done = sc.run(image, table, **options)
    assert done.step("counted").n_cached == n_done
    assert len(list(marks.iterdir())) - n_before == 6 - n_done
    np.testing.assert_array_equal(image.read(), RAW)
    assert table.to_pandas()["sum"].sum() == RAW.sum()


KILLED = """
import sys, tempfile
from pathlib import Path
import numpy as np, pandas as pd
import scutoid as sc

@sc.blockwise(out=("image", "table"), dtype="uint8", version="1")
def slow(a):
    import time
    time.sleep(0.05)
    return a, pd.DataFrame({"sum": [int(a.sum())]})

if __name__ == "__main__":
    raw = np.arange(96 * 96, dtype="uint8").reshape(96, 96)
    image, table = slow(sc.open(raw, axes="yx"))
    done = sc.run(image, table, store=sys.argv[1], block=12, executor="threads", workers=2,
                  check_halo=False, progress=False)
    assert np.array_equal(image.read(), raw)
    assert table.to_pandas()["sum"].tolist() == [
        int(raw[y : y + 12, x : x + 12].sum()) for y in range(0, 96, 12) for x in range(0, 96, 12)
    ]
    print("cached", done.step("slow").n_cached)
"""


def begun(store, tmp_path, machine):
    """Begin a run in a process as on a machine."""
    (tmp_path / machine).mkdir(exist_ok=True)
    (tmp_path / "killed.py").write_text(KILLED)
    environment = {**os.environ, "TMPDIR": str(tmp_path / machine)}
    command = [sys.executable, str(tmp_path / "killed.py"), store]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_runs_that_are_killed_are_gone_on_with_on_another_machine(
    bucket, store, tmp_path, wait_for
):
    n_before = 0

    def has_kept_more():
        put = [path for method, path, _ in bucket.proxy.asked if method == "PUT"]
        is_told = any("/segments/" in path for path in put)
        return is_told and len(objects_of(store, "/segments/")) > n_before

    for machine in ("a", "b"):
        bucket.proxy.forget()
        run = begun(store, tmp_path, machine)
        wait_for(lambda run=run: has_kept_more() or run.poll() is not None)
        run.kill()
        run.communicate()
        n_before = len(objects_of(store, "/segments/"))
        assert n_before > 0
    run = begun(store, tmp_path, "c")
    printed, _ = run.communicate()
    assert run.returncode == 0
    assert int(printed.split()[-1]) > 0
    assert sc.Store(store).verify().ok


def test_two_runs_at_once_on_two_machines_make_one_result(store, tmp_path):
    runs = [begun(store, tmp_path, machine) for machine in ("a", "b")]
    for run in runs:
        run.communicate()
    assert [run.returncode for run in runs] == [0, 0]
    assert len(objects_of(store, "manifest.json$")) == 1
    assert sc.Store(store).verify().ok


def test_a_result_is_made_again_by_force(store, machine):
    target = brighten(sc.open(RAW, axes="yx"))
    options = {"store": store, "block": 32, "executor": "serial", **QUIET}
    sc.run(target, **options)
    before = {o.url for o in remote.objects(f"{store}/brighten")}
    sc.run(target, force=["brighten"], **options)
    after = {o.url for o in remote.objects(f"{store}/brighten")}
    assert len(after) == len(before)
    assert {url for url in before & after if "manifest" not in url} == set()
    machine("second")
    np.testing.assert_array_equal(sc.Store(store)["brighten"].read(), RAW * np.float32(2))


def objects_of(store, pattern):
    return [o.url for o in remote.objects(store) if re.search(pattern, o.url)]


def test_a_shard_that_is_gone_is_damage_and_no_zeros(store, machine):
    target = brighten(sc.open(RAW, axes="yx"))
    sc.run(target, store=store, block=32, executor="serial", **QUIET)
    remote.remove(objects_of(store, r"/0/c/1/1$"))
    machine("second")
    image = sc.Store(store)["brighten"]
    np.testing.assert_array_equal(image[:32].read(), RAW[:32] * np.float32(2))
    with pytest.raises(DamagedResult, match="where it was written"):
        image.read()
    sc.run(target, store=store, block=32, executor="serial", force=["brighten"], **QUIET)
    np.testing.assert_array_equal(sc.Store(store)["brighten"].read(), RAW * np.float32(2))


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGES = {
    "a shard is gone": (r"/0/c/1/1$", None),
    "a shard is cut off": (r"/0/c/1/1$", lambda content: content[:-5]),
    "a bit of a chunk": (r"/0/c/1/1$", lambda content: flipped(content, 3)),
    "a bit of an index": (r"/0/c/1/1$", lambda content: flipped(content, len(content) - 9)),
    "a table": (r"/table.parquet$", lambda content: flipped(content, 40)),
    "a table is gone": (r"/table.parquet$", None),
    "the journal": (r"/journal$", lambda content: content[:-1]),
    "metadata": (r"/0/zarr.json$", lambda content: content + b" "),
    "the manifest": (r"/manifest.json$", lambda content: content[:-9]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_verify_finds_what_is_not_what_was_written_and_it_is_made_again(store, machine, damage):
    targets = both(sc.open(RAW, axes="yx"))
    options = {"store": store, "block": 32, "executor": "serial", **QUIET}
    sc.run(*targets, **options)
    whole = sc.Store(store).verify()
    assert whole.ok
    assert whole.n_results == 1
    pattern, change = DAMAGES[damage]
    (url,) = objects_of(store, pattern)
    if change is None:
        remote.remove([url])
    else:
        remote.put(url, change(remote.get(url)))
    found = sc.Store(store).verify(heal=False)
    assert [one.place.name for one in found.damages] == [url.rpartition("/")[2]]
    assert sc.Store(store).verify().is_healed
    machine("second")
    done = sc.run(*targets, **options)
    assert done.step("both").n_cached == 0
    np.testing.assert_array_equal(sc.Store(store)["both"][0].read(), RAW + 1)
    assert sc.Store(store).verify().ok


def test_a_shard_of_no_block_is_found(store):
    sc.run(brighten(sc.open(RAW, axes="yx")), store=store, block=32, executor="serial", **QUIET)
    (url,) = objects_of(store, r"/0/c/1/1$")
    remote.put(f"{url.removesuffix('1/1')}0/0", remote.get(url))  # a block of zeros
    (found,) = sc.Store(store).verify(heal=False).damages
    assert "no block has written" in found.what


def test_verify_takes_no_server_that_fails_for_damage(bucket, store):
    sc.run(brighten(sc.open(RAW, axes="yx")), store=store, block=32, executor="serial", **QUIET)
    opened = sc.Store(store)
    bucket.proxy.fault = lambda method, path: 503 if "/c/" in path else None
    with pytest.raises(StoreError, match="503"):
        opened.verify()
    bucket.proxy.fault = lambda method, path: None
    assert opened.verify().ok


@pytest.mark.parametrize("lost", ["table.parquet", "image.shards", "0/zarr.json"])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_small_file_that_is_not_what_was_written_is_an_error(store, machine, lost, how):
    sc.run(*both(sc.open(RAW, axes="yx")), store=store, block=32, executor="serial", **QUIET)
    (url,) = objects_of(store, f"/{re.escape(lost)}$")
    if how == "gone":
        remote.remove([url])
    else:
        remote.put(url, b"something else")
    machine("second")
    with pytest.raises(DamagedResult, match="names at a URL"):
        sc.Store(store).names()


def test_a_server_that_fails_is_no_damage(bucket, store, machine):
    target = brighten(sc.open(RAW, axes="yx"))
    sc.run(target, store=store, block=32, executor="serial", **QUIET)
    machine("second")
    image = sc.Store(store)["brighten"]
    bucket.proxy.fault = lambda method, path: 503
    with pytest.raises((SourceError, StoreError)) as caught:
        image.read()
    assert not isinstance(caught.value, DamagedResult)
    with pytest.raises(StoreError, match="objects of a store"):
        sc.Store(store).names()
    bucket.proxy.fault = lambda method, path: None
    np.testing.assert_array_equal(sc.Store(store)["brighten"].read(), RAW * np.float32(2))


@pytest.mark.parametrize("fault", [503, 409, "drop", "cut"])
def test_faults_in_passing_change_nothing(bucket, store, fault):
    due = {"PUT": 3, "GET": 3}

    def failing(method, path):
        if due.get(method, 0) and ("/c/" in path or "segments" in path or "manifest" in path):
            due[method] -= 1
            return fault
        return None

    bucket.proxy.fault = failing
    image, table = both(sc.open(RAW, axes="yx"))
    sc.run(image, table, store=store, block=32, executor="serial", **QUIET)
    assert due["PUT"] == 0
    np.testing.assert_array_equal(image.read(), RAW + 1)
    assert table.to_pandas()["largest"].max() == RAW.max()


def test_requests_are_few(bucket, store):
    raw = np.random.default_rng(1).integers(1, 255, (160, 160)).astype("u1")
    target = brighten(sc.open(raw, axes="yx"))
    bucket.proxy.forget()
    done = sc.run(target, store=store, block=16, executor="threads", workers=2, **QUIET)
    n_blocks = done.step("brighten").n_blocks
    asked = [(method, path) for method, path, _ in bucket.proxy.asked]
    shards = [path for method, path in asked if method == "PUT" and "/0/c/" in path]
    segments = [path for method, path in asked if method == "PUT" and "/segments/" in path]
    assert n_blocks == len(shards) == 100
    assert len(segments) <= n_blocks
    # The rest is of the run and the result as a whole: few, and a look at some chunks at the end
    assert len(asked) <= 2 * n_blocks + 2 * len(segments) + 60


class TestRefused:
    """What is not possible at a URL is said before anything is computed."""

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"accept": ["brighten"]}, "accept"),
        ],
    )
    def test_options(self, store, options, said):
        with pytest.raises(ScutoidError, match=said):
            sc.run(brighten(sc.open(RAW, axes="yx")), store=store, **options)

    def test_tiffs(self, store):
        tiff = brighten.options(storage=sc.Storage(format="tiff"))(sc.open(RAW, axes="yx"))
        with pytest.raises(StoreError, match="TIFF"):
            sc.plan(tiff, store=store)
        assert objects_of(store, "begun") == []

    def test_looking_after(self, store):
        EntryStore(store).check_writable()  # makes it
        opened = sc.Store(store)
        with pytest.raises(StoreError, match="at a URL"):
            opened.gc(keep_runs=1)

    @pytest.mark.parametrize("url", ["https://example.org/results?x=1", "s3://", "none://a/b"])
    def test_other_urls(self, url):
        with pytest.raises(StoreError, match="lies in a bucket"):
            sc.Store(url)

    def test_a_bucket_that_is_not_there_or_refuses(self, bucket, machine):
        target = brighten(sc.open(RAW, axes="yx"))
        with pytest.raises(StoreError, match="bucket"):
            sc.run(target, store="s3://no-such-bucket/results", executor="serial")
        bucket.proxy.fault = lambda method, path: (403, "AccessDenied")
        with pytest.raises(StoreError, match="403"):
            sc.run(target, store=bucket.url("results"), executor="serial")
