"""Tuning in a window of napari: sliders are moved by their values, and Qt's events handled."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import MissingExtra, ParameterError, PipelineError

CALLS: list[tuple[str, object]] = []
READS: list[object] = []
GATE = threading.Event()


@sc.blockwise(halo=2, dtype="float64", block=64)
def softer(image, *, weight=0.5):
    CALLS.append(("softer", weight))
    return image * weight


@sc.step
def mean(image):
    CALLS.append(("mean", image.shape))
    return float(image.mean())


@sc.blockwise(dtype=bool, labels=True, out="image", block=64)
def above(image, *, level):
    CALLS.append(("above", level))
    GATE.wait()
    if level > 1e6:
        raise ZeroDivisionError("told to fail")
    return image > level


@sc.pipeline
def cells(raw, weight: float = 0.5, factor: float = 1.0, n: int = 3):
    smooth = softer(raw, weight=weight)
    return smooth, above(smooth, level=mean(smooth) * factor), mean(smooth)


@pytest.fixture(autouse=True)
def nothing_called():
    CALLS.clear()
    GATE.set()


def called():
    names = [name for name, _ in CALLS]
    CALLS.clear()
    return {name: names.count(name) for name in set(names)}


@pytest.fixture
def raw():
    array = np.random.default_rng(0).integers(100, 900, (6, 120, 160)).astype("uint16")
    return sc.open(array, voxel_size=(2, 0.5, 0.5), unit="um")


gui = [
    pytest.mark.gui,
    # napari and what it draws with warn of each other's changes
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def marked(test):
    for mark in gui:
        test = mark(test)
    return test


@pytest.fixture
def tuned(display, until):
    """Begin a tuning, wait until its first results are shown, and end it at last."""
    begun = []

    def begin(*args, **options):
        tuning = sc.tune(*args, **options)
        begun.append(tuning)
        settle(tuning, until)
        CALLS.clear()
        return tuning

    yield begin
    for tuning in begun:
        tuning.close()
        tuning.viewer.close()


def settle(tuning, until):
    """Wait until what the controls say, and what is visible, is shown, or an error is."""

    def is_settled():
        if tuning.error is not None:
            return tuning.is_idle
        shown = tuning._shown
        return tuning.is_idle and shown is not None and shown.values == tuning.parameters

    until(is_settled)


@pytest.fixture
def until():
    """Let Qt handle its events until something holds."""

    def wait(condition):
        from qtpy.QtCore import QDeadlineTimer, QEventLoop
        from qtpy.QtWidgets import QApplication

        end = QDeadlineTimer(120_000)
        while not condition():
            assert not end.hasExpired(), "it never came to that"
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 20)

    return wait


@marked
def test_what_is_visible_is_what_a_run_gives_there(tuned, raw, until, tmp_path):
    tuning = tuned(cells, raw)
    layers = {layer.name: layer for layer in tuning.viewer.layers}
    assert set(layers) == {"array", "softer", "above"}
    assert type(layers["above"]).__name__ == "Labels"
    spans = tuning._shown.seen.spans
    tuning.set(factor=1.5, weight=0.25)
    settle(tuning, until)
    run = sc.run(*cells(raw, weight=0.25, factor=1.5), store=tmp_path / "st", executor="serial")
    region = tuple(slice(*spans[axis]) for axis in "zyx")
    for name in ("softer", "above"):
        np.testing.assert_array_equal(layers[name].data, np.asarray(run[name])[region])
        place = [spans[a][0] * size for a, size in zip("zyx", (2, 0.5, 0.5), strict=True)]
        np.testing.assert_allclose(layers[name].translate, place)
        np.testing.assert_allclose(layers[name].scale, (2, 0.5, 0.5))
    assert f"mean = {run.value('mean').get():.6g}" in tuning.panel.message.text()


@marked
def test_a_slider_computes_only_what_its_parameter_changes(tuned, raw, until):
    tuning = tuned(cells, raw)
    before = list(tuning.viewer.layers)
    tuning.set(factor=1.5)
    settle(tuning, until)
    assert called() == {"above": 1}
    tuning.set(factor=1.0)
    settle(tuning, until)
    assert called() == {}  # it is remembered
    tuning.set(n=4)
    settle(tuning, until)
    assert called() == {}
    tuning.set(weight=0.25)
    settle(tuning, until)
    assert {"softer", "mean", "above"} == set(called())
    assert list(tuning.viewer.layers) == before


@marked
def test_of_sliders_that_move_on_only_the_last_place_is_computed(tuned, raw, until):
    tuning = tuned(cells, raw)
    GATE.clear()
    tuning.set(factor=1.1)
    until(lambda: CALLS)
    for factor in np.linspace(1.2, 1.9, 20):
        tuning.set(factor=float(factor))
    until(lambda: tuning._last[0]["factor"] == 1.9)
    GATE.set()
    settle(tuning, until)
    levels = [level for name, level in CALLS if name == "above"]
    assert len(levels) == 2
    assert levels[1] / levels[0] == pytest.approx(1.9 / 1.1)


@marked
def test_the_region_follows_the_view(tuned, raw, until):
    tuning = tuned(cells, raw)
    viewer = tuning.viewer
    first = tuning._shown.seen.spans
    viewer.dims.set_point(0, 2.0)
    until(lambda: tuning._shown.seen.spans["z"] == (1, 2))
    settle(tuning, until)
    assert "mean" not in called()  # that of the whole image
    viewer.camera.zoom *= 4
    until(lambda: tuning._shown.seen.spans["x"] != first["x"])
    settle(tuning, until)
    spans = tuning._shown.seen.spans
    (layer,) = (layer for layer in viewer.layers if layer.name == "above")
    assert layer.data.shape == tuple(high - low for low, high in spans.values())
    assert layer.data.size < 120 * 160
    viewer.camera.center = (0, -1e4, -1e4)
    until(lambda: "nothing of 'array' is visible" in tuning.panel.message.text())
    viewer.reset_view()
    settle(tuning, until)
    tuning.set(factor=1.5)
    settle(tuning, until)
    viewer.layers.remove("array")
    until(lambda: "nothing of 'array' is visible" in tuning.panel.message.text())


@marked
def test_an_error_of_a_function_is_shown_and_what_was_seen_stays(tuned, raw, until):
    tuning = tuned(cells, raw, ranges={"factor": (0, 1e6)})
    (layer,) = (layer for layer in tuning.viewer.layers if layer.name == "above")
    tuning.set(factor=1e5)
    until(lambda: tuning.error is not None)
    assert "told to fail" in tuning.panel.message.text()
    assert "ZeroDivisionError" in tuning.panel.message.toolTip()
    assert layer in tuning.viewer.layers
    tuning.set(factor=1.0)
    settle(tuning, until)
    assert tuning.error is None
    assert "told to fail" not in tuning.panel.message.text()


@marked
def test_parameters_are_saved_for_a_run(tuned, raw, until, tmp_path, monkeypatch):
    from qtpy.QtWidgets import QFileDialog

    tuning = tuned(cells, raw)
    tuning.set(factor=1.25, n=7)
    path = str(tmp_path / "cells.json")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (path, ""))
    tuning.panel.save_button.click()
    assert path in tuning.panel.message.text()
    saved = sc.read_parameters(path, cells)
    assert saved == {"weight": 0.5, "factor": 1.25, "n": 7} == tuning.parameters
    path = str(tmp_path / "absent" / "cells.json")
    tuning.panel.save_button.click()
    assert "absent" in tuning.panel.message.text()


@marked
def test_a_step_is_tuned_in_a_viewer_that_is_there(display, raw, until):
    viewer = sc.view(raw, show=False)
    tuning = sc.tune(sc.gaussian, raw, viewer=viewer, values={"sigma": 1})
    try:
        settle(tuning, until)
        assert [layer.name for layer in viewer.layers] == ["array", "gaussian"]
        assert tuning.parameters == {"sigma": 1}
        tuning.set(sigma=2)
        settle(tuning, until)
        (image,) = tuning.results
        expected = np.asarray(sc.gaussian(raw, sigma=2)).astype("f4")
        region = image.roi.to_slices()
        np.testing.assert_array_equal(viewer.layers["gaussian"].data, expected[region])
    finally:
        tuning.close()
        viewer.close()


@marked
def test_tables_are_drawn_anew(tuned, raw, until):
    @sc.pipeline
    def spots(image, *, threshold: float = 50.0):
        return sc.detect_spots(image, sigma=1, threshold=threshold)

    tuning = tuned(spots, raw, margin={"y": 8, "x": 8})
    tuning.set(threshold=1.0)
    settle(tuning, until)
    names = [layer.name for layer in tuning.viewer.layers]
    assert len(names) == len(set(names)) == 2
    (points,) = (one for one in tuning.viewer.layers if type(one).__name__ == "Points")
    assert len(points.data) > 0


@marked
def test_what_cannot_be_tuned_leaves_no_window(display, raw):
    import napari

    from_before = set(map(id, napari.Viewer._instances))
    with pytest.raises(ParameterError, match="ranges="):
        sc.tune(cells, raw, ranges={"factor": (5, 9)})
    assert set(map(id, napari.Viewer._instances)) <= from_before


def test_without_an_image_or_a_lazy_result_it_is_refused(monkeypatch):
    pytest.importorskip("napari")
    with pytest.raises(PipelineError, match="returns results of steps"):
        sc.tune(sc.pipeline(lambda n=3: n))


def test_without_napari_the_error_says_how_to_get_it(monkeypatch, raw):
    monkeypatch.setitem(sys.modules, "napari", None)
    with pytest.raises(MissingExtra, match=r'pip install "scutoid\[napari\]"'):
        sc.tune(cells, raw)


def test_qt_is_imported_only_when_something_is_tuned():
    script = "import sys, scutoid; scutoid.tune; import scutoid.tuning; scutoid.tuning.Tuning\n"
    script += 'assert not {"qtpy", "napari", "magicgui", "PyQt6"} & set(sys.modules)'
    subprocess.run([sys.executable, "-c", script], check=True)


@marked
def test_a_window_that_is_closed_while_something_is_computed_ends_it(display, raw, until):
    tuning = sc.tune(cells, raw)
    settle(tuning, until)
    GATE.clear()
    CALLS.clear()
    tuning.set(factor=1.5)
    until(lambda: CALLS)
    tuning.viewer.close()
    tuning._take((tuning._last, ValueError("of a panel that may be gone")))
    GATE.set()
    until(lambda: not tuning._thread._thread.is_alive())
