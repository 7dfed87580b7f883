"""Points in real data: cells of a cortex found as spots, and points counted by regions."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import scutoid as sc

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import cortex_spots

HALVES = {
    "left": "left half, on which the threshold was chosen",
    "right": "right half",
    "both": "both",
}
POINTS = 20_000


def cortex(data):
    """Return a table: cells found in the cortex beside the points that came with it."""
    folder = data / "cortex_crop"
    raw = sc.open(folder / "ch0", voxel_size=cortex_spots.VOXEL_SIZE, unit="um")
    found = cortex_spots.cells(raw[cortex_spots.SECTION]).to_pandas()
    points = cortex_spots.read_points(folder / "cell_classification.xml")
    about = (
        "cortex_crop (`examples/cortex_spots.py`: background subtraction, then `detect_spots`; "
        "pairs within 10 um, one to one; the reference is another program's run, and spots beside "
        "it are as strong as those on it; width, spacing and background were chosen with both "
        "halves in sight):"
    )
    lines = [
        about,
        "",
        "| | reference | found | matched | precision | recall |",
        "|---|---|---|---|---|---|",
    ]
    for name, score in cortex_spots.halves(found, points).items():
        lines.append(
            f"| {HALVES[name]} | {score.n_true:.0f} | {score.n_pred:.0f} | {score.tp:.0f} "
            f"| {score.precision:.2f} | {score.recall:.2f} |"
        )
    return "\n".join(lines)


def atlas(data):
    """Say how points in regions of an atlas are counted, beside counting by hand."""
    labels_path = data / "atlas" / "annotation_100um_apdvlr.tif"
    structures = data / "atlas" / "structures.csv"
    image = sc.open(labels_path, voxel_size=100, unit="um")
    labels = np.asarray(image)
    rng = np.random.default_rng(0)
    index = rng.integers(-2, np.array(labels.shape) + 2, (POINTS, 3))
    inside = np.all((index >= 0) & (index < labels.shape), axis=1)
    ids = np.full(POINTS, -2, np.int64)
    ids[inside] = labels[tuple(index[inside].T)]
    ids[ids == 0] = -1
    position = (index + rng.uniform(-0.45, 0.45, index.shape)) * 100.0
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    matrix = np.column_stack([turn * 1.3, [500.0, -200.0, 40.0]])
    world = (position - matrix[:, 3]) @ np.linalg.inv(matrix[:, :3]).T
    cells = pd.DataFrame(world, columns=["z", "y", "x"])
    with tempfile.TemporaryDirectory() as store:
        counts = sc.count_by_region(cells, image, regions=structures, transform=matrix)
        sc.run(counts, store=store, block=40)
        table = counts.to_pandas()
    own = dict(zip(table["id"], table["n"], strict=True))
    by_hand = dict(zip(*np.unique(ids, return_counts=True), strict=True))
    unlike = sum(own.get(region, 0) != n for region, n in by_hand.items())
    unlike += sum(n != 0 and region not in by_hand for region, n in own.items())
    fine = labels.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    density = np.where(rng.random(fine.shape) < 0.01, 1.0, 0.0)
    of_image = sc.count_by_region(
        sc.open(density, voxel_size=50, unit="um", origin=(-25, -25, -25)),
        image,
        regions=structures,
    ).to_pandas()
    in_image = dict(zip(of_image["id"], of_image["n"], strict=True))
    sums = dict(zip(*np.unique(fine[density > 0], return_counts=True), strict=True))
    unlike_sums = sum(in_image[int(region) or -1] != n for region, n in sums.items())
    return (
        f"atlas: {POINTS:,} points at known places, seen through a rotation, a scale of 1.3 and a "
        f"shift, lie in {len(by_hand) - 2} regions; {unlike} of these, of background and of "
        f"outside are counted otherwise than by hand, and the rows add up to "
        f"{int(table['n'].sum()):,} ({own[-1]:,} in the background, {own[-2]:,} outside). "
        f"A density image of 50 um voxels: "
        f"{unlike_sums} of {len(sums)} regions differ, sum {of_image['n'].sum():,.0f} of "
        f"{density.sum():,.0f}."
    )
