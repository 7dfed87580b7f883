"""One way from voxels to a table of objects, as a process: ``objects_work.py WAY HOPS SIDE``.

Threshold, labels over all blocks of 128^3, and a table of the objects (voxels, centroid, bounding
box, mean intensity), from and to zarr.  HOPS is 1 for shared faces, 3 for shared corners.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from blobs import CHUNK, LEVEL, WORK, prepare, volume

BLOCK = 128
CC3D = {1: 6, 3: 26}


def starts(side, step=BLOCK):
    return list(itertools.product(range(0, side, step), repeat=3))


def region(start, step=BLOCK):
    return tuple(slice(s, s + step) for s in start)


def place_of(way, hops, side):
    return WORK / f"objects_{way}_{hops}_{side}"


def fresh(way, hops, side):
    place = place_of(way, hops, side)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def create(place, side, dtype="uint32", chunk=CHUNK):
    import zarr

    path = place / "labels.zarr"
    return zarr.create_array(path, shape=(side,) * 3, chunks=(chunk,) * 3, dtype=dtype)


def local_labels(side, hops, start):
    """Read a block; return it and its labels."""
    import cc3d
    import zarr

    image = zarr.open_array(volume(side), mode="r")[region(start)]
    mask = (image > LEVEL).view(np.uint8)
    labels = cc3d.connected_components(mask, connectivity=CC3D[hops], out_dtype=np.uint32)
    return image, labels


def first_pass(work):
    """Return the number of labels of a block and its six outer planes."""
    side, hops, start = work
    _, labels = local_labels(side, hops, start)
    planes = [(labels.take(0, axis).copy(), labels.take(-1, axis).copy()) for axis in range(3)]
    return int(labels.max()), planes


def merged(found, side, hops):
    """Return the object of each label of each block, and where each block's labels begin."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    offsets = np.cumsum([0, *(count for count, _ in found)])
    where = starts(side)
    shifts = [s for s in itertools.product((-1, 0, 1), repeat=2) if sum(map(abs, s)) < hops]
    pairs = []
    for axis, seam in itertools.product(range(3), range(BLOCK, side, BLOCK)):
        low = np.zeros((side + 2,) * 2, np.int64)  # with a frame, for the shifts
        high = np.zeros((side + 2,) * 2, np.int64)
        for offset, start, (_, planes) in zip(offsets, where, found, strict=False):
            for into, at, plane in ((low, seam - BLOCK, 1), (high, seam, 0)):
                if start[axis] == at:
                    face = planes[axis][plane].astype(np.int64)
                    face[face > 0] += offset
                    v, u = (s for n, s in enumerate(start) if n != axis)
                    into[v + 1 : v + 1 + BLOCK, u + 1 : u + 1 + BLOCK] = face
        rows, columns = np.nonzero(low)
        mine = low[rows, columns]
        for v, u in shifts:
            other = high[rows + v, columns + u]
            met = other > 0
            pairs.append(np.unique(np.stack([mine[met], other[met]]), axis=1))
    pairs = np.concatenate(pairs, axis=1)
    size = offsets[-1] + 1
    graph = coo_array((np.ones(pairs.shape[1], np.uint8), tuple(pairs)), shape=(size, size))
    return connected_components(graph, directed=False)[1].astype(np.uint32), offsets


def second_pass(work):
    """Label a block again, write what its labels are called, and measure its pieces."""
    import zarr

    place, side, hops, start, table = work
    image, labels = local_labels(side, hops, start)
    target = zarr.open_array(place / "labels.zarr", mode="r+")
    target[region(start)] = table.take(labels, mode="wrap")
    return pieces_of(image, labels, start, table)


def pieces_of(image, labels, start, table):
    """Measure the pieces of a block: sums, and what they are called in the volume."""
    import cc3d

    stats = cc3d.statistics(labels, no_slice_conversion=True)
    sizes = stats["voxel_counts"].astype(np.int64)
    inside = labels > 0
    total = np.bincount(labels[inside], image[inside], len(sizes))
    centroids = (stats["centroids"] + start) * sizes[:, None]
    low, high = (stats["bounding_boxes"][:, n::2].astype(np.int64) + start for n in (0, 1))
    return [rows[1:] for rows in (table, sizes, total, centroids, low, high + 1)]


def frame(found):
    """Return the table of all objects from the pieces of all blocks."""
    import pandas as pd

    number, sizes, total, centroids, low, high = map(np.concatenate, zip(*found, strict=True))
    columns = {"label": number, "n_voxels": sizes, "total": total}
    how = {"n_voxels": "sum", "total": "sum"}
    for n, axis in enumerate("zyx"):
        columns |= {axis: centroids[:, n], f"{axis}0": low[:, n], f"{axis}1": high[:, n]}
        how |= {axis: "sum", f"{axis}0": "min", f"{axis}1": "max"}
    table = pd.DataFrame(columns).groupby("label").agg(how)
    table["mean"] = table.pop("total") / table["n_voxels"]
    for axis in "zyx":
        table[axis] /= table["n_voxels"]
    return table


def limit(hops, side, way="limit"):
    """Two bare passes of two processes or threads; no intermediate image."""
    place = fresh(way, hops, side)
    create(place, side)
    where = starts(side)
    pool = ThreadPoolExecutor(2) if way == "limit-threads" else multiprocessing.Pool(2)
    with pool:
        found = list(pool.map(first_pass, [(side, hops, start) for start in where]))
        table, offsets = merged(found, side, hops)
        tables = [
            np.concatenate([[0], table[a + 1 : b + 1]]).astype(np.uint32)
            for a, b in itertools.pairwise(offsets)
        ]
        del found
        work = [(place, side, hops, *both) for both in zip(where, tables, strict=True)]
        frame(list(pool.map(second_pass, work))).to_parquet(place / "table.parquet")


def scutoid(hops, side, executor):
    import scutoid as sc

    place = fresh(f"scutoid-{executor}", hops, side)
    raw = sc.open(volume(side))
    mask = sc.threshold.options(keep=False)(raw, level=LEVEL)
    labels = sc.label(mask, connectivity=hops)
    table = sc.measure(labels, intensity=raw)
    sc.run(labels, table, store=place / "store", workers=2, executor=executor, block=BLOCK)


def results(hops, side):
    """Each way that was run: its labels, and its table if it made one."""
    import pandas as pd
    import zarr

    for place in sorted(WORK.glob(f"objects_*_{hops}_{side}")):
        way = place.name.split("_")[1]
        arrays = [*place.glob("labels.zarr"), *place.glob("store/label/*/image.ome.zarr/0")]
        tables = [*place.glob("table.parquet"), *place.glob("store/measure/*/table.parquet")]
        if arrays:
            found = pd.read_parquet(tables[0]) if tables else None
            yield way, zarr.open_array(arrays[0], mode="r"), found


def check(hops, side):
    """Say which labels are the whole array's under other numbers, and which tables hold it."""
    import zarr
    from scipy import ndimage

    mask = zarr.open_array(volume(side), mode="r")[:] > LEVEL
    truth, count = ndimage.label(mask, ndimage.generate_binary_structure(3, hops))
    places = np.flatnonzero(mask)
    numbers = truth.reshape(-1)[places]
    first = np.zeros(count + 1, np.int64)
    first[numbers[::-1]] = places[::-1]
    sizes = np.bincount(numbers, minlength=count + 1)[1:]
    same = {}
    for way, labels, table in results(hops, side):
        found = labels[:].reshape(-1)
        called = found[first]  # what the object of each number is called there
        called[0] = 0
        same[way] = bool(
            len(np.unique(called)) == count + 1 and np.array_equal(called[truth].reshape(-1), found)
        )
        if table is not None:
            held = table if "label" not in table else table.set_index("label")
            same[way] &= np.array_equal(held.loc[called[1:].astype(int), "n_voxels"], sizes)
    print(json.dumps({"objects": count, "same": same}))


def main():
    way, hops, side = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    ways = {
        "prepare": lambda _, side: prepare(side),
        "check": check,
        "limit": limit,
        "limit-threads": lambda hops, side: limit(hops, side, "limit-threads"),
        "threads": lambda hops, side: scutoid(hops, side, "threads"),
        "processes": lambda hops, side: scutoid(hops, side, "processes"),
        "serial": lambda hops, side: scutoid(hops, side, "serial"),
    }
    ways[way](hops, side)


if __name__ == "__main__":
    main()
