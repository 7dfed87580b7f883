"""How a step's function meets its images: the grid of blocks, and the way there and back.

Most cases have one axis, so that a region is written as it is drawn: ``(first, stop)``.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from scutoid.arrays import ImageSpec, pad_to
from scutoid.geometry import Coordinate, Roi
from scutoid.steps.declaration._spec import Options, make_spec
from scutoid.steps.layout._fit import make_layout
from scutoid.steps.layout._layout import Layout
from scutoid.steps.layout._output_grid import OutputGrid
from scutoid.steps.layout._placement import Framed, Placed


def spec_of(out="image", **declared):
    return make_spec(
        "blockwise", lambda *images: images, out=out, setup=None, options=Options(), **declared
    )


def image_of(axes, shape, offset=None):
    return Framed(
        ImageSpec(shape, "uint16", axes), Coordinate(*(offset or (0,) * len(shape))), tuple(shape)
    )


def layout_of(*images, block=None, target=None, **declared) -> Layout:
    """The layout of a step for images, each given as (axes, shape) or (axes, shape, offset)."""
    framed = [image_of(*image) for image in images]
    return make_layout(spec_of(**declared), {}, framed, block=block, target=target)


def line(size=12, offset=0, **declared) -> Layout:
    """The layout of a step for an image of one axis, x, in blocks of 4."""
    return layout_of(("x", (size,), (offset,)), block=4, **declared)


def span(region):
    """A region of one axis as (first, stop)."""
    return region.offset[0], region.end[0]


def roi(first, stop):
    return Roi((first,), (stop - first,))


# Axes: iterated, cut, whole ----------------------------------------------------------------------
#
#    image t c z y x, function z y x        t, c   iterated: blocks of one
#                                           z y x  the function's, cut in blocks of 16
@pytest.mark.parametrize(
    ("images", "declared", "iterated", "grid", "output"),
    [
        pytest.param(
            [("zyx", (40, 50, 60))],
            {},
            "",
            {"z": 16, "y": 16, "x": 16},
            "zyx",
            id="axes of space are the function's, and cut",
        ),
        pytest.param(
            [("tczyx", (2, 3, 40, 50, 60))],
            {},
            "tc",
            {"t": 1, "c": 1, "z": 16, "y": 16, "x": 16},
            "tczyx",
            id="others are iterated, in blocks of one",
        ),
        pytest.param(
            [("yxc", (50, 60, 3))],
            {},
            "c",
            {"c": 1, "y": 16, "x": 16},
            "cyx",
            id="iterated axes come first",
        ),
        pytest.param(
            [("zyx", (40, 50, 60))],
            {"axes": "yx"},
            "z",
            {"z": 1, "y": 16, "x": 16},
            "zyx",
            id="an axis of space that is not named is iterated",
        ),
        pytest.param(
            [("zyx", (40, 50, 60))],
            {"axes": "xzy"},
            "",
            {"x": 16, "z": 16, "y": 16},
            "xzy",
            id="the function says the order",
        ),
        pytest.param(
            [("czyx", (3, 40, 50, 60))],
            {"axes": "czyx"},
            "",
            {"c": 3, "z": 16, "y": 16, "x": 16},
            "czyx",
            id="an axis that is not of space is never cut",
        ),
        pytest.param(
            [("yx", (50, 60))],
            {"axes": "czyx"},
            "",
            {"y": 16, "x": 16},
            "yx",
            id="axes that no image has are not in the grid",
        ),
        pytest.param(
            [("zyx", (40, 50, 60))],
            {"out_axes": "yx"},
            "",
            {"z": 40, "y": 16, "x": 16},
            "yx",
            id="a projection: what is not returned is whole",
        ),
        pytest.param(
            [("tczyx", (2, 3, 40, 50, 60))],
            {"axes": "czyx", "out_axes": "zyx"},
            "t",
            {"t": 1, "c": 3, "z": 16, "y": 16, "x": 16},
            "tzyx",
            id="channels become one image",
        ),
        pytest.param(
            [("zyx", (40, 50, 60))],
            {"out_axes": "czyx", "out_sizes": {"c": 4}},
            "",
            {"z": 16, "y": 16, "x": 16},
            "czyx",
            id="an axis that the step adds is not in the grid",
        ),
        pytest.param(
            [("zyx", (40, 50, 60)), ("czyx", (3, 40, 50, 60))],
            {},
            "c",
            {"c": 1, "z": 16, "y": 16, "x": 16},
            "czyx",
            id="the grid has the axes of all images",
        ),
        pytest.param(
            [("zyx", (9, 50, 60))],
            {},
            "",
            {"z": 9, "y": 16, "x": 16},
            "zyx",
            id="a block is no longer than the image",
        ),
        pytest.param(
            [("zyx", (40, 50, 60))],
            {"out": "table"},
            "",
            {"z": 16, "y": 16, "x": 16},
            "zyx",
            id="tables are made in the blocks of images",
        ),
    ],
)
def test_axes_are_iterated_cut_or_whole(images, declared, iterated, grid, output) -> None:
    layout = layout_of(*images, block=16, **declared)
    assert layout.iterated == iterated
    assert layout.axes == "".join(grid)
    assert dict(zip(layout.axes, layout.grid.block_shape, strict=True)) == grid
    assert layout.output_axes == output
    assert layout.parts_grid.axes == layout.axes
    assert layout.parts_grid.iterated == iterated


@pytest.mark.parametrize(
    ("declared", "axis", "is_cut"),
    [
        pytest.param({}, "x", True, id="an axis of space"),
        pytest.param({"out_axes": "yx"}, "z", False, id="an axis that is not returned"),
        pytest.param({"axes": "czyx"}, "c", False, id="an axis that is not of space"),
    ],
)
def test_an_axis_is_cut_if_it_is_of_space_and_returned(declared, axis, is_cut) -> None:
    assert layout_of(("czyx", (3, 40, 50, 60)), **declared).is_cut(axis) is is_cut


# What is read for a block -----------------------------------------------------------------------
#
#    image  |0 1 2 3|4 5 6 7|8 9 . .|      blocks of 4, halo 2 below and 1 above
#    write          [4     8)
#    read       [2           9)
@pytest.mark.parametrize(
    ("border", "write", "read", "source"),
    [
        pytest.param("clip", (4, 8), (2, 9), (2, 9), id="clip inside: the halo too"),
        pytest.param("clip", (0, 4), (0, 5), (0, 5), id="clip at the low edge: cut off"),
        pytest.param("clip", (8, 12), (6, 12), (6, 12), id="clip at the high edge: cut off"),
        pytest.param("crop", (6, 10), (4, 11), (4, 11), id="crop inside: the halo too"),
        pytest.param("crop", (2, 6), (0, 7), (0, 7), id="crop: the first block starts at the halo"),
        pytest.param("crop", (10, 11), (8, 12), (8, 12), id="crop: the last ends before the halo"),
        pytest.param("reflect", (4, 8), (2, 9), (2, 9), id="reflect inside: the halo too"),
        pytest.param("reflect", (0, 4), (-2, 5), (0, 5), id="reflect at the low edge: sticks out"),
        pytest.param("reflect", (8, 12), (6, 13), (6, 12), id="reflect at the high edge: the same"),
        pytest.param("nearest", (0, 4), (-2, 5), (0, 5), id="nearest at the low edge: sticks out"),
        pytest.param("nearest", (8, 12), (6, 13), (6, 12), id="nearest at the high edge: the same"),
        pytest.param(7, (4, 8), (2, 9), (2, 9), id="a number inside: the halo too"),
        pytest.param(7, (0, 4), (-2, 5), (0, 5), id="a number at the low edge: sticks out"),
        pytest.param(7, (8, 12), (6, 13), (6, 12), id="a number at the high edge: the same"),
    ],
)
def test_a_block_reads_its_halo(border, write, read, source) -> None:
    layout = line(halo=[(2, 1)], border=border)
    assert write in [span(layout.grid.write_roi(n)) for n in range(layout.grid.n_blocks)]
    assert span(layout.read_roi(roi(*write))) == read
    assert span(layout.source(0, roi(*write))) == source
    assert layout.returned_roi(roi(*write)) == layout.read_roi(roi(*write))


#    frame of the uncropped image  . . . . . [5 6 7 8|9 10 11 12|13 14] . .
#    in the image's own voxels                0 1 2 3|4  5  6  7| 8  9
@pytest.mark.parametrize(
    ("border", "write", "read", "source"),
    [
        pytest.param("clip", (5, 9), (5, 11), (0, 6), id="regions are of the frame, sources not"),
        pytest.param("clip", (9, 13), (7, 15), (2, 10), id="a crop reads no voxel beyond itself"),
        pytest.param("reflect", (13, 15), (11, 17), (6, 10), id="a crop mirrors at its own edge"),
        pytest.param("crop", (7, 11), (5, 13), (0, 8), id="a crop is cropped by its halo"),
    ],
)
def test_a_crop_keeps_the_frame_of_the_uncropped_image(border, write, read, source) -> None:
    layout = line(size=10, offset=5, halo=2, border=border)
    assert write in [span(layout.grid.write_roi(n)) for n in range(layout.grid.n_blocks)]
    assert span(layout.read_roi(roi(*write))) == read
    assert span(layout.source(0, roi(*write))) == source


#    reflect  . c b a|a b c|c b a .      region (3, 5) shows c b, so (1, 3) is read
#    image            0 1 2
@pytest.mark.parametrize(
    ("border", "region", "needed"),
    [
        pytest.param("reflect", (0, 3), (0, 3), id="all of the image: no more"),
        pytest.param("reflect", (1, 2), (1, 2), id="inside: no more"),
        pytest.param("reflect", (-5, 8), (0, 3), id="wider than the image: all of it"),
        pytest.param("reflect", (3, 5), (1, 3), id="beyond the high edge: what is mirrored"),
        pytest.param("reflect", (-2, 0), (0, 2), id="beyond the low edge: what is mirrored"),
        pytest.param("reflect", (2, 5), (1, 3), id="more outside than inside: the mirror decides"),
        pytest.param("nearest", (1, 9), (0, 3), id="nearest: as if it mirrored"),
        pytest.param("clip", (2, 5), (2, 3), id="clip: what is inside"),
        pytest.param(0, (2, 5), (2, 3), id="a number: what is inside"),
    ],
)
def test_a_mirror_needs_as_much_inside_as_it_shows(border, region, needed) -> None:
    assert span(line(size=3, border=border).needed(roi(*region))) == needed


@pytest.mark.parametrize("border", ["reflect", "nearest", 7])
@pytest.mark.parametrize("size", [1, 3, 5, 12])
@pytest.mark.parametrize("halo", [(0, 0), (1, 3), (9, 0), (5, 14)])
def test_what_is_needed_pads_to_what_the_whole_image_would(border, size, halo) -> None:
    layout = line(size=size, offset=2, halo=[halo], border=border)
    image = np.arange(100, 100 + size)
    for number in range(layout.grid.n_blocks):
        read = layout.read_roi(layout.grid.write_roi(number))
        wanted, local = layout.needed(read).shift(-2), layout.local(0, read)
        found = pad_to(image[wanted.to_slices()], wanted, local, border)
        whole = pad_to(image, Roi((0,), (size,)), local, border)
        np.testing.assert_array_equal(found, whole)


# Inputs in their own axes ------------------------------------------------------------------------
#
#    grid   c z y x     region (1, 10, 20, 30) of shape (1, 4, 5, 6)
#    input  y x c       has no z: the same plane for all of z
@pytest.mark.parametrize(
    ("position", "expected"),
    [
        pytest.param(
            0, Roi((1, 7, 20, 30), (1, 4, 5, 6)), id="the grid's own axes, less its start"
        ),
        pytest.param(1, Roi((20, 30, 1), (5, 6, 1)), id="other order, one axis less"),
        pytest.param(2, Roi((30,), (6,)), id="one axis alone"),
    ],
)
def test_a_region_lies_on_each_input_in_its_own_axes(position, expected) -> None:
    layout = layout_of(
        ("czyx", (3, 40, 50, 60), (0, 3, 0, 0)), ("yxc", (50, 60, 3)), ("x", (60,)), block=16
    )
    assert layout.local(position, Roi((1, 10, 20, 30), (1, 4, 5, 6))) == expected


def test_an_input_that_is_no_image_has_no_region() -> None:
    spec = spec_of()
    layout = make_layout(spec, {}, [image_of("x", (9,)), None])
    assert layout.inputs == (Placed("x", Coordinate(0), (9,)), None)
    with pytest.raises(TypeError):
        layout.local(1, Roi((0,), (3,)))


#    read of y x c       (5, 6, 1)      c is iterated: the function does not see it
#    function gets y x      (5, 6)
@pytest.mark.parametrize(
    ("image", "axes", "read", "seen", "order"),
    [
        pytest.param("zyx", None, (4, 5, 6), (4, 5, 6), (0, 1, 2), id="the same axes: as it is"),
        pytest.param("yxc", None, (5, 6, 1), (5, 6), (0, 1), id="an iterated axis at the end goes"),
        pytest.param("tyx", None, (1, 5, 6), (5, 6), (0, 1), id="an iterated axis in front goes"),
        pytest.param("yx", "xy", (5, 6), (6, 5), (1, 0), id="in the order of the function"),
        pytest.param("yxc", "cyx", (5, 6, 3), (3, 5, 6), (2, 0, 1), id="channels to the front"),
        pytest.param("yx", "zyx", (5, 6), (1, 5, 6), (0, 1), id="an axis that is missing is one"),
        pytest.param("xty", "yzx", (6, 1, 5), (5, 1, 6), (1, 0), id="all of these at once"),
    ],
)
def test_the_function_gets_its_axes_in_its_order(image, axes, read, seen, order) -> None:
    array = np.arange(np.prod(read)).reshape(read)
    layout = layout_of((image, read), axes=axes)
    found = layout.to_function(0, array)
    assert found.shape == seen
    np.testing.assert_array_equal(found.squeeze(), array.squeeze().transpose(order))


def test_inputs_of_fewer_axes_broadcast_against_the_others() -> None:
    layout = layout_of(("zyx", (4, 5, 6)), ("x", (6,)))
    assert layout.to_function(0, np.zeros((4, 5, 6))).shape == (4, 5, 6)
    assert layout.to_function(1, np.zeros(6)).shape == (1, 1, 6)


# What the function returns -----------------------------------------------------------------------
#
#    returned   [2 3 4 5 6 7 8 9)        the halo comes back too
#    write          [4 5 6 7)            and is cut off
@pytest.mark.parametrize(
    ("image", "declared", "returned", "write", "slices", "shape"),
    [
        pytest.param(
            ("x", (12,)),
            {},
            Roi((2,), (8,)),
            Roi((4,), (4,)),
            np.s_[2:6],
            (4,),
            id="the halo is cut off",
        ),
        pytest.param(
            ("tyx", (2, 12, 12)),
            {},
            Roi((1, 0, 2), (1, 5, 8)),
            Roi((1, 0, 4), (1, 4, 4)),
            np.s_[0:4, 2:6],
            (1, 4, 4),
            id="iterated axes are added again",
        ),
        pytest.param(
            ("zyx", (9, 12, 12)),
            {"out_axes": "yx"},
            Roi((0, 2, 2), (9, 8, 8)),
            Roi((0, 4, 4), (9, 4, 4)),
            np.s_[2:6, 2:6],
            (4, 4),
            id="an axis that is gone stays gone",
        ),
        pytest.param(
            ("yx", (12, 12)),
            {"out_axes": "cyx", "out_sizes": {"c": 3}},
            Roi((2, 2), (8, 8)),
            Roi((4, 4), (4, 4)),
            np.s_[:, 2:6, 2:6],
            (3, 4, 4),
            id="an axis that is new is kept whole",
        ),
        pytest.param(
            ("yx", (12, 12)),
            {"axes": "zyx"},
            Roi((2, 2), (8, 8)),
            Roi((4, 4), (4, 4)),
            np.s_[0, 2:6, 2:6],
            (4, 4),
            id="an axis that no image has is taken off",
        ),
        pytest.param(
            ("yx", (12, 12)),
            {"axes": "yx", "out_axes": "xy"},
            Roi((0, 2), (6, 8)),
            Roi((1, 4), (3, 4)),
            np.s_[2:6, 1:4],
            (4, 3),
            id="returned axes turned round",
        ),
    ],
)
def test_what_is_returned_is_cropped_to_what_is_written(
    image, declared, returned, write, slices, shape
) -> None:
    layout = layout_of(image, **declared)
    sizes = {**dict(zip(layout.axes, returned.shape, strict=True)), **layout.new_sizes}
    array_shape = [sizes.get(axis, 1) for axis in layout.returned_axes]
    array = np.arange(np.prod(array_shape)).reshape(array_shape)
    found = layout.from_function(array, returned, write)
    assert found.shape == shape
    np.testing.assert_array_equal(found.reshape(array[slices].shape), array[slices])


# Between the grid and the output -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "declared", "region", "shape", "output"),
    [
        pytest.param(
            ("zyx", (40, 50, 60)),
            {},
            Roi((16, 0, 32), (16, 16, 16)),
            (40, 50, 60),
            Roi((16, 0, 32), (16, 16, 16)),
            id="the same axes: the same region",
        ),
        pytest.param(
            ("yxc", (50, 60, 3)),
            {},
            Roi((2, 16, 32), (1, 16, 16)),
            (3, 50, 60),
            Roi((2, 16, 32), (1, 16, 16)),
            id="the output has the order of the grid",
        ),
        pytest.param(
            ("zyx", (40, 50, 60)),
            {"out_axes": "yx"},
            Roi((0, 16, 32), (40, 16, 16)),
            (50, 60),
            Roi((16, 32), (16, 16)),
            id="a projection leaves its axis out",
        ),
        pytest.param(
            ("zyx", (40, 50, 60)),
            {"out_axes": "zcyx", "out_sizes": {"c": 4}},
            Roi((16, 0, 32), (16, 16, 16)),
            (40, 4, 50, 60),
            Roi((16, 0, 0, 32), (16, 4, 16, 16)),
            id="an axis that is new is whole",
        ),
        pytest.param(
            ("cyx", (3, 50, 60)),
            {"axes": "cyx", "out_sizes": {"c": 5}},
            Roi((0, 16, 32), (3, 16, 16)),
            (5, 50, 60),
            Roi((0, 16, 32), (5, 16, 16)),
            id="an axis whose size changes is whole",
        ),
        pytest.param(
            ("tyx", (2, 50, 60), (7, 100, 200)),
            {},
            Roi((8, 116, 232), (1, 16, 16)),
            (2, 50, 60),
            Roi((8, 116, 232), (1, 16, 16)),
            id="the output of a crop keeps its frame",
        ),
        pytest.param(
            ("zyx", (40, 50, 60), (7, 100, 200)),
            {"out_axes": "yx"},
            Roi((7, 116, 232), (40, 16, 16)),
            (50, 60),
            Roi((116, 232), (16, 16)),
            id="a projection of a crop too",
        ),
    ],
)
def test_a_region_of_the_grid_and_of_the_output(image, declared, region, shape, output) -> None:
    layout = layout_of(image, block=16, **declared)
    assert layout.output_roi(region, shape) == output
    assert layout.grid_region(output) == region
    for number in range(layout.grid.n_blocks):
        write = layout.grid.write_roi(number)
        assert layout.grid_region(layout.output_roi(write, shape)) == write


#    t 0  . . . . .    t 1  . . . . .        a region of two t is two calls,
#         . # # . .         . # # . .        each for the same part of y x
@pytest.mark.parametrize(
    ("image", "declared", "region", "blocks"),
    [
        pytest.param(
            ("yx", (50, 60)),
            {},
            Roi((3, 5), (20, 30)),
            [Roi((3, 5), (20, 30))],
            id="a region of space is one call",
        ),
        pytest.param(
            ("tyx", (4, 50, 60)),
            {},
            Roi((1, 3, 5), (2, 20, 30)),
            [Roi((1, 3, 5), (1, 20, 30)), Roi((2, 3, 5), (1, 20, 30))],
            id="one call for each place of an iterated axis",
        ),
        pytest.param(
            ("cyx", (4, 50, 60)),
            {"axes": "cyx"},
            Roi((1, 3, 5), (1, 20, 30)),
            [Roi((0, 3, 5), (4, 20, 30))],
            id="channels that the function sees are whole",
        ),
        pytest.param(
            ("zyx", (40, 50, 60)),
            {"out_axes": "yx"},
            Roi((7, 3, 5), (1, 20, 30)),
            [Roi((0, 3, 5), (40, 20, 30))],
            id="an axis that is projected is whole",
        ),
        pytest.param(
            ("tcyx", (2, 2, 50, 60), (5, 0, 0, 0)),
            {},
            Roi((5, 0, 3, 5), (2, 2, 20, 30)),
            [Roi((t, c, 3, 5), (1, 1, 20, 30)) for t, c in itertools.product((5, 6), (0, 1))],
            id="all places of two iterated axes, in order",
        ),
        pytest.param(
            ("tyx", (4, 50, 60)), {}, Roi((2, 3, 5), (0, 20, 30)), [], id="no place: no call"
        ),
    ],
)
def test_a_region_is_computed_by_whole_calls(image, declared, region, blocks) -> None:
    assert list(layout_of(image, block=16, **declared).whole_blocks(region)) == blocks


# Steps that write on another grid ----------------------------------------------------------------
#
#    scale=2, blocks of 2     output   | 0 | 1 | 2 | 3 | 4 |          the output has 5 voxels
#                             input    |0 1|2 3|4 5|6 7|8 .|          of 9
@pytest.mark.parametrize(
    ("declared", "write", "source", "returned"),
    [
        pytest.param({"scale": 2}, (0, 2), (0, 4), (0, 2), id="two voxels for each"),
        pytest.param({"scale": 2}, (4, 5), (8, 9), (4, 5), id="the last may be half"),
        pytest.param(
            {"scale": 2, "halo": 1}, (2, 4), (2, 9), (1, 5), id="a halo grows to whole voxels"
        ),
        pytest.param({"scale": 2, "halo": 1}, (0, 2), (0, 6), (0, 3), id="a halo ends at the edge"),
        pytest.param({"scale": 1 / 3}, (3, 6), (1, 2), (3, 6), id="a third: three for each"),
        pytest.param(
            {"scale": 1 / 3}, (2, 4), (0, 2), (0, 6), id="a third: to whole voxels of the input"
        ),
    ],
)
def test_a_scaled_step_reads_what_its_block_covers(declared, write, source, returned) -> None:
    layout = layout_of(("x", (9,)), block=2, **declared)
    assert span(layout.source(0, roi(*write))) == source
    assert span(layout.returned_roi(roi(*write))) == returned
    assert layout.read_roi(roi(*write)) == roi(*write)


@pytest.mark.parametrize(
    ("image", "declared", "total", "block"),
    [
        pytest.param(("x", (9,)), {"scale": 2}, Roi((0,), (5,)), (4,), id="rounded up"),
        pytest.param(("x", (9,)), {"scale": 0.5}, Roi((0,), (18,)), (4,), id="enlarged"),
        pytest.param(
            ("x", (9,), (100,)), {"scale": 2}, Roi((0,), (5,)), (4,), id="a frame of its own"
        ),
        pytest.param(
            ("tyx", (3, 9, 9), (7, 0, 0)),
            {"scale": 2},
            Roi((7, 0, 0), (3, 5, 5)),
            (1, 4, 4),
            id="iterated axes keep their places",
        ),
        pytest.param(
            ("yx", (9, 9)), {"scale": {"x": 3}}, Roi((0, 0), (9, 3)), (4, 3), id="one axis alone"
        ),
    ],
)
def test_the_grid_of_a_scaled_step_is_that_of_its_output(image, declared, total, block) -> None:
    layout = layout_of(image, block=4, **declared)
    assert layout.grid.total == layout.image == total
    assert layout.grid.block_shape == block
    assert layout.target is not None


#    output   |0 1 2 3 4 5 6 7 8 9|       turned round: output 0 is input 9
#    input    |9 8 7 6 5 4 3 2 1 0|
@pytest.mark.parametrize(
    ("write", "source"),
    [
        pytest.param((0, 4), (6, 10), id="the first block reads the last voxels"),
        pytest.param((8, 10), (0, 2), id="the last block reads the first"),
        pytest.param((3, 3), (0, 0), id="nothing is read for no voxel"),
    ],
)
def test_a_grid_of_ones_own_says_what_is_read(write, source) -> None:
    flipped = OutputGrid((10,), lambda _, r: Roi([10 - end for end in r.end], r.shape))
    layout = layout_of(("x", (10,)), block=4, target=flipped)
    assert span(layout.source(0, roi(*write))) == source
    assert layout.returned_roi(roi(*write)) == roi(*write)


def test_what_a_grid_asks_for_is_clipped_to_the_input() -> None:
    wide = OutputGrid((10,), lambda _, r: r.grow(3))
    layout = layout_of(("x", (10,)), block=4, target=wide)
    assert span(layout.source(0, roi(0, 4))) == (0, 7)
    assert span(layout.source(0, roi(8, 10))) == (5, 10)


def test_a_target_asks_for_each_input_and_leaves_iterated_axes_as_they_are() -> None:
    shifted = OutputGrid((10, 10), lambda number, r: r.shift(number))
    layout = layout_of(("tyx", (3, 20, 20), (5, 0, 0)), ("yx", (20, 20)), block=4, target=shifted)
    write = Roi((6, 4, 0), (1, 4, 4))
    assert layout.source(0, write) == Roi((1, 4, 0), (1, 4, 4))
    assert layout.source(1, write) == Roi((5, 1), (4, 4))
    assert layout.source_of_function(0, write) == Roi((4, 0), (4, 4))


def test_an_axis_that_an_input_lacks_is_one_voxel_of_its_source() -> None:
    same = OutputGrid((10, 10), lambda _, r: r)
    layout = layout_of(("yx", (10, 10)), axes="zyx", block=4, target=same)
    assert layout.source_of_function(0, Roi((4, 0), (4, 4))) == Roi((0, 4, 0), (1, 4, 4))
