"""Results with other values of parameters, ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scutoid.steps.graph import Call, CollectionRef, Gathered, Outputs, Ref, Rewriting, make_call
from scutoid.steps.handles import handle_of

Pairs = Mapping[tuple[str, str], object]
"""Values by name of the step and of the parameter."""


def applied(targets: Any, values: Pairs) -> Any:
    """Return the same results, of steps with other values of parameters.

    Parameters
    ----------
    targets : Image, Table, Value, a collection of these, or a tuple, list or dict of them
        Results of steps.
    values : mapping
        Values by name of the step and of the parameter.
    """

    def replaced(call: Call) -> Outputs | None:
        own = {name: values[call.name, name] for name in call.params if (call.name, name) in values}
        if not own:
            return None
        new = rewriting.on_new_inputs(call)
        params = {**new.params, **own}
        return make_call(new.spec, new.inputs, params, key=new.key, states=new.states).outputs

    rewriting = Rewriting(replaced, lambda call: call.spec)

    def each(item: Any) -> Any:
        if isinstance(item, dict):
            return {name: each(value) for name, value in item.items()}
        if isinstance(item, (tuple, list)):
            return type(item)(map(each, item))
        found: Any = rewriting.item(item.ref)
        is_reference = isinstance(found, (Ref, CollectionRef)) and not isinstance(found, Gathered)
        return handle_of(found) if is_reference else item

    return each(targets)
