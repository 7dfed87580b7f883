"""The example that finds cells, on simulated ones and on the real crop of cortex."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc

ROOT = Path(__file__).parents[2]
CROP = ROOT.parent / "shared" / "data" / "cortex_crop"
sys.path.insert(0, str(ROOT / "examples"))

import cortex_spots as example  # noqa: E402


def test_simulated_cells_on_an_uneven_background_are_found(tmp_path) -> None:
    rng = np.random.default_rng(0)
    shape = (10, 60, 70)
    z, y, x = np.indices(shape)
    centres = [(4, 12, 12), (5, 40, 15), (3, 20, 50), (6, 45, 55)]
    image = 200 + 20 * z + 5 * x + rng.normal(0, 5, shape)
    for c, b, a in centres:
        square = ((z - c) / 1.5) ** 2 + ((y - b) / 3) ** 2 + ((x - a) / 3) ** 2
        image += 2000 * np.exp(-square / 2)
    raw = sc.open(image.astype("uint16"), voxel_size=example.VOXEL_SIZE, unit="um")
    table = example.cells(raw)
    sc.run(table, store=tmp_path, executor="threads", block=32)
    truth = pd.DataFrame(np.array(centres) * example.VOXEL_SIZE, columns=["z", "y", "x"])
    scores = sc.compare_points(table.to_pandas(), truth, max_distance=sc.um(3))
    assert scores[["tp", "fp", "fn"]].to_numpy().tolist() == [[4, 0, 0]]
    of_halves = example.halves(table.to_pandas(), np.array(centres))
    assert (of_halves["both"].f1, of_halves["left"].n_true, of_halves["right"].n_pred) == (1, 4, 0)


@pytest.mark.data
@pytest.mark.skipif(not CROP.is_dir(), reason="the real images are not there")
def test_the_cells_of_a_real_crop_of_cortex(tmp_path) -> None:
    raw = sc.open(CROP / "ch0", voxel_size=example.VOXEL_SIZE, unit="um")[example.SECTION]
    points = example.read_points(CROP / "cell_classification.xml")
    assert points.shape == (56, 3)
    table = example.cells(raw)
    sc.run(table, store=tmp_path, executor="threads", block=(8, 128, 128))
    found = table.to_pandas()
    scores = example.halves(found, points)
    # the threshold was chosen on the left half; of the spots above it those without a point are
    # as strong as those with one, so precision says more of the points than of the spots
    assert scores["right"].recall > 0.6
    assert scores["right"].precision > 0.3
    whole = example.cells(raw).to_pandas()
    pd.testing.assert_frame_equal(found, whole, check_exact=True)
