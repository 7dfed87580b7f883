"""Draw pictures of reports for the documentation: of the demonstration, and of a plate."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import scutoid as sc
from scutoid.cli._demo import run_demo

_WIDTH, _HEIGHT = 1200, 760
_COLORS = 96


@sc.step(version="1", labels=True, dtype="uint16", out="image")
def nuclei(image: NDArray[np.uint16], *, level: float) -> NDArray[np.uint16]:
    """Label what is brighter than a level."""
    smooth = ndimage.gaussian_filter(image.astype(float), 1.5)
    found: NDArray[np.uint16] = ndimage.label(smooth > level)[0].astype("uint16")
    return found


@sc.step(version="1")
def quality(image: NDArray[np.uint16], labels: NDArray[np.uint16]) -> dict[str, float]:
    """Count nuclei, and measure how sharp the image is."""
    sharp = float(ndimage.laplace(image.astype(float)).std())
    return {"nuclei": int(labels.max()), "sharpness": round(sharp, 1)}


def plate(folder: Path) -> None:
    """Simulate 24 wells of nuclei; one of them is out of focus, one is empty."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(24):
        image = np.zeros((128, 128))
        for y, x in rng.integers(10, 118, (0 if n == 13 else rng.integers(12, 30), 2)):
            image[y, x] = rng.uniform(3e4, 9e4)
        image = ndimage.gaussian_filter(image, 12 if n == 8 else 4)
        noisy = rng.poisson(image + 60).astype("uint16")
        np.save(folder / f"{'ABCD'[n // 6]}{n % 6 + 1:02d}.npy", noisy)


def draw(folder: Path) -> None:
    """Write `report.png`, `report_dark.png` and `report_members.png`."""
    with tempfile.TemporaryDirectory() as place:
        run_demo(Path(place) / "demo", 2)
        brain = sc.report(Path(place) / "demo" / "results")
        plate(Path(place) / "plate")
        raw = sc.open_folder(Path(place) / "plate" / "*.npy")
        labels = nuclei(raw, level=150.0)
        run = sc.run(quality(raw, labels), store=Path(place) / "store", workers=1)
        _shoot(folder / "report.png", brain, "light")
        _shoot(folder / "report_dark.png", brain, "dark")
        _shoot(folder / "report_members.png", sc.report(run), "light", column="sharpness", tall=480)


def _shoot(path: Path, page: Path, scheme: str, *, column: str = "", tall: int = _HEIGHT) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        size = {"width": _WIDTH, "height": tall}
        shown = browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
        shown.goto(page.as_uri())
        if column:
            shown.select_option("#sort-by", label=column)
            shown.click("#sort-turn")
            shown.locator(".gallery").locator("xpath=..").scroll_into_view_if_needed()
            shown.evaluate("scrollTo(0, document.querySelector('.controls').offsetTop - 60)")
        shown.screenshot(path=path)
        browser.close()
    Image.open(path).convert("RGB").quantize(_COLORS).save(path, optimize=True)


if __name__ == "__main__":
    draw(Path(__file__).parents[2] / "docs" / "images")
