"""What a user tests a pipeline with: what would run, and whether blocks make a difference."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.steps import Collection, Image, Step, Table, Value, plan
from scutoid.steps import open as open_image
from scutoid.steps.graph import BlockCall
from scutoid.testing._block_sample import MOST, bounded_shape, compared_blocks, lone_call

_BLOCKS = (3, 8, 13)

Within: TypeAlias = tuple[float, float]
"""How far numbers may differ: relative to one of them, and in any case."""
AnyStep = Step[Callable[..., object], object, object]
"""A step with any parameters and results."""


def assert_would_run(
    *targets: object, store: str | os.PathLike[str], steps: Iterable[str], **options: Any
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
    step: AnyStep,
    *inputs: object,
    blocks: Sequence[int | Sequence[int]] | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
    **parameters: object,
) -> None:
    """Assert that a step gives the same result however its image is cut into blocks.

    A step that makes images of opened ones is compared in up to 200 blocks of each shape: all if
    there are no more; else the corners, blocks at and beside the edges and in the middle, some
    where the result changes, and some anywhere, the same each time.  A fault in a few of many
    blocks may thus be missed; a smaller image is compared whole.  Tables, values, and images of
    several steps, with `where`, or whose blocks see their neighbours are compared whole.

    Parameters
    ----------
    step : Step
        Made by `scutoid.blockwise` or `scutoid.reduction`.
    *inputs : ndarray or Image
        What it is called with.
    blocks : sequence of int or tuple of int, optional
        Block shapes, in voxels; what they are compared with is the result in one block.  Default:
        3, 8 and 13; a result that is compared whole has blocks of that length on one axis, and
        longer ones on the others, where there would be more than 200 of them.
    rtol, atol : float
        How far floating-point numbers may differ, of images, values and columns of tables: by
        ``atol + rtol * abs(number)`` of the result in one block.  Default: not at all.  Integers,
        bool, and where NaN and infinite numbers stand, are always compared exactly.
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
    expected = [_read(one) for one in _called(step.options(block=largest), images, parameters)]
    for block in _BLOCKS if blocks is None else blocks:
        shape: object = block
        results = _called(step.options(block=shape), images, parameters)
        call = lone_call(results)
        if call is None and blocks is None and isinstance(block, int):
            shape = bounded_shape(results, block)
            results = _called(step.options(block=shape), images, parameters)
        place = next(_differences(results, expected, call, (rtol, atol)), None)
        if place is not None:
            raise AssertionError(
                f"{step.spec.label!r} in blocks of {shape} differs from one block{place}"
            )


def _differences(
    results: Sequence[object], expected: Sequence[object], call: BlockCall | None, within: Within
) -> Iterator[str]:
    """Yield where results, or a sample of the blocks of a call alone, are not as expected."""
    compared: Iterable[tuple[tuple[int, ...], object, object]]
    if call is None or call.layout.grid.n_blocks <= MOST:
        compared = (((), _read(one), other) for one, other in zip(results, expected, strict=True))
    else:
        compared = compared_blocks(call, results, expected)  # type: ignore[arg-type]
    for start, one, other in compared:
        place = _first_difference(one, other, within, start)
        if place is not None:
            yield place


def _called(
    step: AnyStep, images: Sequence[object], parameters: Mapping[str, object]
) -> Sequence[object]:
    results = step(*images, **parameters)
    found = results if isinstance(results, tuple) else (results,)
    if any(isinstance(one, Collection) for one in found):
        raise ParameterError("blocks are compared of one image", value="a collection")
    return found


def _read(result: object) -> object:
    if isinstance(result, Image):
        return result.read()
    if isinstance(result, Table):
        return result.to_pandas()
    if isinstance(result, Value):
        return result.get()
    raise ParameterError(
        "blocks are compared of images, tables and values", value=type(result).__name__
    )


def _first_difference(
    one: object, other: object, within: Within, start: Sequence[int] = ()
) -> str | None:
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return None if _are_like(one, other, within) else f": {one!r}, not {other!r}"
    if one.shape != other.shape or one.dtype != other.dtype:
        return f": {one.shape} {one.dtype}, not {other.shape} {other.dtype}"
    same = _alike(one, other, within)
    if same.all():
        return None
    place = tuple(map(int, np.argwhere(~same)[0]))
    shown = tuple(map(sum, zip(place, start, strict=True))) if start else place
    return f" at {shown}: {one[place]}, not {other[place]}"


def _alike(one: NDArray[Any], other: NDArray[Any], within: Within) -> NDArray[np.bool_]:
    """Return where two arrays of one shape and dtype are equal, or as near as they may be."""
    same: NDArray[np.bool_] = one == other
    if one.dtype.kind in "fc":
        rtol, atol = within
        with np.errstate(all="ignore"):
            same = same | np.isclose(one, other, rtol=rtol, atol=atol, equal_nan=True)
    return same


def _are_like(one: Any, other: Any, within: Within) -> bool:
    """Whether two values are equal, their floating-point numbers as near as they may be."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray | np.generic | float | complex):
        a, b = np.asarray(one), np.asarray(other)
        return a.shape == b.shape and a.dtype == b.dtype and bool(_alike(a, b, within).all())
    if isinstance(one, Mapping):
        return list(one) == list(other) and _are_like([*one.values()], [*other.values()], within)
    if isinstance(one, list | tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_are_like(a, b, within) for a, b in pairs)
    if not hasattr(one, "equals"):
        return bool(one == other)
    is_table = hasattr(one, "columns") and one.columns.equals(other.columns)
    if not is_table or not len(one) == len(other) > 0 or not one.dtypes.equals(other.dtypes):
        return bool(one.equals(other))
    names = one.columns[[dtype.kind in "fc" for dtype in one.dtypes]]
    rest = one.drop(columns=names).equals(other.drop(columns=names))
    numbers = ((_numbers(one[name]), _numbers(other[name])) for name in names)
    return bool(rest and all(_alike(a, b, within).all() for a, b in numbers))


def _numbers(column: Any) -> NDArray[Any]:
    """Return the numbers of a column; missing ones are NaN."""
    kind = np.complex128 if column.dtype.kind == "c" else np.float64
    numbers: NDArray[Any] = column.to_numpy(dtype=kind, na_value=np.nan)
    return numbers
