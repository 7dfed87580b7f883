"""Draw Neuroglancer with a cell of the demonstration that was clicked, and its row."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pandas as pd
from PIL import Image

import scutoid as sc
from scutoid.cli._demo import run_demo
from scutoid.cli._demo_pipeline import REGIONS

_SIZE = {"width": 1200, "height": 760}
_COLORS = 200
_READY = "viewer.layerManager.managedLayers.every(m => m.isReady()) && viewer.isReady()"
_WEBGL = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def draw(folder: Path) -> None:
    """Write `neuroglancer.png`."""
    with tempfile.TemporaryDirectory() as place:
        run_demo(Path(place), 2)
        store, data = sc.Store(Path(place) / "results"), Path(place) / "brain"
        brain = sc.open(data / "brain.ome.zarr")
        regions = pd.DataFrame({"id": list(REGIONS), "name": list(REGIONS.values())})
        atlas = sc.open(data / "regions.ome.zarr")
        shown = (brain, store["cells"], store["measure"], regions)
        with sc.views.web(*shown, labels=atlas, open_browser=False) as page:
            _shoot(folder / "neuroglancer.png", page.address, _cell(store["measure"].to_pandas()))


def _cell(table: pd.DataFrame) -> tuple[float, float, float]:
    """Return the place of the cell nearest to the middle of all, in voxels: z, y, x."""
    places = table[["z_voxel", "y_voxel", "x_voxel"]]
    z, y, x = places.loc[((places - places.mean()) ** 2).sum(axis=1).idxmin()]
    return z, y, x


def _shoot(path: Path, address: str, cell: tuple[float, float, float]) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_WEBGL)
        shown = browser.new_page(viewport=_SIZE)  # type: ignore[arg-type]
        shown.goto(address)
        shown.wait_for_function("window.viewer && viewer.layerManager.managedLayers.length")
        shown.wait_for_function(_READY)
        z, y, x = map(round, cell)
        shown.evaluate(f"viewer.position.value = Float32Array.of({x - 20}, {y}, {z})")
        shown.wait_for_function(_READY)
        box = shown.locator(".neuroglancer-rendered-data-panel").first.bounding_box()
        if box is None:
            raise RuntimeError("the page has no panel")
        right = 20 / shown.evaluate("viewer.state.toJSON().crossSectionScale")
        place = box["x"] + box["width"] / 2 + right, box["y"] + box["height"] / 2
        shown.mouse.move(place[0] - 5, place[1])
        shown.mouse.move(*place)
        shown.wait_for_timeout(1000)
        shown.mouse.click(*place)
        shown.wait_for_selector(".neuroglancer-selection-details-segment")
        shown.wait_for_function(_READY)
        shown.screenshot(path=path)
        browser.close()
    Image.open(path).convert("RGB").quantize(_COLORS).save(path, optimize=True)
