"""The pipeline of `nuclei.py` on three real inputs, with scores, times and memory.

    python examples/real_data.py DATA --work DIR [--parts embryo folder large]

``DATA`` holds ``embryo3d`` (stacks with masks), ``nuclei2d`` (images with masks) and
``cortex_crop/ch0`` (planes of one volume).  Figures are printed as JSON, a line each.  Parameters
were tuned on every other image of `embryo3d` and `nuclei2d`, from the first one on: scores of the
other half are those to believe.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

import nuclei_whole as whole
import scutoid as sc
from nuclei import foreground, split, summary

IOUS = (0.5, 0.7)
CORTEX_VOXEL = (5.0, 2.0, 2.0)
CORTEX_FOREGROUND = {"sigma": 2.0, "factor": 2.5, "around": 10.0, "share": 2.0, "min_size": 30}
CORTEX_SPLIT = {"spread": 2.0, "depth": 0.5, "reach": 16.0, "min_size": 30}
TILES = {"1e7": (1, 1, 1), "1e8": (1, 3, 3), "1e9": (4, 5, 5)}


@dataclass(frozen=True)
class Study:
    """Images with their true objects, and the parameters that were tuned on half of them."""

    folder: str
    foreground: Mapping[str, float]
    split: Mapping[str, float]
    voxel_size: tuple[float, ...] | None = None
    pattern: str = "*.tif"


EMBRYO = Study(
    "embryo3d",
    {"sigma": 0.8, "factor": 1.0, "around": 10.0, "share": 1.4, "min_size": 600},
    {"spread": 0.8, "depth": 0.3, "reach": 20.0, "min_size": 600},
    (1.75, 0.8, 0.8),
)
FOLDER = Study(
    "nuclei2d",
    {"sigma": 0.5, "factor": 0.6, "around": 4.0, "share": 0.9, "min_size": 40},
    {"spread": 1.0, "depth": 0.75, "reach": 30.0, "min_size": 40},
)


@dataclass
class Tally:
    """What one implementation found in some of the images."""

    scores: list[pd.DataFrame] = field(default_factory=list)
    """Of each image, a row an intersection over union."""
    unlike: int = 0
    """Objects that the other implementation has not found voxel by voxel."""

    def add(self, labels, truth, other):
        """Take in an image, what is there, and what the other implementation found."""
        self.scores.append(sc.compare(labels, truth, thresholds=IOUS))
        self.unlike += int(sc.compare(labels, other, thresholds=1.0)["fp"].item())

    def figures(self):
        """Return what is reported."""
        of_each = pd.concat(self.scores)
        total = of_each.groupby("threshold")[["tp", "n_pred", "n_true"]].sum()
        total["precision"] = total["tp"] / total["n_pred"]
        total["recall"] = total["tp"] / total["n_true"]
        total["f1"] = 2 * total["tp"] / (total["n_pred"] + total["n_true"])
        of_images = of_each[of_each["threshold"] == IOUS[0]]
        miscounted = (of_images["n_pred"] - of_images["n_true"]).abs().sum()
        n_true = int(of_images["n_true"].sum())
        rates = {
            f"{name}_{iou}": round(float(total.loc[iou, name]), 3)
            for iou in IOUS
            for name in ("precision", "recall", "f1")
        }
        return {
            "true": n_true,
            "found": int(of_images["n_pred"].sum()),
            "count_error": round(float(miscounted / n_true), 3),
            **rates,
            "unlike": self.unlike,
        }


def compare(data, study, work, *, executor="processes"):
    """Run a study with scutoid, and in plain scikit-image on whole images.

    Returns
    -------
    list of dict
        For the images tuned on and the others, and each implementation: its figures.

    Raises
    ------
    AssertionError
        If the masks or their numbered objects differ in any voxel.
    """
    pattern = str(data / study.folder / "images" / study.pattern)
    unit = None if study.voxel_size is None else "um"
    raw = sc.open_folder(pattern, voxel_size=study.voxel_size, unit=unit)
    mask = foreground(raw, **study.foreground, keep=False)
    objects, labels = sc.label(mask), split(mask, **study.split, keep=False)
    sc.run(mask, objects, labels, store=work / study.folder, executor=executor)
    tallies = {half: {"scutoid": Tally(), "scikit-image": Tally()} for half in ("tuned", "other")}
    with (data / study.folder / "index.csv").open() as index:
        keys = [row["image"] for row in csv.DictReader(index)]
    for number, key in enumerate(keys):
        if key not in raw.keys:
            continue
        image, truth = (
            tifffile.imread(data / study.folder / kind / key) for kind in ("images", "masks")
        )
        voxel_size = study.voxel_size
        plain, numbered = whole.foreground(image, **study.foreground, voxel_size=voxel_size)
        np.testing.assert_array_equal(np.asarray(mask[key]), plain)
        np.testing.assert_array_equal(np.asarray(objects[key]), numbered)
        half = tallies["other" if number % 2 else "tuned"]
        ours = np.asarray(labels[key])
        theirs = whole.split(plain, **study.split, voxel_size=voxel_size)
        half["scutoid"].add(ours, truth, theirs)
        half["scikit-image"].add(theirs, truth, ours)
    return [
        {"study": study.folder, "half": half, "by": by, **tally.figures()}
        for half, both in tallies.items()
        for by, tally in both.items()
    ]


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
        labels = split(foreground(raw, **CORTEX_FOREGROUND), **CORTEX_SPLIT)
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
    for part, study in (("embryo", EMBRYO), ("folder", FOLDER)):
        if part in chosen.parts:
            for figures in compare(chosen.data, study, chosen.work):
                say(**figures)
    if "large" in chosen.parts:
        large(chosen.data, chosen.work, chosen.sizes)


if __name__ == "__main__":
    main()
