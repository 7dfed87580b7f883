"""What the object holds whose method a step calls, or that is called itself.

It counts as it is when a run is planned; a step keeps what it was when it was called, to tell::

    for level in (1, 5):
        segmenter.level = level
        made.append(sc.step(segmenter.above)(image))  # both are of level 5
"""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping

from scutoid.store.keys._encoder import encode_simple, is_code
from scutoid.store.keys._holders import settings_of


def state_of(function: object) -> Mapping[str, object] | None:
    """Return what the object of a bound method holds by now, by name; None of mere functions.

    What its values hold in turn is theirs: a list that grows is the same list.

    Examples
    --------
    >>> class Filter:
    ...     def __init__(self, sigma):
    ...         self.sigma = sigma
    ...
    ...     def smooth(self, image):
    ...         return image
    >>> state_of(Filter(2).smooth), state_of(print)
    ({'sigma': 2}, None)
    """
    held = bound_object(function)
    return None if held is None else settings_of(held)


def bound_object(function: object) -> object | None:
    """Return the object that a function is bound to, or that is called itself; None: no object."""
    if isinstance(function, functools.partial):
        return bound_object(function.func)
    if isinstance(function, types.MethodType):
        held = function.__self__
        return None if isinstance(held, (type, types.ModuleType)) else held
    is_mere = is_code(function) or isinstance(function, types.BuiltinFunctionType)
    return None if is_mere else function


def changed_state(function: object, before: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of what the object of a bound method holds otherwise than before."""
    now = state_of(function) or {}
    names = dict.fromkeys((*before, *now))
    return tuple(n for n in names if n not in now or n not in before or _differ(now[n], before[n]))


def _differ(one: object, other: object) -> bool:
    if one is other:
        return False
    simple = encode_simple(one)
    return simple is None or type(one) is not type(other) or simple != encode_simple(other)
