"""Cell bodies in cleared brain tissue: background subtraction, then spots of one physical size.

    python examples/cortex_spots.py ../shared/data/cortex_crop

finds the cells of the crop that comes with cellfinder's tests and compares them with the 56 points
of that project's own run.  The three physical sections of the crop are ten planes each, and the
points lie in the middle one, planes 10 to 19: that one is searched.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd

import scutoid as sc

VOXEL_SIZE = (5.0, 2.0, 2.0)
SECTION = slice(10, 20)
WITHIN = 10.0
"""Largest distance of a found point and one of the reference, in um."""
MIDDLE = 195
"""Column that divides the points in two halves: one to choose the threshold, one to report."""


def cells(raw, *, radius=5.0, background=24.0, threshold=475.0, spacing=12.0):
    """Find cell bodies; lengths in um.

    Parameters
    ----------
    raw : Image
        Intensities, axes "zyx", voxel size in um.
    radius : float
        Sigma of the filter: the radius of a cell divided by the square root of three, and more
        where the microscope blurs it.
    background : float
        Radius, in the plane, of what counts as background.
    threshold : float
        Least strength of a cell.
    spacing : float
        Of cells nearer than this the stronger one stays.
    """
    _, y, x = raw.voxel_size
    flat = sc.subtract_background(raw, radius=(0, background / y, background / x))
    return sc.detect_spots(
        flat, sigma=sc.um(radius), threshold=threshold, min_distance=sc.um(spacing)
    )


def read_points(path):
    """Read cellfinder's points: x, y and z in voxels, returned as z, y and x; shape (n, 3)."""
    markers = ET.parse(path).getroot().iter("Marker")  # noqa: S314  # a file of the data folder
    names = ("MarkerZ", "MarkerY", "MarkerX")
    return np.array([[float(marker.findtext(name)) for name in names] for marker in markers])


def halves(table, points):
    """Compare the halves left and right of the middle, and both together, as `compare_points`."""
    expected = pd.DataFrame(points * VOXEL_SIZE, columns=["z", "y", "x"])
    border = MIDDLE * VOXEL_SIZE[2]
    parts = {
        "left": [one[one["x"] < border] for one in (table, expected)],
        "right": [one[one["x"] >= border] for one in (table, expected)],
        "both": [table, expected],
    }
    return {
        name: sc.compare_points(*pair, max_distance=sc.um(WITHIN)).iloc[0]
        for name, pair in parts.items()
    }


def main(folder):
    raw = sc.open(Path(folder) / "ch0", voxel_size=VOXEL_SIZE, unit="um")[SECTION]
    table = cells(raw).to_pandas()
    points = read_points(Path(folder) / "cell_classification.xml")
    for name, score in halves(table, points).items():
        print(
            f"{name}: {score.tp:.0f} of {score.n_pred:.0f} found points match {score.n_true:.0f}: "
            f"precision {score.precision:.2f}, recall {score.recall:.2f}"
        )


if __name__ == "__main__":
    main(sys.argv[1])
