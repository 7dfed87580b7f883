"""The page of a run: written by each run, whole, escaped, of one file; never at a run's cost."""

from __future__ import annotations

import errno
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import RunFailed, ScutoidWarning, StoreError

ODD = "<b onclick=\"alert('x')\">&amp;'"
"""Harmless markup, in the place of a name."""


@sc.blockwise(version="1", dtype="uint8", halo=1)
def plain(image, *, note=""):
    return image


@sc.step(version="1", out="image", labels=True, dtype="uint16")
def objects(image):
    return (image > 100).astype("uint16")


@sc.step(version="1", out="table")
def rows(image):
    sizes = np.arange(50)
    return pd.DataFrame({"label": 2**63 - 5 + sizes % 3, "size": sizes, "mean": sizes**0.5})


@sc.step(version="1", out="table")
def regions(image):
    return pd.DataFrame({"id": [1, 2], "acronym": ["A", ODD], "name": ["a", ODD], "n": [3, 4]})


@sc.step(version="1")
def score(image):
    return {"brightness": int(image.max()), "id": 2**60 + int(image.max())}


@sc.step(version="1", retries=0)
def picky(image):
    if image.max() > 200:
        raise ValueError(ODD)
    return int(image.max())


VOID = {"meta", "img", "br", "input"}


class Page(HTMLParser):
    """Reads a page strictly: each element is closed, and what it refers to is collected."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text, self.open, self.found = "", [], []
        self.path = path
        self.source = path.read_text()
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.found if name == tag]

    @property
    def references(self):
        names = ("src", "href", "srcset", "action", "data", "poster")
        return [attrs[name] for _, attrs in self.found for name in names if name in attrs]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.delenv("SCUTOID_REPORT")

    def run(*targets, **options):
        given = {"executor": "serial", "check_halo": False} | options
        return sc.run(*targets, store=tmp_path / "store", **given)

    return run


@pytest.fixture
def raw():
    image = np.full((32, 32), 20, "uint8")
    image[8:16, 8:16] = 150
    return sc.open(image)


def plate(folder, keys, level=50):
    folder.mkdir()
    for n, key in enumerate(keys):
        np.save(folder / f"{key}.npy", np.full((8, 8), level + n % 150, "uint8"))
    return sc.open_folder(folder / "*.npy")


def test_a_run_that_computes_something_writes_a_page(run, raw) -> None:
    first = run(plain(raw))
    assert first.report == first.folder / "report.html"
    page = Page(first.report)
    assert "plain" in page.text
    assert json.loads((first.folder / "report.json").read_text())["state"] == "done"
    assert run(plain(raw)).report is None
    assert run(plain(raw), report=True).report is not None
    assert run(plain(raw, note="x"), report=False).report is None


def test_a_page_is_left_out_where_the_environment_says_so(run, raw, monkeypatch) -> None:
    monkeypatch.setenv("SCUTOID_REPORT", "off")
    assert run(plain(raw)).report is None
    assert run(plain(raw, note="x"), report=True).report is not None


def test_the_page_has_pictures_charts_and_what_was_made_of_what(run, raw) -> None:
    done = run(objects(plain(raw, note="a note")), rows(raw), regions(raw))
    page = Page(sc.report(done))
    alts = [attrs["alt"] for attrs in page.all("img")]
    assert [alt.partition(":")[0] for alt in alts] == ["plain", "objects"]
    charts = [attrs["aria-label"] for attrs in page.all("svg")]
    assert charts == ["steps of the run", "histogram of size", "histogram of mean", "n by name"]
    for text in ("a note", "50 rows", "1 of 1", done.folder.name, str(done.store)):
        assert text in page.text
    for step in json.loads((done.folder / "report.json").read_text())["steps"]:
        assert step["key"] in page.text


def test_failures_and_warnings_are_on_the_page(run, tmp_path) -> None:
    images = plate(tmp_path / "raw", ["a", "b"], level=200)
    with pytest.raises(RunFailed) as caught:
        run(picky(images))
    done = caught.value.run
    page = Page(done.report)
    assert "Failures" in page.text
    assert f"member 'b.npy': ValueError: {ODD}" in page.text
    assert "raise ValueError(ODD)" in page.text
    assert "lacks picky" in page.text
    assert f"store={str(done.store)!r}, step='picky', at='b.npy')" in page.text


def test_names_and_values_are_text_whatever_they_hold(run, raw, tmp_path) -> None:
    images = plate(tmp_path / "raw", [ODD.replace("/", ""), "plain"])
    named = plain.options(name=ODD)(raw, note=ODD)
    done = run(named, objects(images), score(images), regions(raw))
    page = Page(sc.report(done))
    assert not page.all("b onclick")
    assert not any("onclick" in attrs for _, attrs in page.found)
    assert page.text.count(ODD) >= 4
    assert {tag for tag, _ in page.found} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "script", "section", "div"),
        *("h1", "h2", "h3", "p", "span", "b", "a", "ul", "li", "pre", "br", "details", "summary"),
        *("table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "img"),
        *("label", "select", "option", "button", "input"),
        *("svg", "g", "rect", "path", "text"),
    }


def test_nothing_is_fetched(run, raw, tmp_path) -> None:
    images = plate(tmp_path / "raw", ["a", "b"])
    page = Page(sc.report(run(objects(images), rows(raw), plain(raw))))
    assert all(one.startswith(("data:image/png;base64,", "#")) for one in page.references)
    (policy,) = (a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    assert "url(" not in page.source
    assert "@import" not in page.source


def test_ids_keep_all_their_digits(run, tmp_path) -> None:
    images = plate(tmp_path / "raw", ["a", "b"])
    done = run(score(images), objects(images))
    page = Page(sc.report(done))
    assert str(2**60 + 50) in page.text
    assert str(2**60 + 51) in page.text
    members = json.loads((done.folder / "report.json").read_text())["gallery"]["members"]
    assert [one["columns"]["id"] for one in members] == [str(2**60 + 50), str(2**60 + 51)]


def test_members_are_sorted_exactly(run, tmp_path) -> None:
    @sc.step(version="1")
    def wide(image):
        return 2**53 + {50: 1, 51: 0, 52: 2}[int(image.max())]

    page = Page(sc.report(run(wide(plate(tmp_path / "raw", ["a", "b", "c"])))))
    places = [attrs["data-rank-0"] for attrs in page.all("figure") if "data-place" in attrs]
    assert places == ["1", "0", "2"]


def test_many_members_have_their_pictures_beside_the_page(run, tmp_path) -> None:
    keys = [f"{n:03d}" for n in range(201)]
    done = run(objects(plate(tmp_path / "raw", keys)))
    page = Page(sc.report(done))
    pictures = sorted({attrs["src"] for attrs in page.all("img")})
    assert len(pictures) == 201
    assert all((done.folder / source).is_file() for source in pictures)
    assert len(page.source) < 500_000
    Page(sc.report(done, path=tmp_path / "elsewhere.html"))
    assert len(list((tmp_path / "elsewhere-thumbnails").iterdir())) == 201
    sc.Store(done.store).gc(older_than=0)
    assert not done.folder.exists()


def test_what_others_put_beside_the_page_stays(run, raw) -> None:
    done = run(plain(raw))
    (done.folder / "notes.txt").write_text("mine")
    sc.Store(done.store).gc(older_than=0)
    assert [path.name for path in done.folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("when", ["write", "read", "draw"])
def test_a_page_that_fails_is_a_warning_and_no_more(run, raw, monkeypatch, when) -> None:
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    place = {"write": "_replace", "read": "read_run", "draw": "_Maker.page"}[when]
    monkeypatch.setattr(f"scutoid.reports._write.{place}", full)
    with pytest.warns(ScutoidWarning, match="no report: OSError.*No space left"):
        done = run(plain(raw))
    assert done.ok
    assert done.report is None
    assert np.asarray(done["plain"]).shape == (32, 32)


def test_a_disk_that_is_full_leaves_no_half_page(run, raw, monkeypatch) -> None:
    write = Path.write_text

    def full(path, text, **options):
        if "report" in path.name:
            write(path, text[:100], **options)
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.warns(ScutoidWarning, match="No space left"):
        done = run(plain(raw))
    assert not [path for path in done.folder.iterdir() if "report" in path.name]
    with pytest.raises(StoreError, match="No space left"):
        sc.report(done)


def test_damage_is_on_the_page(run, raw) -> None:
    done = run(objects(plain(raw)))
    (metadata,) = done.store.glob("plain/*/image.ome.zarr/zarr.json")
    metadata.write_text("{")
    (recipe,) = done.store.glob("objects/*/recipe.json")
    recipe.write_text("{")
    page = Page(sc.report(done))
    assert "Not read" in page.text
    assert "what 'objects' was made of cannot be read" in page.text
    assert not page.all("img")


@pytest.mark.parametrize("rule", ["rule_1", "rule_2"])
def test_runs_of_earlier_versions_have_a_page(tmp_path, rule) -> None:
    store = tmp_path / "store"
    shutil.copytree(Path(__file__).parents[1] / "golden" / rule, store)
    for folder in (store / "runs").iterdir():
        page = Page(sc.report(store, folder.name))
        assert folder.name in page.text


def test_a_page_is_written_where_it_is_asked_for(run, raw, tmp_path) -> None:
    done = run(plain(raw))
    place = tmp_path / "new" / "page.html"
    assert sc.report(done.store, done.folder.name, path=place) == place
    assert Page(place).text == Page(sc.report(sc.Store(done.store))).text
    with pytest.raises(StoreError, match="named as its folder"):
        sc.report(done.store, "2026-01-01T00-00-00_abcd")


def test_the_page_of_200_members_stays_below_5_mb(run, tmp_path) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "raw"
    folder.mkdir()
    for n in range(200):
        np.save(folder / f"{n}.npy", rng.integers(0, 255, (300, 300), "uint8"))
    page = sc.report(run(objects(sc.open_folder(folder / "*.npy"))))
    assert 1_000_000 < page.stat().st_size < 5_000_000


@pytest.mark.browser
def test_members_are_sorted_in_a_browser_that_asks_for_nothing(run, raw, tmp_path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    images = plate(tmp_path / "raw", ["a", "b", "c"])
    path = sc.report(run(objects(images), score(images), plain(raw)))
    asked, said = [], []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        try:
            page = browser.new_page()
            page.on("request", lambda request: asked.append(request.url))
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(path.as_uri())

            def order():
                return page.locator(".gallery figure:visible b").all_text_contents()

            assert order() == ["a.npy", "b.npy", "c.npy"]
            page.select_option("#sort-by", label="brightness")
            assert order() == ["c.npy", "b.npy", "a.npy"]
            page.locator("#sort-turn").focus()
            page.keyboard.press("Enter")
            assert order() == ["a.npy", "b.npy", "c.npy"]
            page.fill("#find", "B.np")
            assert order() == ["b.npy"]
            assert page.locator("#n-shown").text_content() == "1 of 3"
            page.locator("a[href^='#step-']").first.click()
            widths = page.evaluate("[...document.images].map(one => one.naturalWidth)")
        finally:
            browser.close()
    assert all(widths)
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert not said


def test_a_step_without_blocks_is_done(run, tmp_path) -> None:
    run(plain(sc.open(np.zeros((0, 16), "uint8"))))
    assert [step.state for step in sc.reports.read_run(tmp_path / "store").steps] == ["done"]


@pytest.mark.browser
def test_nothing_is_cut_off_by_long_names_and_messages(run, raw, tmp_path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")

    @sc.step(version="1", retries=0)
    def loud(image):
        raise ValueError("m" * 500)

    long = plain.options(name="n" * 300)(raw, note="p" * 300)
    with pytest.raises(RunFailed):
        run(long, loud(long))
    path = sc.report(tmp_path / "store")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        try:
            for width in (1200, 900):
                page = browser.new_page(viewport={"width": width, "height": 800})
                page.goto(path.as_uri())
                page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
                wide = page.evaluate(
                    "[...document.querySelectorAll('section')]"
                    ".filter(s => s.scrollWidth > s.clientWidth).map(s => s.innerText)"
                )
                assert wide == []
        finally:
            browser.close()
