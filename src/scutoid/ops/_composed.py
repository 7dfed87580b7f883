"""Operations that are made of several steps; on arrays they just run, like a single step."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np

from scutoid.pipeline import Image, Table, Value, is_lazy
from scutoid.pipeline import open as open_image

P = ParamSpec("P")
R = TypeVar("R")


def composed(operation: Callable[P, R]) -> Callable[P, R]:
    """Let an operation on lazy results take arrays as well, and then return the result itself."""

    @functools.wraps(operation)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        items = (*args, *kwargs.values())
        if any(is_lazy(item) for item in items) or not any(map(_is_array, items)):
            return operation(*args, **kwargs)
        lazy_args = [open_image(item) if _is_array(item) else item for item in args]
        lazy_kwargs = {k: open_image(v) if _is_array(v) else v for k, v in kwargs.items()}
        return cast("R", _read(cast("Callable[..., Any]", operation)(*lazy_args, **lazy_kwargs)))

    return run


def _is_array(item: object) -> bool:
    return isinstance(item, np.ndarray) and item.ndim > 0


def _read(result: object) -> Any:
    if isinstance(result, Image):
        return np.asarray(result)
    if isinstance(result, Table):
        return result.to_pandas()
    return result.get() if isinstance(result, Value) else result
