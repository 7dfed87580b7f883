"""Find the results in nested tuples, lists and dicts."""

from __future__ import annotations

from collections.abc import Iterable

from scutoid.errors import PipelineError
from scutoid.steps.graph import CollectionRef, Ref
from scutoid.steps.handles._lazy import Lazy


def flatten(targets: Iterable[object]) -> list[object]:
    """Return all results in nested tuples, lists and dicts of them."""
    flat: list[object] = []
    for item in targets:
        if isinstance(item, dict):
            flat.extend(flatten(item.values()))
        elif isinstance(item, (tuple, list)):
            flat.extend(flatten(item))
        else:
            flat.append(item)
    return flat


def refs_in(targets: Iterable[object]) -> list[Ref | CollectionRef]:
    """Return the references of all results in nested tuples, lists and dicts of them.

    Raises
    ------
    PipelineError
        If anything else is among them.
    """
    return [_ref_of(item) for item in flatten(targets)]


def _ref_of(target: object) -> Ref | CollectionRef:
    if not isinstance(target, Lazy):
        raise PipelineError(
            "a target is a result of a step",
            value=type(target).__name__,
            remedy=_remedy(target),
        )
    return target.ref


def _remedy(target: object) -> str:
    if callable(target):
        return f"call it, and pass what it returns: {getattr(target, '__name__', 'it')}(...)"
    return "pass what a step returned on lazy inputs, such as sc.label(mask)"
