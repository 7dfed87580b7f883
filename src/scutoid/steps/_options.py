"""Options for an operation that is made of several steps.

::

    mask -> pieces -> merge -> labels        label.options(name="cells", block=64)(mask)
            block=64  block=64 block=64
                               name="cells"  what is said of the result goes to the last
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from scutoid.steps._collections import Gathered
from scutoid.steps._decorators import Step
from scutoid.steps._lazy import Image, Lazy
from scutoid.steps._producers import Call

_OF_RESULT = ("name", "keep", "storage", "where")


def with_options(result: Any, given: Iterable[object], options: Mapping[str, object]) -> Any:
    """Return the results of an operation, its steps with other options.

    Parameters
    ----------
    result : lazy result, or tuple of these
        What the operation returned.
    given : iterable
        Its arguments: what has made these is no part of it.
    options : mapping
        As in `Step.options`; name, keep, storage and where are those of the step that makes the
        result, a name that of the first of several.

    Returns
    -------
    The same kind as `result`; what is not lazy as it is.
    """
    results = result if isinstance(result, tuple) else (result,)
    lazy = [item for item in results if isinstance(item, Lazy)]
    rebuilt = _Rebuilt(lazy, given, options)
    made = tuple(rebuilt.of(item) if isinstance(item, Lazy) else item for item in results)
    return made if isinstance(result, tuple) else made[0]


class _Rebuilt:
    def __init__(
        self, results: list[Lazy], given: Iterable[object], options: Mapping[str, object]
    ) -> None:
        self._kept = {id(item.producer) for item in _lazy_in(given)}
        self._last = {id(item.producer) for item in results}
        self._first = id(results[0].producer) if results else 0
        self._options = options
        self._made: dict[int, Any] = {}

    def of(self, lazy: Lazy) -> Lazy:
        call = lazy.producer
        if not isinstance(call, Call) or id(call) in self._kept:
            return lazy
        if id(call) not in self._made:
            self._made[id(call)] = self._call(call)
        made = self._made[id(call)]
        found: Lazy = made[lazy.output] if call.spec.packed else made
        if isinstance(lazy, Image) and lazy.view is not None:
            return Image(found.producer, found.output, lazy.view)
        return found

    def _call(self, call: Call) -> Any:
        options = {
            name: value
            for name, value in self._options.items()
            if name not in _OF_RESULT
            or (id(call) == self._first if name == "name" else id(call) in self._last)
        }
        inputs = [self._item(item) for item in call.inputs]
        params = {name: self._item(value) for name, value in call.params.items()}
        return Call(Step(call.spec).options(**cast("Any", options)).spec, inputs, params).outputs()

    def _item(self, item: object) -> object:
        if isinstance(item, Gathered):
            return Gathered(self.of(item.collection))  # type: ignore[arg-type]
        return self.of(item) if isinstance(item, Lazy) else item


def _lazy_in(items: Iterable[object]) -> Iterator[Lazy]:
    for item in items:
        if isinstance(item, Gathered):
            yield item.collection
        elif isinstance(item, Lazy):
            yield item
        elif isinstance(item, Mapping):
            yield from _lazy_in(item.values())
        elif isinstance(item, (list, tuple)):
            yield from _lazy_in(item)
