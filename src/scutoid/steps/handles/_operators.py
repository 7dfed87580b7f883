"""Operators of images and values: each makes a lazy result; see `scutoid.steps.graph`."""

from __future__ import annotations

from numbers import Number
from typing import Any, NoReturn, Self, TypeAlias, Unpack

import numpy as np
from numpy.typing import DTypeLike, NDArray

from scutoid.errors import PipelineError
from scutoid.steps.declaration import ResultOptions
from scutoid.steps.graph import astype_call, operator_call, with_spec_options
from scutoid.steps.handles._lazy import Lazy, handle_of

Operand: TypeAlias = "Operators | complex | np.generic | NDArray[Any]"
"""What an operator takes beside an image or a value."""


class Operators(Lazy):
    """Arithmetic and comparison of images, of values, and of collections of these.

    What would change a result in place raises.
    """

    __array_priority__ = 1000.0  # `array - image` is asked of the image, which stays lazy
    __hash__ = Lazy.__hash__

    def __add__(self, other: Operand) -> Self:
        return self._combined("add", self, other)

    def __radd__(self, other: Operand) -> Self:
        return self._combined("add", other, self)

    def __sub__(self, other: Operand) -> Self:
        return self._combined("subtract", self, other)

    def __rsub__(self, other: Operand) -> Self:
        return self._combined("subtract", other, self)

    def __mul__(self, other: Operand) -> Self:
        return self._combined("multiply", self, other)

    def __rmul__(self, other: Operand) -> Self:
        return self._combined("multiply", other, self)

    def __truediv__(self, other: Operand) -> Self:
        return self._combined("true_divide", self, other)

    def __rtruediv__(self, other: Operand) -> Self:
        return self._combined("true_divide", other, self)

    def __floordiv__(self, other: Operand) -> Self:
        return self._combined("floor_divide", self, other)

    def __rfloordiv__(self, other: Operand) -> Self:
        return self._combined("floor_divide", other, self)

    def __mod__(self, other: Operand) -> Self:
        return self._combined("remainder", self, other)

    def __rmod__(self, other: Operand) -> Self:
        return self._combined("remainder", other, self)

    def __pow__(self, other: Operand) -> Self:
        return self._combined("power", self, other)

    def __rpow__(self, other: Operand) -> Self:
        return self._combined("power", other, self)

    def __and__(self, other: Operand) -> Self:
        return self._combined("bitwise_and", self, other)

    def __rand__(self, other: Operand) -> Self:
        return self._combined("bitwise_and", other, self)

    def __or__(self, other: Operand) -> Self:
        return self._combined("bitwise_or", self, other)

    def __ror__(self, other: Operand) -> Self:
        return self._combined("bitwise_or", other, self)

    def __xor__(self, other: Operand) -> Self:
        return self._combined("bitwise_xor", self, other)

    def __rxor__(self, other: Operand) -> Self:
        return self._combined("bitwise_xor", other, self)

    def __lshift__(self, other: Operand) -> Self:
        return self._combined("left_shift", self, other)

    def __rlshift__(self, other: Operand) -> Self:
        return self._combined("left_shift", other, self)

    def __rshift__(self, other: Operand) -> Self:
        return self._combined("right_shift", self, other)

    def __rrshift__(self, other: Operand) -> Self:
        return self._combined("right_shift", other, self)

    def __gt__(self, other: Operand) -> Self:
        return self._combined("greater", self, other)

    def __ge__(self, other: Operand) -> Self:
        return self._combined("greater_equal", self, other)

    def __lt__(self, other: Operand) -> Self:
        return self._combined("less", self, other)

    def __le__(self, other: Operand) -> Self:
        return self._combined("less_equal", self, other)

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return self._combined("equal", self, other)

    def __ne__(self, other: object) -> Self:  # type: ignore[override]
        return self._combined("not_equal", self, other)

    def __neg__(self) -> Self:
        return self._combined("negative", self)

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Self:
        return self._combined("absolute", self)

    def __invert__(self) -> Self:
        return self._combined("invert", self)

    def options(self, **options: Unpack[ResultOptions]) -> Self:
        """Return the same result, its step with other options.

        Parameters
        ----------
        **options
            name, keep, storage, block, retries, timeout, requires, as in `scutoid.blockwise`;
            view, as in `Step.options`.

        Examples
        --------
        >>> import numpy as np
        >>> import scutoid as sc
        >>> raw = sc.open(np.zeros((2, 3), "uint8"))
        >>> (raw > 3).options(name="bright", keep=False)
        Image('bright', yx, (2, 3), bool)
        """
        result: Self = handle_of(with_spec_options(self.ref, options))
        return result

    def _combined(self, operator: str, *operands: object) -> Self:
        """Apply an operator to handles, arrays and numbers, this among them."""
        if not all(map(_takes_part, operands)):
            return NotImplemented  # type: ignore[no-any-return]  # it may be an operator of another
        items: list[Any] = [item.read_ref if isinstance(item, Lazy) else item for item in operands]
        (ref,) = operator_call(operator, *items).outputs
        result: Self = handle_of(ref)
        return result

    def _refuse_in_place(self, other: object) -> NoReturn:
        raise PipelineError(
            "a lazy result is never changed",
            value=f"an operator such as += on {self!r}",
            remedy="write image = image + other: that is another result",
        )

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = __imod__ = _refuse_in_place
    __ipow__ = __iand__ = __ior__ = __ixor__ = __ilshift__ = __irshift__ = _refuse_in_place


class ImageOperators(Operators):
    """Operators of images, and conversion."""

    def astype(self, dtype: DTypeLike) -> Self:
        """Convert to another type of voxels, by numpy's rules: what does not fit wraps.

        Parameters
        ----------
        dtype : dtype
            Such as "float32".

        Returns
        -------
        The same kind, lazy.

        Examples
        --------
        >>> import numpy as np
        >>> import scutoid as sc
        >>> sc.open(np.zeros((2, 3), "uint8")).astype("float32")
        Image('astype', yx, (2, 3), float32)
        """
        (ref,) = astype_call(self.read_ref, np.dtype(dtype)).outputs
        result: Self = handle_of(ref)
        return result


def _takes_part(item: object) -> bool:
    return isinstance(item, (Operators, Number, np.ndarray, np.generic)) and not isinstance(
        item, (np.str_, np.bytes_, np.void, np.datetime64, np.timedelta64)
    )
