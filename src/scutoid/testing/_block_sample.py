"""Which blocks of a step are compared: all where they are few, else a fixed number of them.

::

    # # . # # . . # #     corners, middles, and the blocks beside those at the edge, whose halo
    # # . # # . . # #     reaches into the last, uneven blocks
    . . . . . * . . .     * drawn where the image changes; the rest is drawn anywhere
    # # . # # . . # #
    # # * # # . . # #
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.geometry import BlockGrid
from scutoid.steps import Image
from scutoid.steps.graph import BlockCall, Opened, Ref
from scutoid.steps.handles import Evaluation, Lazy

MOST = 200
"""Blocks of one shape that are compared."""


def lone_call(results: Sequence[object]) -> BlockCall | None:
    """Return the call that made images alone, from opened images; else None.

    Any of its blocks can then be computed by itself.
    """
    nodes = {one.ref.node for one in results if isinstance(one, Image) and one.ref.view is None}
    call = nodes.pop() if nodes else None
    if nodes or not isinstance(call, BlockCall) or len(results) != len(call.spec.outputs):
        return None
    is_lone = (
        call.spec.kind == "blockwise"
        and set(call.spec.outputs) == {"image"}
        and not call.spec.sees_neighbours
        and call.spec.options.where is None
        and all(isinstance(image.node, Opened) for image in call.images)
        and len(list(call.dependencies)) == len(call.images)
    )
    return call if is_lone else None


def compared_blocks(
    call: BlockCall, results: Sequence[object], expected: Sequence[NDArray[Any]]
) -> Iterator[tuple[tuple[int, ...], NDArray[Any], NDArray[Any]]]:
    """Compute a sample of the blocks of a lone call, beside what is expected there.

    Yields
    ------
    place : tuple of int
        First voxel of the block in the image.
    found, expected : ndarray
        The block, and the same region of the image that is expected.
    """
    step = call.step_on(call.layout)
    grid = step.layout.grid
    outputs = [one.ref.output for one in results if isinstance(one, Image)]
    for index, images in Evaluation().some_blocks(call, sample(grid, expected[0])):
        for output, whole in zip(outputs, expected, strict=True):
            framed = call.framed(output)
            region = step.layout.output_roi(grid.write_roi(index), framed.spec.shape)
            part = region.to_slices(framed.offset)
            image = images[output]
            assert isinstance(image, np.ndarray)  # noqa: S101 - the outputs are images
            yield tuple(s.start for s in part), image, whole[part]


def sample(grid: BlockGrid, image: NDArray[Any], most: int = MOST) -> list[int]:
    """Choose blocks of a grid, the same each time.

    Parameters
    ----------
    grid : BlockGrid
        The blocks.
    image : ndarray
        What the step makes of the whole image; blocks where it changes are preferred, if it has
        the grid's shape.
    most : int
        How many are chosen; corners are chosen even if there are more.

    Returns
    -------
    list of int
        Block numbers, in order.
    """
    if grid.n_blocks <= most:
        return list(range(grid.n_blocks))
    random = np.random.default_rng(0)
    last = [n - 1 for n in grid.shape]
    corners = _product([{0, n} for n in last], grid)
    sides = _product([{0, n // 2, n} for n in last], grid)
    beside = _product([{0, min(1, n), n // 2, max(n - 1, 0), n} for n in last], grid)
    changing = _changing(grid, image, random, most)
    anywhere = random.choice(grid.n_blocks, most, replace=False)
    placed = [*corners, *random.permutation(sides), *random.permutation(beside)]
    first = list(dict.fromkeys(map(int, placed)))[: max(most * 5 // 8, len(corners))]
    pairs = itertools.zip_longest(changing, anywhere.tolist())
    rest = (index for pair in pairs for index in pair if index is not None)
    chosen = list(dict.fromkeys([*first, *rest]))
    return sorted(chosen[: max(most, len(corners))])


def _product(places: Sequence[set[int]], grid: BlockGrid) -> list[int]:
    """Return the blocks at all combinations of positions along the axes."""
    return [grid.index(position) for position in itertools.product(*places)]


def _changing(
    grid: BlockGrid, image: NDArray[Any], random: np.random.Generator, most: int
) -> list[int]:
    """Draw blocks that hold voxels that differ from the next one along an axis."""
    if image.shape != tuple(grid.total.shape):
        return []
    differs = np.zeros(image.shape, bool)
    for axis in range(image.ndim):
        along = np.moveaxis(image, axis, 0)
        np.moveaxis(differs, axis, 0)[1:] |= along[1:] != along[:-1]
    voxels = np.flatnonzero(differs)
    if voxels.size == 0:
        return []
    drawn = np.unravel_index(random.choice(voxels, 4 * most), image.shape)
    places = [axis // size for axis, size in zip(drawn, grid.block_shape, strict=True)]
    return [int(n) for n in np.ravel_multi_index(places, tuple(grid.shape))]


def bounded_shape(results: Sequence[object], block: int) -> int | dict[str, int]:
    """Return a block shape that makes few blocks: `block` on one axis at least, more on others.

    Parameters
    ----------
    results : sequence of Image, Table or Value
        What a step gives in blocks of `block`.
    block : int
        The length wanted.

    Returns
    -------
    int or dict of int by axis
        Long axes are not cut evenly where a longer block is taken.
    """
    sizes: dict[str, int] = {}
    n_most = 0
    for call in _block_calls(results):
        layout = call.layout
        n_most = max(n_most, layout.grid.n_blocks)
        for axis, size in zip(layout.axes, layout.grid.total.shape, strict=True):
            if axis not in layout.iterated:
                sizes[axis] = max(sizes.get(axis, 1), size)
    if n_most <= MOST or not sizes:
        return block
    return _longer(sizes, block)


def _longer(lengths: dict[str, int], block: int) -> dict[str, int]:
    """Lengthen a block on all axes but one, the most cut first, until there are few."""
    shape = dict.fromkeys(lengths, block)
    kept = list(lengths)[block % len(lengths)]  # not the same for all blocks
    while math.prod((counts := _n_cut(lengths, shape)).values()) > MOST:
        others = {axis: n for axis, n in counts.items() if axis != kept and n > 1}
        axis = max(others, key=others.__getitem__) if others else kept
        shape[axis] = 2 * shape[axis] + 1
        if lengths[axis] % shape[axis] == 0:
            shape[axis] += 1
    return shape


def _n_cut(lengths: dict[str, int], shape: dict[str, int]) -> dict[str, int]:
    return {axis: -(-size // shape[axis]) for axis, size in lengths.items()}


def _block_calls(results: Sequence[object]) -> Iterator[BlockCall]:
    """Yield all calls in blocks that results depend on."""
    waiting = [one.ref.node for one in results if isinstance(one, Lazy)]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, BlockCall):
            yield node
        waiting += [ref.node for ref in getattr(node, "dependencies", ()) if isinstance(ref, Ref)]
