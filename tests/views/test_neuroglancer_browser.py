"""Pages of Neuroglancer in Chromium: what is drawn, what a click shows, what is asked for."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import urllib.parse

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.arrays import TimeScale
from scutoid.views import web

pytestmark = pytest.mark.browser
SELECTION = ".neuroglancer-selection-details-body"
SIZE = {"width": 1100, "height": 700}


@pytest.fixture(scope="module")
def chromium():
    pytest.importorskip("neuroglancer", reason="pip install 'scutoid[web]'")
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install 'scutoid[browser]'")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


class Page:
    """A page of the browser, and all that it has asked for or complained of."""

    def __init__(self, browser):
        self.page = browser.new_page(viewport=SIZE)
        self.asked, self.errors, self.failed = [], [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", self._note)

    def _note(self, response):
        is_chunk = "/c/" in response.url  # one of zeros is not there
        if response.status >= 400 and not is_chunk:
            self.failed.append((response.status, response.url))

    def open(self, address):
        self.page.goto(address)
        self.page.wait_for_function("window.viewer && viewer.layerManager.managedLayers.length")
        self.wait()

    def wait(self):
        self.page.wait_for_function(
            "viewer.layerManager.managedLayers.every(m => m.isReady()) && viewer.isReady()"
        )

    def hide(self, *names):
        """Show all layers but some."""
        self.page.evaluate(
            "names => viewer.layerManager.managedLayers"
            ".map(m => m.setVisible(!names.includes(m.name)))",
            names,
        )

    def place(self, **at):
        """Return where on the page a voxel of the first panel is drawn."""
        box = self.page.locator(".neuroglancer-rendered-data-panel").first.bounding_box()
        zoom = self.page.evaluate("viewer.state.toJSON().crossSectionScale")
        names = list(self.page.evaluate("viewer.state.toJSON().dimensions"))
        centre = dict(zip(names, self.page.evaluate("viewer.state.toJSON().position"), strict=True))
        return (
            box["x"] + box["width"] / 2 + (at["x"] - centre["x"]) / zoom,
            box["y"] + box["height"] / 2 + (at["y"] - centre["y"]) / zoom,
        )

    def colour(self, right=0, **at):
        """Return red, green and blue at a voxel, or so many pixels to its right."""
        from PIL import Image

        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        x, y = self.place(**at)
        return np.array(picture.getpixel((round(x) + right, round(y))), float)

    def click(self, number, **at):
        """Click on an object, and return what is then said of it, word by word."""
        x, y = self.place(**at)
        self.page.mouse.move(x - 3, y)
        self.page.mouse.move(x, y)
        says = (
            "([where, text]) =>"
            " [...document.querySelectorAll(where)]"
            ".some(e => e.innerText.split(/\\s+/).includes(text))"
        )
        self.page.wait_for_function(says, arg=[".neuroglancer-layer-item-value", str(number)])
        self.page.mouse.click(x, y)
        segment = ".neuroglancer-selection-details-segment"
        self.page.wait_for_function(says, arg=[segment, str(number)])
        return self.page.locator(SELECTION).inner_text().split()


@pytest.fixture
def page(chromium):
    shown = Page(chromium)
    yield shown
    shown.page.close()
    assert shown.errors == []
    assert shown.failed == []
    parts = [urllib.parse.urlsplit(address) for address in shown.asked]
    hosts = {part.hostname for part in parts if part.scheme not in ("blob", "data")}
    assert hosts == {"127.0.0.1"}


@pytest.fixture(scope="module")
def cells():
    """Three squares with large numbers, in an image that is black elsewhere."""
    numbers = np.zeros((60, 90), "u8")
    numbers[5:25, 10:30] = 7
    numbers[5:25, 50:70] = 2**53 + 1
    numbers[35:55, 30:50] = 2**64 - 5
    return numbers


def hue(number):
    from neuroglancer.segment_colors import hex_string_from_segment_id

    text = hex_string_from_segment_id(0, number)
    return np.array([int(text[n : n + 2], 16) for n in (1, 3, 5)], float)


CENTRES = {7: (15, 20), 2**53 + 1: (15, 60), 2**64 - 5: (45, 40)}


def table_of(centres=CENTRES):
    return pd.DataFrame(
        {
            "label": np.array(list(centres), "u8"),
            "n_voxels": [400, 401, 402],
            "mean": [0.5, np.nan, 2.25],
            "kind": ["round", "flat", "long"],
        }
    )


def test_objects_have_their_colours_and_a_click_shows_their_row(page, cells):
    labels = sc.open(cells, voxel_size=0.5, unit="um")
    with web(table_of(), labels=labels, open_browser=False) as view:
        page.open(view.address)
        for number, (y, x) in CENTRES.items():
            assert np.abs(page.colour(y=y, x=x) - hue(number)).max() < 5, number
        assert page.colour(y=30, x=80).max() < 25
        row = page.click(2**53 + 1, y=15, x=60)
        assert row[row.index("n_voxels") + 1] == "401"
        assert "mean" not in row  # it is missing
        assert row[row.index("kind") + 1] == "flat"
        row = page.click(2**64 - 5, y=45, x=40)
        assert row[row.index("mean") + 1] == "2.25"


def test_a_link_from_the_browser_shows_the_same_in_a_new_view(page, cells):
    with web(table_of(), labels=cells, open_browser=False) as view:
        page.open(view.address)
        page.click(2**53 + 1, y=15, x=60)
        page.page.evaluate("viewer.navigationState.zoomBy(0.5)")
        page.page.wait_for_function("location.hash.includes('selection')")
        page.page.wait_for_function(
            "decodeURIComponent(location.hash).includes(`:${viewer.state.toJSON().crossSectionScale}`)"
        )
        link = page.page.url
        before = page.page.evaluate("viewer.state.toJSON()")
        page.page.reload()
        page.wait()
        assert page.page.evaluate("viewer.state.toJSON()") == before
    with web(table_of(), labels=cells, link=link, open_browser=False) as view:
        page.open(view.address)
        after = page.page.evaluate("viewer.state.toJSON()")
        assert [layer.pop("source") for layer in after["layers"]] != [
            layer.pop("source") for layer in before["layers"]
        ]
        assert after == before
        assert np.abs(page.colour(y=15, x=20) - hue(7)).max() < 5
        assert str(2**53 + 1) in page.page.locator(SELECTION).inner_text()


def test_the_link_of_a_view_leads_to_it(page, cells):
    with web(labels=cells, open_browser=False) as view:
        page.open(view.link)
        assert np.abs(page.colour(y=15, x=20) - hue(7)).max() < 5


def test_images_points_and_regions_are_drawn_in_place(page, tmp_path):
    """A TIFF that is cropped, objects that a run has stored, an atlas of large voxels."""
    import tifffile

    voxels = np.zeros((12, 60, 80), "u2")
    voxels[4:8, 20:30, 30:40] = 1000
    tifffile.imwrite(tmp_path / "raw.tif", voxels)
    raw = sc.open(tmp_path / "raw.tif", axes="zyx", voxel_size=(1, 0.5, 0.5), unit="um")
    part = raw[2:, 10:, 5:]
    labels = sc.label(part > 500)
    table = sc.measure(labels)
    sc.run(labels, table, store=tmp_path / "store")
    atlas = np.full((3, 6, 8), 2, "u1")
    atlas[:, :, 4:] = 9
    areas = sc.open(atlas, voxel_size=(4, 5, 5), unit="um", origin=(1.5, 2.25, 2.25))
    regions = pd.DataFrame({"id": [2, 9], "name": ["cortex", "thalamus"]})
    with web(part, labels, table, regions, labels=areas, open_browser=False) as view:
        page.open(view.address)
        names = page.page.evaluate("viewer.layerManager.managedLayers.map(m => m.name)")
        assert names == ["raw.tif", "label", "array", "measure"]
        page.hide("label", "array", "measure")
        page.wait()
        assert page.colour(y=22, x=32).min() > 200  # in voxels of the uncropped image
        assert page.colour(y=17, x=32).max() < 30
        assert page.colour(y=22, x=42).max() < 30
        page.hide()
        page.wait()
        row = page.click(1, y=22, x=32)
        assert row[row.index("n_voxels") + 1] == "400"
        row = page.click(9, y=42, x=55)
        assert "thalamus" in row
        page.hide("raw.tif", "array", "label")
        page.page.mouse.move(0, 0)
        page.wait()
        assert page.colour(y=24.5, x=34.5).max() < 30
        rim = [page.colour(y=24.5, x=34.5, right=n) for n in range(3, 9)]
        assert any((colour[:2].min() > 200 and colour[2] < 60) for colour in rim)


def test_a_movie_shows_one_time_after_the_other(page):
    movie = np.zeros((3, 40, 60), "u2")
    movie[0, 10:20, 10:20] = movie[2, 10:20, 40:50] = 900
    image = sc.open(movie, axes="tyx", voxel_size=0.5, unit="um", time=TimeScale(0.5, "min"))
    with web(image, open_browser=False) as view:
        page.open(view.address)
        assert page.page.evaluate("viewer.state.toJSON().dimensions.t") == [30, "s"]
        assert page.colour(y=15, x=15).min() > 200
        page.page.evaluate("viewer.position.value = Float32Array.of(30, 20, 2)")
        page.wait()
        assert page.colour(y=15, x=15).max() < 30
        assert page.colour(y=15, x=45).min() > 200


def test_pictures_in_colour_are_drawn(page):
    picture = np.zeros((40, 60, 3), "u1")
    picture[10:20, 10:20] = (250, 100, 20)
    with web(sc.open(picture, axes="yxc"), open_browser=False) as view:
        page.open(view.address)
        assert np.abs(page.colour(y=15, x=15) - (250, 100, 20)).max() < 5


@pytest.mark.parametrize("dtype", ["bool", "int16", "int64", "uint64", "float16", "float64", ">u2"])
def test_images_of_each_type_are_drawn(page, dtype):
    voxels = np.zeros((40, 60))
    voxels[10:20, 10:20] = 1
    image = voxels.astype(dtype)
    with web(sc.open(image) if dtype != "bool" else image, open_browser=False) as view:
        page.open(view.address)
        assert page.colour(y=15, x=15).max() > 200
        assert page.colour(y=35, x=55).max() < 30


def test_ctrl_c_ends_the_command_at_once_with_a_page_open(page, tmp_path):
    labels = sc.label(sc.open(np.eye(40, dtype="u1")) > 0)
    sc.run(labels, store=tmp_path / "store")
    command = [sys.executable, "-m", "scutoid", "view", "label", "--web", "--no-browser"]
    command += ["--store", str(tmp_path / "store")]
    source = os.path.dirname(os.path.dirname(sc.__file__))  # noqa: PTH120
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": source}
    )
    try:
        address = process.stdout.readline().strip()
        page.open(address)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == 0
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
