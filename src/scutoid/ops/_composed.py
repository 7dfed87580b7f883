"""Operations made of several steps; like a single one they just run on arrays, and take options."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import numpy as np

from scutoid.steps import Image, Table, Value, is_lazy, with_options
from scutoid.steps import open as open_image

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class Operation(Protocol[P, R_co]):
    """A function of images that takes options, as a step does."""

    __doc__: str | None
    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run on arrays, or return a lazy result."""
        ...

    def options(self, **options: object) -> Callable[P, R_co]:
        """Return the same operation with options for this call; see `scutoid.blockwise`.

        name, keep, storage and where are those of the step that makes the result; the others hold
        for all steps of the operation.
        """
        ...


def operation(function: Callable[P, R_co]) -> Operation[P, R_co]:
    """Let a function of images take options."""

    def options(**options: object) -> Callable[P, R_co]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R_co:
            found = function(*args, **kwargs)
            return cast("R_co", with_options(found, [*args, *kwargs.values()], options))

        return run

    options.__doc__ = Operation.options.__doc__
    function.options = options  # type: ignore[attr-defined]
    return cast("Operation[P, R_co]", function)


def composed(function: Callable[P, R_co]) -> Operation[P, R_co]:
    """Let an operation on lazy results take arrays as well.

    Of numpy arrays alone the result itself is returned; dask arrays are opened as images.
    """
    lazily = cast("Callable[..., Any]", function)

    @operation
    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R_co:
        given, named = [opened(item) for item in args], {k: opened(v) for k, v in kwargs.items()}
        items = (*given, *named.values())
        if any(is_lazy(item) for item in items) or not any(map(_is_array, items)):
            return cast("R_co", lazily(*given, **named))
        arrays = [open_image(item) if _is_array(item) else item for item in given]
        named = {k: open_image(v) if _is_array(v) else v for k, v in named.items()}
        return cast("R_co", _read(lazily(*arrays, **named)))

    return run


def of_images(function: Callable[P, R_co]) -> Operation[P, R_co]:
    """Do the same for an operation of which all that is named is a parameter, an array too."""
    lazily = cast("Callable[..., Any]", function)

    @operation
    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R_co:
        given = [opened(item) for item in args]
        arrays = [open_image(item) if _is_array(item) else item for item in given]
        found = lazily(*arrays, **kwargs)
        return cast("R_co", found if any(map(is_lazy, given)) else _read(found))

    return run


def opened(item: Any) -> Any:
    """Open a dask array as an image; hand on anything else."""
    return open_image(item) if type(item).__module__.startswith("dask.array") else item


def _is_array(item: object) -> bool:
    return isinstance(item, np.ndarray) and item.ndim > 0


def _read(result: object) -> Any:
    if isinstance(result, Image):
        return np.asarray(result)
    if isinstance(result, Table):
        return result.to_pandas()
    return result.get() if isinstance(result, Value) else result
