"""Call the function of a step, and take apart what it returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import StepError
from scutoid.steps.compute._meter import counted
from scutoid.steps.declaration import INJECTED, StepSpec, own, told_of_read_only


def call(
    spec: StepSpec,
    inputs: Sequence[object],
    params: Mapping[str, object],
    injected: Mapping[str, object],
) -> object:
    """Call the user's function with what it asked for."""
    extra = {name: injected.get(name) for name in INJECTED if name in spec.parameters.injected}
    defaults = map(own, spec.parameters.defaults_after(len(inputs)))
    with told_of_read_only(spec.label):
        return counted(spec.label, lambda: spec.function(*inputs, *defaults, **{**params, **extra}))


def unpack(spec: StepSpec, result: object) -> tuple[object, ...]:
    """Return the outputs of a call as a tuple, an entry for each that was declared."""
    if not spec.packed:
        return (result,)
    if not isinstance(result, (tuple, list)) or len(result) != len(spec.outputs):
        raise StepError(
            f"a step with out={spec.outputs} returns a tuple of {len(spec.outputs)}",
            value=type(result).__name__,
            place=f"step {spec.label!r}",
        )
    return tuple(result)


def check_parts(item: object, label: str) -> dict[str, NDArray[Any]]:
    """Return `item` as a dict of arrays."""
    if not isinstance(item, Mapping) or not all(isinstance(name, str) for name in item):
        raise StepError(
            "a step with out='parts' returns a dict of arrays a block",
            value=type(item).__name__,
            place=f"step {label!r}",
        )
    masked = [name for name, array in item.items() if isinstance(array, np.ma.MaskedArray)]
    if masked:
        raise StepError(
            "the mask of an array in parts would be lost",
            value=masked,
            place=f"step {label!r}",
            remedy="return array.data and array.mask under names of their own",
        )
    return {name: np.asarray(array) for name, array in item.items()}


def wrong_shape(
    spec: StepSpec, shape: tuple[int, ...], sizes: Mapping[str, int], returned: str
) -> StepError:
    """Say that a step returned an image of a shape that does not fit what it was given."""
    expected = tuple(sizes.get(axis, "any") for axis in returned)
    return StepError(
        "a step returns an image of the shape that it was given, halo included",
        value=f"shape {shape}; expected {expected} for axes {returned!r}",
        place=f"step {spec.label!r}",
        remedy="do not crop the halo: scutoid does; give out_axes= if axes come or go",
    )


T = TypeVar("T")


def merge_in_order(values: Iterable[T], merge: Callable[[T, T], T]) -> T:
    """Merge values in a fixed binary tree over their order.

    The tree is that of a binary counter: it depends on the number of values alone, holds at most
    log2(n) of them at a time, and pairs neighbours first::

        0 1 2 3 4      ((0 1) (2 3)) 4

    Examples
    --------
    >>> merge_in_order(["a", "b", "c"], lambda a, b: f"({a}{b})")
    '((ab)c)'
    """
    waiting: list[tuple[int, T]] = []
    for value in values:
        size, merged = 1, value
        while waiting and waiting[-1][0] == size:
            _, earlier = waiting.pop()
            merged = merge(earlier, merged)
            size *= 2
        waiting.append((size, merged))
    if not waiting:
        raise StepError("a reduction has at least one block", value="none")
    _, result = waiting.pop()
    while waiting:
        _, earlier = waiting.pop()
        result = merge(earlier, result)
    return result
