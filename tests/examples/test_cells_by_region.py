"""The example finds the cells that were put into known regions of an atlas."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc

ROOT = Path(__file__).parents[2]
ATLAS = ROOT.parent / "shared" / "data" / "atlas"
sys.path.insert(0, str(ROOT / "examples"))

from cells_by_region import cells_by_region  # noqa: E402


def image_of(centres, shape, radius=2.2):
    """Balls in noise."""
    image = np.random.default_rng(0).normal(100, 5, shape)
    grid = np.indices(shape)
    for centre in centres:
        distance = np.sqrt(sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)))
        image[distance < radius] += 300
    return image.astype("uint16")


def spread(shape, n, rng, gap=7):
    """Centres that lie apart from each other and from the edge."""
    places = np.stack(np.meshgrid(*(np.arange(gap, s - gap, gap) for s in shape), indexing="ij"))
    return rng.permutation(places.reshape(len(shape), -1).T)[:n]


def test_cells_are_found_in_the_regions_that_they_were_put_in(tmp_path) -> None:
    rng = np.random.default_rng(1)
    labels = np.zeros((20, 30, 40), "uint32")
    labels[:, 5:, :20], labels[:10, :, 20:] = 614454277, 8
    centres = spread((40, 60, 80), 30, rng)
    sc.export(
        sc.open(image_of(centres, (40, 60, 80)), voxel_size=5, unit="um"),
        tmp_path / "brain.ome.zarr",
    )
    tifffile.imwrite(tmp_path / "atlas.tif", labels)
    tree = pd.DataFrame({"id": [997, 8, 614454277], "parent_id": ["", "997", "997"]})
    tree.to_csv(tmp_path / "tree.csv", index=False)
    counts, where = cells_by_region(
        image=str(tmp_path / "brain.ome.zarr"),
        atlas=str(tmp_path / "atlas.tif"),
        structures=str(tmp_path / "tree.csv"),
        atlas_voxel_size=10.0,
        cell_size=500.0,
    )
    sc.run(counts, where, store=tmp_path / "results", executor="serial", block=32)
    found = counts.to_pandas().set_index("id")
    ids = labels[tuple(np.floor(centres * 0.5 + 0.5).astype(int).T)]
    for one in (8, 614454277):
        assert found.loc[one, "n"] == np.count_nonzero(ids == one)
    assert found.loc[-1, "n"] == np.count_nonzero(ids == 0)
    assert found["n"].sum() == np.asarray(where).sum() == len(centres)


@pytest.mark.data
def test_cells_are_found_in_regions_of_a_real_atlas(tmp_path) -> None:
    path = ATLAS / "annotation_100um_apdvlr.tif"
    if not path.exists():
        pytest.skip(f"no atlas in {ATLAS}")
    rng = np.random.default_rng(2)
    labels = tifffile.imread(path)
    corner, shape = np.array([60, 10, 20]), (40, 80, 60)  # at 50 um, axes AP, LR, -DV
    centres = spread(shape, 60, rng)
    image = sc.open(
        image_of(centres, shape),
        voxel_size=50,
        unit="um",
        origin=tuple(corner * 100.0),
    )
    sc.export(image, tmp_path / "brain.ome.zarr")
    counts, _ = cells_by_region(
        image=str(tmp_path / "brain.ome.zarr"),
        atlas=str(path),
        structures=str(ATLAS / "structures.csv"),
        atlas_voxel_size=100.0,
        orientation="z -x y",
        cell_size=500.0,
        midplane="x",
    )
    found = counts.to_pandas()
    world = corner * 100.0 + centres * 50.0
    turned = np.stack([world[:, 0], 7900.0 - world[:, 2], world[:, 1]], axis=1)
    ids = labels[tuple(np.floor(turned / 100 + 0.5).astype(int).T)]
    own = dict(zip(found["id"], found["n"], strict=True))
    for one in np.unique(ids[ids > 0]):
        assert own[one] == np.count_nonzero(ids == one)
    assert own[-1] == np.count_nonzero(ids == 0)
    assert found["n"].sum() == len(centres)
    assert len(np.unique(ids[ids > 0])) > 10
