"""One way of segmenting tile by tile and stitching, as a process: ``stitching_work.py WAY SIDE``.

Gaussian of sigma 1, threshold and labels (6-connected) of each tile of 128^3 with a halo of 16;
what is one object gets one number over all tiles, and all is kept as a zarr of integers.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time

import numpy as np
from scipy import ndimage

from blobs import CHUNK, LEVEL, WORK, prepare, volume
from harness import cpu_seconds

HALO = 16


def place_of(way, side):
    return WORK / f"stitching_{way}_{side}"


def segment(image):
    """Number the objects of a tile."""
    mask = ndimage.gaussian_filter(image.astype("float32"), 1) > LEVEL
    return ndimage.label(mask)[0].astype("int32")


def whole(side, place):
    """All at once, without tiles."""
    import zarr

    found = segment(zarr.open_array(volume(side), mode="r")[:])
    chunks = (CHUNK,) * 3
    zarr.create_array(place / "labels.zarr", data=found, chunks=chunks)


def scutoid(side, place, executor):
    """Blocks of the same shape, in two workers."""
    import scutoid as sc

    found = sc.stitch(sc.open(volume(side), axes="zyx"), segment=segment, halo=HALO)
    sc.run(found, store=place / "store", workers=2, executor=executor, block=CHUNK)


def patchworks(side, place):
    """Labels that touch at the face of two tiles are one, its default."""
    import dask.array as da
    from patchworks import tile_process

    tile_process(
        da.from_zarr(str(volume(side))),
        segment,
        tile_shape=(CHUNK,) * 3,
        overlap=HALO,
        max_workers=2,
        progress=False,
        write_to=place / "labels.zarr",
    )


DONE = {
    "whole": whole,
    "threads": lambda side, place: scutoid(side, place, "threads"),
    "processes": lambda side, place: scutoid(side, place, "processes"),
    "patchworks": patchworks,
}


def labels_of(way, side):
    """Read what a way has made."""
    import zarr

    place = place_of(way, side)
    if way in ("whole", "patchworks"):
        read = zarr.open(place / "labels.zarr", mode="r")
        return (read if isinstance(read, zarr.Array) else read["labels"])[:]
    import scutoid as sc

    (path,) = (place / "store" / "stitch").glob("*/image.ome.zarr")
    return np.asarray(sc.open(path))


def same_objects(found, expected):
    """Whether two label images differ at most in their numbers."""
    if not np.array_equal(found > 0, expected > 0):
        return False
    inside = expected > 0
    pairs = np.unique(np.stack([found[inside], expected[inside]]).astype(np.int64), axis=1)
    return all(len(np.unique(one)) == pairs.shape[1] for one in pairs)


def check(side):
    """Print which ways have found the objects of the whole array, and how many these are."""
    expected = labels_of("whole", side)
    made = [way for way in DONE if place_of(way, side).exists()]
    same = [way for way in made if same_objects(labels_of(way, side), expected)]
    print(json.dumps({"n": int(expected.max()), "made": made, "same": same}))


def measured(way, side):
    """Do the work; print its wall time and the processor time of all its processes."""
    place = place_of(way, side)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for module in ("zarr", {"whole": "zarr", "patchworks": way}.get(way, "scutoid.ops")):
        importlib.import_module(module)
    begun, before = time.perf_counter(), cpu_seconds(os.getpid())
    DONE[way](side, place)
    # Worker processes that wait for more work are counted as well
    wall, cpu = time.perf_counter() - begun, cpu_seconds(os.getpid()) - before
    print(json.dumps({"wall": wall, "cpu": cpu}))


def main():
    way, side = sys.argv[1], int(sys.argv[2])
    if way in ("prepare", "check"):
        {"prepare": prepare, "check": check}[way](side)
    else:
        measured(way, side)


if __name__ == "__main__":
    main()
