"""Sweeps and the best of them."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Picture

import scutoid as sc
from scutoid.errors import GeometryError, ParameterError, PipelineError, ScutoidWarning, StoreError


@pytest.fixture
def raw():
    array = np.zeros((60, 80), "uint8")
    array[10:20, 10:20] = 100
    array[30:34, 5:75] = 100  # goes on beyond a region of the middle
    array[40:45, 30:36] = 60
    return array


class Counted:
    """A pipeline that counts the calls of its steps."""

    def __init__(self):
        self.calls = {"smooth": 0, "dimmed": 0}

    def __call__(self, image):
        calls = self.calls

        @sc.blockwise(halo=1, dtype="float32", check_halo=False)
        def smooth(image, *, weight):
            calls["smooth"] += 1
            return (image * np.float32(weight)).astype("float32")

        @sc.blockwise(dtype="float32", check_halo=False)
        def dimmed(image, *, by):
            calls["dimmed"] += 1
            return image - np.float32(by)

        return sc.label(sc.threshold(dimmed(smooth(image, weight=1), by=0), level=50))


def test_what_choices_have_in_common_is_computed_once(raw):
    for order in ({"smooth.weight": [1, 2], "dimmed.by": [0, 5, 9]}, {}):
        counted = Counted()
        labels = counted(sc.open(raw))
        choices = order or [{"dimmed.by": b, "smooth.weight": w} for b in (0, 5, 9) for w in (1, 2)]
        found = sc.sweep(labels, choices, {"x": (0, 40)})
        assert counted.calls == {"smooth": 2, "dimmed": 6}
        assert len(found.table) == len(found) == 6


def test_a_grid_is_in_the_order_of_its_values(raw):
    labels = Counted()(sc.open(raw))
    found = sc.sweep(labels, {"threshold.level": [80, 50], "dimmed.by": [0, 20]})
    wanted = [(80, 0), (80, 20), (50, 0), (50, 20)]
    assert (
        list(zip(found.table["threshold.level"], found.table["dimmed.by"], strict=True)) == wanted
    )
    for number, (level, by) in enumerate(wanted):
        mask = raw.astype(float) - by > level
        assert found.table["n_objects"][number] == sc.label(mask).max()
        assert found.preview(number).array.max() == sc.label(mask).max()


def test_measures_leave_out_objects_that_go_on(raw):
    labels = sc.label(sc.threshold(sc.open(raw), level=50))
    table = sc.measure(labels)
    roi = {"y": (5, 50), "x": (8, 40)}
    found = sc.sweep(
        (labels, table),
        {"threshold.level": [50, 70]},
        roi,
        margin=3,
        measures={
            "largest": lambda results: np.bincount(results[0].ravel())[1:].max(),
            "rows": lambda results: len(results[1]),
        },
    ).table
    assert found["label.n_objects"].tolist() == found["measure.n_objects"].tolist() == [2, 1]
    assert found["label.n_touching"].tolist() == found["measure.n_touching"].tolist() == [1, 1]
    assert found["label.mean_size"].tolist() == [65, 100]
    assert found["largest"].tolist() == [100, 100]
    assert found["rows"].tolist() == [2, 1]


def test_scores_against_a_truth_are_those_of_whole_objects(raw):
    labels = sc.label(sc.threshold(sc.open(raw), level=50))
    truth = np.asarray(labels)
    roi, choices = {"y": (5, 50), "x": (8, 40)}, {"threshold.level": [70, 50, 200]}
    for given in (truth, sc.open(truth)):
        found = sc.sweep(labels, choices, roi, margin=3, truth=given)
        scores = found.table[["precision", "recall", "f1", "n_true"]].to_numpy().tolist()
        assert scores == [[1, 0.5, 2 / 3, 2], [1, 1, 1, 2], [0, 0, 0, 2]]
    whole = sc.sweep(labels, choices, truth=truth).table
    for number, level in enumerate(choices["threshold.level"]):
        score = sc.compare(sc.label(raw > level), truth)["f1"][0]
        assert whole["f1"][number] == score
    best = sc.best(found, by="f1")
    assert (best.parameters, best.number, best.value) == ({"threshold.level": 50}, 1, 1.0)
    np.testing.assert_array_equal(np.asarray(best.target), truth)


def test_ties_and_what_has_no_value_are_said(raw):
    mask = sc.threshold(sc.open(raw), level=50)
    found = sc.sweep(
        sc.label(mask),
        {"threshold.level": [20, 55, 70, 200]},
        measures={"word": lambda labels: "text"},
    )
    best = sc.best(found, by="n_objects")
    assert (best.number, best.ties, best.n_unknown) == (0, (1,), 0)
    assert "as good, the first was taken: rows 1" in str(best)
    assert "(NaN)" in str(sc.best(found, by="mean_size"))
    assert sc.best(found, by="mean_size", least=True).number == 0
    assert sc.best(found, by=lambda row: -row["mean_size"]).number == 0
    for by, message in (
        ("f1", "truth="),
        ("sise", "n_objects"),
        ("word", "is a number"),
        (lambda row: float("nan"), "NaN"),
    ):
        with pytest.raises(ParameterError, match=message):
            sc.best(found, by=by)


def test_best_of_several_targets_keeps_their_form(raw):
    mask = sc.threshold(sc.open(raw), level=50)
    targets = {"mask": mask, "cells": [sc.label(mask)]}
    found = sc.best(sc.sweep(targets, {"threshold.level": [70, 99]}), by="threshold.coverage")
    assert set(found.target) == {"mask", "cells"}
    np.testing.assert_array_equal(np.asarray(found.target["cells"][0]) > 0, raw > 70)


def test_the_best_of_a_member_is_that_of_its_folder(raw, tmp_path):
    import tifffile

    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", raw)
    labels = sc.label(sc.threshold(sc.open_folder(tmp_path / "*.tif"), level=50))
    found = sc.sweep(labels["b.tif"], {"threshold.level": [70, 50]})
    assert found.table["n_objects"].tolist() == [2, 3]
    target = sc.best(found, by="n_objects", least=True).target
    np.testing.assert_array_equal(np.asarray(target) > 0, raw > 70)


def test_some_of_a_grid_are_drawn_and_the_same_for_a_seed(raw):
    mask = sc.threshold(sc.open(raw), level=50)
    grid = {"threshold.level": list(range(20))}
    first, again, other = (sc.sweep(mask, grid, n=5, seed=s).table for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first.drop(columns="seconds"), again.drop(columns="seconds"))
    assert first["threshold.level"].is_unique
    assert first["threshold.level"].tolist() != other["threshold.level"].tolist()
    drawn = sc.sweep(mask, {"threshold.level": lambda random: random.uniform(1, 9)}, n=3).table
    assert drawn["threshold.level"].between(1, 9).all()
    assert len(sc.sweep(mask, grid, n=99)) == 20


def test_choices_are_the_rows_of_a_table(raw):
    labels = Counted()(sc.open(raw))
    rows = [{"threshold.level": 50, "dimmed.by": 5}, {"threshold.level": 70, "dimmed.by": 0}]
    for choices in (rows, pd.DataFrame(rows)):
        assert [dict(each) for each in sc.sweep(labels, choices).choices] == rows


@pytest.mark.parametrize(
    ("choices", "options", "error", "message"),
    [
        ({"threshold.levl": [1]}, {}, ParameterError, "threshold.level"),
        ({"gaussian.sigma": [1, -3]}, {}, ParameterError, "sigma is"),
        ({"threshold.level": 5}, {}, ParameterError, r"\[5\]"),
        ({"threshold.level": []}, {}, ParameterError, "a value or more"),
        ({}, {}, ParameterError, "a choice or more"),
        ([], {}, ParameterError, "a choice or more"),
        ([{"a.b": 1}, {"a.c": 1}], {}, ParameterError, "the same parameters"),
        ([3], {}, ParameterError, "DataFrame"),
        ({"threshold.level": float}, {}, ParameterError, "n="),
        ({"threshold.level": [1]}, {"n": 0}, ParameterError, "1 or more"),
        ({"threshold.level": [1]}, {"roi": {"x": (0, 999)}}, GeometryError, "x 0 to 80"),
        ({"threshold.level": [1]}, {"truth": np.zeros((3, 3), int)}, ParameterError, "shape"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_computed(
    raw, choices, options, error, message
):
    calls = []

    @sc.blockwise(dtype="uint8", check_halo=False)
    def seen(image):
        calls.append(image.shape)
        return image

    labels = sc.label(sc.threshold(sc.gaussian(seen(sc.open(raw)), sigma=1), level=5))
    with pytest.raises(error, match=message):
        sc.sweep(labels, choices, **options)
    assert "truth" in options or not calls


def test_a_store_is_filled_without_a_region_and_read_with_one(raw, tmp_path):
    counted = Counted()
    labels = counted(sc.open(raw))
    choices = {"dimmed.by": [0, 45], "smooth.weight": [1, 2]}
    found = sc.sweep(labels, choices, store=tmp_path)
    stored = sc.Store(tmp_path)
    assert [len(stored.find(name)) for name in ("smooth", "dimmed", "label")] == [2, 4, 4]
    part = sc.sweep(labels, choices, {"x": (0, 40)}, store=tmp_path)
    assert counted.calls == {"smooth": 0, "dimmed": 0}  # but in the run's own processes
    np.testing.assert_array_equal(part.preview(1).array, found.preview(1).array[:, :40])


def test_the_sheet_has_one_contrast_and_outlines(raw):
    labels = sc.label(sc.threshold(sc.open(raw), level=50))
    found = sc.sweep(labels, {"threshold.level": [50, 70]}, {"y": (5, 50), "x": (8, 40)}, margin=3)
    sheet = np.asarray(Picture.open(io.BytesIO(found.sheet())))
    assert {(255, 214, 10), (255, 92, 168)} <= set(map(tuple, sheet.reshape(-1, 3)))
    first, second = found.tiles
    assert first.pixels is second.pixels
    images = sc.sweep(sc.gaussian(sc.open(raw), sigma=1), {"gaussian.sigma": [1, 3]})
    assert [tile.labels for tile in images.tiles] == [None, None]
    assert found.caption(0) == ("level 50", "2 objects")


def test_pages_hold_the_sheet_and_the_table(raw, tmp_path):
    labels = sc.label(sc.threshold.options(name="<b>")(sc.open(raw), level=50))
    found = sc.sweep(labels, {"<b>.level": [50, 70]})
    page = found.html(tmp_path / "sweep.html")
    assert (tmp_path / "sweep.html").read_text() == page
    assert "<b>.level" not in page
    assert "&lt;b&gt;.level" in page
    assert page.count("data:image/png;base64,") == 1
    assert "http" not in page
    assert "n_objects" in found._repr_html_()
    assert found.sheet(tmp_path / "sweep.png") == (tmp_path / "sweep.png").read_bytes()


def test_volumes_channels_and_tables_alone(raw):
    volume = np.stack([raw // 2, raw, raw])
    for axes in ("zyx", "cyx", "tyx"):
        labels = sc.label(sc.threshold(sc.open(volume, axes=axes), level=45))
        found = sc.sweep(labels, {"threshold.level": [45, 70]}, {"x": (0, 50)})
        assert len(found.sheet()) > 0
    alone = sc.sweep(sc.measure(labels), {"threshold.level": [45]})
    assert alone.table["n_objects"].tolist() == [sum(sc.label(v > 45).max() for v in volume)]
    assert "n_objects" in alone.html()
    with pytest.raises(PipelineError, match="sweep an image beside"):
        alone.sheet()


@pytest.mark.gui
# napari and what it draws with warn of each other's changes
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Contours are not displayed")
def test_a_viewer_shows_a_cell_a_choice(display, raw):
    labels = sc.label(sc.threshold(sc.open(raw, voxel_size=0.5, unit="um"), level=50))
    found = sc.sweep(labels, {"threshold.level": [50, 70]}, {"x": (10, 40)})
    viewer = found.view()
    try:
        assert viewer.canvas.grid.enabled
        assert viewer.canvas.grid.stride == 2
        assert [type(layer).__name__ for layer in viewer.layers] == 2 * ["Image", "Labels"]
        names = ["image, level 50", "level 50", "image, level 70", "level 70"]
        assert [layer.name for layer in viewer.layers] == names
        assert all(layer.translate[-1] == 5 for layer in viewer.layers)
    finally:
        viewer.close()


def test_what_is_written_has_the_ending_that_says_what_it_is(tmp_path):
    found = sc.sweep(sc.label(sc.open(np.eye(8)) > 0.5), {"label.connectivity": [1, 2]})
    for write, wrong, right in ((found.sheet, "a.tif", "a.png"), (found.html, "a", "a.html")):
        with pytest.raises(ParameterError, match=f"write '{right}'"):
            write(wrong)
        write(tmp_path / right)
        assert (tmp_path / right).stat().st_size


@sc.blockwise(dtype="uint8", check_halo=False, version="1", retries=0)
def picky(image, *, bad, by=0):
    if bad:
        raise ValueError("it is bad\nand more of it")
    return image - np.uint8(by)


@pytest.mark.parametrize("is_stored", [False, True])
def test_choices_that_a_function_fails_at_leave_the_others(raw, tmp_path, is_stored):
    labels = sc.label(picky(sc.open(raw), bad=False) > 50)
    choices = [
        {"picky.bad": bad, "picky.by": by} for bad, by in ((True, 0), (False, 0), (False, 9))
    ]
    with pytest.warns(ScutoidWarning, match="1 of 3 choices failed.*ValueError: it is bad;"):
        found = sc.sweep(labels, choices, store=tmp_path if is_stored else None)
    assert found.table["error"].tolist() == ["ValueError: it is bad", "", ""]
    assert found.table["n_objects"].isna().tolist() == [True, False, False]
    assert found.caption(0)[1].startswith("failed: ValueError")
    assert found.caption(1)[1] == "3 objects"
    assert len(found.tiles) == 3
    assert "it is bad" in found.html()
    best = sc.best(found, by=lambda row: row["seconds"] * 0, least=True)
    assert (best.number, best.n_unknown) == (1, 1)
    if is_stored:
        assert len(sc.Store(tmp_path).find("label")) == 2
    with pytest.raises(ValueError, match="it is bad"):
        found.preview(0)
    with pytest.raises(ValueError, match="it is bad"):
        sc.sweep(labels, {"picky.bad": [True]})


def test_a_measure_that_fails_leaves_the_others(raw):
    labels = sc.label(sc.threshold(sc.open(raw), level=50))
    with pytest.warns(ScutoidWarning, match="ZeroDivisionError"):
        found = sc.sweep(
            labels, {"threshold.level": [50, 200]}, measures={"share": lambda a: 1 // int(a.max())}
        )
    assert found.table["n_objects"].tolist() == [3, 0]
    assert found.table["share"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 1.5}, "n= is how many"),
        ({"n": 1, "seed": "a"}, "seed= is a whole number"),
        ({"n": 1, "seed": -1}, "seed= is a whole number"),
        ({"measures": {"x": 3}}, "is a function"),
        ({"measures": {"seconds": len}}, "no other column"),
        ({"measures": {"n_objects": len}}, "no other column"),
        ({"measures": {"threshold.level": len}}, "no other column"),
    ],
)
def test_arguments_that_cannot_be_are_refused(raw, arguments, message):
    labels = sc.label(sc.threshold(sc.open(raw), level=50))
    with pytest.raises(ParameterError, match=message):
        sc.sweep(labels, {"threshold.level": [50, 60]}, **arguments)


def test_the_best_is_of_a_sweep():
    with pytest.raises(ParameterError, match="that of a sweep"):
        sc.best([], by="f1")


def test_a_place_that_cannot_be_written_is_named(raw, tmp_path):
    found = sc.sweep(sc.open(raw) > 50, {"greater.number": [50, 60]})
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.html").mkdir()
    for name in ("folder", "none/file"):
        for write, ending in ((found.sheet, ".png"), (found.html, ".html")):
            with pytest.raises(StoreError, match="is written into a folder") as caught:
                write(tmp_path / f"{name}{ending}")
            assert caught.value.place == str(tmp_path / f"{name}{ending}")
        with pytest.raises(StoreError, match="a file of parameters is written"):
            sc.save_parameters(tmp_path / f"{name}.png", {}, sc.gaussian)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.html", "folder.png"]
