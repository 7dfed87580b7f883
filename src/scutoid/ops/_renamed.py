"""Old names of parameters of operations of several steps, refused by name with the new one.

Operations of one step give them to their decorator: ``blockwise(renamed=)``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from scutoid.steps import refuse_renamed

P = ParamSpec("P")
R = TypeVar("R")


def renamed(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse old names of parameters.

    Parameters
    ----------
    **names
        For each old name the new one, or what to write now where that is more than a name.

    Raises
    ------
    ParameterError
        By the decorated function, if an argument has an old name.

    Examples
    --------
    >>> @renamed(factor="factors")
    ... def coarser(image, *, factors):
    ...     return image[::factors]
    >>> coarser("abcd", factor=2)
    Traceback (most recent call last):
    scutoid.errors.ParameterError: `factor=` is `factors=` now...
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            refuse_renamed(names, kwargs, function.__name__)
            return function(*args, **kwargs)

        run.__dict__["__seen_through__"] = True  # for keys, it is the function that it wraps
        return run

    return decorate
