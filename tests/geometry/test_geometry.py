"""Laws of coordinates, regions and grids, against sets of points."""

from __future__ import annotations

import enum
import itertools
import math
import operator
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid.errors import GeometryError
from scutoid.geometry import BlockGrid, Coordinate, Roi, halo_pair

small = st.integers(-8, 8)
fits = st.sampled_from(["shrink", "valid", "overhang"])


@st.composite
def rois(draw, ndim=None, most=7):
    n = draw(st.integers(1, 3)) if ndim is None else ndim
    return Roi([draw(small) for _ in range(n)], [draw(st.integers(0, most)) for _ in range(n)])


@st.composite
def pairs_of_rois(draw):
    n = draw(st.integers(1, 3))
    return draw(rois(n)), draw(rois(n))


@st.composite
def grids(draw, ndim=None, most=12):
    total = draw(rois(ndim, most))
    block = [draw(st.integers(1, 5)) for _ in range(total.ndim)]
    halo = [(draw(st.integers(0, 4)), draw(st.integers(0, 4))) for _ in range(total.ndim)]
    return BlockGrid(total, block, halo=halo, fit=draw(fits))


def points(roi):
    return set(itertools.product(*(range(o, e) for o, e in zip(roi.offset, roi.end, strict=True))))


@pytest.mark.parametrize("value", [1.0, 2.5, "3", None, True, np.float64(2), np.bool_(True)])
def test_only_integers_are_coordinates(value):
    for make in (
        lambda: Coordinate(1, value),
        lambda: Roi((value,), (1,)),
        lambda: Roi((0,), (value,)),
        lambda: BlockGrid(Roi((0,), (9,)), (value,)),
    ):
        with pytest.raises(GeometryError):
            make()


def test_integers_of_numpy_become_plain_ones():
    point = Coordinate(np.int64(3), np.uint8(4))
    assert point == (3, 4)
    assert all(type(value) is int for value in point)
    assert Coordinate(np.array([1, 2])) == (1, 2)


@given(st.lists(st.tuples(small, small, st.integers(1, 5)), min_size=1, max_size=4))
def test_arithmetic_goes_axis_by_axis(rows):
    a, b, c = (Coordinate(*column) for column in zip(*rows, strict=True))
    assert a + b == tuple(x + y for x, y in zip(a, b, strict=True))
    assert a - b + b == a
    assert a // c * c + a % c == a
    assert -a == a * -1
    assert a.minimum(b) + a.maximum(b) == a + b
    assert a + 2 == 2 + a == a + Coordinate.full(len(a), 2)
    assert pickle.loads(pickle.dumps(a)) == a


class Chosen(enum.IntEnum):
    FIVE = 5


KINDS = [int, np.int8, np.int64, lambda value: Chosen.FIVE]
values = st.tuples(st.integers(0, 99), st.sampled_from(KINDS)).map(lambda drawn: drawn[1](drawn[0]))
MAKERS = [tuple, list, iter, Coordinate]


@given(
    st.lists(st.tuples(values, values), min_size=1, max_size=4),
    st.sampled_from(MAKERS),
    st.sampled_from(["__add__", "__sub__", "__mul__", "minimum", "maximum"]),
)
def test_integers_of_all_kinds_count_as_plain_ones(rows, make, operation):
    ours, theirs = ([row[side] for row in rows] for side in (0, 1))
    point = Coordinate(*ours)
    combined = getattr(point, operation)(make(theirs))
    at_once = getattr(point, operation)(theirs[0])
    by_hand = {"minimum": min, "maximum": max}.get(operation) or getattr(operator, operation)
    assert combined == tuple(by_hand(int(a), int(b)) for a, b in rows)
    assert at_once == tuple(by_hand(int(a), int(theirs[0])) for a in ours)
    region = Roi(make(ours), make(theirs))
    moved = region.shift(make(theirs)).grow(theirs[0], make(ours)).intersect(region)
    for found in (combined, at_once, Coordinate(make(ours)), region.end, moved.offset, moved.shape):
        assert type(found) is Coordinate
        assert all(type(value) is int for value in found)
    assert region.contains(make(ours)) == (0 not in region.shape)


def test_arithmetic_of_plain_ints_checks_none_by_itself(monkeypatch):
    a, b, by = Roi((0, -2, 5), (4, 9, 9)), Roi((1, 1, 1), (2, 20, 7)), Coordinate(1, -1, 10**30)
    theirs = (0, 1, 2)
    monkeypatch.setattr("scutoid.geometry._coordinate.as_int", None)
    assert a.intersect(b) == Roi((1, 1, 5), (2, 6, 3))
    assert a.union(b) == Roi((0, -2, 1), (4, 23, 13))
    assert not a.contains(b)
    assert a.shift(by).offset == (1, -3, 5 + 10**30) == a.offset + by
    assert a.grow(by).shape == (6, 7, 9 + 2 * 10**30)
    assert a.shift(theirs).to_slices(a.offset - theirs)[1:] == (slice(2, 11), slice(4, 13))
    assert -(by * 2 // by) == (-2, -2, -2)
    assert a.contains((3, 6, 13))
    assert not a.contains([4, 6, 13])


@pytest.mark.parametrize("value", [1.0, "3", None, True, np.float64(2), np.bool_(True), 1j])
@pytest.mark.parametrize("make", [tuple, list, iter])
def test_what_is_no_integer_is_refused_beside_plain_ints(value, make):
    region = Roi((0, 0), (4, 4))
    for use in (
        Coordinate,
        lambda point: Coordinate(1, 2) + point,
        lambda point: Coordinate(1, 2).minimum(point),
        lambda point: Roi(point, (1, 1)),
        region.shift,
        region.grow,
        region.contains,
        region.to_slices,
    ):
        with pytest.raises(GeometryError, match="are integers") as error:
            use(make([1, value]))
        assert error.value.value in (repr(value), value)
        assert "round it yourself" in str(error.value)


@pytest.mark.parametrize("value", [1.0, None])
def test_what_is_neither_an_int_nor_several_does_not_combine(value):
    with pytest.raises(GeometryError, match="ints or coordinates"):
        Coordinate(1, 2) + value


def test_coordinates_of_different_length_do_not_combine():
    for other in ((1, 2, 3), [1], Coordinate(1, 2, 3), Coordinate(1)):
        with pytest.raises(GeometryError, match="2 axes"):
            Coordinate(1, 2) - other


@given(pairs_of_rois())
def test_regions_combine_as_sets_of_points(pair):
    a, b = pair
    assert points(a.intersect(b)) == points(a) & points(b)
    assert points(a) | points(b) <= points(a.union(b))
    assert a.intersects(b) == bool(points(a) & points(b))
    assert a.contains(b) == (points(b) <= points(a))
    assert a.union(b).contains(a)
    assert a.size == len(points(a))
    assert a.is_empty == (not points(a))
    assert hash(a) == hash(Roi(tuple(a.offset), tuple(a.shape)))
    assert pickle.loads(pickle.dumps(a)) == a


@given(rois(), st.data())
def test_growing_and_shifting_can_be_undone(roi, data):
    low, high, by = ([data.draw(st.integers(0, 5)) for _ in range(roi.ndim)] for _ in range(3))
    assert roi.grow(low, high).grow([-x for x in low], [-x for x in high]) == roi
    assert roi.shift(by).shift([-x for x in by]) == roi
    assert all(roi.grow(low, high).contains(point) for point in points(roi))


@given(rois(), st.integers(1, 5), st.integers(-5, 5))
def test_snapping_gives_the_tightest_multiples(roi, step, origin):
    grown = roi.snap_to_grid(step, origin=origin)
    shrunk = roi.snap_to_grid(step, origin=origin, mode="shrink")
    assert grown.contains(roi)
    assert roi.contains(shrunk)
    for snapped in (grown, shrunk):
        assert all((o - origin) % step == 0 for o in snapped.offset)
        assert all(size % step == 0 for size in snapped.shape)
    for axis in range(roi.ndim):
        assert 0 <= roi.offset[axis] - grown.offset[axis] < step
        assert 0 <= grown.end[axis] - roi.end[axis] < step


@given(rois())
def test_slices_cut_the_region_out_of_an_array(roi):
    outer = roi.grow(2, 3)
    values = np.zeros(outer.shape, int)
    values[roi.to_slices(outer.offset)] = 1
    assert values.sum() == roi.size
    assert Roi.from_slices(roi.to_slices()) == roi


def test_regions_of_other_libraries_are_taken():
    theirs = SimpleNamespace(offset=(1, 2), shape=(3, 4))
    assert Roi.of(theirs) == Roi((1, 2), (3, 4))
    assert Roi((0, 0), (2, 3)).intersect(theirs) == Roi((1, 2), (1, 1))
    assert BlockGrid(theirs, 2).total == Roi((1, 2), (3, 4))


@pytest.mark.parametrize("shape", [(-1,), (1, 2)])
def test_regions_that_cannot_be_are_refused(shape):
    with pytest.raises(GeometryError):
        Roi((0,), shape)


@settings(max_examples=80)
@given(grids())
def test_index_and_region_belong_to_each_other(grid):
    for index in range(grid.n_blocks):
        assert grid.index(grid.position(index)) == index
        write = grid.write_roi(index)
        assert not write.is_empty
        assert grid.read_roi(index) == write.grow(*grid.halo)
        assert {grid.block_at(point) for point in points(write)} == {index}
        if grid.fit != "shrink":
            assert write.shape == grid.block_shape


@settings(max_examples=80)
@given(grids())
def test_blocks_tile_the_total_without_overlap(grid):
    covered = [point for index in range(grid.n_blocks) for point in points(grid.write_roi(index))]
    assert len(covered) == len(set(covered))
    total = points(grid.total)
    if grid.fit == "shrink":
        assert set(covered) == total
    elif grid.fit == "valid":
        assert set(covered) <= total
        left = grid.total.shape - grid.shape * grid.block_shape
        assert grid.n_blocks == 0 or all(
            0 <= rest < size for rest, size in zip(left, grid.block_shape, strict=True)
        )
    else:
        assert set(covered) >= total


@settings(max_examples=80)
@given(grids(2), rois(2, 9))
def test_blocks_that_meet_a_region_are_found_by_arithmetic(grid, region):
    expected = [index for index in range(grid.n_blocks) if grid.write_roi(index).intersects(region)]
    assert list(grid.blocks_in(region)) == expected
    assert math.prod(map(len, grid.ranges(region))) == len(expected) or region.is_empty


@pytest.mark.parametrize("index", [-1, 4, 2.0, True])
def test_a_block_that_is_not_there_is_refused(index):
    with pytest.raises(GeometryError):
        BlockGrid(Roi((0,), (8,)), 2).position(index)


@pytest.mark.parametrize("fit", ["shrink", "valid", "overhang"])
def test_single_voxel_blocks_fill_a_region_under_every_fit(fit):
    # A total read region of 12, of which each block reads 5 and writes the one in the middle.
    assert BlockGrid(Roi((0,), (12,)).grow(-2), 1, halo=2, fit=fit).n_blocks == 8


@pytest.mark.parametrize(("fit", "n"), [("valid", 3), ("overhang", 4), ("shrink", 4)])
def test_a_remainder_is_treated_as_the_fit_says(fit, n):
    assert BlockGrid(Roi((0,), (12,)).grow(-1), 3, halo=1, fit=fit).n_blocks == n


def test_four_axes_and_a_region_of_a_hundred():
    assert BlockGrid(Roi((0,) * 4, (10, 10, 20, 4)), (2, 5, 2, 4)).n_blocks == 100
    assert BlockGrid(Roi((0,), (100,)).grow(-1), 3, halo=1, fit="valid").n_blocks == 32


def test_a_grid_of_very_many_blocks_costs_nothing():
    grid = BlockGrid(Roi((0, 0, 0), (10**6,) * 3), 100, halo=5)
    assert grid.n_blocks == 10**12
    assert grid.index(grid.position(10**12 - 1)) == 10**12 - 1


@pytest.mark.parametrize("halo", [-1, (1, 2, 3), [(1, -2), 0], [1.5, 1]])
def test_halos_that_cannot_be_are_refused(halo):
    with pytest.raises(GeometryError):
        halo_pair(halo, 2)


@pytest.mark.parametrize("options", [{"block_shape": 0}, {"fit": "loose"}, {"block_shape": (1, 1)}])
def test_grids_that_cannot_be_are_refused(options):
    with pytest.raises(GeometryError):
        BlockGrid(Roi((0,), (8,)), **({"block_shape": 2} | options))


@pytest.mark.parametrize("region", [{"y": (0, 3)}, (0, 3), 5, None], ids=str)
def test_what_is_no_region_is_refused(region):
    with pytest.raises(GeometryError, match="an offset and a shape"):
        Roi.of(region)
