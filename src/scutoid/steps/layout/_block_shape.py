"""Choose the shape of blocks from inputs, halo and chunks, never from workers or memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scutoid.errors import PipelineError
from scutoid.geometry import Coordinate, Roi
from scutoid.steps.layout._placement import Framed

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
    *,
    is_suggested: bool = False,
) -> Coordinate:
    """Choose a block shape over all axes of a grid; those that are not `cut` stay whole.

    A shape that is only suggested is rounded up to the multiples, where another is refused.
    """
    fixed = {
        axis: 1 if axis in iterated else max(size, 1)
        for axis, size, is_cut in zip(axes, total.shape, cut, strict=True)
        if not is_cut
    }
    edges = _given_block(block, axes, fixed, place)
    usual = _EDGE.get(sum(cut), 64)
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
        elif edges:
            edge, multiple = edges[axis], multiples.get(axis, 1)
            if is_suggested:
                edge = -(-edge // multiple) * multiple
            _check_multiple(axis, edge, size, multiple, place)
            shape.append(max(min(edge, size), 1))
        else:
            chosen = _edge(size, usual, low + high, chunks.get(axis, 1))
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


def _given_block(block: object, axes: str, fixed: Mapping[str, int], place: str) -> dict[str, int]:
    """Return the edges on the axes that are cut; a sequence may name those that are fixed too."""
    if block is None:
        return {}
    cut = [axis for axis in axes if axis not in fixed]
    if isinstance(block, Mapping):
        entries = {axis: block.get(axis) for axis in cut}
    elif isinstance(block, (list, tuple)):
        named = axes if len(block) == len(axes) else cut
        entries = dict(zip(named, block, strict=False)) if len(block) == len(named) else {}
        if any(entries.pop(axis, edge) != edge for axis, edge in fixed.items()):
            entries = {}
    else:
        entries = dict.fromkeys(cut, block)
    sizes = [value for value in entries.values() if isinstance(value, int) and value > 0]
    if len(sizes) != len(cut) or not entries:
        also = ", ".join(f"{axis} {edge}" for axis, edge in fixed.items())
        raise PipelineError(
            f"a block shape is one int, or one for each of the axes {''.join(cut)!r}, 1 or more"
            + (f", or one for each of {axes!r} with {also}" if also else ""),
            value=block,
            place=place,
        )
    return dict(zip(entries, sizes, strict=True))
