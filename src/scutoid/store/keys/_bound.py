"""What the object holds whose method a step calls, or that is called itself.

It counts as it is when a run is planned; a step keeps what it was when it was called, to tell::

    for level in (1, 5):
        segmenter.level = level
        made.append(sc.step(segmenter.above)(image))  # both are of level 5
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from scutoid.store.keys._encoder import encode_simple, is_code
from scutoid.store.keys._holders import settings_of

States: TypeAlias = Mapping[str, Mapping[str, object]]
"""What the objects of some functions hold, by the role of the function."""


def states_of(functions: Mapping[str, object]) -> States | None:
    """Return what the objects of bound methods hold by now; None if all are mere functions.

    What their values hold in turn is theirs: a list that grows is the same list.

    Examples
    --------
    >>> class Filter:
    ...     def __init__(self, sigma):
    ...         self.sigma = sigma
    ...
    ...     def smooth(self, image):
    ...         return image
    >>> states_of({"function": Filter(2).smooth, "merge": max}), states_of({"function": print})
    ({'function': {'sigma': 2}}, None)
    """
    objects = {role: bound_object(function) for role, function in functions.items()}
    return {r: settings_of(one) for r, one in objects.items() if one is not None} or None


def changes_since(before: States, functions: Mapping[str, object]) -> Iterator[tuple[object, str]]:
    """Yield each object that holds something else than before, and the names of that."""
    for role, held in before.items():
        one = bound_object(functions[role])
        now = {} if one is None else settings_of(one)
        names = [n for n in dict.fromkeys((*held, *now)) if _differ(now, held, n)]
        if names:
            yield one, ", ".join(names)


def bound_object(function: object) -> object | None:
    """Return the object that a function is bound to, or that is called itself; None: no object."""
    if isinstance(function, functools.partial):
        return bound_object(function.func)
    if isinstance(function, types.MethodType):
        held = function.__self__
        return None if isinstance(held, (type, types.ModuleType)) else held
    is_mere = is_code(function) or isinstance(function, types.BuiltinFunctionType)
    return None if is_mere else function


def _differ(now: Mapping[str, object], before: Mapping[str, object], name: str) -> bool:
    if name not in now or name not in before:
        return True
    one, other = now[name], before[name]
    if one is other:
        return False
    simple = encode_simple(one)
    return simple is None or type(one) is not type(other) or simple != encode_simple(other)
