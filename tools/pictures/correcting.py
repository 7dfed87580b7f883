"""Proof-reading before and after: a window with nuclei that were taken for one, and corrected."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scutoid as sc

SHAPE = (24, 200, 260)
VOXEL = (1.0, 0.4, 0.4)


def simulated() -> tuple[NDArray[Any], NDArray[Any]]:
    """Return an image of nuclei, zyx, and labels of them with faults: joined, in two, dust."""
    rng = np.random.default_rng(3)
    z, y, x = (axis * size for axis, size in zip(np.indices(SHAPE), VOXEL, strict=True))
    image = np.full(SHAPE, 100.0)
    labels = np.zeros(SHAPE, np.uint32)
    number = 0
    for row in range(4):
        for column in range(5):
            number += 1
            centre = rng.normal((12, 12 + 19 * row, 12 + 20 * column), (0.5, 1.0, 1.0))
            radii = rng.normal((6.0, 6.5, 6.5), 0.4)
            parts = zip((z, y, x), centre, radii, strict=True)
            inside = sum(((axis - c) / r) ** 2 for axis, c, r in parts)
            image += rng.uniform(500, 800) * np.exp(-np.maximum(inside - 0.4, 0) * 1.6)
            labels[inside < 1] = number
    middle = labels == 8
    bridge = (np.abs(y - 40.5) < 5) & (np.abs(x - 50) < 2) & (np.abs(z - 12) < 3)
    image[bridge] = np.maximum(image[bridge], 450)
    labels[bridge & (labels == 0)] = 8
    labels[labels == 13] = 8  # one nucleus with the one below it
    labels[middle & (x > 54)] = 21  # and a part of it is another
    labels[11:14, 66:70, 92:96] = 22
    return rng.poisson(image).astype(np.uint16), labels


def draw(folder: Path) -> None:
    """Write correcting-before.png and correcting-after.png."""
    array, numbers = simulated()
    image = sc.open(array, voxel_size=VOXEL, unit="um")
    labels = sc.open(numbers, voxel_size=VOXEL, unit="um")
    table = sc.suspicious(labels, image).to_pandas()
    table = table[~table["touches_edge"]]
    with tempfile.TemporaryDirectory() as place:
        window = sc.correct(
            labels, image, corrections=f"{place}/cells.corrections", table=table, show=False
        )
        viewer = window.viewer
        viewer.window.resize(1200, 760)
        viewer.screenshot(canvas_only=False, flash=False)  # lays the window out
        for _ in range(len(table) - 1):  # the last is the one of two nuclei
            window.next()
        viewer.scene.camera.zoom = 8.5
        _settle()
        window.layer.contour = 2
        _picture(window, folder / "correcting-before.png")
        window.pick(window.layer.data_to_world((12, 67, 93)))
        window.delete()
        window.pick(window.layer.data_to_world((12, 75, 124)))
        window.pick(window.layer.data_to_world((12, 75, 140)))
        window.join()
        window.seeds.data = np.array([[12, 78, 128], [12, 125, 122]])
        window.split()
        _picture(window, folder / "correcting-after.png")
        window.ask = lambda _: "discard"
        viewer.close()


def _settle() -> None:
    """Let the window draw all that has changed."""
    from qtpy.QtTest import QTest

    QTest.qWait(500)


def _picture(window: Any, path: Path) -> None:
    from PIL import Image

    for _ in range(2):  # the first lays out what has moved
        window.viewer.screenshot(canvas_only=False, flash=False)
        _settle()
    shot = window.viewer.screenshot(canvas_only=False, flash=False)
    Image.fromarray(shot[..., :3]).quantize(256).save(path, optimize=True)
