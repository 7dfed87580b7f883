"""One way of making a pyramid, as a process: ``pyramids_work.py WAY SIDE``.

Four levels by the mean of 2^3 voxels, from the volume of ``blobs.py`` to zarr, the first a copy.
"""

from __future__ import annotations

import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from blobs import CHUNK, WORK, prepare, volume

LEVELS, BLOCK = 4, 128


def place_of(way, side):
    return WORK / f"pyramid_{way}_{side}"


def fresh(way, side):
    place = place_of(way, side)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def halved(image):
    """The mean of 2^3 voxels, ties to even."""
    total = image.astype(np.uint32)
    for axis in range(3):
        low, high = ((slice(None),) * axis + (slice(n, None, 2),) for n in (0, 1))
        total = total[low] + total[high]
    return ((total + 3 + ((total >> 3) & 1)) >> 3).astype(image.dtype)


def limit(side):
    """One pass of two bare threads: each block is read once, and all its levels are written."""
    import zarr

    place = fresh("limit", side)
    read = zarr.open_array(volume(side), mode="r")
    levels = [
        zarr.create_array(
            place / str(n), shape=(side >> n,) * 3, chunks=(CHUNK >> n,) * 3, dtype="uint16"
        )
        for n in range(LEVELS)
    ]

    def block(start):
        image = read[tuple(slice(s, s + BLOCK) for s in start)]
        for n, level in enumerate(levels):
            image = halved(image) if n else image
            level[tuple(slice(s >> n, (s + BLOCK) >> n) for s in start)] = image

    where = range(0, side, BLOCK)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(block, [(z, y, x) for z in where for y in where for x in where]))


def scutoid(side, executor):
    import scutoid as sc

    place = fresh(executor, side)
    result = sc.pyramid(sc.open(volume(side)), levels=LEVELS)
    sc.run(result, store=place / "store", workers=2, executor=executor, block=BLOCK)


def dask(side):
    """Coarsened level by level, all stored in one go."""
    import dask.array as da
    import zarr

    place = fresh("dask", side)
    images = [da.from_zarr(str(volume(side)))]
    for _ in range(1, LEVELS):
        mean = da.coarsen(np.mean, images[-1], dict.fromkeys(range(3), 2))
        images.append(da.rint(mean).astype("uint16"))
    targets = [
        zarr.create_array(place / str(n), shape=image.shape, chunks=image.chunksize, dtype="uint16")
        for n, image in enumerate(images)
    ]
    da.store(images, targets, lock=False)


def ome_zarr(side):
    """ome-zarr-py; only factors that name the axis shrink z."""
    import dask.array as da
    from ome_zarr.scale import Methods
    from ome_zarr.writer import write_image

    write_image(
        da.from_zarr(str(volume(side))),
        str(fresh("ome-zarr", side)),
        scale_factors=[dict.fromkeys("zyx", 2**n) for n in range(1, LEVELS)],
        method=Methods.LOCAL_MEAN,
        axes="zyx",
    )


def ngff_zarr(side):
    import dask.array as da
    import ngff_zarr as peer

    image = peer.to_ngff_image(da.from_zarr(str(volume(side))), dims=["z", "y", "x"])
    factors = [2**n for n in range(1, LEVELS)]
    scales = peer.to_multiscales(
        image, scale_factors=factors, method=peer.Methods.ITKWASM_BIN_SHRINK, chunks=CHUNK
    )
    peer.to_ngff_zarr(str(fresh("ngff-zarr", side)), scales, version="0.5")


def arrays_of(place):
    """The arrays below a folder, the largest first."""
    import zarr

    found = [
        zarr.open_array(path.parent, mode="r")
        for path in place.rglob("zarr.json")
        if json.loads(path.read_text())["node_type"] == "array"
    ]
    return sorted(found, key=lambda array: -array.size)


def check(side):
    """Print for each way how many levels differ from the limit's, and by how much at most."""
    expected = [level[:] for level in arrays_of(place_of("limit", side))]
    off = {}
    for place in sorted(WORK.glob(f"pyramid_*_{side}")):
        levels = arrays_of(place)
        shapes = [level.shape for level in levels]
        assert shapes == [level.shape for level in expected], (place, shapes)
        off[place.name.split("_")[1]] = [
            int(np.abs(level[:].astype(int) - truth).max())
            for level, truth in zip(levels, expected, strict=True)
        ]
    print(json.dumps(off))


def main():
    way, side = sys.argv[1], int(sys.argv[2])
    ways = {
        "prepare": prepare,
        "check": check,
        "limit": limit,
        "threads": lambda side: scutoid(side, "threads"),
        "processes": lambda side: scutoid(side, "processes"),
        "dask": dask,
        "ome-zarr": ome_zarr,
        "ngff-zarr": ngff_zarr,
    }
    ways[way](side)


if __name__ == "__main__":
    main()
