"""Draw the contact sheet of the docs: a sweep over simulated nuclei."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

import scutoid as sc

_SIDE = 400


def draw(folder: Path) -> None:
    """Write ``sheet.png``.

    Parameters
    ----------
    folder : Path
        Where it is written.
    """
    truth, raw = _nuclei()
    smooth = sc.gaussian(sc.open(raw, voxel_size=0.5, unit="um"), sigma=1)
    cells = sc.label(sc.remove_small(sc.threshold(smooth, level=300), min_size=12))
    choices = {"gaussian.sigma": [0.5, 2, 5], "threshold.level": [220, 300, 450, 700]}
    region = {"y": (100, 260), "x": (100, 310)}
    png = sc.sweep(cells, choices, region, truth=truth).sheet()
    Image.open(io.BytesIO(png)).quantize(64).save(folder / "sheet.png", optimize=True)


def _nuclei() -> tuple[np.ndarray, np.ndarray]:
    """Return labels of nuclei, and an image of them with noise."""
    random = np.random.default_rng(5)
    grid = np.indices((_SIDE, _SIDE)).astype(float)
    truth = np.zeros((_SIDE, _SIDE), np.uint32)
    light = np.zeros((_SIDE, _SIDE))
    for number, centre in enumerate(random.uniform(0, _SIDE, (190, 2)), 1):
        axes = random.uniform(7, 13, 2)
        inside = sum(((g - c) / a) ** 2 for g, c, a in zip(grid, centre, axes, strict=True)) < 1
        if not ndimage.binary_dilation(inside, iterations=2)[truth > 0].any():
            truth[inside] = number
            light[inside] = random.uniform(350, 1600)
    blurred = ndimage.gaussian_filter(light, 1.5) + 100
    noisy = random.poisson(blurred) + random.normal(0, 40, blurred.shape)
    return truth, noisy.clip(0, 65535).astype(np.uint16)
