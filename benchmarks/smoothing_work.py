"""One way of smoothing a zarr, as a process of its own: ``smoothing_work.py WAY CHUNK [SIDE]``.

Gaussian of sigma 2 on SIDE^3 uint16 (512^3), blocks of 128^3 with a halo of 8, to float32.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from scipy import ndimage

WORK = Path(__file__).parent / "scratch"
BLOCK, HALO, SIGMA = 128, 8, 2.0
SIDE = int(sys.argv[3]) if len(sys.argv) > 3 else 512


def source(chunk):
    return WORK / f"smoothing_{SIDE}_{chunk}.zarr"


def smooth(image):
    return ndimage.gaussian_filter(image.astype("float32"), SIGMA)


def prepare(chunk):
    """Write the input: smoothed noise."""
    import zarr

    if source(chunk).exists():
        return
    rng = np.random.default_rng(0)
    array = zarr.create_array(source(chunk), shape=(SIDE,) * 3, chunks=(chunk,) * 3, dtype="uint16")
    for z in range(0, SIDE, BLOCK):
        noise = ndimage.gaussian_filter(rng.random((BLOCK, SIDE, SIDE), dtype="float32"), 1.5)
        noise = (noise - noise.min()) / np.ptp(noise)
        array[z : z + BLOCK] = (noise * 4000).astype("uint16")


def target(way, chunk, create):
    import zarr

    path = WORK / f"smoothed_{way}.zarr"
    shutil.rmtree(path, ignore_errors=True)
    shape = {"shape": (SIDE,) * 3, "chunks": (chunk,) * 3, "dtype": "float32"}
    return path, zarr.create_array(path, **shape) if create else None


def limit(chunk):
    """Two bare threads, each chunk decoded once, written in whole chunks."""
    import zarr

    read = zarr.open_array(source(chunk), mode="r")
    _, out = target("limit", chunk, create=True)
    cache, lock = {}, threading.Lock()

    def decoded(place):
        with lock:
            future = cache.get(place)
            mine = future is None
            if mine:
                future = cache[place] = Future()
        if mine:
            future.set_result(read[tuple(slice(p * chunk, (p + 1) * chunk) for p in place)])
        return future.result()

    def block(start):
        low = [max(a - HALO, 0) for a in start]
        high = [min(a + BLOCK + HALO, SIDE) for a in start]
        image = np.empty([b - a for a, b in zip(low, high, strict=True)], "uint16")
        ranges = [range(a // chunk, (b - 1) // chunk + 1) for a, b in zip(low, high, strict=True)]
        for place in ((z, y, x) for z in ranges[0] for y in ranges[1] for x in ranges[2]):
            into, taken = [], []
            for p, a, b in zip(place, low, high, strict=True):
                first, last = max(a, p * chunk), min(b, (p + 1) * chunk)
                into.append(slice(first - a, last - a))
                taken.append(slice(first - p * chunk, last - p * chunk))
            image[tuple(into)] = decoded(place)[tuple(taken)]
        inner = tuple(slice(s - a, s - a + BLOCK) for s, a in zip(start, low, strict=True))
        out[tuple(slice(s, s + BLOCK) for s in start)] = smooth(image)[inner]

    starts = range(0, SIDE, BLOCK)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(block, [(z, y, x) for z in starts for y in starts for x in starts]))


def scutoid(chunk, executor):
    import scutoid as sc

    store = WORK / f"store_{executor}"
    shutil.rmtree(store, ignore_errors=True)
    result = sc.gaussian(sc.open(source(chunk)), sigma=SIGMA)
    sc.run(result, store=store, workers=2, executor=executor, block=BLOCK)


def dask(chunk, way="dask"):
    import dask.array as da

    path, _ = target(way, chunk, create=False)
    image = da.from_zarr(str(source(chunk))).rechunk(BLOCK)
    result = image.map_overlap(smooth, depth=HALO, boundary="none", dtype="float32")
    result.rechunk(chunk).to_zarr(str(path))


def distributed(chunk):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster),
    ):
        dask(chunk, "distributed")


def cubed(chunk):
    import cubed as peer

    path, _ = target("cubed", chunk, create=False)
    spec = peer.Spec(work_dir=str(WORK / "cubed"), allowed_mem="2GB", executor_name="processes")
    image = peer.from_zarr(str(source(chunk)), spec=spec).rechunk((BLOCK,) * 3)
    # It pads with a constant at the image's edge, and leaves the cropping to the function.
    inner = (slice(HALO, -HALO),) * 3
    result = peer.map_overlap(
        lambda block: smooth(block)[inner],
        image,
        dtype="float32",
        chunks=image.chunks,
        depth=HALO,
        boundary=0,
    )
    peer.to_zarr(result, str(path), max_workers=2)


def daisy(chunk):
    os.chdir(WORK)  # it writes its logs there

    import daisy as engine
    import zarr

    path, _ = target("daisy", chunk, create=True)

    def process(block):
        read = zarr.open_array(source(chunk), mode="r")
        out = zarr.open_array(path, mode="r+")
        low = [max(a, 0) for a in block.read_roi.begin]
        high = [min(b, SIDE) for b in block.read_roi.end]
        image = smooth(read[tuple(slice(a, b) for a, b in zip(low, high, strict=True))])
        begin, end = block.write_roi.begin, block.write_roi.end
        inner = tuple(slice(s - a, e - a) for s, e, a in zip(begin, end, low, strict=True))
        out[tuple(slice(s, e) for s, e in zip(begin, end, strict=True))] = image[inner]

    whole = engine.Roi((-HALO,) * 3, (SIDE + 2 * HALO,) * 3)
    task = engine.Task(
        "smooth",
        total_roi=whole,
        read_roi=engine.Roi((-HALO,) * 3, (BLOCK + 2 * HALO,) * 3),
        write_roi=engine.Roi((0,) * 3, (BLOCK,) * 3),
        process_function=process,
        read_write_conflict=False,
        max_workers=2,
    )
    assert engine.run_blockwise([task], progress=False, summary=False)


def check(_chunk):
    """Print how far each result is from the limit's: without the image's faces, and with them.

    The result of a system that was not run is left out.
    """
    import zarr

    expected = zarr.open_array(WORK / "smoothed_limit.zarr", mode="r")[:]
    inner = (slice(HALO, -HALO),) * 3
    found = {
        way: WORK / f"smoothed_{way}.zarr" for way in ("dask", "distributed", "cubed", "daisy")
    }
    for executor in ("threads", "processes"):
        arrays = (WORK / f"store_{executor}").glob("gaussian/*/image.ome.zarr/0")
        found[f"scutoid, {executor}"] = next(arrays)
    off = {}
    for way, path in found.items():
        if path.exists():
            apart = np.abs(zarr.open_array(path, mode="r")[:] - expected)
            off[way] = [float(apart[inner].max()), float(apart.max())]
    print(json.dumps(off))


def main():
    way, chunk = sys.argv[1], int(sys.argv[2])
    ways = {
        "prepare": prepare,
        "check": check,
        "limit": limit,
        "threads": lambda c: scutoid(c, "threads"),
        "processes": lambda c: scutoid(c, "processes"),
        "dask": dask,
        "distributed": distributed,
        "cubed": cubed,
        "daisy": daisy,
    }
    ways[way](chunk)


if __name__ == "__main__":
    main()
