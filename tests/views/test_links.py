"""Rows of a table and the layers that show them, in a viewer without a window."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scutoid.arrays import TimeScale
from scutoid.errors import ParameterError

components = pytest.importorskip("napari.components", reason="napari is not installed")
views = pytest.importorskip("scutoid.views")
links = pytest.importorskip("scutoid.views._links")
colouring = pytest.importorskip("scutoid.views._colouring")

BIG = 2**63 + 5


@pytest.fixture
def shown(image):
    """A window with two objects, one of them with a number that no float64 holds."""
    labels = image((9, 30, 40), "zyx", "u8", is_labels=True, voxel_size=(2, 0.5, 0.5), name="cells")
    labels.array[:] = 0
    labels.array[2:5, 4:9, 4:9], labels.array[6:8, 20:25, 30:36] = BIG, 7
    frame = pd.DataFrame(
        {
            "label": np.array([7, BIG], "u8"),
            "z": [13.0, 6.0],
            "y": [11.0, 3.0],
            "x": [16.25, 3.0],
            "n_voxels": [60, 75],
            "mean": [1.5, np.nan],
            "kind": ["round", "long"],
        }
    )
    viewer = components.ViewerModel()
    views.view(labels, frame, viewer=viewer)
    [link] = links.links_of(viewer)
    return viewer, link


def test_a_row_is_gone_to_and_selected(shown):
    viewer, link = shown
    link.go_to(1)
    assert viewer.dims.point[0] == 6
    assert viewer.scene.camera.center[1:] == (3, 3)
    assert link.labels.selected_label == BIG
    at = [link.points.data[n] for n in link.points.selected_data]
    np.testing.assert_allclose([place[1:] for place in at], [[6, 6]] * len(at))
    assert len(at) == 3


@pytest.mark.parametrize("hidden", ["labels", "points"])
def test_the_row_of_what_lies_at_a_place_is_found(shown, hidden):
    viewer, link = shown
    getattr(link, hidden).visible = False
    for row, place in enumerate([(12, 11, 16.25), (6, 3, 3)]):
        viewer.dims.set_point(0, place[0])
        assert link.row_at(place, view_direction=None, dims_displayed=[1, 2]) == row
    assert link.row_at((6, 14, 1), view_direction=None, dims_displayed=[1, 2]) is None


def test_objects_are_coloured_by_numbers_and_by_texts(shown):
    _, link = shown
    plain = link.labels.get_color(7)
    for column, values in (("n_voxels", 2), ("kind", 2), ("label", 2)):
        link.color_by(column)
        labels = [tuple(link.labels.get_color(number)) for number in (7, BIG)]
        assert len(set(labels)) == values
        borders = link.points.border_color
        rings = {tuple(np.round(np.float64(each), 4)) for each in borders}
        assert rings == {tuple(np.round(np.float64(each), 4)) for each in labels}
        drawn = link.labels.colormap.map(np.array([0, 7, BIG], "u8"))
        np.testing.assert_allclose(drawn, [(0, 0, 0, 0), *labels], atol=1e-6)
    link.color_by("mean")
    np.testing.assert_allclose(link.labels.get_color(BIG), (0.5, 0.5, 0.5, 1))
    link.color_by(None)
    np.testing.assert_allclose(link.labels.get_color(7), plain)


def test_very_many_objects_have_colours(image):
    labels = image((300, 300), "yx", "u4", is_labels=True)
    labels.array[:] = np.arange(90_000).reshape(300, 300) * 1000
    frame = pd.DataFrame({"label": np.arange(1, 90_000) * 1000, "size": np.arange(1, 90_000)})
    viewer = components.ViewerModel()
    views.view(labels, frame, viewer=viewer, color_by="size")
    drawn = viewer.layers[0].colormap.map(np.array([0, 500, 1000, 89_999_000], "u4"))
    assert drawn[0, 3] == 0
    np.testing.assert_allclose(drawn[1], (0.5, 0.5, 0.5, 1))
    assert drawn[3, 0] > 0.9
    assert drawn[2, 2] > drawn[2, 0]


def test_a_column_that_no_table_has_is_refused(shown, image):
    viewer, link = shown
    with pytest.raises(ParameterError, match="there are label, z"):
        link.color_by("volume")
    with pytest.raises(ParameterError, match="show a table too"):
        views.view(image((4, 5), "yx"), viewer=viewer, color_by="volume")


def movie(image):
    labels = image((3, 20, 20), "tyx", "u2", is_labels=True, name="cells")
    labels.array[:] = 0
    for t in range(3):
        labels.array[t, 5:9, 5 + t : 9 + t] = 4
    frame = pd.DataFrame(
        {"label": 4, "t": [0, 1, 2], "y": 6.5, "x": [6.5, 7.5, 8.5], "track": ["a", "a", "b"]}
    )
    return labels, frame.assign(mean=[10, 20, 30])


def test_labels_of_a_movie_have_the_rows_of_the_time_that_is_shown(image):
    viewer = components.ViewerModel()
    views.view(*movie(image), viewer=viewer)
    [link] = links.links_of(viewer)
    for t in (1, 0, 2):
        viewer.dims.set_point(0, t)
        link.show_time()
        assert link.labels.features["mean"].tolist() == [10 * (t + 1)]
        assert link.row_of(4) == t


def test_tracks_are_coloured_with_their_objects(image):
    viewer = components.ViewerModel()
    views.view(*movie(image), viewer=viewer, color_by="track")
    [link] = links.links_of(viewer)
    assert [type(layer).__name__ for layer in link.layers] == ["Labels", "Points", "Tracks"]
    assert link.tracks.color_by == "track (number)"
    link.color_by("mean")
    assert link.tracks.color_by == "mean"


def test_labels_of_a_movie_have_the_colours_of_the_time_that_is_shown(image):
    viewer = components.ViewerModel()
    labels, frame = movie(image)
    views.view(labels, frame, viewer=viewer, color_by="mean")
    [link] = links.links_of(viewer)
    seen = []
    for t in (1, 0, 2, 1):
        viewer.dims.set_point(0, t)
        link.show_time()
        seen.append(link.labels.get_color(4).tolist())
    whole = colouring.colors_of(frame["mean"])
    np.testing.assert_allclose(seen, whole[[1, 0, 2, 1]], atol=1e-6)
    link.color_by(None)
    plain = link.labels.get_color(4)
    viewer.dims.set_point(0, 0)
    link.show_time()
    np.testing.assert_array_equal(link.labels.get_color(4), plain)


@pytest.mark.parametrize("time", [None, TimeScale(5.0, "s", 100.0)])
def test_rows_of_a_movie_that_is_cropped_are_those_of_its_times(image, time):
    viewer = components.ViewerModel()
    cropped = image(
        (2, 20, 20), "tyx", "u2", is_labels=True, name="cells", offset=(1, 0, 0), time=time
    )
    cropped.array[:] = 0
    cropped.array[:, 5:9, 5:9] = 4
    _, frame = movie(image)
    views.view(cropped, frame, viewer=viewer)
    [link] = links.links_of(viewer)
    for place, t in enumerate((1, 2)):
        viewer.dims.set_point(0, link.labels.translate[0] + place * link.labels.scale[0])
        link.show_time()
        assert link.labels.features["mean"].tolist() == [10 * (t + 1)]
        assert link.row_of(4) == t


@pytest.mark.parametrize(
    "values",
    [[[1], [2]], [{"a": 1}, None], [1, "a"], [2**70, 1], pd.to_datetime(["2020-01-01", None])],
    ids=str,
)
def test_columns_of_any_values_colour_objects(image, values):
    labels, _ = movie(image)
    frame = pd.DataFrame({"label": [-1, 4], "t": 0, "y": 1.0, "x": 1.0, "track": 1, "kind": values})
    viewer = components.ViewerModel()
    views.view(labels, frame, viewer=viewer, color_by="kind")
    [link] = links.links_of(viewer)
    assert len(link.points.border_color) == 2
    link.labels.refresh()


def test_rows_without_a_place_are_not_drawn_and_keep_their_number(image):
    frame = pd.DataFrame({"y": [np.nan, 3.0, 4.0], "x": 1.0, "mean": [1.0, 2.0, 3.0]})
    viewer = components.ViewerModel()
    views.view(image((8, 9), "yx"), frame, viewer=viewer, color_by="mean")
    [link] = links.links_of(viewer)
    assert link.points.data.tolist() == [[3, 1], [4, 1]]
    link.select(2)
    assert link.points.selected_data == {1}
    link.go_to(0)
    assert not link.points.selected_data
