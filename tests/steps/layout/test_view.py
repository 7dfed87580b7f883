"""What a view takes of an image: indices as numpy has them, and what the view says of itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from scutoid.arrays import ImageSpec
from scutoid.errors import GeometryError
from scutoid.geometry import Coordinate, Roi
from scutoid.steps.layout._placement import Framed
from scutoid.steps.layout._view import View, ViewSource, Window

SHAPE = (4, 5, 6)
"""Of the images whose view is narrowed; axes z, y, x."""


def take(*items):
    """The view of an image of `SHAPE` after one index."""
    return View.whole(SHAPE).narrow(items if len(items) != 1 else items[0])


#     0   1   2   3   4   5
#   |   | # | # | # |   |   |      image[..., 1:4]   picks (1, 4): half-open
#   |   |   | # |   |   |   |      image[..., 2]     picks 2: the axis goes
@pytest.mark.parametrize(
    ("items", "picks"),
    [
        pytest.param((slice(None),), ((0, 4), (0, 5), (0, 6)), id="a colon takes all of an axis"),
        pytest.param((slice(1, 3),), ((1, 3), (0, 5), (0, 6)), id="axes that are not named stay"),
        pytest.param((slice(2, 99),), ((2, 4), (0, 5), (0, 6)), id="a stop ends at the edge"),
        pytest.param((slice(-3, -1),), ((1, 3), (0, 5), (0, 6)), id="negative counts from the end"),
        pytest.param((slice(3, 1),), ((3, 3), (0, 5), (0, 6)), id="a stop below the start: empty"),
        pytest.param((slice(7, 9),), ((4, 4), (0, 5), (0, 6)), id="a start beyond the edge: empty"),
        pytest.param((2,), (2, (0, 5), (0, 6)), id="an integer takes one place"),
        pytest.param((-1,), (3, (0, 5), (0, 6)), id="a negative integer counts from the end"),
        pytest.param((-4,), (0, (0, 5), (0, 6)), id="the lowest negative integer is the first"),
        pytest.param((np.int64(2),), (2, (0, 5), (0, 6)), id="an integer of numpy is one"),
        pytest.param((1, 2, 3), (1, 2, 3), id="one place of all axes"),
        pytest.param((..., 5), ((0, 4), (0, 5), 5), id="an ellipsis in front: the last axis"),
        pytest.param((1, ..., 5), (1, (0, 5), 5), id="an ellipsis in the middle"),
        pytest.param((1, ...), (1, (0, 5), (0, 6)), id="an ellipsis at the end"),
        pytest.param((1, 2, 3, ...), (1, 2, 3), id="an ellipsis that stands for no axis"),
        pytest.param((...,), ((0, 4), (0, 5), (0, 6)), id="an ellipsis alone takes all"),
        pytest.param((), ((0, 4), (0, 5), (0, 6)), id="an empty tuple takes all"),
    ],
)
def test_one_index_narrows_the_whole(items, picks) -> None:
    view = take(*items)
    assert view.picks == picks
    assert all(type(pick) in {int, tuple} for pick in view.picks)


@pytest.mark.parametrize(
    ("first", "second", "picks"),
    [
        pytest.param(
            np.s_[1:4], np.s_[1:2], ((2, 3), (0, 5), (0, 6)), id="a slice counts from the slice"
        ),
        pytest.param(np.s_[1:4], -1, (3, (0, 5), (0, 6)), id="-1 is the last of the slice"),
        pytest.param(2, 3, (2, 3, (0, 6)), id="an axis that went is not counted"),
        pytest.param(
            np.s_[:, 1:, 2], np.s_[1:, 0], ((1, 4), 1, 2), id="the axes left, in their order"
        ),
        pytest.param(np.s_[:, 2], np.s_[..., -1], ((0, 4), 2, 5), id="an ellipsis skips what went"),
    ],
)
def test_an_index_of_a_view_counts_in_the_view(first, second, picks) -> None:
    assert View.whole(SHAPE).narrow(first).narrow(second).picks == picks


@pytest.mark.parametrize(
    ("items", "rule", "value"),
    [
        pytest.param((4,), "this axis has places 0 to 3", "4", id="one too high"),
        pytest.param((-5,), "this axis has places 0 to 3", "-5", id="one too low"),
        pytest.param((..., 6), "this axis has places 0 to 5", "6", id="each axis has its own"),
        pytest.param((slice(None, None, 2),), "slices of step 1", None, id="every second"),
        pytest.param((slice(None, None, -1),), "slices of step 1", None, id="backwards"),
        pytest.param((0, 0, 0, 0), "an image with 3 axes", "4", id="more indices than axes"),
        pytest.param((..., 0, ...), "one ellipsis at most", None, id="two ellipses"),
        pytest.param((True,), "slices, integers and an ellipsis", "True", id="a truth value"),
        pytest.param((None,), "slices, integers and an ellipsis", None, id="a new axis"),
        pytest.param((1.0,), "slices, integers and an ellipsis", "1.0", id="a number with a point"),
        pytest.param(([0, 1],), "slices, integers and an ellipsis", "[0, 1]", id="a list"),
        pytest.param((np.ones(4, bool),), "slices, integers and an ellipsis", None, id="a mask"),
    ],
)
def test_other_indices_are_refused(items, rule, value) -> None:
    with pytest.raises(GeometryError, match=rule) as caught:
        take(*items)
    assert value is None or caught.value.value == value


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        pytest.param(np.s_[1:3], 2, "this axis has places 0 to 1", id="a place outside the crop"),
        pytest.param(2, np.s_[0, 0, 0], "an image with 2 axes", id="as many indices as before"),
        pytest.param(np.s_[0, 0, 0], 0, "an image with 0 axes", id="a part of one voxel"),
    ],
)
def test_an_index_of_a_view_ends_where_the_view_does(first, second, rule) -> None:
    with pytest.raises(GeometryError, match=rule):
        View.whole(SHAPE).narrow(first).narrow(second)


def framed(
    axes="czyx",
    shape=(3, 4, 5, 6),
    *,
    offset=(0, 10, 20, 30),
    voxel_size=(4, 2, 1),
    origin=(100, 200, 300),
    channels=("red", "green", "blue"),
):
    spec = ImageSpec(
        shape, "uint8", axes, voxel_size=voxel_size, unit="um", origin=origin, channels=channels
    )
    return Framed(spec, Coordinate(*offset), tuple(n + 1 for n in range(len(shape))))


#    the frame  |. . . . . . . . . . [0 1 2 3] . .     offset 10
#    image[1:3]                         [0 1]          offset 11; its origin is one voxel further
@pytest.mark.parametrize(
    ("index", "shape", "axes", "offset", "chunks"),
    [
        pytest.param(
            np.s_[:, 1:3], (3, 2, 5, 6), "czyx", (0, 11, 20, 30), (1, 2, 3, 4), id="a slice moves"
        ),
        pytest.param(np.s_[1], (4, 5, 6), "zyx", (10, 20, 30), (2, 3, 4), id="one channel"),
        pytest.param(np.s_[:, 2], (3, 5, 6), "cyx", (0, 20, 30), (1, 3, 4), id="one plane"),
        pytest.param(np.s_[1:, ..., 5], (2, 4, 5), "czy", (1, 10, 20), (1, 2, 3), id="both"),
        pytest.param(np.s_[0, 0, 0, 1:1], (0,), "x", (31,), (4,), id="an empty line"),
        pytest.param(np.s_[0, 0, 0, 0], (), "", (), (), id="one voxel has no axes"),
    ],
)
def test_a_view_has_shape_axes_and_a_place_in_the_frame(index, shape, axes, offset, chunks) -> None:
    seen = View.whole((3, 4, 5, 6)).narrow(index).apply(framed())
    assert (seen.spec.shape, seen.spec.axes, seen.spec.dtype) == (shape, axes, np.uint8)
    assert seen.offset == offset
    assert seen.chunks == chunks
    assert seen.roi == Roi(offset, shape)


@pytest.mark.parametrize(
    ("index", "voxel_size", "origin"),
    [
        pytest.param(np.s_[:], (4, 2, 1), (100, 200, 300), id="all of it stays where it is"),
        pytest.param(np.s_[:, 1:], (4, 2, 1), (104, 200, 300), id="one z on: 4 um further"),
        pytest.param(np.s_[:, 3:, 2:, 1:], (4, 2, 1), (112, 204, 301), id="each axis by its size"),
        pytest.param(np.s_[:, 2], (2, 1), (200, 300), id="an axis takes its numbers with it"),
        pytest.param(np.s_[:, :, 2, 1:], (4, 1), (100, 301), id="those of the others stay"),
        pytest.param(np.s_[1:], (4, 2, 1), (100, 200, 300), id="channels are no places"),
        pytest.param(np.s_[:, 0, 0, 0], None, None, id="channels of one place: no scale"),
    ],
)
def test_a_view_has_scale_and_place_in_the_world(index, voxel_size, origin) -> None:
    spec = View.whole((3, 4, 5, 6)).narrow(index).apply(framed()).spec
    assert (spec.voxel_size, spec.origin) == (voxel_size, origin)
    assert spec.unit == (None if voxel_size is None else "um")


@pytest.mark.parametrize(
    ("voxel_size", "origin", "expected"),
    [
        pytest.param((4, 2, 1), None, (4.0, 0.0, 0.0), id="from zero where it is not said"),
        pytest.param(None, None, None, id="nowhere without a scale"),
        pytest.param((4, 2, 1), (-4, 0, 0), None, id="back at zero, which is not said"),
    ],
)
def test_an_origin_that_is_unknown(voxel_size, origin, expected) -> None:
    image = framed(voxel_size=voxel_size, origin=origin)
    assert View.whole((3, 4, 5, 6)).narrow(np.s_[:, 1:]).apply(image).spec.origin == expected


@pytest.mark.parametrize(
    ("index", "names"),
    [
        pytest.param(np.s_[:, 1:], ("red", "green", "blue"), id="all channels keep their names"),
        pytest.param(np.s_[1:], ("green", "blue"), id="a slice keeps theirs"),
        pytest.param(np.s_[-1:], ("blue",), id="one that is sliced keeps its own"),
        pytest.param(np.s_[1], (), id="one that is picked has no axis to name"),
    ],
)
def test_names_of_channels_follow_the_view(index, names) -> None:
    assert View.whole((3, 4, 5, 6)).narrow(index).apply(framed()).spec.channels == names


@pytest.mark.parametrize(
    ("picks", "roi", "below"),
    [
        pytest.param(
            ((0, 4), (0, 5)), Roi((1, 2), (3, 2)), Roi((1, 2), (3, 2)), id="the whole: the same"
        ),
        pytest.param(
            ((2, 4), (1, 5)), Roi((1, 2), (1, 2)), Roi((3, 3), (1, 2)), id="a crop: moved"
        ),
        pytest.param((3, (1, 5)), Roi((2,), (2,)), Roi((3, 3), (1, 2)), id="a plane: one thick"),
        pytest.param(((1, 3), 4), Roi((0,), (2,)), Roi((1, 4), (2, 1)), id="the last axis picked"),
        pytest.param((3, 4), Roi((), ()), Roi((3, 4), (1, 1)), id="one voxel"),
        pytest.param(((2, 4), 0), Roi((1,), (0,)), Roi((3, 0), (0, 1)), id="nothing stays nothing"),
    ],
)
def test_a_region_of_a_view_lies_on_one_of_the_image(picks, roi, below) -> None:
    assert View(picks).below(roi) == below


INDICES = [np.s_[:], np.s_[1:3], np.s_[2], np.s_[-2:], np.s_[..., -1], np.s_[1:, 2], np.s_[:, 1:]]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(INDICES, INDICES)))
def test_reading_a_view_is_indexing_the_array(first, second) -> None:
    array = np.arange(4 * 5 * 6).reshape(SHAPE)
    image = Window(array, Roi((0, 0, 0), SHAPE))
    if not _fits(array, first, second):
        with pytest.raises(GeometryError):
            View.whole(SHAPE).narrow(first).narrow(second)
        return
    view = View.whole(SHAPE).narrow(first).narrow(second)
    expected = array[first][second]
    whole = Roi((0,) * expected.ndim, expected.shape)
    np.testing.assert_array_equal(ViewSource(image, view).read(whole), expected)


def _fits(array, first, second) -> bool:
    try:
        array[first][second]
    except IndexError:
        return False
    return True
