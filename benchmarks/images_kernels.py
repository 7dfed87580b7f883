"""What the benchmark of folders does to each image, the same in every way, and where it lies."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from scipy import ndimage

WORK = Path(__file__).parent / "scratch"
SIDE, SIGMA, LEVEL = 512, 1.0, 1200.0


def denoise(image):
    return ndimage.gaussian_filter(image.astype("float32"), SIGMA)


def mask_of(smooth):
    return smooth > LEVEL


def count(mask):
    return int(ndimage.label(mask)[1])


def read(path):
    import tifffile

    return tifffile.imread(path)


def write(path, array):
    import tifffile

    tifffile.imwrite(path, array)


def folder_of(n):
    return WORK / f"images_{n}"


def files_of(n):
    return sorted(folder_of(n).glob("*.tif"))


def out_of(way, n):
    return WORK / f"images_{n}_{way}"


def write_table(out, rows):
    """Write the counts, and return their sum, by which the ways are compared."""
    with (out / "counts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("key", "value"), *rows])
    return sum(found for _, found in rows)


def read_table(out):
    """Return the counts that an earlier run wrote, by name."""
    path = out / "counts.csv"
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {key: int(found) for key, found in list(csv.reader(file))[1:]}


def prepare(n):
    """Write images of noise and some bright discs, each unlike the others."""
    if len(files_of(n)) == n:
        return
    folder_of(n).mkdir(parents=True, exist_ok=True)
    y, x = np.ogrid[:32, :32]
    disc = ((y - 16) ** 2 + (x - 16) ** 2 < 120) * 2000.0
    for number in range(n):
        rng = np.random.default_rng(number)
        image = rng.normal(400, 60, (SIDE, SIDE))
        for top, left in rng.integers(0, SIDE - 32, (40, 2)):
            image[top : top + 32, left : left + 32] += disc
        write(folder_of(n) / f"{number:05}.tif", image.clip(0, 65535).astype("uint16"))
