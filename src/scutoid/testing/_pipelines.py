"""Assertions about a pipeline: which steps would run, and that blocks make no difference."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from scutoid.errors import ParameterError
from scutoid.steps import Collection, Image, Step, plan
from scutoid.steps import open as open_image


def assert_would_run(
    *targets: Any, store: str | os.PathLike[str], steps: Iterable[str], **options: Any
) -> None:
    """Assert that a run would compute these steps, in part or whole, and no others.

    Parameters
    ----------
    *targets : Image, Table, Value or a collection of these
        As for `scutoid.run`.
    store : path
        Folder of the results.
    steps : iterable of str
        Names of the steps.
    **options
        As for `scutoid.plan`.

    Raises
    ------
    AssertionError
        With the whole plan, reasons included.
    """
    planned = plan(*targets, store=store, **options)
    would = {step.name for step in planned if step.status != "cached"}
    wanted = set(steps)
    if would != wanted:
        raise AssertionError(f"would run: {_names(would)}; expected: {_names(wanted)}\n\n{planned}")


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def assert_block_invariant(
    step: Step,
    *inputs: Any,
    blocks: Sequence[Any] = (3, 8, 13),
    rtol: float = 0.0,
    **parameters: Any,
) -> None:
    """Assert that a step gives the same result however its image is cut into blocks.

    Parameters
    ----------
    step : Step
        Made by `scutoid.blockwise` or `scutoid.reduction`.
    *inputs : ndarray or Image
        The step's inputs.
    blocks : sequence of int or tuple of int
        Block shapes, in voxels; the first result is that of one block.
    rtol : float
        Tolerance of floating-point numbers, relative to the result in one block.
    **parameters
        Parameters of the step.

    Raises
    ------
    AssertionError
        Naming the block shape, and the first place that differs.

    Examples
    --------
    >>> import scutoid as sc
    >>> from scutoid.testing import assert_block_invariant
    >>> @sc.blockwise
    ... def darker(image):
    ...     return image - image.min()  # of the block
    >>> assert_block_invariant(darker, np.arange(16).reshape(4, 4))
    Traceback (most recent call last):
    AssertionError: 'darker' in blocks of 3 differs from one block at (0, 3): 0, not 3
    """
    images = [open_image(item) if isinstance(item, np.ndarray) else item for item in inputs]
    largest = max(max(item.shape) for item in images if isinstance(item, Image))
    expected = _computed(step.options(block=largest), images, parameters)
    for block in blocks:
        results = _computed(step.options(block=block), images, parameters)
        for result, reference in zip(results, expected, strict=True):
            place = _first_difference(result, reference, rtol)
            if place is not None:
                raise AssertionError(
                    f"{step.spec.label!r} in blocks of {block} differs from one block{place}"
                )


def _computed(step: Step, images: Sequence[Any], parameters: Mapping[str, Any]) -> list[Any]:
    results = step(*images, **parameters)
    outputs = results if isinstance(results, tuple) else (results,)
    if any(isinstance(output, Collection) for output in outputs):
        raise ParameterError("blocks are compared for one image", value="a collection")
    return [_read(output) for output in outputs]


def _read(result: Any) -> Any:
    if isinstance(result, Image):
        return result.read()
    return result.to_pandas() if result.kind == "table" else result.get()


def _first_difference(result: Any, reference: Any, rtol: float) -> str | None:
    if not isinstance(result, np.ndarray):
        is_same = (
            result.equals(reference)
            if hasattr(result, "equals")
            else bool(np.all(result == reference))
        )
        return None if is_same else f": {result!r}, not {reference!r}"
    if result.shape != reference.shape or result.dtype != reference.dtype:
        return f": {result.shape} {result.dtype}, not {reference.shape} {reference.dtype}"
    same = result == reference
    if result.dtype.kind in "fc":
        same |= np.isclose(result, reference, rtol=rtol, atol=0, equal_nan=True)
    if same.all():
        return None
    place = tuple(map(int, np.argwhere(~same)[0]))
    return f" at {place}: {result[place]}, not {reference[place]}"
