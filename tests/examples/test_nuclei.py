"""The example pipeline on simulated nuclei, and on some real ones."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

import scutoid as sc

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT / "examples"))

import nuclei as example  # noqa: E402
import nuclei_whole as whole  # noqa: E402
import real_data  # noqa: E402

FOREGROUND = {"sigma": 1.0, "factor": 3.0, "around": 20.0, "share": 1.0, "min_size": 30}
SPLIT = {"spread": 1.0, "depth": 0.5, "reach": 12.0, "min_size": 30}

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


def test_a_tally_adds_up_images() -> None:
    tally, truth = real_data.Tally(), np.array([[1, 1, 2, 2, 0, 3]])
    tally.add(truth, truth, truth)
    tally.add(np.array([[7, 7, 7, 7, 0, 0]]), truth, truth)
    tally.add(np.zeros((2, 2), int), np.zeros((2, 2), int), np.zeros((2, 2), int))
    figures = tally.figures()
    assert (figures["true"], figures["found"], figures["unlike"]) == (6, 4, 1)
    assert figures["count_error"] == round(2 / 6, 3)
    # of the object over two one half is that of either: one pair of the two matches
    assert (figures["precision_0.5"], figures["recall_0.5"]) == (1.0, round(4 / 6, 3))
    assert (figures["precision_0.7"], figures["recall_0.7"]) == (0.75, 0.5)


@pytest.mark.parametrize(
    ("shape", "centres"),
    [
        ((64, 80), [(15, 15), (15, 25), (45, 60), (50, 20)]),
        ((30, 40, 50), [(10, 12, 12), (10, 12, 22), (20, 30, 40)]),
    ],
    ids=["2D", "3D"],
)
def test_touching_nuclei_are_split_alike_whatever_the_blocks(tmp_path, shape, centres) -> None:
    image, truth = simulated(shape, centres)
    mask = example.foreground(sc.open(image), **FOREGROUND)
    labels = example.split(mask, **SPLIT)
    sc.run(labels, store=tmp_path, executor="threads", block=20)
    found = np.asarray(labels)
    scores = sc.compare(found, truth)
    assert scores[["tp", "fp", "fn"]].to_numpy().tolist() == [[len(centres), 0, 0]]
    plain, _ = whole.foreground(image, **FOREGROUND)
    np.testing.assert_array_equal(np.asarray(mask), plain)
    at_once = np.asarray(example.split(sc.open(plain), **SPLIT))
    np.testing.assert_array_equal(found, at_once)


def test_the_same_pipeline_serves_a_folder(tmp_path) -> None:
    for name in ("a", "b"):
        image, _ = simulated((40, 50), [(12, 12), (28, 35)])
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    labels, table, rows = example.nuclei(str(tmp_path / "*.tif"), around=20.0)
    sc.run(labels, table, rows, store=tmp_path / "store", executor="threads")
    assert table.to_pandas().groupby("key").size().tolist() == [2, 2]
    assert rows.to_pandas()["nuclei"].tolist() == [2, 2]


@needs_data
@pytest.mark.data
@pytest.mark.parametrize(
    ("study", "some", "floors"),
    [
        (real_data.EMBRYO, "*_t[45]01.tif", (0.82, 0.50)),
        (real_data.FOLDER, "[0-6]*.tif", (0.91, 0.84)),
    ],
    ids=["embryo3d", "nuclei2d"],
)
def test_real_nuclei_are_found_as_by_scikit_image(tmp_path, study, some, floors) -> None:
    # The comparison itself fails unless masks and numbered components are equal in all voxels
    study = replace(study, pattern=some)
    for figures in real_data.compare(DATA, study, tmp_path, executor="threads"):
        assert figures["f1_0.5"] > floors[0], figures
        assert figures["f1_0.7"] > floors[1], figures
        assert figures["count_error"] < 0.15, figures
        assert figures["unlike"] <= 0.05 * figures["found"], figures
