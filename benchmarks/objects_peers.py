"""Other systems on the way from voxels to objects: ``objects_peers.py WAY HOPS SIDE``.

Each as its documentation shows it; they share the input and the settings of ``objects_work.py``.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from blobs import CHUNK, LEVEL, volume
from objects_work import BLOCK, CC3D, WORK, create, frame, fresh, pieces_of, region


def daisy(hops, side):
    """Two tasks as in daisy's tutorial, and the table in the second.

    First each block labels itself with a context of one voxel, sees what its neighbours have
    written there, and keeps which labels are one; then each block looks its labels up.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    place = fresh("daisy", hops, side)
    os.chdir(place)  # it writes its logs there

    import daisy as engine
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    create(place, side, "uint64")
    shape = engine.Coordinate((side,) * 3)

    def task(name, function, context):
        return engine.Task(
            name,
            total_roi=engine.Roi((-context,) * 3, shape + 2 * context),
            read_roi=engine.Roi((-context,) * 3, (BLOCK + 2 * context,) * 3),
            write_roi=engine.Roi((0,) * 3, (BLOCK,) * 3),
            process_function=function,
            read_write_conflict=context > 0,
            max_workers=2,
        )

    def label(block):
        _daisy_label(block, place, hops, side)

    assert engine.run_blockwise([task("label", label, 1)], progress=False, summary=False)
    parts = [np.load(path) for path in sorted((place / "pairs").glob("*.npz"))]
    ids = np.concatenate([part["ids"] for part in parts])
    pairs = np.searchsorted(ids, np.concatenate([part["pairs"] for part in parts], axis=1))
    graph = coo_array((np.ones(pairs.shape[1], np.uint8), tuple(pairs)), shape=(len(ids),) * 2)
    np.savez(place / "lut.npz", ids=ids, numbers=connected_components(graph, directed=False)[1] + 1)

    def relabel(block):
        _daisy_relabel(block, place, side)

    assert engine.run_blockwise([task("relabel", relabel, 0)], progress=False, summary=False)
    rows = [np.load(path) for path in sorted((place / "rows").glob("*.npz"))]
    frame([[part[name] for name in part.files] for part in rows]).to_parquet(
        place / "table.parquet"
    )


def _daisy_label(block, place, hops, side):
    """Label a block; its labels begin where no other block's do, in the order of the blocks."""
    import cc3d
    import zarr

    target = zarr.open_array(place / "labels.zarr", mode="r+")
    low = [max(a, 0) for a in block.read_roi.begin]
    read = tuple(slice(a, min(b, side)) for a, b in zip(low, block.read_roi.end, strict=True))
    begin = tuple(block.write_roi.begin)
    inner = tuple(slice(s - a, s - a + BLOCK) for s, a in zip(begin, low, strict=True))
    mask = (zarr.open_array(volume(side), mode="r")[read] > LEVEL).view(np.uint8)
    labels = cc3d.connected_components(mask, connectivity=CC3D[hops]).astype(np.uint64)
    number = int(np.ravel_multi_index([s // BLOCK for s in begin], (side // BLOCK,) * 3))
    labels[labels > 0] += number * (BLOCK + 2) ** 3
    there = target[read]
    there[inner] = 0
    met = (there > 0) & (labels > 0)
    pairs = np.unique(np.stack([labels[met], there[met]]), axis=1)
    target[region(begin)] = labels[inner]
    ids = np.unique(np.concatenate([labels[inner].ravel(), pairs[0]]))
    (place / "pairs").mkdir(exist_ok=True)
    np.savez(place / "pairs" / f"{number:06}.npz", ids=ids[ids > 0], pairs=pairs)


def _daisy_relabel(block, place, side):
    """Look the labels of a block up, and measure its pieces."""
    import zarr

    target = zarr.open_array(place / "labels.zarr", mode="r+")
    begin = tuple(block.write_roi.begin)
    found = target[region(begin)]
    ids, labels = np.unique(found, return_inverse=True)
    lut = np.load(place / "lut.npz")
    numbers = lut["numbers"][np.searchsorted(lut["ids"], ids)] * (ids > 0)
    target[region(begin)] = numbers[labels].reshape(found.shape)
    image = zarr.open_array(volume(side), mode="r")[region(begin)]
    (place / "rows").mkdir(exist_ok=True)
    rows = pieces_of(image, labels.reshape(found.shape).astype(np.uint32), begin, numbers)
    np.savez(place / "rows" / ("_".join(map(str, begin)) + ".npz"), *rows)


def dask_image(hops, side):
    """Labels by dask-image; no table."""
    import dask.array as da
    from dask_image.ndmeasure import label
    from scipy.ndimage import generate_binary_structure

    place = fresh("dask-image", hops, side)
    image = da.from_zarr(str(volume(side)))
    labels, _ = label(image > LEVEL, structure=generate_binary_structure(3, hops))
    labels.astype("uint32").to_zarr(str(place / "labels.zarr"))


def precomputed(_hops, side):
    """Write the input as igneous reads it; not part of what is measured."""
    import zarr
    from cloudvolume import CloudVolume

    path = WORK / f"blobs_{side}.precomputed"
    if path.exists():
        return
    info = CloudVolume.create_new_info(
        num_channels=1,
        layer_type="image",
        data_type="uint16",
        encoding="raw",
        resolution=(1, 1, 1),
        voxel_offset=(0, 0, 0),
        chunk_size=(CHUNK,) * 3,
        volume_size=(side,) * 3,
    )
    target = CloudVolume(f"file://{path}", info=info, compress="zstd", progress=False)
    target.commit_info()
    image = zarr.open_array(volume(side), mode="r")
    for start in itertools.product(range(0, side, CHUNK), repeat=3):
        target[region(start)] = image[region(start)][..., None]


def igneous(_hops, side):
    """Labels by igneous: shared faces only, tasks of 256^3; no table."""
    place = fresh("igneous", 1, side)
    command = [
        Path(sys.executable).parent / "igneous",
        *("-p", "2", "image", "ccl", "auto"),
        f"file://{WORK / f'blobs_{side}.precomputed'}",
        f"file://{place / 'labels.precomputed'}",
        *("--shape", "256,256,256", "--threshold-gte", str(LEVEL + 1)),
    ]
    subprocess.run(command, check=True, capture_output=True)


def check_igneous(_hops, side):
    """Write its labels as a zarr, to be compared."""
    from cloudvolume import CloudVolume

    place = WORK / f"objects_igneous_1_{side}"
    labels = CloudVolume(f"file://{place / 'labels.precomputed'}", progress=False)
    create(place, side)[:] = np.asarray(labels[:])[..., 0]


def main():
    way, hops, side = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    ways = {
        "daisy": daisy,
        "dask-image": dask_image,
        "precomputed": precomputed,
        "igneous": igneous,
        "check-igneous": check_igneous,
    }
    ways[way](hops, side)


if __name__ == "__main__":
    main()
