"""The pipeline of `nuclei.py` on three real inputs, with counts, F1 scores, times and memory.

    python examples/real_data.py DATA --work DIR [--parts embryo folder large]

``DATA`` holds ``embryo3d`` (stacks with masks), ``nuclei2d`` (a folder of images with masks) and
``cortex_crop/ch0`` (planes of one volume).  Figures are printed as JSON, a line each.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import tifffile

import scutoid as sc
from nuclei import nuclei, segment, summary
from score import Score, score

EMBRYO = {"sigma": 1.6, "spread": 2.0, "spacing": 4.0, "reach": 12.0, "min_size": 100}
EMBRYO_VOXEL = (1.75, 0.8, 0.8)
FOLDER = {"sigma": 1.0, "factor": 0.8, "spread": 5.0, "spacing": 5.0, "min_size": 20}
CORTEX = {"sigma": 2.0, "factor": 1.0, "spread": 3.0, "spacing": 6.0, "reach": 16.0}
CORTEX_VOXEL = (5.0, 2.0, 2.0)
TILES = {"1e7": (1, 1, 1), "1e8": (1, 3, 3), "1e9": (4, 5, 5)}


class PeakMemory:
    """Samples the resident memory of this process and its children, in MB, while it is entered."""

    def __init__(self):
        self.peak = 0.0
        self._done = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _sample(self):
        while not self._done.wait(0.05):
            self.peak = max(self.peak, sum(_resident(pid) for pid in _tree(os.getpid())))


def _tree(pid):
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return [pid]
    return [pid, *(one for child in text.split() for one in _tree(int(child)))]


def _resident(pid):
    try:
        return (
            int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            * os.sysconf("SC_PAGE_SIZE")
            / 1e6
        )
    except (OSError, IndexError):
        return 0.0


def say(**figures):
    """Print one line of figures."""
    print(json.dumps(figures), flush=True)


def embryo(data, work):
    """Each stack by itself: counts against the masks, F1 at IoU 0.5."""
    total = Score(0, 0, 0)
    started = time.monotonic()
    for path in sorted((data / "embryo3d" / "images").glob("*.tif")):
        raw = sc.open(path, voxel_size=EMBRYO_VOXEL, unit="um")
        labels = segment(raw, **EMBRYO)
        sc.run(labels, sc.measure(labels, intensity=raw), store=work / "embryo", executor="threads")
        truth = tifffile.imread(data / "embryo3d" / "masks" / path.name)
        found = score(np.asarray(labels), truth)
        total += found
        n_true = found.matched + found.missed
        say(stack=path.stem, true=n_true, found=found.matched + found.extra, f1=round(found.f1, 3))
    seconds = round(time.monotonic() - started, 1)
    say(stacks="all", f1=round(total.f1, 3), **vars(total), seconds=seconds)


def folder(data, work):
    """All images as one collection: a row a nucleus, a row an image, F1 at IoU 0.5."""
    started = time.monotonic()
    labels, table, rows = nuclei(str(data / "nuclei2d" / "images" / "*.tif"), **FOLDER)
    sc.run(labels, table, rows, store=work / "folder")
    seconds = round(time.monotonic() - started, 1)
    total = Score(0, 0, 0)
    each = []
    for key in labels.keys:
        found = score(np.asarray(labels[key]), tifffile.imread(data / "nuclei2d" / "masks" / key))
        each.append(found.f1)
        total += found
    again = time.monotonic()
    run = sc.run(
        *nuclei(str(data / "nuclei2d" / "images" / "*.tif"), **FOLDER), store=work / "folder"
    )
    n_cached = sum(step.n_cached == step.n_blocks for step in run.steps)
    say(
        images=len(labels),
        rows=len(table.to_pandas()),
        image_rows=len(rows.to_pandas()),
        f1=round(total.f1, 3),
        median_f1=round(float(np.median(each)), 3),
        **vars(total),
        seconds=seconds,
        again_seconds=round(time.monotonic() - again, 2),
        again_cached=f"{n_cached} of {len(run.steps)} steps",
    )


def tiled(data, work, name):
    """Write the planes, mirrored and tiled, as a zarr; done once, plane by plane."""
    path = work / f"cortex_{name}.zarr"
    if path.exists():
        return path
    import zarr

    planes = sorted((data / "cortex_crop" / "ch0").glob("*.tif"))
    volume = np.stack([tifffile.imread(plane) for plane in planes])
    tiles = TILES[name]
    shape = tuple(n * t for n, t in zip(volume.shape, tiles, strict=True))
    beside = path.with_suffix(".part")
    array = zarr.create_array(
        beside, shape=shape, chunks=(30, 128, 128), dtype="uint16", overwrite=True
    )
    for z in range(tiles[0]):
        block = volume[::-1] if z % 2 else volume
        rows = [block[:, ::-1] if y % 2 else block for y in range(tiles[1])]
        tall = np.concatenate(rows, axis=1)
        wide = np.concatenate([tall[..., ::-1] if x % 2 else tall for x in range(tiles[2])], axis=2)
        array[z * 30 : (z + 1) * 30] = wide
    beside.rename(path)
    return path


def large(data, work, sizes):
    """The same pipeline on 10^7 to 10^9 voxels: time and peak memory of all processes."""
    for name in sizes:
        path = tiled(data, work, name)
        raw = sc.open(path, axes="zyx", voxel_size=CORTEX_VOXEL, unit="um")
        labels = segment(raw, **CORTEX)
        table = sc.measure(labels, intensity=raw)
        started = time.monotonic()
        with PeakMemory() as memory:
            run = sc.run(labels, table, summary(table), store=work / "large", workers=2)
        say(
            voxels=raw.size,
            shape=raw.shape,
            cells=len(table.to_pandas()),
            seconds=round(time.monotonic() - started, 1),
            peak_mb=round(memory.peak),
            blocks=run.steps[0].n_blocks,
        )


def main():
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("real-data"))
    parser.add_argument("--parts", nargs="+", default=["embryo", "folder", "large"])
    parser.add_argument("--sizes", nargs="+", default=list(TILES), choices=list(TILES))
    chosen = parser.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    if "embryo" in chosen.parts:
        embryo(chosen.data, chosen.work)
    if "folder" in chosen.parts:
        folder(chosen.data, chosen.work)
    if "large" in chosen.parts:
        large(chosen.data, chosen.work, chosen.sizes)


if __name__ == "__main__":
    main()
