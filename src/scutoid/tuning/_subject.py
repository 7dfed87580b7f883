"""What is tuned: a step, an operation or a pipeline on some inputs, and its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scutoid.errors import ParameterError, PipelineError
from scutoid.steps.graph import ImageRef, Opened, Ref
from scutoid.steps.handles import (
    Collection,
    Image,
    Lazy,
    Pipeline,
    Step,
    flatten,
    handle_of,
    name_of,
)
from scutoid.steps.handles import open as open_image


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter, and where its control begins."""

    name: str
    """Its name."""
    annotation: object
    """What its signature says; `inspect.Parameter.empty` where that is nothing, or not known."""
    start: object
    """The value that it has at first."""


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A step, an operation or a pipeline on some inputs."""

    target: Callable[..., object]
    """What is called."""
    inputs: tuple[object, ...]
    """What it is called on."""
    parameters: tuple[Parameter, ...]
    """What can be changed, and what stays as it is given."""
    member: str | None
    """Key of the member that is looked at, where results are collections."""

    @classmethod
    def of(
        cls,
        target: object,
        inputs: Sequence[object],
        values: Mapping[str, object],
        member: str | None,
    ) -> Subject:
        """Read a signature.

        Raises
        ------
        ParameterError
            If a parameter is unknown, or has no value to begin with.
        """
        if not callable(target) or isinstance(target, Lazy):
            raise ParameterError(
                "what is tuned is a step, an operation or a pipeline",
                value=repr(target),
                place="tune",
                remedy="give the function and its inputs: sc.tune(sc.gaussian, image)",
            )
        found = tuple(_parameters(target, len(inputs), values))
        names = [each.name for each in found]
        unknown = [name for name in values if name not in names]
        if unknown:
            raise ParameterError(
                f"{name_of(target)!r} takes the parameters ({', '.join(names) or 'none'})",
                value=unknown[0],
                place="values= of tune",
            )
        return cls(target, tuple(map(_as_input, inputs)), found, member)

    @property
    def name(self) -> str:
        """Its name."""
        return name_of(self.target)

    def build(self, values: Mapping[str, object]) -> list[Any]:
        """Return the results of a call, lazy.

        Raises
        ------
        PipelineError
            If it returns no results, or collections and no member is named.
        """
        returned = flatten([self.target(*self.inputs, **values)])
        results = [self._single(item) for item in returned]
        wrong = next((item for item in results if not isinstance(item, Lazy)), None)
        if wrong is not None or not results:
            raise PipelineError(
                "what is tuned returns results of steps",
                value="nothing" if not results else type(wrong).__name__,
                place=self.name,
                remedy="give it lazy inputs, as sc.open returns them",
            )
        return results

    def _single(self, result: object) -> object:
        if not isinstance(result, Collection):
            return result
        if self.member is None:
            raise PipelineError(
                "one member of a collection is looked at",
                value=f"the collection {result.name!r}",
                place=self.name,
                remedy=f"name it: member={next(iter(result.keys), 'A01.tif')!r}",
            )
        return result[self.member]

    def images(self, results: Sequence[Lazy]) -> list[Image]:
        """Return the images that results are made of: those given, else those that it opens."""
        given = [item for item in self.inputs if isinstance(item, Image)]
        if given:
            return given
        opened = dict.fromkeys(ref for result in results for ref in _opened(result.ref))
        return [handle_of(ref) for ref in opened if {"y", "x"} <= set(ref.axes)]


def _as_input(item: object) -> object:
    """Return an array as an image, which steps are put off on."""
    return open_image(item) if isinstance(item, np.ndarray) and item.ndim > 1 else item


def _opened(ref: Any) -> Iterator[Any]:
    """Go through the opened images behind a result."""
    seen: set[Any] = set()
    waiting = [ref]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, Ref) or each.node in seen:
            continue
        node: Any = getattr(each.node, "single", each.node)
        seen.update((node, each.node))
        if isinstance(node, Opened):
            yield ImageRef(node)
        waiting.extend(getattr(node, "dependencies", ()))


def _parameters(
    target: Callable[..., object], n_inputs: int, values: Mapping[str, object]
) -> Iterator[Parameter]:
    """Go through the parameters of a signature, but those that the inputs are given for."""
    for item in _left(target, n_inputs):
        start = values.get(item.name, item.default)
        if start is item.empty:
            raise ParameterError(
                "each parameter has a value to begin with",
                value=f"{item.name!r} has no default",
                place=f"tune of {name_of(target)!r}",
                remedy=f"give one: values={{{item.name!r}: ...}}",
            )
        yield Parameter(item.name, item.annotation, start)


def _left(target: Callable[..., object], n_inputs: int) -> Iterator[inspect.Parameter]:
    passed = target.spec.parameters.injected if isinstance(target, Step) else ()
    left = n_inputs
    for item in _signature(target).parameters.values():
        is_positional = item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)
        if item.kind in (item.VAR_POSITIONAL, item.VAR_KEYWORD) or item.name in passed:
            continue
        if is_positional and left:
            left -= 1
        elif isinstance(target, Pipeline) or not is_positional:
            yield item
        elif item.default is item.empty:
            raise ParameterError(
                "what is tuned is given its inputs",
                value=f"no {item.name!r}",
                place=f"tune of {name_of(target)!r}",
                remedy=f"write sc.tune({name_of(target)}, {item.name})",
            )


def _signature(target: Callable[..., object]) -> inspect.Signature:
    function: Any = target
    if isinstance(target, Step):
        function = target.spec.function
    elif isinstance(target, Pipeline):
        function = target.function
    try:
        return inspect.signature(function, eval_str=True)
    except (NameError, SyntaxError, TypeError):  # names that are there only for type checkers
        return inspect.signature(function)
