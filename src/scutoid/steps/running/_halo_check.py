"""How wide a halo a function needs, measured: a region is computed with wider and wider ones."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import SPATIAL
from scutoid.errors import PipelineError
from scutoid.geometry import Roi, RoiLike
from scutoid.steps.graph import BlockCall, make_call
from scutoid.steps.handles import Evaluation, Image, Step
from scutoid.steps.handles import open as open_image
from scutoid.steps.running._difference import Difference, difference

_EDGE = 64
"""Most voxels along an axis of the region that is looked at, where none is given."""
_LEAST_WIDEST = 32
_TIMES_WIDEST = 4

AnyStep = Step[Callable[..., object], object, object]
"""A step with any parameters and results."""


@dataclass(frozen=True, slots=True)
class HaloCheck:
    """What a function needs of its surroundings, and what it was given.

    Printed, it says both in two lines.
    """

    name: str
    """Name of the step."""
    roi: Roi
    """The region that was looked at, in voxels of the image."""
    given: Mapping[str, tuple[int, int]]
    """Halo of the step by spatial axis, below and above, in voxels."""
    needed: Mapping[str, int | None]
    """The least halo by spatial axis, in voxels, with which the region stays as it is with the
    widest; None where each voxel more made a difference."""
    widest: Mapping[str, int]
    """The widest halo that was tried, by spatial axis, in voxels."""
    error: float | None
    """The greatest difference at the halo given, in grey values; 0.0: none but rounding; None:
    images of bool differ."""
    share: float
    """Share of the voxels of the region that differ at the halo given."""

    @property
    def is_enough(self) -> bool:
        """Whether the halo given makes no difference in the region."""
        return self.share == 0

    def __str__(self) -> str:
        given = ", ".join(
            f"{axis} {low}" if low == high else f"{axis} {low} and {high}"
            for axis, (low, high) in self.given.items()
        )
        needed = ", ".join(
            f"{axis} {self.widest[axis]} or more" if width is None else f"{axis} {width}"
            for axis, width in self.needed.items()
        )
        found = "" if self.error is None else f" by up to {self.error:.3g},"
        outcome = (
            "the halo given is wide enough here"
            if self.is_enough
            else f"with the halo given it differs{found} in {self.share:.2g} of its voxels"
        )
        return f"{self.name}: halo given {given}; needed {needed}\n{outcome}"


def check_halo(
    step: AnyStep,
    *inputs: object,
    roi: RoiLike | None = None,
    widest: int | None = None,
    **parameters: object,
) -> HaloCheck:
    """Measure how wide a halo a function needs, and what the one that it has makes of its result.

    A region is computed with the widest halo, and then with narrower ones, one axis after the
    other, until it changes by more than rounding.  What is found holds for this region and these
    parameters: take a region with something in it.

    Parameters
    ----------
    step : Step
        Made by `scutoid.blockwise`, with images as results on the grid of its inputs.
    *inputs : ndarray or Image
        What it is called with.
    roi : region, optional
        Region of the result in voxels, over all its axes; default: the middle half of the image, 64
        voxels long at most.
    widest : int, optional
        Voxels of the widest halo along each spatial axis; default: four times the halo of the step,
        32 at least.  It is never longer than the image.
    **parameters
        Parameters of the step.

    Returns
    -------
    HaloCheck
        Its `needed`, `given`, `error` and `is_enough`; printed, a text.

    Raises
    ------
    PipelineError
        If the step makes no images of images block by block, or differs from itself.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> from scipy import ndimage
    >>> @sc.blockwise(halo=1)
    ... def softer(image):
    ...     return ndimage.uniform_filter(image, 7)
    >>> noise = np.random.default_rng(0).random((100, 100))
    >>> print(sc.check_halo(softer, noise))
    softer: halo given y 1, x 1; needed y 3, x 3
    with the halo given it differs by up to 0.107, in 0.15 of its voxels
    """
    call = _call_of(step, inputs, parameters)
    layout = call.layout
    framed = call.framed(call.spec.outputs.index("image"))
    size = dict(zip(framed.spec.axes, framed.spec.shape, strict=True))
    region = _middle(size) if roi is None else _checked(Roi.of(roi), framed.spec.roi, call)
    write = layout.grid_region(region.shift(framed.offset))
    halo = dict(zip(layout.axes, zip(*layout.grid.halo, strict=True), strict=True))
    axes = [axis for axis in layout.function_axes if axis in SPATIAL and axis in size]
    given = {axis: (int(halo[axis][0]), int(halo[axis][1])) for axis in axes}
    most = {axis: _widest(given[axis], size[axis], widest) for axis in axes}

    def computed(widths: Mapping[str, int]) -> tuple[NDArray[Any], ...]:
        wider = make_call(replace(call.spec, halo=dict(widths)), call.inputs, call.params)
        assert isinstance(wider, BlockCall)  # noqa: S101 - as the call is
        return _computed(wider, write)

    def differs(axis: str, width: int) -> bool:
        return against(computed({**most, axis: width})) is not None

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        reference = computed(most)
        against = partial(_worst, call, reference)
        if against(computed(most)) is not None:
            raise PipelineError(
                "a halo is measured of a function that makes the same of the same voxels",
                value="two results of one call that differ",
                place=f"step {call.name!r}",
                remedy="pass what it depends on as a parameter, such as a seed",
            )
        found = against(_computed(call, write))
        needed = {axis: _least(most[axis], partial(differs, axis)) for axis in axes}
    error = 0.0 if found is None else found.greatest
    share = 0.0 if found is None else found.share
    return HaloCheck(call.name, region, given, needed, most, error, share)


def _call_of(step: AnyStep, inputs: tuple[object, ...], parameters: Mapping[str, object]) -> Any:
    """Return the call of a step, if its blocks can be cut anew."""
    images = [open_image(item) if isinstance(item, np.ndarray) else item for item in inputs]
    results = step(*images, **parameters)
    first: Any = results[0] if isinstance(results, tuple) else results
    call = first.ref.node if isinstance(first, Image) else None
    name = getattr(step, "__name__", "step")
    if (
        not isinstance(call, BlockCall)
        or call.spec.sees_neighbours
        or call.given_parts is not None
        or call.layout.target is not None
    ):
        raise PipelineError(
            "a halo is measured of a blockwise step that makes images of images on their grid",
            value=f"{name!r}, which is no such step",
            place="check_halo",
            remedy="compare the whole result in blocks: scutoid.testing.assert_block_invariant",
        )
    return call


def _middle(size: Mapping[str, int]) -> Roi:
    """Return the middle of an image, with voxels around it that a halo can hold."""
    shape = [
        min((length + 1) // 2 if axis in SPATIAL else length, _EDGE)
        for axis, length in size.items()
    ]
    offset = [(length - n) // 2 for length, n in zip(size.values(), shape, strict=True)]
    return Roi(offset, shape)


def _checked(roi: Roi, whole: Roi, call: BlockCall) -> Roi:
    if roi.ndim != whole.ndim or roi.size == 0 or not whole.contains(roi):
        raise PipelineError(
            f"the region lies in the image, {whole}",
            value=roi,
            place=f"step {call.name!r}",
        )
    return roi


def _widest(given: tuple[int, int], length: int, asked: int | None) -> int:
    """Return the widest halo along an axis; it is wider than the one given where it can be."""
    width = max(_LEAST_WIDEST, _TIMES_WIDEST * max(given)) if asked is None else asked
    return min(width, length)


def _computed(call: BlockCall, write: Roi) -> tuple[NDArray[Any], ...]:
    """Return the images of a region, one for each place along the axes that blocks iterate."""
    layout, kinds = call.layout, call.spec.outputs
    step, evaluation = call.step_on(layout), Evaluation()
    places = [
        range(start, stop) if axis in layout.iterated else (start,)
        for axis, start, stop in zip(layout.axes, write.offset, write.end, strict=True)
    ]
    shape = [
        1 if axis in layout.iterated else length
        for axis, length in zip(layout.axes, write.shape, strict=True)
    ]
    return tuple(
        np.asarray(result)
        for place in itertools.product(*places)
        for result, kind in zip(
            evaluation.region(call, step, Roi(place, shape), 0), kinds, strict=True
        )
        if kind == "image"
    )


def _worst(
    call: BlockCall, reference: tuple[NDArray[Any], ...], images: tuple[NDArray[Any], ...]
) -> Difference | None:
    """Return how the first image differs that does."""
    inputs = [image.dtype for image in call.images]
    pairs = zip(images, reference, strict=True)
    return next(filter(None, (difference(one, other, *inputs) for one, other in pairs)), None)


def _least(most: int, differs: Callable[[int], bool]) -> int | None:
    """Return the least width that makes no difference; None: only the widest itself.

    Widths are doubled until one suffices; the least lies between it and the one before.
    """
    below, width = -1, 0
    while width < most and differs(width):
        below, width = width, max(1, 2 * width)
    above = min(width, most)
    while above - below > 1:
        middle = (above + below) // 2
        if differs(middle):
            below = middle
        else:
            above = middle
    return None if above == most > 0 else above
