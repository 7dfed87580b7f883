"""Arithmetic and comparison as steps: each operator is a call, named and keyed like any.

::

    raw > 300            greater        a blockwise step; the number is a parameter
    a - b                subtract       both images are inputs, voxel by voxel
    (raw > 9) & mask     bitwise_and
    level * 2            multiply       of values: a whole step

The rules of dtypes are numpy's: an image counts as an array, and a lazy value as a Python number.
"""

from __future__ import annotations

import itertools
import operator as python
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError, StepError
from scutoid.kernels import check_in_float64
from scutoid.steps.declaration import Options, StepSpec, make_spec
from scutoid.steps.graph._call import Call, make_call
from scutoid.steps.graph._nodes import Opened
from scutoid.steps.graph._places import check_places
from scutoid.steps.graph._refs import CollectionRef, ImageRef, Ref

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": python.add,
    "subtract": python.sub,
    "multiply": python.mul,
    "true_divide": python.truediv,
    "floor_divide": python.floordiv,
    "remainder": python.mod,
    "power": python.pow,
    "negative": python.neg,
    "absolute": python.abs,
    "invert": python.invert,
    "bitwise_and": python.and_,
    "bitwise_or": python.or_,
    "bitwise_xor": python.xor,
    "left_shift": python.lshift,
    "right_shift": python.rshift,
    "greater": python.gt,
    "greater_equal": python.ge,
    "less": python.lt,
    "less_equal": python.le,
    "equal": python.eq,
    "not_equal": python.ne,
}
"""What each operator does, of arrays and of values alike."""
_COMPARISONS = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")
_BITWISE = ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift")
_GROWING = (
    *("add", "subtract", "multiply", "floor_divide", "power", "negative", "absolute"),
    "left_shift",
)
"""Of integers of 64 bits these give what may not fit into them."""
_FRAMES_ABOVE = 5
"""From `warnings.warn` up to the operator in the user's code."""

Array = NDArray[Any]
Number = complex | np.generic
Operand = Ref | CollectionRef | np.ndarray | Number
"""What takes part in an operator: a reference, an array, a number."""


def operator_call(operator: str, *operands: Operand) -> Call:
    """Return the call that applies an operator of numpy.

    Parameters
    ----------
    operator : str
        Name of a function of numpy of one or two arrays, such as "subtract".
    *operands : Ref, CollectionRef, ndarray or number
        In their order.  Arrays count as images.

    Raises
    ------
    ParameterError
        If numpy has no such operator for these dtypes.
    MetadataError
        If two images are known to lie in different places.
    """
    items = tuple(_as_ref(item) for item in operands)
    images = [item for item in items if _is_image(item)]
    if not any(isinstance(item, CollectionRef) for item in images):
        check_places(operator, [item for item in images if isinstance(item, ImageRef)])
    dtype = _dtype_of(operator, items)
    if not images:
        return make_call(_whole(operator, _of_values), items, {"operator": operator})
    if len(images) == len(items):
        return make_call(_blockwise(operator, _of_images, dtype), items, {"operator": operator})
    is_first = not _is_image(items[0])
    number = items[0] if is_first else items[1]
    params = {
        "operator": operator,
        "number": number[()] if isinstance(number, np.ndarray) else number,
        "is_first": is_first,
        "counts_as": _counts_as(operator, number),
    }
    return make_call(_blockwise(operator, _of_number, dtype), images, params)


def astype_call(image: Ref | CollectionRef, dtype: np.dtype[Any]) -> Call:
    """Return the call that converts an image to another dtype."""
    return make_call(_blockwise("astype", _as_type, dtype), (image,), {"dtype": dtype.str})


def _of_images(*images: Array, operator: str) -> Array:
    return _apply(operator, *images)


def _of_number(
    image: Array, *, operator: str, number: object, is_first: bool, counts_as: str
) -> Array:
    typed = number if counts_as == "given" else _one_number(number, is_float=counts_as == "float")
    return _apply(operator, *((typed, image) if is_first else (image, typed)))


def _one_number(value: object, *, is_float: bool) -> object:
    """Return a value that was computed as a Python number."""
    plain = (
        value.item() if isinstance(value, (np.generic, np.ndarray)) and not value.ndim else value
    )
    if not isinstance(plain, (int, float, complex)):
        is_array = isinstance(plain, np.ndarray)
        raise StepError(
            "a value that meets an image in an operator is one number",
            value=type(value).__name__,
            place="an operator of an image and a value",
            remedy="write a step that takes both: step(image, value)"
            + ('; a step that returns an image says so: @sc.step(out="image")' * is_array),
        )
    return float(plain) if is_float and not isinstance(plain, complex) else plain


def _of_values(*values: object, operator: str) -> object:
    return _FUNCTIONS[operator](*values)


def _as_type(image: Array, *, dtype: str) -> Array:
    return np.asarray(image).astype(dtype)


def _apply(operator: str, *operands: object) -> Array:
    applied: Array = _FUNCTIONS[operator](*operands)
    if applied.dtype.kind == "f" or any(_is_float(operand) for operand in operands):
        for operand in operands:  # numpy takes integers for float64, which rounds them
            if isinstance(operand, (np.ndarray, np.generic)):
                check_in_float64(np.asarray(operand), operator)
    elif _may_wrap(operator, applied.dtype):
        _check_fits(operator, operands, applied)
    return applied


def _may_wrap(operator: str, dtype: np.dtype[Any] | None) -> bool:
    """Whether results may not fit into 64 bits; that unsigned ones wrap below 0 is warned of."""
    if dtype is None or dtype.kind not in "iu" or dtype.itemsize < 8:
        return False
    return operator in _GROWING and (dtype.kind == "i" or operator not in ("subtract", "negative"))


def _check_fits(operator: str, operands: Sequence[Any], applied: Array) -> None:
    """Refuse results beyond 64 bits: those of float64 are then far from them.

    Raises
    ------
    ParameterError
        It names the first of them.
    """
    arrays = [np.asarray(operand) for operand in operands]
    if not applied.size:
        return
    if operator in ("add", "subtract", "multiply", "negative"):  # greatest at ends of operands
        ends = itertools.product(*((int(array.min()), int(array.max())) for array in arrays))
        limits = np.iinfo(applied.dtype)
        if all(limits.min <= _FUNCTIONS[operator](*end) <= limits.max for end in ends):
            return
    floats = [array.astype(float) for array in arrays]
    if operator == "left_shift":
        operator_of_floats: Callable[..., Array] = np.ldexp
        floats[1] = arrays[1].astype(int)
    else:
        operator_of_floats = _FUNCTIONS[operator]
    with np.errstate(all="ignore"):
        wraps = np.abs(operator_of_floats(*floats) - applied) > 2**62
    if operator == "floor_divide":  # numpy gives 0 of integers for it, and warns
        wraps &= floats[1] != 0
    if wraps.any():
        place = np.unravel_index(int(wraps.argmax()), wraps.shape)
        given = [np.broadcast_to(array, wraps.shape)[place].item() for array in arrays]
        raise ParameterError(
            f"a result of integers of 64 bits fits into {applied.dtype}",
            value=f"{operator} of {' and '.join(map(str, given))}",
            place=operator,
            remedy='convert first, such as image.astype("float64")',
        )


def _is_float(operand: object) -> bool:
    return isinstance(operand, float) or getattr(operand, "dtype", np.dtype(bool)).kind == "f"


def _blockwise(name: str, function: Callable[..., object], dtype: np.dtype[Any] | None) -> StepSpec:
    return make_spec(
        "blockwise",
        function,
        out="image",
        setup=None,
        options=Options(name=name),
        dtype=dtype,
        block_invariant=True,
        threadsafe=True,
        version="2" if _may_wrap(name, dtype) else "1",
    )


def _whole(name: str, function: Callable[..., object]) -> StepSpec:
    return make_spec(
        "step",
        function,
        out="value",
        setup=None,
        options=Options(name=name),
        threadsafe=True,
        version="1",
    )


def _as_ref(item: Operand) -> Operand:
    if isinstance(item, np.ndarray) and item.ndim:
        from scutoid.arrays import open_source

        return ImageRef(Opened(open_source(item), "array"))
    return item


def _is_image(item: object) -> bool:
    return isinstance(item, (Ref, CollectionRef)) and item.kind == "image"


def _is_value(item: object) -> bool:
    return isinstance(item, (Ref, CollectionRef)) and item.kind != "image"


def _counts_as(operator: str, number: object) -> str:
    """How a number counts in numpy's rules: as it is given, or, of a lazy value, as Python's."""
    if not _is_value(number):
        return "given"
    return "python" if operator in (*_COMPARISONS, *_BITWISE) else "float"


def _dtype_of(operator: str, items: Sequence[object]) -> np.dtype[Any] | None:
    """Return the dtype that numpy gives the result; None where an image is one of several."""
    if any(isinstance(item, CollectionRef) for item in items) or not any(map(_is_image, items)):
        return None
    stand_ins = [_stand_in(operator, item) for item in items]
    try:
        with np.errstate(all="ignore"):
            dtype: np.dtype[Any] = _apply(operator, *stand_ins).dtype
    except (TypeError, ValueError, OverflowError) as error:
        given = ", ".join(str(getattr(item, "dtype", item)) for item in stand_ins)
        raise ParameterError(
            f"{operator} of images follows numpy, which has it for these types",
            value=f"{given}: {error}",
            place=operator,
            remedy='convert first, such as image.astype("float32")',
        ) from error
    if dtype.kind == "u" and operator in ("subtract", "negative"):
        warnings.warn(
            f"{operator} of unsigned images ({dtype}) wraps where the result is below 0; "
            f'convert first, such as image.astype("int{min(16 * dtype.itemsize, 64)}")',
            stacklevel=_FRAMES_ABOVE,
        )
    return dtype


def _stand_in(operator: str, item: object) -> object:
    """Return what has the type of an operand, as far as that is known."""
    if isinstance(item, ImageRef):
        return np.empty(0, item.dtype)
    if isinstance(item, Ref):
        return 1.0 if _counts_as(operator, item) == "float" else 1
    return item
