"""Old names of parameters, refused by name with the new one; each for one release."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from scutoid.errors import ParameterError

P = ParamSpec("P")
R = TypeVar("R")


def renamed(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse old names of parameters.

    Parameters
    ----------
    **names
        For each old name what to write now, such as ``factor="factors="``.

    Examples
    --------
    >>> @renamed(factor="factors=")
    ... def coarser(image, *, factors):
    ...     return image[::factors]
    >>> coarser("abcd", factor=2)
    Traceback (most recent call last):
    scutoid.errors.ParameterError: `factor=` is `factors=` now...
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            for old in names.keys() & kwargs.keys():
                raise ParameterError(
                    f"`{old}=` is `{names[old]}` now",
                    value=kwargs[old],
                    place=function.__name__,
                    remedy=f"write {names[old]}",
                )
            return function(*args, **kwargs)

        return run

    return decorate
