"""Blocks whose halo may be wider than the image, and where in what they get the image is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeGuard, TypeVar

from scutoid.kernels import SparseArray
from scutoid.steps import Step, StepBlock

Slices = tuple[slice, ...]
_S = TypeVar("_S", bound=Step[Any, Any, Any])


def unpadded(made: _S) -> _S:
    """Clip what a step with ``border=0`` reads to the image: all that it gets is image.

    Its halo may be wider than the image still, and its key is that of the step that pads.
    """
    return type(made)(replace(made.spec, pads=False))


def sparse(made: _S, **inputs: str) -> _S:
    """Give a step some inputs as a `SparseArray` in large blocks; its key stays as it is.

    Inputs are named in the order in which they are read, and of each what it has: its "values", its
    "places", or the values at the places of the input of this name.  Or, of labels, the "rim": what
    lies around the block, as `Runs` in blocks of any size.
    """
    return type(made)(replace(made.spec, sparse=inputs))


def are_sparse(given: Sequence[object]) -> TypeGuard[Sequence[SparseArray]]:
    """Tell whether the images of a block come so: all of them do, or none."""
    return all(isinstance(each, SparseArray) for each in given)


def image_part(block: StepBlock) -> tuple[Slices, Slices, list[tuple[bool, bool]]]:
    """Tell padding from image.

    Returns
    -------
    inside : tuple of slice
        The image in the arrays that the function gets.
    inner : tuple of slice
        What the block writes, in the arrays cut by `inside`.
    goes_on : list of (bool, bool), an entry an axis
        Whether the image goes on beyond the first and the last voxel that was read.
    """
    inside, inner, goes_on = [], [], []
    for axis, where in zip(block.function_axes, block.inner, strict=True):
        if axis not in block.axes:
            inside.append(slice(0, 1))
            inner.append(slice(0, 1))
            goes_on.append((False, False))
            continue
        place = block.axes.index(axis)
        start, stop = block.read_roi.offset[place], block.read_roi.end[place]
        first, last = block.image_roi.offset[place], block.image_roi.end[place]
        skipped = max(first - start, 0)
        inside.append(slice(skipped, min(stop, last) - start))
        inner.append(slice(where.start - skipped, where.stop - skipped))
        goes_on.append((start > first, stop < last))
    return tuple(inside), tuple(inner), goes_on
