"""One way of a chain of three steps, as a process: ``fusion_work.py WAY SIDE``.

Gaussian of sigma 2 (float32), threshold, labels of each block of 128^3 (shared faces): kept are the
numbers of labels and the outer planes of every block.
"""

from __future__ import annotations

import json
import shutil
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from scipy import ndimage

from blobs import CHUNK, WORK, prepare, volume
from objects_work import BLOCK, region, starts

SIGMA, HALO, LEVEL = 2.0, 8, 1200


def place_of(way, side):
    return WORK / f"fusion_{way}_{side}"


def fresh(way, side):
    place = place_of(way, side)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def smooth(image):
    return ndimage.gaussian_filter(image.astype("float32"), SIGMA)


def pieces(mask):
    """Label a block; return the number of labels and the outer planes."""
    import cc3d

    labels = cc3d.connected_components(
        np.ascontiguousarray(mask).view(np.uint8), connectivity=6, out_dtype=np.uint32
    )
    planes = {
        f"{name}{axis}": labels.take(at, axis)
        for axis in range(3)
        for name, at in (("low", 0), ("high", -1))
    }
    return int(labels.max()), planes


def limit(side):
    """Two bare threads, each chunk decoded once."""
    import zarr

    place = fresh("limit", side)
    read = zarr.open_array(volume(side), mode="r")
    cache, lock = {}, threading.Lock()

    def decoded(at):
        with lock:
            future = cache.get(at)
            mine = future is None
            if mine:
                future = cache[at] = Future()
        if mine:
            future.set_result(read[region([p * CHUNK for p in at], CHUNK)])
        return future.result()

    def block(start):
        low = [max(a - HALO, 0) for a in start]
        high = [min(a + BLOCK + HALO, side) for a in start]
        image = np.empty([b - a for a, b in zip(low, high, strict=True)], "uint16")
        spans = [range(a // CHUNK, (b - 1) // CHUNK + 1) for a, b in zip(low, high, strict=True)]
        for at in ((z, y, x) for z in spans[0] for y in spans[1] for x in spans[2]):
            into, taken = [], []
            for p, a, b in zip(at, low, high, strict=True):
                first, last = max(a, p * CHUNK), min(b, (p + 1) * CHUNK)
                into.append(slice(first - a, last - a))
                taken.append(slice(first - p * CHUNK, last - p * CHUNK))
            image[tuple(into)] = decoded(at)[tuple(taken)]
        inner = tuple(slice(s - a, s - a + BLOCK) for s, a in zip(start, low, strict=True))
        count, planes = pieces(smooth(image)[inner] > LEVEL)
        np.savez_compressed(place / ("_".join(map(str, start)) + ".npz"), **planes)
        return count

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(block, starts(side)))
    (place / "counts.json").write_text(json.dumps(counts))


def scutoid(side, way, executor, keep):
    import scutoid as sc

    place = fresh(way, side)
    smoothed = sc.gaussian.options(keep=keep)(sc.open(volume(side)), sigma=SIGMA)
    mask = sc.threshold.options(keep=keep)(smoothed, level=LEVEL)
    found = sc.ops.label_pieces(mask, connectivity=1)
    sc.run(found, store=place / "store", workers=2, executor=executor, block=BLOCK)
    counts = [len(part["first"]) for _, part in sorted(found.read().items())]
    (place / "counts.json").write_text(json.dumps(counts))


def dask(side):
    """Threads; the planes stay in memory."""
    import dask as engine
    import dask.array as da

    place = fresh("dask", side)
    image = da.from_zarr(str(volume(side))).rechunk(BLOCK)
    mask = image.map_overlap(smooth, depth=HALO, boundary="none", dtype="float32") > LEVEL
    found = engine.compute(*map(engine.delayed(pieces), mask.to_delayed().ravel()))
    (place / "counts.json").write_text(json.dumps([count for count, _ in found]))


def check(side):
    """Print the numbers of labels that each way found."""
    found = sorted(WORK.glob(f"fusion_*_{side}/counts.json"))
    counts = {path.parent.name.split("_")[1]: json.loads(path.read_text()) for path in found}
    same = [way for way, numbers in counts.items() if numbers == counts["limit"]]
    totals = {way: sum(numbers) for way, numbers in counts.items()}
    print(json.dumps({"same": same, "labels": totals}))


def main():
    way, side = sys.argv[1], int(sys.argv[2])
    ways = {
        "prepare": prepare,
        "check": check,
        "limit": limit,
        "fused-threads": lambda side: scutoid(side, way, "threads", keep=False),
        "fused-processes": lambda side: scutoid(side, way, "processes", keep=False),
        "kept-threads": lambda side: scutoid(side, way, "threads", keep=True),
        "kept-processes": lambda side: scutoid(side, way, "processes", keep=True),
        "dask": dask,
    }
    ways[way](side)


if __name__ == "__main__":
    main()
