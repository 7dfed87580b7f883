"""The example of a plate: a file for each well, site and channel, on the command line."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.testing import assert_block_invariant

EXAMPLE = Path(__file__).parents[2] / "examples" / "plate.py"
PATTERN = "plate/{well}_s{site:d}_w{channel}.tif"
WELLS, SITES = ("B03", "B04"), (1, 2)
CENTRES = [(20, 20), (20, 60), (60, 20), (60, 60)]


def draw(centres, level):
    """Discs on a dark ground, with noise."""
    y, x = np.mgrid[:80, :80]
    image = np.full((80, 80), 100.0)
    for cy, cx in centres:
        image[(y - cy) ** 2 + (x - cx) ** 2 < 81] += level
    noise = np.random.default_rng(len(centres)).normal(0, 5, image.shape)
    return (image + noise).clip(0).astype("uint16")


def write(folder, well, site, channel, image):
    path = folder / "plate" / f"{well}_s{site}_w{channel}.tif"
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, image, metadata={"axes": "YX"})


@pytest.fixture
def plate(tmp_path):
    """Each site has one cell more than the one before."""
    for n, (well, site) in enumerate((w, s) for w in WELLS for s in SITES):
        write(tmp_path, well, site, 1, draw(CENTRES[: n + 1], 400))
        write(tmp_path, well, site, 2, draw(CENTRES[: n + 1], 100 * (n + 1)))
    return tmp_path


def tables(folder):
    store = sc.Store(folder / "results")
    return {path.stem: pd.read_csv(path) for path in store.files("wells").path.glob("*.csv")}


def test_a_plate_gives_a_table_a_well_and_an_overlay_a_site_and_does_again_what_is_edited(
    scutoid, plate
):
    command = (str(EXAMPLE), "--files", PATTERN, "--store", "results")
    scutoid("run", *command, "--workers", "2", cwd=plate)
    found = tables(plate)
    assert {well: len(table) for well, table in found.items()} == {"B03": 3, "B04": 7}
    assert found["B04"].groupby("site").size().to_dict() == {1: 3, 2: 4}
    means = found["B04"].groupby("site")["mean"].mean()
    assert means[1] == pytest.approx(400, rel=0.1)
    assert means[2] == pytest.approx(500, rel=0.1)
    store = sc.Store(plate / "results")
    cells = store.tables("cells").to_pandas()
    assert list(cells.columns[:3]) == ["key", "well", "site"]
    overlays = store.images("overlay")
    assert overlays.keys == ("B03/1", "B03/2", "B04/1", "B04/2")
    for key, image in overlays.items():
        picture = image.read()
        assert (image.axes, picture.shape) == ("yxc", (80, 80, 3))
        red = (picture == (255, 0, 0)).all(axis=-1)
        assert red.sum() > 30 * (1 + overlays.keys.index(key))
    assert "nothing to run" in scutoid("run", *command, "--executor", "serial", cwd=plate)
    scutoid("export", "overlay", "qc/{well}_{site}.png", "--store", "results", cwd=plate)
    assert {path.name for path in (plate / "qc").glob("*.png")} == {
        f"{well}_{site}.png" for well in WELLS for site in SITES
    }

    write(plate, "B03", 2, 2, draw(CENTRES[:2], 900))  # the measured channel
    said = scutoid("plan", *command, cwd=plate)
    assert "B03/2 (B03_s2_w2.tif)" in said
    scutoid("run", *command, "--executor", "serial", cwd=plate)
    run = sc.Store(plate / "results")
    assert tables(plate)["B03"].groupby("site")["mean"].mean()[2] == pytest.approx(1000, rel=0.1)
    assert len(run.tables("cells").to_pandas()) == 10

    write(plate, "B04", 1, 1, draw(CENTRES[:1], 400))  # that in which cells are found
    scutoid("run", *command, "--executor", "serial", cwd=plate)
    assert {well: len(table) for well, table in tables(plate).items()} == {"B03": 3, "B04": 5}


def example():
    spec = importlib.util.spec_from_file_location("plate_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_edit_of_a_file_does_its_site_again_and_only_what_reads_its_channel(plate):
    files, store = str(plate / PATTERN), plate / "results"
    pipeline = example().plate
    sc.run(pipeline(files), store=store, executor="serial")
    write(plate, "B03", 2, 2, draw(CENTRES[:2], 900))
    run = sc.run(pipeline(files), store=store, executor="serial")
    missing = {step.name: step.n_blocks - step.n_cached for step in run.steps}
    assert missing.pop("wells") == 1
    of_stain = {name: n for name, n in missing.items() if n}
    assert set(of_stain.values()) == {1}
    assert {"cells", "overlay"} <= set(of_stain)
    assert missing["gaussian"] == missing["remove_small"] == 0


def test_the_outlines_do_not_depend_on_blocks():
    image = draw(CENTRES, 300)
    labels = np.zeros((80, 80), "uint32")
    labels[10:30, 10:30], labels[30:40, 10:30] = 1, 2
    overlay = example().overlay
    assert_block_invariant(overlay, image, labels, levels=(100, 400))
    picture = overlay(image, labels, levels=(100, 400))
    assert (picture[10, 10:30] == (255, 0, 0)).all()
    assert (picture[29:31, 15] == (255, 0, 0)).all()
    assert not (picture[20, 20] == (255, 0, 0)).all()
