"""Pipelines: functions that return results, and give the command line its flags."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from scutoid.errors import PipelineError
from scutoid.steps.handles._lazy import Lazy
from scutoid.steps.handles._targets import flatten

P = ParamSpec("P")
R = TypeVar("R")


class Pipeline(Generic[P, R]):
    """A function that returns lazy results; its parameters are the command line's flags."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = function
        functools.update_wrapper(self, function)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def signature(self) -> inspect.Signature:
        """The function's signature, its annotations resolved."""
        return inspect.signature(self.function, eval_str=True)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Build the results; nothing is computed."""
        return self.function(*args, **kwargs)

    def targets(self, *args: P.args, **kwargs: P.kwargs) -> list[Lazy]:
        """Build the results and return them as a flat list.

        Raises
        ------
        PipelineError
            If the function returns anything else.
        """
        results: list[Any] = list(flatten([self.function(*args, **kwargs)]))
        wrong = [item for item in results if not isinstance(item, Lazy)]
        if wrong or not results:
            raise PipelineError(
                "a pipeline returns results of steps: one, a tuple or a dict of them",
                value=type(wrong[0]).__name__ if wrong else "nothing",
                place=f"pipeline {self.name!r}",
                remedy="return the images, tables and values that you want computed",
            )
        return results


def pipeline(function: Callable[P, R]) -> Pipeline[P, R]:
    """Make a pipeline of a function that returns lazy results.

    ``scutoid run FILE.py`` runs it; its parameters become flags, by their annotations and defaults.

    Parameters
    ----------
    function : callable
        Returns one result, or a tuple or dict of them.

    Returns
    -------
    Pipeline

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> @sc.pipeline
    ... def bright(level: float = 3.0):
    ...     return sc.threshold(sc.open(np.arange(6).reshape(2, 3)), level=level)
    >>> bright.targets(level=4)
    [Image('threshold', yx, (2, 3), bool)]
    """
    return Pipeline(function)
