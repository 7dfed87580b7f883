"""Layers in a window of napari itself."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

import scutoid as sc
from scutoid.errors import MissingExtra, PipelineError
from scutoid.views import view

VOXEL_SIZE = (2.0, 0.5, 0.5)
ORIGIN = (100.0, 0.0, 10.0)


def test_without_napari_the_error_says_how_to_get_it(monkeypatch, image):
    monkeypatch.setitem(sys.modules, "napari", None)
    with pytest.raises(MissingExtra, match=r'pip install "scutoid\[napari\]"'):
        view(image((4, 5), "yx"))


@pytest.mark.parametrize("opens", ["view", "tune", "correct"])
def test_without_a_display_the_error_says_what_to_do_instead(monkeypatch, tmp_path, opens):
    pytest.importorskip("napari")
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "XDG_SESSION_TYPE"):
        monkeypatch.delenv(name, raising=False)
    labels = sc.open(np.eye(8, dtype="uint8"))
    calls = {
        "view": lambda: view(labels),
        "tune": lambda: sc.tune(sc.gaussian, labels, values={"sigma": 1.0}),
        "correct": lambda: sc.correct(labels, corrections=tmp_path / "cells.corrections"),
    }
    with pytest.raises(PipelineError, match=r"needs a display(.|\n)*view --web"):
        calls[opens]()


@pytest.mark.parametrize("given", [sc.label, sc.gaussian, sc.pipeline(lambda: None)])
def test_what_is_shown_or_run_is_called_first(tmp_path, given):
    pytest.importorskip("napari")
    store = {"store": tmp_path / "results"}
    for use, options in ((view, {}), (sc.preview, {}), (sc.run, store), (sc.plan, store)):
        with pytest.raises(PipelineError, match="remedy: call it"):
            use(given, **options)


@pytest.fixture
def balls(image):
    """Bright balls on a dark ground: an image, its labels, and a table of them."""
    grid = np.indices((12, 96, 128)).astype(float)
    centres = [(6, 20, 24), (6, 20, 100), (6, 70, 64)]
    array = np.zeros(grid.shape[1:], "u2")
    for centre in centres:
        distance = sum(((g - c) * s) ** 2 for g, c, s in zip(grid, centre, VOXEL_SIZE, strict=True))
        array[distance < 36] = 1000
    placed = {"voxel_size": VOXEL_SIZE, "origin": ORIGIN}
    raw = image(array.shape, "zyx", name="raw", **placed)
    raw.array = array
    labels = image(array.shape, "zyx", "u4", name="cells", is_labels=True, **placed)
    labels.array = ndimage.label(array)[0].astype("u4")
    world = np.array(centres) * VOXEL_SIZE + ORIGIN
    frame = pd.DataFrame(world, columns=list("zyx")).assign(n_voxels=450)
    return raw, labels, frame


@pytest.mark.gui
# napari and what it draws with warn of each other's changes
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Contours are not displayed")
def test_images_labels_and_points_are_drawn_in_place(display, balls, table, tmp_path):
    raw, labels, frame = balls
    viewer = view(raw, labels, table(frame))
    try:
        assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Labels", "Points"]
        for layer in viewer.layers:
            np.testing.assert_allclose(layer.scale, VOXEL_SIZE)
            np.testing.assert_allclose(layer.translate, ORIGIN)
            assert {str(unit) for unit in layer.units} == {"micrometer"}
        assert tuple(viewer.dims.axis_labels) == ("z", "y", "x")
        # A window shows one plane at a time: nothing larger was read
        assert {shape[0] for shape in raw.read_shapes + labels.read_shapes} == {1}

        viewer.dims.set_point(0, frame["z"][0])
        picture = viewer.screenshot(
            str(tmp_path / "planes.png"), canvas_only=True, flash=False
        ).astype(int)
        background = np.median(picture.reshape(-1, 4), axis=0)
        drawn = (np.abs(picture - background)[..., :3].sum(axis=-1) > 60).mean()
        assert 0.01 < drawn < 0.5

        viewer.layers["cells"].visible = False
        viewer.layers["raw"].visible = False
        only_points = viewer.screenshot(canvas_only=True, flash=False).astype(int)
        yellow = (
            (only_points[..., 0] > 150) & (only_points[..., 1] > 150) & (only_points[..., 2] < 100)
        )
        assert yellow.any()

        viewer.layers["raw"].visible = viewer.layers["cells"].visible = True
        viewer.dims.ndisplay = 3
        viewer.screenshot(str(tmp_path / "volume.png"), canvas_only=True, flash=False)
        assert raw.array.shape in raw.read_shapes
    finally:
        viewer.close()


@pytest.mark.gui
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_layers_are_added_to_a_viewer_that_is_given(display, image):
    viewer = view(image((4, 5), "yx", name="a"))
    try:
        movie = image((2, 4, 5), "cyx", name="b", channels=("red", "green"))
        assert view(movie, viewer=viewer) is viewer
        assert [layer.name for layer in viewer.layers] == ["a", "b red", "b green"]
    finally:
        viewer.close()
