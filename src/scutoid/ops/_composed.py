"""Operations made of several steps: like single steps they run on arrays and take options."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack, cast, overload

import numpy as np

from scutoid.ops._types import Array, ImageLike, Number, TableLike
from scutoid.steps import (
    CallOptions,
    Image,
    Images,
    Table,
    Tables,
    TypedCall,
    Value,
    Values,
    is_lazy,
    making,
    with_options,
)

if TYPE_CHECKING:
    import pandas as pd

P = ParamSpec("P")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)
Function_co = TypeVar("Function_co", bound=Callable[..., object], covariant=True)
One_co = TypeVar("One_co", covariant=True)
Many_co = TypeVar("Many_co", covariant=True)


class Operation(TypedCall[Function_co, One_co, Many_co]):
    """The type of a function of images that takes options, as a step does.

    There are no instances: an operation is a plain function, with an attribute `options`.
    """

    __name__: str

    def options(self, **options: Unpack[CallOptions]) -> Operation[Function_co, One_co, Many_co]:
        """Return the same operation with options for this call; see `scutoid.blockwise`.

        name, keep, storage, where and view are those of the step that makes the result; the others
        hold for all steps of the operation.
        """
        raise NotImplementedError


class TypedAs(Generic[T_co]):
    """Say of which type an operation is whose result depends on more than its first argument.

    ``@TypedAs[_Density]()`` leaves the function as it is; editors and mypy take it for a
    `_Density`, a Protocol with an overload for each kind of call.
    """

    def __call__(self, function: object) -> T_co:
        """Return the function itself."""
        return cast("T_co", function)


ImageOperation = Operation[Callable[P, Array], Image, Images]
TableOperation = Operation[Callable[P, "pd.DataFrame"], Table, Tables]


@overload
def operation(function: Callable[P, ImageLike], /) -> ImageOperation[P]: ...
@overload
def operation(function: Callable[P, TableLike], /) -> TableOperation[P]: ...
def operation(function: Callable[..., object], /) -> object:
    """Let a function of images take options."""
    return with_call_options(function)


def value_operation(
    function: Callable[P, Value | R], /
) -> Operation[Callable[P, R], Value, Values]:
    """Let a function that returns a value take options."""
    return cast("Operation[Callable[P, R], Value, Values]", with_call_options(function))


def with_call_options(function: Callable[..., object]) -> object:
    """Give a function of images an attribute `options`; its steps are shown under its result."""

    @functools.wraps(function)
    def called(*args: object, **kwargs: object) -> object:
        with making(called.__name__):
            return function(*args, **kwargs)

    def options(**options: Unpack[CallOptions]) -> Callable[..., object]:
        @functools.wraps(function)
        def run(*args: object, **kwargs: object) -> object:
            operation = functools.partial(called, *args, **kwargs)
            inputs = [*args, *kwargs.values()]
            return with_options(operation, inputs, cast("dict[str, Any]", options))

        return run

    options.__doc__ = Operation.options.__doc__
    called.options = options  # type: ignore[attr-defined]
    return called


@overload
def composed(function: Callable[P, ImageLike], /) -> ImageOperation[P]: ...
@overload
def composed(function: Callable[P, TableLike], /) -> TableOperation[P]: ...
def composed(function: Callable[..., object], /) -> object:
    """Let an operation on lazy results take arrays as well.

    Of numpy arrays alone the result itself is returned; dask arrays are opened as images.
    """

    @functools.wraps(function)
    def run(*args: object, **kwargs: object) -> object:
        given, named = [opened(item) for item in args], {k: opened(v) for k, v in kwargs.items()}
        items = (*given, *named.values())
        if any(is_lazy(item) for item in items) or not any(map(_is_array, items)):
            return function(*given, **named)
        arrays = [_opened(item) if _is_array(item) else item for item in given]
        named = {k: _opened(v) if _is_array(v) else v for k, v in named.items()}
        return _read(function(*arrays, **named))

    return with_call_options(run)


def composed_value(function: Callable[P, Value | R], /) -> Operation[Callable[P, R], Value, Values]:
    """Let an operation on lazy results that returns a value take arrays as well."""
    return cast("Operation[Callable[P, R], Value, Values]", composed(cast("Any", function)))


@overload
def of_images(function: Callable[P, ImageLike], /) -> ImageOperation[P]: ...
@overload
def of_images(function: Callable[P, TableLike], /) -> TableOperation[P]: ...
def of_images(function: Callable[..., object], /) -> object:
    """Let an operation take arrays as images by position; those given by name are parameters."""

    @functools.wraps(function)
    def run(*args: object, **kwargs: object) -> object:
        given = [opened(item) for item in args]
        arrays = [_opened(item) if _is_array(item) else item for item in given]
        result = function(*arrays, **kwargs)
        return result if any(map(is_lazy, given)) else _read(result)

    return with_call_options(run)


def as_number(value: Number) -> float:
    """Take what a step gets for one number in its type: a lazy value is known when it runs."""
    return cast("float", value)


def as_one(image: ImageLike) -> Image:
    """Take what a step gets for one image in its type: collections run through steps alike."""
    return cast("Image", image)


def opened(item: R) -> R:
    """Open a dask array as an image; hand on anything else."""
    is_dask = type(item).__module__.startswith("dask.array")
    return cast("R", _opened(item)) if is_dask else item


def _opened(item: object) -> Image:
    from scutoid.steps import open as open_image  # readers of all formats, for who calls on arrays

    return open_image(item)


def _is_array(item: object) -> bool:
    return isinstance(item, np.ndarray) and item.ndim > 0


def _read(result: object) -> object:
    if isinstance(result, Image):
        return np.asarray(result)
    if isinstance(result, Table):
        return result.to_pandas()
    return result.get() if isinstance(result, Value) else result
