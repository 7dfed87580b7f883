"""Call a step on small arrays, to learn the dtype and the axes of its images."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import PipelineError
from scutoid.geometry import Roi
from scutoid.steps.compute._calling import call, unpack, wrong_shape
from scutoid.steps.declaration import NEIGHBOURS, StepBlock, StepSpec
from scutoid.steps.layout import Layout

_TRIAL_EDGE = 8
"""Voxels along a spatial axis of the arrays, without the halo."""


def trial(
    spec: StepSpec,
    layout: Layout,
    dtypes: Sequence[np.dtype[Any] | None],
    others: Sequence[object],
    params: Mapping[str, object],
    voxel_size: tuple[float, ...] | None,
) -> tuple[NDArray[Any], ...]:
    """Call a step on small arrays, to learn the dtype (and new axes) of its images.

    Parameters
    ----------
    dtypes : sequence
        dtype of each input that is an image, None for the others.
    others : sequence
        Values of the other inputs.

    Raises
    ------
    PipelineError
        If the call fails; the step must then say dtype= itself.
    """
    low, high = layout.grid.halo
    extent = dict(zip(layout.axes, layout.image.shape, strict=True))
    sizes = {}
    for axis in layout.function_axes:
        place = layout.axes.find(axis)
        wanted = _TRIAL_EDGE + (low[place] + high[place] if place >= 0 else 0)
        is_cut = axis in "zyx"
        sizes[axis] = min(extent.get(axis, 1), wanted) if is_cut else extent.get(axis, 1)
    shape = tuple(max(size, 1) for size in sizes.values())
    ramp = np.arange(int(np.prod(shape))).reshape(shape) % 97
    arrays: list[object] = []
    for entry, dtype, other in zip(layout.inputs, dtypes, others, strict=True):
        if entry is None or dtype is None:
            arrays.append(other)
            continue
        missing = tuple(slice(0, 1 if a not in entry[0] else None) for a in layout.function_axes)
        arrays.append(ramp[missing].astype(dtype))
    if spec.sees_neighbours:
        params = {**params, NEIGHBOURS: np.zeros(shape, spec.dtypes[spec.outputs.index("image")])}  # type: ignore[call-overload]
    region = Roi(layout.image.offset, [sizes.get(axis, 1) for axis in layout.axes])
    block = StepBlock(0, layout.axes, region, region, layout.image, layout.function_axes)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = call(spec, arrays, params, {"block": block, "voxel_size": voxel_size})
    except Exception as error:
        raise PipelineError(
            "the dtype of an image is declared, or found by calling the step on a small array",
            value=f"the call raised {type(error).__name__}: {error}",
            place=f"step {spec.label!r}, called on {shape}",
            remedy="give dtype= to the decorator, or mend the function",
        ) from error
    images = []
    for kind, item in zip(spec.outputs, unpack(spec, result), strict=True):
        if kind != "image":
            continue
        array = np.asarray(item)
        axes = layout.returned_axes
        expected = {**dict(zip(layout.function_axes, shape, strict=True)), **layout.new_sizes}
        fits = layout.target is not None or (
            array.ndim == len(axes)
            and all(expected.get(axis, n) == n for axis, n in zip(axes, array.shape, strict=True))
        )
        if not fits:
            raise wrong_shape(spec, array.shape, expected, axes)
        images.append(array)
    return tuple(images)
