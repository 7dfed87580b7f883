"""The example pipeline on simulated nuclei, and on some real ones."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

import scutoid as sc

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT / "examples"))

import nuclei as example  # noqa: E402
import score as scoring  # noqa: E402

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real images are not there")


def simulated(shape, centres, radius=5):
    """Bright balls on noise, and their numbers."""
    grid = np.indices(shape)
    image = np.random.default_rng(0).normal(100, 5, shape)
    truth = np.zeros(shape, int)
    for number, centre in enumerate(centres, 1):
        distance = np.sqrt(sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)))
        image += 300 * np.exp(-((distance / radius) ** 4))
        truth[(distance < radius) & (truth == 0)] = number
    return image.astype("uint16"), truth


def test_the_score_counts_matched_extra_and_missed_objects() -> None:
    assert doctest.testmod(scoring).failed == 0
    truth = np.array([[1, 1, 2, 2, 0, 3]])
    assert scoring.score(truth, truth).f1 == 1.0
    assert scoring.score(np.zeros_like(truth), truth) == scoring.Score(0, 0, 3)
    assert scoring.score(np.array([[7, 7, 7, 7, 0, 0]]), truth) == scoring.Score(0, 1, 3)
    assert scoring.score(np.zeros((2, 2), int), np.zeros((2, 2), int)).f1 == 1.0


@pytest.mark.parametrize(
    ("shape", "centres"),
    [
        ((64, 80), [(15, 15), (15, 26), (45, 60), (50, 20)]),
        ((30, 40, 50), [(10, 12, 12), (10, 12, 22), (20, 30, 40)]),
    ],
)
def test_touching_nuclei_are_split_whatever_the_blocks(tmp_path, shape, centres) -> None:
    image, truth = simulated(shape, centres)
    labels = example.segment(sc.open(image), sigma=1.0, spread=1.5, spacing=4.0, reach=12.0)
    sc.run(labels, store=tmp_path, executor="threads", block=20)
    found = np.asarray(labels)
    assert scoring.score(found, truth) == scoring.Score(len(centres), 0, 0)
    whole = np.asarray(
        example.segment(sc.open(image), sigma=1.0, spread=1.5, spacing=4.0, reach=12.0)
    )
    np.testing.assert_array_equal(found > 0, whole > 0)
    assert (
        ndimage.labeled_comprehension(whole, found, range(1, found.max() + 1), np.ptp, int, 0).max()
        == 0
    )


def test_the_same_pipeline_serves_a_folder(tmp_path) -> None:
    for name in ("a", "b"):
        image, _ = simulated((40, 50), [(12, 12), (28, 35)])
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    labels, table, rows = example.nuclei(
        str(tmp_path / "*.tif"), spread=1.5, spacing=4.0, reach=12.0
    )
    sc.run(labels, table, rows, store=tmp_path / "store", executor="threads")
    assert table.to_pandas().groupby("key").size().tolist() == [2, 2]
    assert rows.to_pandas()["nuclei"].tolist() == [2, 2]


@needs_data
@pytest.mark.data
def test_a_real_embryo(tmp_path) -> None:
    raw = sc.open(DATA / "embryo3d/images/Emb1_t401.tif", voxel_size=(1.75, 0.8, 0.8), unit="um")
    labels = example.segment(raw, sigma=1.6, spread=2.0, spacing=4.0, reach=12.0, min_size=100)
    sc.run(labels, store=tmp_path, executor="threads")
    truth = tifffile.imread(DATA / "embryo3d/masks/Emb1_t401.tif")
    assert scoring.score(np.asarray(labels), truth).f1 > 0.8


@needs_data
@pytest.mark.data
def test_real_images_as_a_collection(tmp_path) -> None:
    pattern = str(DATA / "nuclei2d/images/0*.tif")
    labels, _, _ = example.nuclei(pattern, factor=0.8, spread=5.0, min_size=20)
    sc.run(labels, store=tmp_path, executor="threads")
    total = scoring.Score(0, 0, 0)
    for key in labels.keys:
        total += scoring.score(
            np.asarray(labels[key]), tifffile.imread(DATA / "nuclei2d/masks" / key)
        )
    assert len(labels) >= 3
    assert total.f1 > 0.55
