"""One way of measuring many small objects, as a process: ``measures_work.py WAY SIDE``.

Labels are balls in cells of 5^3 voxels (uint32), the intensity is the volume of ``blobs.py``; both
are zarrs of chunks of 128^3.  A ball has 7 to 57 voxels.
"""

from __future__ import annotations

import itertools
import json
import shutil
import sys

import numpy as np

from blobs import CHUNK, WORK, volume
from blobs import prepare as prepare_intensity

CELL, BLOCK = 5, 128
PROPERTIES = {
    "label": "label",
    "area": "n_voxels",
    **{f"centroid-{n}": f"{axis}_voxel" for n, axis in enumerate("zyx")},
    **{f"bbox-{n}": f"bbox_{axis}0" for n, axis in enumerate("zyx")},
    **{f"bbox-{n + 3}": f"bbox_{axis}1" for n, axis in enumerate("zyx")},
    **{f"intensity_{name}": name for name in ("mean", "min", "max", "std")},
}


def source(side):
    return WORK / f"balls_{side}.zarr"


def place_of(way, side):
    return WORK / f"measures_{way}_{side}"


def fresh(way, side):
    place = place_of(way, side)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def prepare(side):
    """Write the labels, chunk by chunk, and the intensity."""
    import zarr

    prepare_intensity(side)
    if source(side).exists():
        return
    per_axis = side // CELL
    radii = np.random.default_rng(0).uniform(1.0, 2.4, per_axis**3)
    beside = source(side).with_suffix(".part")
    array = zarr.create_array(
        beside, shape=(side,) * 3, chunks=(CHUNK,) * 3, dtype="uint32", overwrite=True
    )
    for start in itertools.product(range(0, side, CHUNK), repeat=3):
        axes = [np.arange(s, min(s + CHUNK, side)) for s in start]
        cells = np.meshgrid(*(a // CELL for a in axes), indexing="ij", sparse=True)
        apart = sum(
            d**2 for d in np.meshgrid(*(a % CELL - 2 for a in axes), sparse=True, indexing="ij")
        )
        number = (cells[0] * per_axis + cells[1]) * per_axis + cells[2]
        whole = (cells[0] < per_axis) & (cells[1] < per_axis) & (cells[2] < per_axis)
        radius = radii[np.where(whole, number, 0)]
        array[tuple(slice(a[0], a[-1] + 1) for a in axes)] = np.where(
            whole & (apart <= radius**2), number + 1, 0
        )
    beside.rename(source(side))


def skimage(side):
    """The whole array at once."""
    import pandas as pd
    import zarr
    from skimage.measure import regionprops_table

    place = fresh("skimage", side)
    labels, image = (zarr.open_array(path, mode="r")[:] for path in (source(side), volume(side)))
    wanted = ("label", "area", "centroid", "bbox")
    wanted += tuple(f"intensity_{name}" for name in ("mean", "min", "max", "std"))
    table = regionprops_table(labels.astype("int64"), image, properties=wanted)
    pd.DataFrame(table).rename(columns=PROPERTIES).to_parquet(place / "table.parquet")


def scutoid(side, executor):
    import scutoid as sc

    place = fresh(executor, side)
    table = sc.measure(sc.open(source(side)), intensity=sc.open(volume(side)))
    sc.run(table, store=place / "store", workers=2, executor=executor, block=BLOCK)


def check(side):
    """Print the number of objects, and how far the columns are from skimage's."""
    import pandas as pd

    expected = pd.read_parquet(place_of("skimage", side) / "table.parquet")
    off = {}
    for executor in ("threads", "processes"):
        (path,) = place_of(executor, side).glob("store/measure/*/table.parquet")
        found = pd.read_parquet(path)
        apart = (found[list(expected.columns)] - expected).abs().max()
        off[executor] = {name: float(value) for name, value in apart.items() if value > 0}
    print(json.dumps({"objects": len(expected), "off": off}))


def main():
    way, side = sys.argv[1], int(sys.argv[2])
    ways = {
        "prepare": prepare,
        "check": check,
        "skimage": skimage,
        "threads": lambda side: scutoid(side, "threads"),
        "processes": lambda side: scutoid(side, "processes"),
    }
    ways[way](side)


if __name__ == "__main__":
    main()
