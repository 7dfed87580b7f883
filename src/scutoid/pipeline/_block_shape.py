"""What one block writes: chosen from inputs, halo and chunks, never from workers or memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scutoid.errors import PipelineError
from scutoid.geometry import Coordinate, Roi
from scutoid.pipeline._layout import Framed

_EDGE = {1: 2**20, 2: 1024, 3: 128}
_CHUNK_LIMIT = 2


def block_shape(
    axes: str,
    total: Roi,
    halo: tuple[Coordinate, Coordinate],
    cut: Sequence[bool],
    iterated: str,
    images: Sequence[Framed],
    block: object,
    place: str,
    multiples: Mapping[str, int],
) -> Coordinate:
    """Choose a block shape over all axes of a grid; those that are not `cut` stay whole."""
    given = _given_block(block, [a for a, c in zip(axes, cut, strict=True) if c], place)
    edge = _EDGE.get(sum(cut), 64)
    chunks: dict[str, int] = {}
    for image in images:
        for axis, chunk in zip(image.spec.axes, image.chunks, strict=True):
            chunks.setdefault(axis, chunk)
    shape = []
    for axis, size, low, high, is_cut in zip(axes, total.shape, *halo, cut, strict=True):
        if axis in iterated:
            shape.append(1)
        elif not is_cut:
            shape.append(max(size, 1))
        elif given:
            _check_multiple(axis, given[axis], size, multiples.get(axis, 1), place)
            shape.append(max(min(given[axis], size), 1))
        else:
            chosen = _edge(size, edge, low + high, chunks.get(axis, 1))
            multiple = multiples.get(axis, 1)
            shape.append(max(min(-(-chosen // multiple) * multiple, size), 1))
    return Coordinate(*shape)


def _check_multiple(axis: str, edge: int, size: int, multiple: int, place: str) -> None:
    if edge < size and edge % multiple:
        raise PipelineError(
            f"a block whose image is stored as a pyramid is a multiple of {multiple} long, for the "
            "coarsest voxel to lie in one block",
            value=edge,
            place=f"{place}, axis {axis!r}",
            remedy=f"use block={-(-edge // multiple) * multiple}, or fewer levels",
        )


def _edge(size: int, edge: int, halo: int, chunk: int) -> int:
    """Length of a block on one axis.

    At least twice the halo on both sides, so that no more than half of what is read is thrown away;
    a multiple of the chunk where chunks are of that order; the whole axis where it is not much
    longer.
    """
    while edge < 2 * halo:
        edge *= 2
    if 1 < chunk <= _CHUNK_LIMIT * edge:
        edge = max(round(edge / chunk), 1) * chunk
    return max(size, 1) if size <= 1.5 * edge else edge


def _given_block(block: object, cut: Sequence[str], place: str) -> dict[str, int]:
    if block is None:
        return {}
    if isinstance(block, Mapping):
        entries = {axis: block.get(axis) for axis in cut}
    elif isinstance(block, (list, tuple)):
        entries = dict(zip(cut, block, strict=False)) if len(block) == len(cut) else {}
    else:
        entries = dict.fromkeys(cut, block)
    sizes = [value for value in entries.values() if isinstance(value, int) and value > 0]
    if len(sizes) != len(cut) or not entries:
        raise PipelineError(
            f"a block shape is one int, or one for each of the axes {''.join(cut)!r}, 1 or more",
            value=block,
            place=place,
        )
    return dict(zip(entries, sizes, strict=True))
