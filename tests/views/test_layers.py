"""The layers that show results, and their places."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scutoid.arrays import ChannelDisplay
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
        ("image", "label_probability"),
        ("labels", "cells"),
        ("labels", "my_labels"),
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


DISPLAYS = {
    "colour and window": (("00FF00", (5.0, 90.0, 0.0, 255.0)), ("#00FF00", (5.0, 90.0))),
    "colour alone": (("FF8000", None), ("#FF8000", (1.0, 249.0))),
    "window alone": ((None, (0.25, 0.5, 0.0, 1.0)), ("green", (0.25, 0.5))),
    "empty window": ((None, (7.0, 7.0, 7.0, 7.0)), ("green", (1.0, 249.0))),
    "nothing": ((None, None), ("green", (1.0, 249.0))),
}


@pytest.mark.parametrize("case", DISPLAYS)
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_channels_are_shown_as_their_file_says(image, case, dtype):
    said, wanted = DISPLAYS[case]
    display = (ChannelDisplay(*said), ChannelDisplay("0000FF", (0.0, 9.0, 0.0, 9.0)))
    first, second = view_layers(image((2, 20, 30), "cyx", dtype, display=display))
    assert (first.options["colormap"], first.options["contrast_limits"]) == wanted
    assert (second.options["colormap"], second.options["contrast_limits"]) == ("#0000FF", (0, 9))


def test_one_channel_taken_out_keeps_its_colour_and_window(image):
    display = (ChannelDisplay("FF0000", (3.0, 60.0, 0.0, 99.0)),)
    [layer] = view_layers(image((8, 9), "yx", display=display))
    assert layer.options["colormap"] == "#FF0000"
    assert layer.options["contrast_limits"] == (3, 60)


def test_a_channel_that_its_file_hides_is_hidden(image):
    display = (ChannelDisplay("FF0000", None, (("active", False),)), ChannelDisplay("00FF00"))
    layers = view_layers(image((2, 8, 9), "cyx", display=display))
    assert [layer.options.get("visible", True) for layer in layers] == [False, True]


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "f8"])
def test_contrast_reaches_small_bright_objects_and_leaves_out_single_voxels(image, dtype):
    dim = image((64, 64), "yx", dtype)
    dim.array[:] = 100
    dim.array[::2] = 101  # the ground
    dim.array[10, 10:12] = 180  # the smallest object
    dim.array[30, 30], dim.array[40, 40] = 250, 3  # hot and dead
    assert view_layers(dim)[0].options["contrast_limits"] == (100, 180)


def test_contrast_of_single_voxels_alone(image):
    dots = image((9, 9), "yx", "u1")
    dots.array[:] = 0
    dots.array[4, 4] = 1
    assert view_layers(dots)[0].options["contrast_limits"] == (0, 1)


def test_a_table_alone_lies_in_its_own_unit(table):
    frame = pd.DataFrame({"y": [2.0], "x": [3.0]})
    frame.attrs["unit"] = "um"
    [layer] = view_layers(table(frame))
    assert layer.units == ("um", "um")
    assert layer.data.tolist() == [[2, 3]]


def test_a_table_in_voxels_lies_in_voxels(image, table):
    frame = pd.DataFrame({"y": [2.0], "x": [3.0]})
    frame.attrs["unit"] = "voxel"
    for shown in ((table(frame),), (image((4, 5), "yx"), table(frame))):
        layer = view_layers(*shown)[-1]
        assert layer.units == ("pixel", "pixel")
        assert layer.data.tolist() == [[2, 3]]
    sized = image((4, 5), "yx", voxel_size=(2.0, 0.5), origin=(10.0, 0.0))
    layer = view_layers(sized, image((4, 5), "yx", is_labels=True), table(frame))[-1]
    assert layer.units == ("um", "um")
    assert layer.data.tolist() == [[2, 3]]


def test_a_table_in_another_unit_lies_where_its_image_does(image, table):
    raw = image((4, 5), "yx", voxel_size=(0.5, 0.5), unit="um")
    frame = pd.DataFrame({"y": [1000.0], "x": [2000.0]})
    frame.attrs["unit"] = "nm"
    np.testing.assert_allclose(view_layers(raw, table(frame))[1].data, [[2, 4]])


def test_contrast_is_set_from_a_few_planes(image):
    raw = image((40, 8, 9), "zyx")
    [layer] = view_layers(raw)
    low, high = layer.options["contrast_limits"]
    assert low < high
    assert len(raw.read_shapes) <= 13
    assert set(raw.read_shapes) == {(1, 8, 9)}


@pytest.mark.parametrize("z", range(3, 55, 11))
def test_contrast_reaches_objects_that_lie_in_few_planes(image, z):
    raw = image((60, 700, 900), "zyx", "u2")
    raw.array[:] = 100
    raw.array[::2, ::2] = 109  # the ground
    raw.array[z : z + 5, 300:420, 400:520] = 710
    assert view_layers(raw)[0].options["contrast_limits"] == (100, 710)


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
