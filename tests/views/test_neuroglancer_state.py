"""The state of the page: layers, looks, places, and links of earlier views."""

from __future__ import annotations

import json
import urllib.parse

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.arrays import ChannelDisplay
from scutoid.errors import MissingExtra, ParameterError, PipelineError, ScutoidWarning
from scutoid.views import _neuroglancer as module
from scutoid.views import _neuroglancer_server, web


@pytest.fixture
def state_of(monkeypatch):
    """Return the state that a page begins with, without serving it."""

    class Kept:
        def __init__(self, page, port):
            self.page, self.port = page, port

    monkeypatch.setattr(module, "PageServer", Kept)
    monkeypatch.setattr(module, "client_folder", lambda: None)

    def state(*results, **options):
        view = web(*results, open_browser=False, **options)
        found = view._server.page.state("http://127.0.0.1:9/data/T")
        return json.loads(json.dumps(found, allow_nan=False))

    return state


def layers_of(state):
    return {layer["name"]: layer for layer in state["layers"]}


def test_x_comes_first_and_lengths_are_in_metres(state_of, image):
    state = state_of(image((3, 4, 5, 6), "tzyx", voxel_size=(2.0, 0.5, 0.25), name="raw"))
    assert list(state["dimensions"]) == ["x", "y", "z", "t"]
    assert state["dimensions"]["x"] == [pytest.approx(0.25e-6), "m"]
    assert state["dimensions"]["z"] == [pytest.approx(2e-6), "m"]
    assert state["position"] == [2, 2, 1, 0]


@pytest.mark.parametrize(
    ("shape", "axes", "layout"),
    [((4, 5), "yx", "xy"), ((3, 4, 5), "zyx", "4panel"), ((1, 4, 5), "zyx", "xy")],
)
def test_volumes_are_shown_from_all_sides(state_of, image, shape, axes, layout):
    assert state_of(image(shape, axes))["layout"] == layout


def test_images_have_the_contrast_and_colours_of_other_viewers(state_of, image):
    display = (ChannelDisplay("FF8000", (10, 200)), ChannelDisplay(None, (0, 50)))
    shown = layers_of(
        state_of(image((2, 8, 9), "cyx", channels=("a", "b"), name="raw", display=display))
    )
    assert list(shown) == ["raw a", "raw b"]
    assert shown["raw a"]["shaderControls"] == {"normalized": {"range": [10, 200]}}
    assert '"#ff8000"' in shown["raw a"]["shader"]
    assert '"#ff00ff"' in shown["raw b"]["shader"]


@pytest.mark.parametrize(
    ("dtype", "limits"),
    [
        ("uint8", [10, 200]),
        ("float64", [10.0, 200.0]),
        ("uint64", ["10", "200"]),
        ("int64", [10.0, 200.0]),
    ],
)
def test_limits_are_of_the_type_of_the_voxels(state_of, image, dtype, limits):
    shown = image((8, 9), "yx", dtype, display=(ChannelDisplay(None, (10, 200)),))
    (layer,) = state_of(shown)["layers"]
    assert layer["shaderControls"]["normalized"]["range"] == limits


def test_pictures_in_colour_are_one_layer(state_of):
    picture = np.zeros((8, 9, 3), "u1")
    (layer,) = state_of(sc.open(picture, axes="yxc"))["layers"]
    assert layer["channelDimensions"] == {"c^": [1, ""]}
    assert "getDataValue(2)" in layer["shader"]


def test_a_colormap_that_the_page_has_not_is_named(state_of, image):
    step = sc.gaussian.options(view={"colormap": "magma"})
    with pytest.warns(ScutoidWarning, match="no colour or colormap 'magma'"):
        state_of(step(sc.open(np.zeros((8, 9))), sigma=1))


def test_tables_are_properties_of_labels_and_points_of_them(state_of, image):
    cells = image((8, 9), "yx", "u4", name="cells", is_labels=True)
    table = pd.DataFrame({"label": [1], "y": [2.0], "x": [3.0], "n_voxels": [9]})
    state = state_of(image((8, 9), "yx", name="raw"), cells, table)
    shown = layers_of(state)
    assert [layer["type"] for layer in state["layers"]] == ["image", "segmentation", "annotation"]
    assert len(shown["cells"]["source"]) == 2
    assert shown["cells"]["segmentQuery"] == "|n_voxels"
    assert shown["points"]["linkedSegmentationLayer"] == {"segments": "cells"}
    assert state["selectedLayer"]["layer"] == "cells"


def test_a_table_of_regions_belongs_to_the_atlas(state_of, image):
    cells = sc.label(sc.open(np.eye(9, dtype="u1")) > 0)
    atlas = image((9, 9), "yx", "u4", name="atlas", is_labels=True)
    regions = pd.DataFrame({"id": [1, 5], "name": ["cortex", "thalamus"]})
    for given in ([atlas, regions], [regions, cells, atlas, sc.measure(cells)]):
        shown = layers_of(state_of(*given))
        assert len(shown["atlas"]["source"]) == 2
        assert set(shown) <= {"label", "measure", "atlas"}


def test_layers_of_one_name_are_told_apart(state_of, image):
    shown = state_of(image((4, 5), "yx", name="raw"), image((4, 5), "yx", name="raw"))
    assert [layer["name"] for layer in shown["layers"]] == ["raw", "raw 2"]


def test_an_image_without_levels_is_first_shown_near_enough(state_of, image):
    assert state_of(image((40, 90_000), "yx"))["crossSectionScale"] == 2
    assert state_of(image((40, 55), "yx"))["crossSectionScale"] == pytest.approx(0.1)


def test_a_thick_volume_is_shown_whole(state_of, image):
    thick = state_of(image((66, 40, 33), "zyx", voxel_size=(1.0, 0.5, 0.5)))
    assert thick["crossSectionScale"] == pytest.approx(132 / 330)


def address(state):
    return "http://127.0.0.1:1/v/OLD/#!" + urllib.parse.quote(json.dumps(state))


def test_a_link_restores_the_view_of_what_is_shown_now(state_of, image):
    raw, more = image((4, 5), "yx", name="raw"), image((4, 5), "yx", name="more")
    before = state_of(raw)
    before["position"] = [1, 3]
    before["layers"][0] |= {"source": "zarr3://http://127.0.0.1:1/data/OLD/0/", "opacity": 0.25}
    now = state_of(raw, more, link=address(before))
    shown = layers_of(now)
    assert now["position"] == [1, 3]
    assert shown["raw"]["opacity"] == 0.25
    assert shown["raw"]["source"] == "zarr3://http://127.0.0.1:9/data/T/0/"
    assert list(shown) == ["raw", "more"]


def test_layers_of_a_link_that_are_not_shown_are_named(state_of, image):
    before = state_of(image((4, 5), "yx", name="raw"))
    with pytest.warns(ScutoidWarning, match="not among those given now: raw"):
        now = state_of(image((4, 5), "yx", name="other"), link=address(before))
    assert list(layers_of(now)) == ["other"]


@pytest.mark.parametrize(
    "link", ["http://127.0.0.1:1/v/T/", "", "#!{", "#![1]", '#!{"layers": 3}', '#!{"layers": [{}]}']
)
def test_other_links_are_refused(state_of, image, link):
    with pytest.raises(ParameterError, match="the link of an earlier view is an address"):
        state_of(image((4, 5), "yx"), link=link)


def test_nothing_to_show_is_an_error(state_of):
    with pytest.raises(PipelineError, match="an image or a table at least"):
        state_of()


def test_without_neuroglancer_the_error_says_how_to_get_it(monkeypatch, image):
    monkeypatch.setattr(_neuroglancer_server, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "scutoid\[web\]"'):
        web(image((4, 5), "yx"))
