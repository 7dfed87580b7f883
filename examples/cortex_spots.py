"""Cell bodies in cleared brain tissue: background subtraction, then spots of one physical size.

    python examples/cortex_spots.py ../shared/data/cortex_crop

finds the cells of the crop that comes with cellfinder's tests and compares them with the 56 points
of that project's own run.  The three physical sections of the crop are ten planes each, and the
points lie in the middle one, planes 10 to 19: that one is searched.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

import scutoid as sc

VOXEL_SIZE = (5.0, 2.0, 2.0)
SECTION = slice(10, 20)
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


@dataclass(frozen=True, slots=True)
class Score:
    """How found points compare with a reference."""

    matched: int
    """Pairs of a found and a reference point, one to one."""
    found: int
    """Points found."""
    expected: int
    """Points of the reference."""

    @property
    def precision(self):
        """Share of the found points that are matched."""
        return self.matched / max(self.found, 1)

    @property
    def recall(self):
        """Share of the reference that is matched."""
        return self.matched / max(self.expected, 1)

    def __str__(self):
        return (
            f"{self.matched} of {self.found} found points match {self.expected}: "
            f"precision {self.precision:.2f}, recall {self.recall:.2f}"
        )


def compare(found, expected, *, within=10.0):
    """Match points one to one, as many as possible, each pair within a distance.

    Parameters
    ----------
    found, expected : ndarray
        Positions in um, shape (n, 3).
    within : float
        Largest distance of a pair, in um.

    Examples
    --------
    >>> compare(np.array([[0.0, 0, 0], [0, 0, 3]]), np.array([[0.0, 0, 4]]))
    Score(matched=1, found=2, expected=1)
    """
    distance = np.linalg.norm(found[:, None] - expected[None], axis=2)
    cost = np.where(distance <= within, distance, 1e6)
    pairs = linear_sum_assignment(cost)
    return Score(int((distance[pairs] <= within).sum()), len(found), len(expected))


def read_points(path):
    """Read cellfinder's points: x, y and z in voxels, returned as z, y and x; shape (n, 3)."""
    markers = ET.parse(path).getroot().iter("Marker")  # noqa: S314  # a file of the data folder
    names = ("MarkerZ", "MarkerY", "MarkerX")
    return np.array([[float(marker.findtext(name)) for name in names] for marker in markers])


def halves(table, points):
    """Compare the halves left and right of the middle, and both together."""
    found = table[["z", "y", "x"]].to_numpy()
    expected = points * VOXEL_SIZE
    border = MIDDLE * VOXEL_SIZE[2]
    return {
        "left": compare(found[found[:, 2] < border], expected[expected[:, 2] < border]),
        "right": compare(found[found[:, 2] >= border], expected[expected[:, 2] >= border]),
        "both": compare(found, expected),
    }


def main(folder):
    raw = sc.open(Path(folder) / "ch0", voxel_size=VOXEL_SIZE, unit="um")[SECTION]
    table = cells(raw).to_pandas()
    points = read_points(Path(folder) / "cell_classification.xml")
    for name, score in halves(table, points).items():
        print(f"{name}: {score}")


if __name__ == "__main__":
    main(sys.argv[1])
