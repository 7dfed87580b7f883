"""Options for an operation that is made of several steps.

::

    mask -> pieces -> merge -> labels        label.options(name="cells", block=64)(mask)
            block=64  block=64 block=64
                               name="cells"  what is said of the result goes to the last
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from scutoid.steps.declaration import StepSpec
from scutoid.steps.graph import (
    Call,
    CollectionRef,
    Gathered,
    Node,
    Outputs,
    Ref,
    Rewriting,
    joining,
)
from scutoid.steps.handles._lazy import Lazy, handle_of
from scutoid.steps.handles._step import Step

_OF_RESULT = ("name", "keep", "storage", "where", "view")


def with_options(
    operation: Callable[[], Any], inputs: Iterable[object], options: Mapping[str, Any]
) -> Any:
    """Return the results of an operation, its steps with other options.

    Parameters
    ----------
    operation : function
        Calls the operation; returns a lazy result, or a tuple of these.
    inputs : iterable
        Its arguments: what has made these is no part of it.
    options : mapping
        As in `Step.options`; name, keep, storage, where and view are those of the step that makes
        the result, a name that of the first of several.

    Returns
    -------
    The same kind as the operation returns; what is not lazy as it is.
    """
    with joining(options.get("join")):
        result = operation()
    results = result if isinstance(result, tuple) else (result,)
    refs = [item.ref for item in results if isinstance(item, Lazy)]
    last = [ref.node for ref in refs]
    arguments = {ref.node for ref in _refs_in(inputs)}

    def kept(call: Call) -> Outputs | None:
        return call.outputs if call in arguments else None

    def spec(call: Call) -> StepSpec:
        return Step(call.spec).options(**cast("Any", _options_of(call, last, options))).spec

    rewriting = Rewriting(kept, spec)
    changed = tuple(
        handle_of(rewriting.item(item.ref)) if isinstance(item, Lazy) else item  # type: ignore[arg-type]
        for item in results
    )
    return changed if isinstance(result, tuple) else changed[0]


def _options_of(call: Call, last: list[Node], options: Mapping[str, object]) -> dict[str, object]:
    """Return those of the options that are meant for a call; `last` makes the results."""
    return {
        name: value
        for name, value in options.items()
        if name not in _OF_RESULT or (call is last[0] if name == "name" else call in last)
    }


def _refs_in(items: Iterable[object]) -> Iterator[Ref | CollectionRef]:
    for item in items:
        if isinstance(item, Gathered):
            yield item.collection
        elif isinstance(item, Lazy):
            yield item.ref
        elif isinstance(item, Mapping):
            yield from _refs_in(item.values())
        elif isinstance(item, (list, tuple)):
            yield from _refs_in(item)
