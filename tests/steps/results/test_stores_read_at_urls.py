"""Stores at URLs that are only read: copies of folders, and folders that a server shows."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shutil
import tempfile
from pathlib import Path

import fsspec
import numpy as np
import pytest

import scutoid as sc
from scutoid import remote
from scutoid.cli._main import run_command
from scutoid.errors import (
    DamagedResult,
    ParameterError,
    ScutoidError,
    StoreError,
    UnwritableStore,
)

GOLDEN = Path(__file__).parents[2] / "golden"
NUMBERS = itertools.count()
FEW = ("brighten", "row_table", "flipped", "profiles", "described", "unsteady", "runs")
KINDS = ("memory", "file", "http", "s3")


@pytest.fixture(scope="module", autouse=True)
def machine(tmp_path_factory):
    """Temporary files of a machine that has seen no store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("machine")))
        yield


@pytest.fixture(params=["rule_1", "rule_2"])
def golden(request):
    return GOLDEN / request.param


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A store of a few results, one of each kind."""
    folder = tmp_path_factory.mktemp("few")
    for name in FEW:
        shutil.copytree(GOLDEN / "rule_2" / name, folder / name)
    shutil.copy(GOLDEN / "rule_2" / ".scutoid", folder)
    return folder


@pytest.fixture(scope="module")
def few_in_bucket(bucket_of_module, few):
    """The URL of these, copied to a bucket; no test changes them."""
    bucket_of_module.put_folder(few, "few")
    return bucket_of_module.url("few")


@pytest.fixture
def put(request, tmp_path):
    """Return what copies a folder to a kind of URL; it gives the URL."""

    def put_there(folder, kind):
        name = f"copied-{next(NUMBERS)}"
        if kind == "s3":
            return request.getfixturevalue("few_in_bucket")
        if kind == "http":
            web = request.getfixturevalue("web")
            shutil.copytree(folder, web.folder / name)
            return web.url(name)
        if kind == "file":
            return Path(shutil.copytree(folder, tmp_path / name)).as_uri()
        memory = fsspec.filesystem("memory")
        request.addfinalizer(lambda: memory.rm(f"/{name}", recursive=True))
        memory.put(f"{folder}/", f"/{name}/", recursive=True)
        return f"memory://{name}"

    return put_there


def content_of(result):
    """Return all that a result holds, as plain values."""
    if isinstance(result, tuple):
        return [content_of(each) for each in result]
    if isinstance(result, sc.Image):
        return np.asarray(result).tolist(), result.voxel_size, result.unit
    if isinstance(result, (sc.Table, sc.Tables)):
        return result.to_pandas().to_dict("list")
    if isinstance(result, sc.Value):
        return repr(result.get())
    if isinstance(result, sc.Parts):
        return {n: {k: v.tolist() for k, v in part.items()} for n, part in result.read().items()}
    if isinstance(result, sc.Files):
        files = (path for path in sorted(result.path.rglob("*")) if path.is_file())
        return {path.name: path.read_bytes() for path in files}
    return {key: content_of(result[key]) for key in result.keys}


def contents(store):
    return {name: content_of(store[name]) for name in store.names()}


def said(capsys, *args):
    """Give a command; tell its exit code and what it said."""
    code = run_command([str(arg) for arg in args])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize("kind", ["memory", "http"])
def test_all_of_a_copied_store_is_read(golden, put, kind):
    there = sc.Store(put(golden, kind))
    assert contents(there) == contents(sc.Store(golden))


def test_a_store_that_was_copied_to_a_bucket_is_read(few, few_in_bucket):
    assert contents(sc.Store(few_in_bucket)) == contents(sc.Store(few))


def test_what_is_read_is_looked_up_again_by_two_requests_a_result(put, web):
    url = put(GOLDEN / "rule_2", "http")
    sc.Store(url)["total"].get()
    web.asked.clear()
    assert sc.Store(url)["total"].get()
    files = [path for _, path in web.asked if not path.endswith("/")]
    assert sorted(path.rpartition("/")[2] for path in files) == [
        ".scutoid", "COMPLETE", "manifest.json", "recipe.json",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["memory", "http"])
@pytest.mark.parametrize("how", ["recipe", "all"])
def test_a_result_that_was_removed_is_gone(put, request, tmp_path, kind, how):
    store = tmp_path / "made"
    raw = sc.open(np.ones((8, 8), "f4"), axes="yx")
    sc.run(sc.gaussian(raw, sigma=1), store=store, executor="serial", progress=False)
    url = put(store, kind)
    assert sc.Store(url)["gaussian"].read()[0, 0] == pytest.approx(1)
    (recipe,) = store.glob("gaussian/*/recipe.json")
    place = f"{url}/{recipe.parent.relative_to(store)}"
    if kind == "http":
        web = request.getfixturevalue("web")
        gone = web.folder / place.removeprefix(web.url(""))
        (gone / "recipe.json").unlink() if how == "recipe" else shutil.rmtree(gone)
    else:
        system, path = fsspec.url_to_fs(place)
        system.rm(f"{path}/recipe.json" if how == "recipe" else path, recursive=True)
    assert "gaussian" not in sc.Store(url).names()


COMMANDS = {
    "ls": (("ls",), r"unsteady +409f7a1d648e +image +partial .*5/6"),
    "show": (("show", "row_table"), "24 rows, 2 columns"),
    "show of members": (("show", "described"), "27 rows"),
    "verify": (("verify", "--no-heal"), r"6 results, 0\.0 MB: all of it is what was written"),
    "du": (("du",), r"MB  flipped(.|\n)*in all"),
    "report": (("report",), "report.html"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["memory", "http", "s3"])
def test_commands_that_read(put, few, capsys, kind, command):
    args, shown = COMMANDS[command]
    code, text = said(capsys, *args, "--store", put(few, kind))
    assert code == 0, text
    assert re.search(shown, text), text


def test_bytes_of_a_store_are_those_of_its_folder(put):
    """The record of what lies where on this machine is no part of it."""
    expected = sc.Store(GOLDEN / "rule_2").du()
    found = sc.Store(put(GOLDEN / "rule_2", "memory")).du()
    assert found.keys() == expected.keys()
    for step in ("flipped", "turned", "brighten", "as_zarr", "dimmed"):
        assert 0 <= found[step] - expected[step] < 200, step


def test_an_export_has_what_was_stored(put, capsys, tmp_path):
    url = put(GOLDEN / "rule_2", "http")
    assert said(capsys, "export", "brighten", tmp_path / "a.npy", "--store", url)[0] == 0
    expected = np.asarray(sc.Store(GOLDEN / "rule_2")["brighten"])
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)


def test_neuroglancer_gets_voxels_from_the_url(put):
    pytest.importorskip("neuroglancer", reason="pip install 'scutoid[web]'")
    from scutoid.views import web as show

    image = sc.Store(put(GOLDEN / "rule_2", "http"))["brighten"]
    with show(image, open_browser=False) as page:
        served = sc.open(page.address.replace("/v/", "/data/") + "0")
        np.testing.assert_array_equal(served.read(), image.read())


@pytest.mark.parametrize("kind", ["memory", "http"])
def test_a_table_belongs_to_the_labels_that_it_was_measured_from(put, tmp_path, kind):
    from scutoid.views import view_layers

    mask = np.zeros((8, 8), "u1")
    mask[:2, :2] = mask[5:, 5:] = 1
    labels = sc.label(sc.open(mask, axes="yx") > 0)
    sc.run(sc.measure(labels), labels, store=tmp_path / "made", executor="serial", progress=False)
    there = sc.Store(put(tmp_path / "made", kind))
    shown = view_layers(there["label"], there["measure"])
    assert [layer.kind for layer in shown] == ["labels", "points"]
    assert shown[0].options["features"]["n_voxels"].tolist() == [4, 9]


WRITING = {
    "a run": lambda url, _: sc.run(
        sc.gaussian(sc.open(np.eye(4)), sigma=1), store=url, executor="serial", progress=False
    ),
    "verify": lambda url, _: sc.Store(url).verify(),
    "gc": lambda url, _: sc.Store(url).gc(),
    "gc, to say what would go": lambda url, _: sc.Store(url).gc(dry_run=True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", WRITING)
def test_what_writes_is_refused_before_work(put, few, tmp_path, kind, use):
    url = put(few, kind)
    before = {each.url for each in remote.objects(url)}
    with pytest.raises(UnwritableStore, match="only read") as caught:
        WRITING[use](url, tmp_path)
    assert caught.value.value == url
    assert caught.value.remedy
    assert {each.url for each in remote.objects(url)} == before


def test_a_copy_in_a_bucket_is_not_written_into(few_in_bucket, bucket_of_module):
    bucket_of_module.proxy.forget()
    with pytest.raises(UnwritableStore, match="copied from a folder"):
        WRITING["a run"](few_in_bucket, None)
    assert {method for method, _, _ in bucket_of_module.proxy.asked} == {"GET"}


def load_pipeline():
    spec = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load_pipeline()


@pytest.mark.parametrize("kind", ["memory", "http"])
def test_a_plan_finds_what_was_made_without_listings(put, request, tmp_path, kind):
    url = put(GOLDEN / "rule_2", kind)
    if kind == "http":
        request.getfixturevalue("web").lists = False
    pipeline = load_pipeline()
    pipeline.write_plate(tmp_path / "plate")
    targets = [
        *pipeline.image_targets().values(),
        *pipeline.folder_targets(tmp_path / "plate").values(),
    ]
    plan = sc.plan(*targets, store=url)
    kept = {step.name: step.status for step in plan if step.name != "halved"}
    assert set(kept.values()) == {"cached"}, str(plan)


class TestAServerThatListsNothing:
    """What can be told without listings is; the rest says what helps."""

    @pytest.fixture
    def url(self, put, web):
        web.lists = False
        return put(GOLDEN / "rule_2", "http")

    @pytest.fixture(params=[False, True], ids=["404", "403"])
    def refuses(self, web, request):
        web.refuses_absent = request.param

    def test_a_result_is_read_by_its_own_url(self, url, refuses):
        expected = sc.Store(GOLDEN / "rule_2")
        for name in ("brighten", "row_table", "flipped", "dimmed", "described", "profiles"):
            (entry, _), *_ = expected.entries(name)
            found = sc.Store(url).at(f"{url}/{entry.path.relative_to(expected.path)}")
            assert content_of(found) == content_of(expected[name]), name

    def test_a_plan_does_not_say_that_a_step_never_ran(self, url):
        dimmed = sc.gaussian(sc.open(np.ones((8, 8), "f4"), axes="yx"), sigma=1)
        (step,) = sc.plan(dimmed, store=url)
        assert "lists no folders" in step.reason

    @pytest.mark.parametrize(
        "use",
        [
            lambda store: store.names(),
            lambda store: store["brighten"],
            lambda store: store.verify(heal=False),
            lambda store: store.du(),
            lambda store: sc.report(store.entries_store.url),
        ],
        ids=["names", "by name", "verify", "du", "report"],
    )
    def test_what_needs_a_listing_says_so(self, url, refuses, use):
        with pytest.raises(StoreError, match="it lists no folders") as caught:
            use(sc.Store(url))
        assert "autoindex" in caught.value.remedy
        assert url in str(caught.value)

    def test_shards_that_are_gone_are_never_read_as_zeros(self, web, put, golden):
        url = put(golden, "http")
        folder = web.folder / Path(url).name
        web.lists = False
        images = sorted(path.parent for path in folder.glob("*/*/image.ome.zarr/0"))
        assert len(images) > 2
        for image in images:
            shutil.rmtree(image / "0" / "c")
            result = image.parent.relative_to(folder)
            with pytest.raises(ScutoidError, match=r"shard|missing|is read is complete"):
                np.asarray(sc.Store(url).at(f"{url}/{result}"))

    def test_a_store_that_is_not_there(self, web):
        web.lists = False
        with pytest.raises(StoreError, match="a store that is read exists"):
            sc.Store(web.url("nothing"))


def test_a_server_that_refuses_is_no_missing_store(web):
    web.failures["/closed/.scutoid"] = [403, 403]
    with pytest.raises(StoreError, match="status 403"):
        sc.Store(web.url("closed"))


def test_a_server_that_answers_everything_with_a_page_shows_no_store(web):
    (web.folder / "app").mkdir()
    (web.folder / "app" / ".scutoid").write_text("<!doctype html><title>app</title>")
    with pytest.raises(StoreError, match="stores of a folder") as caught:
        sc.Store(web.url("app"))
    assert "<!doctype" in str(caught.value)


NOT_STORES = {
    "another scheme": "nothing://host/results",
    "a query": "https://host/results?version=2",
    "a URL in a URL": "zip://results::https://host/a.zip",
    "no folder": "memory://",
}


@pytest.mark.parametrize("what", NOT_STORES)
def test_urls_that_no_store_has(what):
    with pytest.raises(StoreError, match="a store is a folder"):
        sc.Store(NOT_STORES[what])


def test_a_url_with_a_password_is_refused():
    with pytest.raises(ParameterError, match="no password") as caught:
        sc.Store("https://me:word@host/results")
    assert "word@" not in str(caught.value)


def test_a_store_of_a_bucket_is_read_where_it_was_copied_to(bucket_of_module, tmp_path):
    """Layout 2, from a folder: by its URL, and a path says how."""
    raw = sc.open(np.arange(64, dtype="u2").reshape(8, 8), axes="yx")
    made = bucket_of_module.url("results")
    sc.run(sc.gaussian(raw, sigma=1), store=made, executor="serial", progress=False)
    for each in remote.objects(made):
        place = tmp_path / "copied" / each.url.removeprefix(f"{made}/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(remote.get(each.url))
    found = sc.Store((tmp_path / "copied").as_uri())
    np.testing.assert_array_equal(found["gaussian"].read(), sc.Store(made)["gaussian"].read())
    assert found.verify(heal=False).ok
    with pytest.raises(StoreError, match="version 2") as caught:
        sc.Store(tmp_path / "copied")
    assert "file://" in caught.value.remedy


class TestDamage:
    @pytest.fixture
    def url(self, put):
        return put(GOLDEN / "rule_2", "memory")

    def path(self, url, pattern):
        memory = fsspec.filesystem("memory")
        found = sorted(memory.glob(f"/{url.removeprefix('memory://')}/{pattern}"))
        return memory, found[0]

    @pytest.mark.parametrize(
        ("step", "pattern"),
        [
            ("brighten", "brighten/*/image.ome.zarr/0/c/1/1"),
            ("turned", "turned/*/image.ome.zarr/0/c/0/0"),
            ("row_table", "row_table/*/table.parquet"),
            ("profiles", "profiles/*/blocks.pack"),
            ("dimmed", "dimmed/*/items/a/1.npy*"),
            ("flipped", "flipped/*/image.tif"),
        ],
    )
    @pytest.mark.parametrize("how", ["gone", "changed"])
    def test_damage_is_no_value_and_verify_names_it(self, url, step, pattern, how):
        memory, path = self.path(url, pattern)
        content = memory.cat(path)
        memory.rm(path)
        if how == "changed":
            memory.pipe(path, content[:-8] + bytes(8))
        report = sc.Store(url).verify(heal=False)
        assert {each.step for each in report.damages} == {step}, str(report)
        if (step, how) != ("flipped", "changed"):  # a TIFF has no checksums
            with pytest.raises((StoreError, OSError)) as caught:
                content_of(sc.Store(url)[step])
            assert url in str(caught.value) or isinstance(caught.value, DamagedResult)
