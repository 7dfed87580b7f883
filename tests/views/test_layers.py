"""The layers that show results, and their places."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scutoid.errors import MetadataError, ParameterError, PipelineError
from scutoid.views import view_layers


def kinds(layers):
    return [(layer.kind, layer.name) for layer in layers]


def test_integers_are_labels_if_they_say_so(image):
    layers = view_layers(
        image((4, 5), "yx", name="raw"),
        image((4, 5), "yx", name="cells", is_labels=True),
        image((4, 5), "yx", name="my_labels"),
        image((4, 5), "yx", "f4", name="label_probability"),
        image((4, 5), "yx", bool, name="foreground"),
        labels=image((4, 5), "yx", name="regions"),
    )
    assert kinds(layers) == [
        ("image", "raw"),
        ("labels", "cells"),
        ("labels", "my_labels"),
        ("image", "label_probability"),
        ("labels", "foreground"),
        ("labels", "regions"),
    ]


def test_layers_lie_at_their_voxel_size_and_offset(image):
    raw = image((4, 5, 6), "zyx", voxel_size=(2.0, 0.5, 0.5), origin=(10.0, 0.0, -1.0))
    [layer] = view_layers(raw)
    assert layer.axes == "zyx"
    assert layer.scale == (2.0, 0.5, 0.5)
    assert layer.translate == (10.0, 0.0, -1.0)
    assert layer.units == ("um", "um", "um")


def test_a_crop_lies_where_it_was_cut_out(image):
    raw = image((40, 50), "yx", voxel_size=(2.0, 0.5), origin=(10.0, 0.0))
    crop = image((4, 5), "yx", offset=(3, 8), voxel_size=(2.0, 0.5), origin=(16.0, 4.0))
    unknown = image((4, 5), "yx", offset=(3, 8))
    layers = view_layers(raw, crop, unknown)
    assert layers[1].translate == layers[2].translate == (16.0, 4.0)
    assert layers[2].scale == (2.0, 0.5)


def test_images_without_voxel_size_are_shown_in_voxels(image):
    [layer] = view_layers(image((4, 5), "yx", offset=(3, 8)))
    assert (layer.scale, layer.translate) == ((1.0, 1.0), (3.0, 8.0))
    assert layer.units == ("pixel", "pixel")


def test_units_convert_to_that_of_the_first_image(image):
    fine = image((4, 5), "yx", voxel_size=(0.5, 0.5), unit="um")
    coarse = image((4, 5), "yx", voxel_size=(2000, 2000), unit="nm", origin=(1000, 0))
    layer = view_layers(fine, coarse)[1]
    np.testing.assert_allclose(layer.scale, (2, 2))
    np.testing.assert_allclose(layer.translate, (1, 0))
    assert layer.units == ("um", "um")
    with pytest.raises(MetadataError, match="convert"):
        view_layers(fine, image((4, 5), "yx", voxel_size=(1, 1), unit="furlong"))


def test_channels_become_layers_with_their_names(image):
    raw = image((2, 3, 4, 5), "czyx", name="raw", channels=("dapi", "gfp"))
    layers = view_layers(raw)
    assert kinds(layers) == [("image", "raw dapi"), ("image", "raw gfp")]
    assert [layer.data.shape for layer in layers] == [(3, 4, 5), (3, 4, 5)]
    np.testing.assert_array_equal(np.asarray(layers[1].data), raw.array[1])
    assert layers[0].options["colormap"] != layers[1].options["colormap"]


def test_bytes_of_three_channels_at_the_end_are_colour(image):
    [layer] = view_layers(image((4, 5, 3), "yxc", "u1"))
    assert layer.options["rgb"]
    assert layer.axes == "yx"
    assert layer.data.shape == (4, 5, 3)


def test_missing_axes_in_between_are_one_voxel_long(image):
    movie, planes, mask = image((2, 3, 4, 5), "tzyx"), image((2, 4, 5), "tyx"), image((4, 5), "yx")
    layers = view_layers(movie, planes, mask)
    assert [layer.axes for layer in layers] == ["tzyx", "tzyx", "yx"]
    assert layers[1].data.shape == (2, 1, 4, 5)


def test_axes_in_another_order_are_turned(image):
    a, b = image((3, 4, 5), "zyx"), image((5, 4, 3), "xyz")
    assert [layer.data.shape for layer in view_layers(a, b)] == [(3, 4, 5), (3, 4, 5)]


def test_a_line_is_shown_as_a_plane(image):
    [layer] = view_layers(image((9,), "x"))
    assert layer.data.shape == (1, 9)


def test_tables_become_points_in_the_units_of_the_images(image, table):
    raw = image((4, 5, 6), "zyx", voxel_size=(2.0, 0.5, 0.5), origin=(10.0, 0.0, -1.0))
    frame = pd.DataFrame({"label": [7], "z": [14.0], "y": [1.0], "x": [0.0], "n_voxels": [27]})
    points = view_layers(raw, table(frame))[1]
    assert points.kind == "points"
    np.testing.assert_allclose(points.data, [[2.0, 2.0, 2.0]])
    assert (points.scale, points.translate) == ((2.0, 0.5, 0.5), (10.0, 0.0, -1.0))
    assert points.options["features"]["label"].tolist() == [7]


def test_tables_of_movies_have_their_time_point(image, table):
    movie = image((2, 4, 5), "tyx")
    frame = pd.DataFrame({"t": [1], "y": [2.0], "x": [3.0]})
    assert view_layers(movie, table(frame))[1].data.tolist() == [[1, 2, 3]]


def test_a_table_is_shown_without_images(table):
    frame = pd.DataFrame({"z": [1.0, 2.0], "y": [2.0, 2.0], "x": [3.0, 0.0]})
    assert view_layers(table(frame))[0].data.tolist() == [[1, 2, 3], [2, 2, 0]]
    assert view_layers(frame)[0].axes == "zyx"


def test_a_table_without_objects_is_an_empty_layer(table):
    frame = pd.DataFrame({"y": [], "x": [], "n_voxels": []})
    assert view_layers(table(frame))[0].data.shape == (0, 2)


def test_a_table_without_positions_is_refused(table):
    with pytest.raises(ParameterError, match="columns y and x"):
        view_layers(table(pd.DataFrame({"y": [1.0], "mean": [2.0]})))


def test_contrast_is_set_from_a_few_planes(image):
    raw = image((40, 8, 9), "zyx")
    [layer] = view_layers(raw)
    low, high = layer.options["contrast_limits"]
    assert low < high
    assert len(raw.read_shapes) <= 3
    assert set(raw.read_shapes) == {(1, 8, 9)}


@pytest.mark.parametrize("fill", [0, 7, np.nan, np.inf])
def test_contrast_of_an_image_of_one_value(image, fill):
    flat = image((8, 9), "yx", "f4")
    flat.array[:] = fill
    low, high = view_layers(flat)[0].options["contrast_limits"]
    assert low < high


def test_later_images_add_to_the_first(image):
    layers = view_layers(image((4, 5), "yx"), image((4, 5), "yx"))
    assert [layer.options.get("blending") for layer in layers] == [None, "additive"]


@pytest.mark.parametrize(("dtype", "axes"), [("f4", "zyx"), ("u2", "cyx")])
def test_labels_are_integers_without_channels(image, dtype, axes):
    with pytest.raises(PipelineError, match="labels are integers"):
        view_layers(labels=image((3, 4, 5), axes, dtype))


def test_other_things_are_refused():
    with pytest.raises(PipelineError, match="an image or a table"):
        view_layers(3)


def test_a_collection_is_refused_with_an_example():
    class Folder:
        keys = ("A01.tif",)
        member = None

        def to_pandas(self):
            raise AssertionError

    with pytest.raises(PipelineError, match=r"images\['A01.tif'\]"):
        view_layers(Folder())
