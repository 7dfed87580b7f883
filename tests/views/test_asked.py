"""What `options(view=)` asks of the layers of a step's results."""

from __future__ import annotations

import json

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError
from scutoid.steps.declaration import LAYER_OPTIONS
from scutoid.views import view_layers


@pytest.fixture
def raw():
    array = np.zeros((6, 20, 30), "u2")
    array[2:4, 5:9, 6:11] = 100
    return sc.open(array, voxel_size=1, unit="um")


SHOWN = {"colormap": "magma", "opacity": 0.5}


def results(raw, asks=True):
    smooth = sc.gaussian.options(**({"view": SHOWN} if asks else {}))(raw, sigma=1)
    labels = sc.label.options(**({"view": {"contour": 3}} if asks else {}))(smooth > 20)
    table = sc.measure.options(**({"view": {"symbol": "cross"}} if asks else {}))(labels)
    return smooth, labels, table


def shown(*handles):
    found = {layer.kind: layer.options for layer in view_layers(*handles)}
    return (
        found["image"].get("colormap"),
        found["image"].get("opacity"),
        found["labels"]["contour"],
        found["points"].get("symbol"),
    )


ASKED = ("magma", 0.5, 3, "cross")


def test_layers_are_as_was_asked_before_and_after_a_run(raw, tmp_path):
    asked = results(raw)
    assert shown(*asked) == ASKED
    done = sc.run(*asked, store=tmp_path / "store", executor="serial")
    assert (
        shown(*asked) == shown(*(done[name] for name in ("gaussian", "label", "measure"))) == ASKED
    )


def test_a_store_shows_results_as_the_newest_run_asked(raw, tmp_path):
    store = tmp_path / "store"
    asked, plain = results(raw), results(raw, asks=False)
    sc.run(*plain, store=store, executor="serial")
    stored = [sc.Store(store)[name] for name in ("gaussian", "label", "measure")]
    assert shown(*stored) == (None, None, 1, None)
    done = sc.run(*asked, store=store, executor="serial")
    assert all(step.n_cached == step.n_blocks for step in done.steps)
    assert shown(*stored) == ASKED
    [record] = [
        step
        for step in json.loads((done.folder / "run.json").read_text())["steps"]
        if step["name"] == "gaussian"
    ]
    assert record["view"] == SHOWN


def test_it_enters_no_key(raw, tmp_path):
    keys = [
        [step.key for step in sc.plan(*results(raw, asks), store=tmp_path)]
        for asks in (True, False)
    ]
    assert keys[0] == keys[1]


def test_members_of_a_folder_are_as_was_asked(raw, tmp_path):
    sc.export(raw, tmp_path / "a.ome.tif")
    images = sc.open_folder(str(tmp_path / "*.tif"))
    smooth = sc.gaussian.options(view=SHOWN)(images, sigma=1)
    sc.run(smooth, store=tmp_path / "store", executor="serial")
    key = images.keys[0]
    for one in (smooth[key], sc.Store(tmp_path / "store")["gaussian"][key]):
        [layer] = view_layers(one)
        assert layer.options["colormap"] == "magma"


@pytest.mark.parametrize(
    ("step", "view", "message"),
    [
        (sc.gaussian, {"colourmap": "magma"}, "did you mean 'colormap'"),
        (sc.gaussian, {"symbol": "cross"}, "arguments of image and labels"),
        (sc.measure, {"contour": 3}, "arguments of points and tracks"),
        (sc.otsu, {"opacity": 1}, "returns value"),
        (sc.gaussian, {"colormap": np.zeros(3)}, "numbers, texts"),
        (sc.gaussian, ["magma"], "numbers, texts"),
        (sc.gaussian, {"gamma": float("nan")}, "numbers, texts"),
    ],
)
def test_what_no_layer_takes_is_refused_when_it_is_given(raw, step, view, message):
    with pytest.raises(ParameterError, match=message):
        step.options(view=view)(raw)


def test_what_the_layer_does_not_take_is_refused_when_it_is_shown(raw):
    with pytest.raises(ParameterError, match="view= of image has arguments"):
        view_layers(sc.gaussian.options(view={"contour": 2})(raw, sigma=1))


def test_napari_takes_all_that_may_be_asked():
    layers = pytest.importorskip("napari.layers", reason="napari is not installed")
    data = {"labels": np.zeros((4, 5), int), "tracks": np.zeros((2, 4))}
    for kind, names in LAYER_OPTIONS.items():
        layer = getattr(layers, kind.title())(data.get(kind, np.zeros((4, 5))))
        missing = {name for name in names if not hasattr(layer, name)} - {"color_by"}
        assert not missing


@pytest.mark.parametrize(
    "view",
    [
        {"opacity": 3},
        {"opacity": "a"},
        {"opacity": True},
        {"gamma": 0},
        {"visible": "yes"},
        {"contour": 1.5},
        {"contrast_limits": 5},
        {"contrast_limits": (5, 1)},
        {"contrast_limits": ("a", "b")},
        {"attenuation": "s"},
        {"color_by": ["a"]},
    ],
    ids=str,
)
def test_wrong_values_are_refused_when_they_are_given(raw, view):
    with pytest.raises(ParameterError, match=f"{next(iter(view))} of a layer is .*"):
        sc.gaussian.options(view=view)(raw, sigma=1)


@pytest.mark.parametrize("view", [{"blending": "mix"}, {"colormap": "none of these"}], ids=str)
def test_what_napari_refuses_is_said_with_the_layer(raw, view):
    components = pytest.importorskip("napari.components", reason="napari is not installed")
    asked = sc.gaussian.options(view=view)(raw, sigma=1)
    with pytest.raises(ParameterError, match=r"'gaussian', with"):
        sc.view(asked, viewer=components.ViewerModel())


def test_what_is_no_viewer_is_refused(raw):
    pytest.importorskip("napari", reason="napari is not installed")
    with pytest.raises(ParameterError, match="viewer of napari"):
        sc.view(raw, viewer=3)
