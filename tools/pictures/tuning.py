"""Draw the picture of a pipeline that is tuned in napari, on simulated nuclei."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import scutoid as sc

_WIDTH, _HEIGHT = 1200, 760
_COLORS = 160


def nuclei() -> NDArray[np.uint16]:
    """Simulate a plane of nuclei of several sizes, some of which touch, on an uneven ground."""
    rng = np.random.default_rng(4)
    size = 700
    image = np.zeros((size, size))
    y, x = np.indices((60, 60)) - 30.0
    for cy, cx in rng.uniform(40, size - 40, (230, 2)).round().astype(int):
        angle, long = rng.uniform(0, np.pi), rng.uniform(9, 16)
        along = (np.cos(angle) * y + np.sin(angle) * x) / long
        across = (np.cos(angle) * x - np.sin(angle) * y) / (long * rng.uniform(0.6, 0.95))
        here = image[cy - 30 : cy + 30, cx - 30 : cx + 30]
        np.maximum(here, rng.uniform(300, 900) * (along**2 + across**2 < 1), out=here)
    ground = 150 + 120 * np.sin(np.arange(size) / 220)[:, np.newaxis]
    blurred = ndimage.gaussian_filter(image, 2.0) + ground
    noisy: NDArray[np.uint16] = rng.poisson(blurred).astype("uint16")
    return noisy


@sc.pipeline
def cells(  # type: ignore[no-untyped-def]
    raw: Any,
    smoothing: float = 2.0,
    background_radius: float | None = 40.0,
    factor: float = 0.9,
    smallest: int = 60,
):
    """Find nuclei, and part those that touch."""
    flat = (
        raw if background_radius is None else sc.subtract_background(raw, radius=background_radius)
    )
    smooth = sc.gaussian(flat, sigma=smoothing)
    level = sc.otsu(smooth)
    mask = sc.remove_small(sc.threshold(smooth, level=level * factor), min_size=smallest)
    return sc.split_touching(mask), level


def draw(folder: Path) -> None:
    """Draw napari with the image, its cells as outlines, and the sliders."""
    from qtpy.QtWidgets import QApplication

    raw = sc.open(nuclei(), voxel_size=0.3, unit="um")
    tuning = sc.tune(cells, raw, ranges={"factor": (0.5, 1.5), "background_radius": (5, 100)})
    window = tuning.viewer.window
    window.resize(_WIDTH, _HEIGHT)

    def settle() -> None:
        """Let the window come to its size and be drawn, then the region to its place."""
        drawn, end = time.monotonic() + 1, time.monotonic() + 120
        while time.monotonic() < drawn or not (tuning.is_idle and tuning.results):
            QApplication.processEvents()
            if time.monotonic() > end:
                raise TimeoutError(tuning.panel.message.text())

    settle()
    tuning.set(factor=0.75, smoothing=2.4)
    getattr(tuning.viewer, "scene", tuning.viewer).camera.zoom *= 2.0
    settle()
    tuning.viewer.layers[0].name = "nuclei"
    picture = tuning.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
    tuning.close()
    tuning.viewer.close()
    image = Image.fromarray(np.ascontiguousarray(picture))
    image = image.resize((_WIDTH, round(image.height * _WIDTH / image.width)))
    image.quantize(_COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        folder / "tuning.png", optimize=True
    )
