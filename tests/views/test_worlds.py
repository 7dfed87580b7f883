"""One window has one space, whatever is added to it, and when."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scutoid.views._world import World

components = pytest.importorskip("napari.components", reason="napari is not installed")
view = pytest.importorskip("scutoid.views").view


def windowless():
    """Return a viewer without a window."""
    return components.ViewerModel()


def places(layer):
    """Return where the points of a layer are, in the world."""
    return (np.asarray(layer.data) * layer.scale + layer.translate).tolist()


def test_a_table_that_is_added_later_goes_to_its_labels(image, table):
    viewer = windowless()
    view(image((4, 5), "yx", "u2", is_labels=True), viewer=viewer)
    view(image((4, 5), "yx"), viewer=viewer)
    view(table(pd.DataFrame({"label": [3], "y": [1.0], "x": [1.0], "mean": [7]})), viewer=viewer)
    assert [type(layer).__name__ for layer in viewer.layers] == ["Image", "Labels", "Points"]
    assert viewer.layers[1].features["index"].tolist() == [3]
    assert viewer.layers[1].contour == 1
    assert "mean: 7" in viewer.layers[1]._get_properties((0, 3))  # what hovering shows


FRAME = pd.DataFrame({"z": [14.0], "y": [1.0], "x": [2.0]})


@pytest.mark.parametrize("unit", ["um", "nm"])
def test_points_added_later_lie_as_in_one_call(image, table, unit):
    size = {"um": (2.0, 0.5, 0.5), "nm": (2000.0, 500.0, 500.0)}[unit]
    frame = FRAME * (1000 if unit == "nm" else 1)
    frame.attrs["unit"] = unit
    raw = image((4, 5, 6), "zyx", voxel_size=size, unit=unit)
    at_once, later = windowless(), windowless()
    view(raw, table(frame), viewer=at_once)
    view(raw, viewer=later)
    view(table(frame), viewer=later)
    for name in ("scale", "translate", "data"):
        np.testing.assert_allclose(getattr(later.layers[1], name), getattr(at_once.layers[1], name))
    assert later.layers[1].units == at_once.layers[1].units


def test_an_image_in_another_unit_lies_in_that_of_the_window(image):
    viewer = windowless()
    view(image((4, 5), "yx", voxel_size=(0.5, 0.5), unit="um"), viewer=viewer)
    view(image((4, 5), "yx", voxel_size=(2000, 2000), unit="nm"), viewer=viewer)
    np.testing.assert_allclose(viewer.layers[1].scale, (2, 2))
    assert viewer.layers[1].units == viewer.layers[0].units


def test_an_image_of_unknown_size_is_a_part_of_the_one_before(image):
    viewer = windowless()
    view(image((4, 5), "yx", voxel_size=(2.0, 0.5), origin=(10.0, 0.0)), viewer=viewer)
    view(image((2, 2), "yx", offset=(1, 2)), viewer=viewer)
    np.testing.assert_allclose(viewer.layers[1].translate, (12, 1))


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [("zyx", "tzyx", "tzyx"), ("tyx", "pyx", "ptyx"), ("tzyx", "yx", "yx"), ("yx", "zyx", "zyx")],
)
def test_axes_of_a_window_stay_the_last_ones(image, first, second, wanted):
    viewer = windowless()
    for axes in (first, second):
        view(image((2,) * len(axes), axes), viewer=viewer)
    assert "".join(viewer.layers[1].axis_labels) == wanted


@pytest.mark.parametrize("is_named", [True, False])
def test_points_lie_in_the_space_of_a_layer_of_another_program(table, is_named):
    viewer = windowless()
    named = {"axis_labels": tuple("zyx")} if is_named else {}
    placed = {"scale": (2.0, 0.5, 0.5), "translate": (10.0, 0.0, 0.0), "units": ("um",) * 3}
    viewer.add_image(np.zeros((4, 5, 6)), **placed, **named)
    view(table(FRAME), viewer=viewer)
    np.testing.assert_allclose(places(viewer.layers[1]), FRAME.to_numpy())
    assert viewer.layers[1].units == viewer.layers[0].units
    np.testing.assert_allclose(viewer.layers[1].data, [[2, 2, 4]])


def test_a_world_in_voxels_takes_the_unit_of_what_comes(image):
    first = World.of([image((4, 5), "yx")])
    second = World.of([image((4, 5), "yx", voxel_size=(2, 3), unit="um")], first)
    assert (second.unit, second.spacing) == ("um", {"y": 2, "x": 3})
