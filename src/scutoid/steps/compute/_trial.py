"""Call a step on small arrays, to learn the dtype and the axes of its images."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import SPATIAL
from scutoid.errors import PipelineError
from scutoid.geometry import Roi
from scutoid.steps.compute._calling import call, unpack, wrong_shape
from scutoid.steps.compute._fitted import check_returned
from scutoid.steps.declaration import NEIGHBOURS, StepBlock, StepSpec, own, own_all
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
    *,
    late: Sequence[str] = (),
) -> tuple[NDArray[Any], ...]:
    """Call a step on small arrays, to learn the dtype (and new axes) of its images.

    Parameters
    ----------
    dtypes : sequence
        dtype of each input that is an image, None for the others.
    others : sequence
        Values of the other inputs.
    late : sequence of str, optional
        Names of inputs and parameters that an earlier step makes, which a number stands in for.

    Raises
    ------
    PipelineError
        If the call fails; the step must then say dtype= itself.
    """
    sizes = _trial_sizes(layout)
    shape = tuple(max(size, 1) for size in sizes.values())
    arrays = _trial_inputs(layout, shape, dtypes, others)
    if spec.sees_neighbours:
        params = {**params, NEIGHBOURS: np.zeros(shape, spec.dtypes[spec.outputs.index("image")])}  # type: ignore[call-overload]
    region = Roi(layout.image.offset, [sizes.get(axis, 1) for axis in layout.axes])
    block = StepBlock(0, layout.axes, region, region, layout.image, layout.function_axes)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = call(spec, arrays, own_all(params), {"block": block, "voxel_size": voxel_size})
    except Exception as error:
        mend = f": a number stood in for {' and '.join(late)}" if late else ", or mend the function"
        raise PipelineError(
            "the dtype of an image is declared, or found by calling the step on a small array",
            value=f"the call raised {type(error).__name__}: {error}",
            place=f"step {spec.label!r}, called on {shape}",
            remedy=f"give dtype= to the decorator{mend}",
        ) from error
    outputs = zip(spec.outputs, unpack(spec, result), strict=True)
    items = [item for kind, item in outputs if kind == "image"]
    for item in items:
        check_returned(item, f"step {spec.label!r}, called on {shape}")
    images = [np.asarray(item) for item in items]
    for image in images:
        _check_shape(spec, layout, image.shape, shape)
    return tuple(images)


def _trial_sizes(layout: Layout) -> dict[str, int]:
    """Return the voxels of the arrays on each of the function's axes: few on the spatial ones."""
    extent = dict(zip(layout.axes, layout.image.shape, strict=True))
    halo = dict(zip(layout.axes, map(sum, zip(*layout.grid.halo, strict=True)), strict=True))
    return {
        axis: min(extent.get(axis, 1), _TRIAL_EDGE + halo.get(axis, 0))
        if axis in SPATIAL
        else extent.get(axis, 1)
        for axis in layout.function_axes
    }


def _trial_inputs(
    layout: Layout,
    shape: tuple[int, ...],
    dtypes: Sequence[np.dtype[Any] | None],
    others: Sequence[object],
) -> list[object]:
    """Return a ramp for each input that is an image, one voxel on axes that the image lacks."""
    ramp = np.arange(int(np.prod(shape))).reshape(shape) % 97
    arrays: list[object] = []
    for placed, dtype, other in zip(layout.inputs, dtypes, others, strict=True):
        if placed is None or dtype is None:
            arrays.append(own(other))
            continue
        part = tuple(slice(None if a in placed.axes else 1) for a in layout.function_axes)
        arrays.append(ramp[part].astype(dtype))
    return arrays


def _check_shape(
    spec: StepSpec, layout: Layout, returned: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    """Refuse an image whose sizes are neither those of the arrays nor declared."""
    axes = layout.returned_axes
    expected = {**dict(zip(layout.function_axes, shape, strict=True)), **layout.new_sizes}
    fits = layout.target is not None or (
        len(returned) == len(axes)
        and all(expected.get(axis, n) == n for axis, n in zip(axes, returned, strict=True))
    )
    if not fits:
        raise wrong_shape(spec, returned, expected, axes)
