"""Draw the page of a run for the documentation, light and dark: a run that goes on, and a failure.

Cells are simulated; one block of a step waits, and one fails, so that the page shows each state.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import scutoid as sc
from scutoid.steps import StepBlock

_WIDTH, _HEIGHT = 1200, 1000
_COLORS = 224
_SHAPE = (24, 256, 256)
_WAITING = (34, 41)
_HELD = "SCUTOID_PICTURE_HELD"


def cells() -> NDArray[np.uint16]:
    """Simulate bright cells in a volume."""
    rng = np.random.default_rng(0)
    image = np.zeros(_SHAPE)
    places = [rng.integers(6, size - 6, 220) for size in _SHAPE]
    image[tuple(places)] = rng.uniform(2e4, 9e4, 220)
    image = ndimage.gaussian_filter(image, (2, 4, 4))
    noisy: NDArray[np.uint16] = rng.poisson(image * 3 + 80).astype("uint16")
    return noisy


@sc.blockwise(dtype="same", version="1")
def quality(image: NDArray[np.uint16], *, block: StepBlock = sc.injected) -> NDArray[np.uint16]:
    """Refuse a block that is saturated; two of them wait as long as the picture is drawn."""
    if block.index == 9:
        raise ValueError("saturated: 12 % of the voxels are at 65535")
    while block.index in _WAITING and Path(os.environ[_HELD]).exists():
        time.sleep(0.05)
    return image


def run(store: Path) -> None:
    """Run a pipeline that is held up while the pictures are drawn."""
    raw = sc.open(cells(), axes="zyx", voxel_size=(2.0, 0.5, 0.5), unit="um")
    smooth = sc.gaussian(raw, sigma=(0.5, 1, 1))
    labels = sc.label(sc.threshold(smooth, level=140))
    table = sc.measure(labels, intensity=raw)
    sc.run(table, store=store, block=(8, 64, 64), check_halo=False, progress=False)
    checked = sc.white_tophat(quality.options(retries=0)(raw), radius=3)
    sc.run(
        checked, table, store=store, block=(8, 64, 64), workers=4, executor="threads",
        on_failure="return", check_halo=False, progress=False,
    )  # fmt: skip


def draw(folder: Path) -> None:
    """Write `serve.png` and `serve_dark.png`."""
    with tempfile.TemporaryDirectory() as place:
        held = Path(place) / "held"
        held.touch()
        store = Path(place) / "results"
        env = {**os.environ, _HELD: str(held)}
        running = subprocess.Popen([sys.executable, __file__, str(store)], env=env)
        command = [sys.executable, "-m", "scutoid", "serve", "--store", "results"]
        try:
            name = _begun(store, running)
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=place)
            try:
                _photograph(server, name, folder)
            finally:
                server.send_signal(signal.SIGINT)
                server.communicate()
        finally:
            held.unlink()
            running.wait()


def _begun(store: Path, running: subprocess.Popen[bytes]) -> str:
    """Return the name of the second run, in which some blocks are held up."""
    while len(list(store.glob("runs/2*/events.jsonl"))) < 2:
        if running.poll() is not None:
            raise RuntimeError("the run has ended before it was to be drawn")
        time.sleep(0.1)
    time.sleep(4)  # until nothing is left but what is held up
    return max((store / "runs").glob("2*")).name


def _photograph(server: subprocess.Popen[str], name: str, folder: Path) -> None:
    from playwright.sync_api import sync_playwright

    lines = iter(server.stdout or ())
    address = next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
    site = address.partition("?")[0]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for scheme, step, file in (("light", "quality", "serve"), ("dark", "label", "serve_dark")):
            page = browser.new_page(
                viewport={"width": _WIDTH, "height": _HEIGHT},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            page.goto(address)
            page.goto(f"{site}run/{name}#{step}")
            page.wait_for_selector(".run-graph .chosen")
            page.get_by_text("Versions", exact=True).wait_for()
            page.wait_for_load_state("load")
            for failure in page.locator("details[open]:has(pre) summary").all():
                failure.click()  # a traceback has paths of this machine
            page.wait_for_timeout(1500)  # pictures of steps
            path = folder / f"{file}.png"
            page.screenshot(path=path)
            with Image.open(path) as picture:
                picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=_COLORS).save(
                    path, optimize=True
                )
            page.close()
        browser.close()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
