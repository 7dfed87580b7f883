"""Draw a window of napari: labels as contours over an image, rings, and their table."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 1200, 860


def nuclei(seed: int = 3) -> NDArray[np.uint16]:
    """Simulate bright nuclei of several sizes on a dim, noisy ground, axes zyx."""
    random = np.random.default_rng(seed)
    shape = (24, 220, 340)
    image = random.normal(110, 6, shape)
    z, y, x = np.indices(shape)
    for _ in range(90):
        centre = random.uniform((2, 8, 8), np.array(shape) - (2, 8, 8))
        radii = random.uniform((2, 7, 7), (4, 12, 12))
        distance = sum(
            ((axis - at) / radius) ** 2
            for axis, at, radius in zip((z, y, x), centre, radii, strict=True)
        )
        image += random.uniform(150, 500) * np.exp(-(distance**2))
    return image.clip(0, 65535).astype(np.uint16)


def draw(folder: Path) -> None:
    """Write ``napari.png``."""
    warnings.simplefilter("ignore", DeprecationWarning)  # of napari and what it draws with
    from qtpy.QtWidgets import QApplication

    import scutoid as sc

    with tempfile.TemporaryDirectory() as place:
        image = sc.open(nuclei(), voxel_size=(2, 0.5, 0.5), unit="um")
        raw = sc.open(sc.export(image, Path(place) / "nuclei.ome.zarr"))
        smooth = sc.gaussian(raw, sigma=(0.5, 1.5, 1.5))
        cells = sc.split_touching.options(name="cells")(smooth > 190, min_distance=6)
        table = sc.measure.options(name="measured")(cells, intensity=raw, properties=())
        sc.run(cells, table, store=f"{place}/results", executor="threads", progress=False)
        viewer = sc.view(raw, cells, table, color_by="mean")
        window = viewer.window._qt_window  # noqa: SLF001 - napari has no other way to size it
        window.resize(WIDTH, HEIGHT)
        QApplication.processEvents()
        objects = viewer.window.dock_widgets["Objects"]
        viewer.reset_view()
        row = int(np.argmin(np.abs(table.to_pandas()["z"].to_numpy() - 22)))
        objects.select(objects.link, row)
        viewer.dims.set_point(0, 22)
        QApplication.processEvents()
        picture = viewer.screenshot(canvas_only=False, flash=False)
        viewer.close()
        few = Image.fromarray(picture[..., :3]).quantize(96)  # a file of less than 200 kB
        few.save(folder / "napari.png", optimize=True)
