"""What a step waits for: all of the steps before it, or block by block.

An edge names a task, and for each axis of that task the axis of the waiting step that it is; an
axis that is None is waited for from end to end.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.blocks import After
from scutoid.geometry import Coordinate, Roi
from scutoid.steps import OutputGrid
from scutoid.steps.graph import planned_node
from scutoid.steps.planning import PlannedRun, Planner
from scutoid.steps.running._edges import Edges
from scutoid.store import EntryStore

RAW = sc.open(np.zeros((16, 16), "uint8"))
STACK = sc.open(np.zeros((4, 16, 16), "uint8"))


@sc.blockwise(dtype="same", version="1")
def copy(image):
    return image


@sc.blockwise(dtype="same", version="1")
def add(a, b):
    return a + b


@sc.blockwise(dtype="same", version="1", halo=(2, 1))
def wide(image):
    return image


@sc.blockwise(dtype="same", version="1", halo=[(3, 0), (0, 1)], border="reflect")
def mirrored(image):
    return image


@sc.blockwise(dtype="same", version="1", halo=2, sees_neighbours=True, border="reflect")
def mirrored_chain(image, *, neighbours):
    return image


@sc.blockwise(dtype="same", version="1", halo=2, sees_neighbours=True)
def chain(image, *, neighbours):
    return image


@sc.blockwise(dtype="same", version="1", scale=2)
def half(image):
    return image[::2, ::2]


def _upside_down(images):
    n_rows = images[0].shape[-2]

    def source(_, region):
        return Roi((n_rows - region.end[0], region.offset[1]), region.shape)

    return OutputGrid(images[0].shape[-2:], source)


@sc.blockwise(grid=_upside_down, dtype="same", version="1")
def flipped(image):
    return image[::-1]


@sc.blockwise(dtype="same", version="1", out_axes="yx")
def flat(image):
    return image.max(0)


@sc.blockwise(dtype="same", version="1")
def with_parts(image, parts):
    return image


@sc.blockwise(dtype="same", version="1")
def above(image, *, level):
    return image


@sc.blockwise(out="parts", version="1")
def sums(image):
    return {"sum": np.array([image.sum()])}


@sc.blockwise(out="table", version="1")
def rows(image):
    return pd.DataFrame({"sum": [image.sum()]})


@sc.reduction(merge=lambda a, b: a + b, version="1")
def summed(image):
    return int(image.sum())


@sc.step(version="1")
def level_of(anything):
    return 3


@sc.step(version="1", out="table")
def joined(table):
    return table


FUSED = {"keep": False}


@pytest.fixture
def plan(tmp_path):
    """Returns the plan of some results in blocks of 4."""

    def make(*targets: sc.Image, store: str = "store") -> PlannedRun:
        return Planner(EntryStore(tmp_path / store), block=4).plan([t.ref for t in targets])

    return make


@pytest.fixture
def edges_of(plan):
    """Returns what a result waits for, planned for itself alone."""

    def find(target) -> tuple[After, ...]:
        return Edges(plan(target)).of(planned_node(target.ref))

    return find


def both_axes(task: str, scale: float | tuple[float, ...] = 1.0) -> After:
    return After(task, (0, 1), scale)


# One image from another --------------------------------------------------------------------------
#
#    copy     |----|----|----|----|        blocks of 4
#    wide            (..[====].)           waits for the blocks that it reads: here the first three
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(copy(RAW), [], id="an input is there"),
        pytest.param(above(copy(RAW), level=3), [both_axes("copy")], id="one grid"),
        pytest.param(wide(copy(RAW)), [both_axes("copy")], id="a halo is the grid's affair"),
        pytest.param(mirrored(copy(RAW)), [both_axes("copy")], id="a border that mirrors too"),
        pytest.param(chain(copy(RAW)), [both_axes("copy")], id="with what neighbours have written"),
        pytest.param(
            mirrored_chain(copy(RAW)),
            [After.all("copy", 2)],
            id="with neighbours, whose grid has no more halo, and a mirror: all",
        ),
        pytest.param(half(copy(RAW)), [both_axes("copy", (2.0, 2.0))], id="voxels twice as wide"),
        pytest.param(flipped(copy(RAW)), [After.all("copy", 2)], id="a grid without a scale: all"),
        pytest.param(flat(copy(STACK)), [After("copy", (0, 1, 2))], id="a projection: same axes"),
        pytest.param(
            copy.options(name="next")(flat(STACK)),
            [After("flat", (None, 0, 1))],
            id="after a projection: the axis that went is waited for from end to end",
        ),
        pytest.param(
            add(copy(STACK), copy.options(name="plane")(RAW)),
            [After("copy", (0, 1, 2)), After("plane", (1, 2))],
            id="an image of fewer axes",
        ),
        pytest.param(level_of(copy(RAW)), [After.all("copy", 2)], id="a whole step: all blocks"),
    ],
)
def test_an_image_is_waited_for_block_by_block_where_the_grids_allow_it(
    target, expected, edges_of
) -> None:
    assert list(edges_of(target)) == expected


#    frame    0 . . . 4 . . . 8 . . . 12 . .
#    copy     |-------|-------|-------|-------|
#    crop             [4                     )        keeps its place in the frame
#    half             [0          6)                  has a frame of its own
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(wide(copy(RAW)[4:]), [both_axes("copy")], id="a crop: same places"),
        pytest.param(half(copy(RAW)[4:]), [After("copy", (None, 1), (1.0, 2.0))], id="another"),
        pytest.param(
            wide(copy(STACK)[2]),
            [After("copy", (None, 0, 1))],
            id="one plane: its axis is waited for from end to end",
        ),
    ],
)
def test_a_crop_is_waited_for_block_by_block_where_the_frame_is_the_same(
    target, expected, edges_of
) -> None:
    assert list(edges_of(target)) == expected


# Values, tables, parts ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param(
            above(RAW, level=level_of(RAW)), [After.all("level_of", 1)], id="value of a whole step"
        ),
        pytest.param(
            above(RAW, level=summed(RAW)),
            [After.all("summed:finish", 1)],
            id="a reduction: until its blocks are merged",
        ),
        pytest.param(
            joined(rows(RAW)), [After.all("rows:finish", 1)], id="a table: until it is joined"
        ),
        pytest.param(with_parts(RAW, sums(RAW)), [both_axes("sums")], id="parts: block by block"),
        pytest.param(level_of(sums(RAW)), [After.all("sums", 2)], id="parts in a whole step: all"),
        pytest.param(
            above(copy(RAW), level=summed(copy(RAW))),
            [both_axes("copy"), After.all("summed:finish", 1)],
            id="an image and a number of it",
        ),
    ],
)
def test_what_is_no_image_is_waited_for_until_it_can_be_read(target, expected, edges_of) -> None:
    assert list(edges_of(target)) == expected


# Collections -------------------------------------------------------------------------------------
@pytest.fixture
def plate(tmp_path):
    """A folder of three images."""
    for name in "abc":
        np.save(tmp_path / f"{name}.npy", np.zeros((8, 8), "uint8"))
    return sc.open_folder(str(tmp_path / "*.npy"))


@pytest.fixture
def part_of_plate(tmp_path, plate):
    """A folder of two of them."""
    return sc.open_folder(str(tmp_path / "[ab].npy"))


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(lambda all_, _: wide(copy(all_)), [After("copy")], id="member by member"),
        pytest.param(
            lambda all_, _: level_of(sc.gather(copy(all_))), [After.all("copy", 1)], id="gathered"
        ),
        pytest.param(
            lambda all_, _: wide(copy(all_)["b.npy"]), [After.all("copy", 1)], id="one member"
        ),
        pytest.param(
            lambda all_, some: add.options(join="inner")(copy(all_), wide(some)),
            [After.all("copy", 1), After("wide")],
            id="other keys: all of what has more",
        ),
        pytest.param(
            lambda all_, _: above(all_, level=summed(RAW)),
            [After.all("summed:finish", 1)],
            id="a number for all",
        ),
    ],
)
def test_members_are_waited_for_one_by_one_where_the_keys_are_the_same(
    build, expected, plate, part_of_plate, edges_of
) -> None:
    assert list(edges_of(build(plate, part_of_plate))) == expected


# Steps that are not kept -------------------------------------------------------------------------
#
#    copy     |----|----|----|----|
#    wide              . . . .             computed in the blocks of its reader: no task
#    reader            [====]              waits for what wide reads for it
@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(
            lambda made: copy.options(name="next")(wide.options(**FUSED)(made)),
            [both_axes("copy")],
            id="one grid: block by block",
        ),
        pytest.param(
            lambda made: copy.options(name="next")(half.options(**FUSED)(made)),
            [After.all("copy", 2)],
            id="another grid: all",
        ),
        pytest.param(
            lambda made: half(wide.options(**FUSED)(made)),
            [After.all("copy", 2)],
            id="its reader's",
        ),
        pytest.param(
            lambda made: chain(wide.options(**FUSED)(made)),
            [After.all("copy", 2)],
            id="with neighbours: all",
        ),
        pytest.param(
            lambda made: level_of(wide.options(**FUSED)(made)),
            [After.all("copy", 2)],
            id="in a whole step: all",
        ),
        pytest.param(
            lambda made: add(made, wide.options(**FUSED)(made)),
            [both_axes("copy")],
            id="on both ways: once",
        ),
        pytest.param(
            lambda made: add(made, flipped.options(**FUSED)(made)),
            [After.all("copy", 2)],
            id="on both ways: the one that waits for more",
        ),
        pytest.param(
            lambda made: copy.options(name="next")(above.options(**FUSED)(RAW, level=summed(made))),
            [After.all("summed:finish", 1)],
            id="a number that it needs",
        ),
    ],
)
def test_a_step_inside_of_blocks_lets_them_wait_for_what_it_reads(
    build, expected, edges_of
) -> None:
    assert list(edges_of(build(copy(RAW)))) == expected


def test_what_is_stored_already_is_not_waited_for(plan, tmp_path) -> None:
    target = wide(copy(RAW))
    assert Edges(plan(target)).of(target.ref.node) == (both_axes("copy"),)
    sc.run(copy(RAW), store=tmp_path / "store", block=4, executor="serial")
    assert Edges(plan(target)).of(target.ref.node) == ()


# What a block reads, for its edges ---------------------------------------------------------------
@pytest.mark.parametrize(
    ("target", "low", "high"),
    [
        pytest.param(copy(RAW), (0, 0), (0, 0), id="no halo"),
        pytest.param(wide(copy(RAW)), (2, 1), (2, 1), id="the step's own"),
        pytest.param(mirrored(copy(RAW)), (3, 1), (3, 1), id="a mirror: the wider on both sides"),
        pytest.param(
            wide(wide.options(**FUSED, name="w")(copy(RAW))),
            (4, 2),
            (4, 2),
            id="and what is inside",
        ),
        pytest.param(
            wide(wide.options(**FUSED)(wide.options(**FUSED, name="w")(copy(RAW)))),
            (6, 3),
            (6, 3),
            id="and what is inside of that",
        ),
        pytest.param(
            wide(half.options(**FUSED)(copy(RAW))),
            (2, 1),
            (2, 1),
            id="another grid inside",
        ),
        pytest.param(
            wide(wide.options(**FUSED, name="w")(copy(STACK)[2])),
            (4, 2),
            (4, 2),
            id="a plane of a stack",
        ),
    ],
)
def test_the_grid_of_a_call_has_all_that_its_blocks_read_as_halo(target, low, high, plan) -> None:
    grid = Edges(plan(target)).grid(target.ref.node)
    assert grid.halo == (Coordinate(*low), Coordinate(*high))
