"""What an object holds besides the content that its class is known for: attributes and slots."""

from __future__ import annotations

import functools
import struct
import sys
import types
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from scutoid.cached import cached_property

_POINTER = struct.calcsize("P")
_HEAP_TYPE = 1 << 9
_IMMUTABLE_TYPE = 1 << 8
_CACHED = (functools.cached_property, cached_property)
_WRAPPER_NAMES = {*functools.WRAPPER_ASSIGNMENTS, "__annotate__"}
"""What `functools.wraps` copies: names and texts of what is wrapped, which stands beside them."""


def attributes_of(
    value: object, *, base: type = object, without: Collection[str] = ()
) -> dict[str, object]:
    """Return what an object holds, in the order in which it was set, then its slots.

    Left out is what `functools.cached_property` keeps, for it follows from the rest.

    Parameters
    ----------
    value : object
        The object.
    base : type
        A class whose own slots do not count: its content is known otherwise.
    without : collection of str
        Attributes that do not count.

    Examples
    --------
    >>> attributes_of(types.SimpleNamespace(b=1, a=2), without=["a"])
    {'b': 1}
    """
    held = _held(value)
    left_out = {*without, *(_WRAPPER_NAMES if "__wrapped__" in held else ())}
    kept = {name: item for name, item in held.items() if name not in left_out}
    found = without_worked_out(type(value), kept)
    for name, descriptor in _slots(type(value), base):
        if name in left_out:
            continue
        try:
            item = descriptor.__get__(value)
        except AttributeError:
            continue
        key = name if name not in found else f"{descriptor.__objclass__.__qualname__}.{name}"
        found[key] = item
    return found


def attribute_of(value: object, name: str) -> object:
    """Return an attribute that an object or its class has; None for one it makes up when asked.

    Examples
    --------
    >>> class Answers:
    ...     def __getattr__(self, name):
    ...         return print
    >>> attribute_of(Answers(), "func"), attribute_of(functools.partial(abs), "func")
    (None, <built-in function abs>)
    """
    kind = type(value)
    for part in kind.__mro__:
        if name in part.__dict__:
            break
    else:
        if not kind.__dictoffset__ or name not in _held(value):
            return None
    found: object = None
    with suppress(Exception):  # of what is worked out, whatever its class raises
        found = getattr(value, name, None)
    return found


def _held(value: object) -> Mapping[str, object]:
    """Return the attributes of an object, whatever its class says of them."""
    try:
        held: Mapping[str, object] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return held


def without_worked_out(kind: type, held: Mapping[str, object]) -> dict[str, object]:
    """Return attributes without those that `functools.cached_property` has put there."""
    return {name: item for name, item in held.items() if not _is_worked_out(kind, name)}


def has_hidden_state(kind: type, base: type = object) -> bool:
    """Whether objects of a class hold what is neither in attributes nor in slots.

    So it is for classes that are compiled, and those derived from them.
    """
    size = base.__basicsize__
    size += _POINTER * (kind.__dictoffset__ > 0 and base.__dictoffset__ == 0)
    size += _POINTER * (kind.__weakrefoffset__ > 0 and base.__weakrefoffset__ == 0)
    size += _POINTER * sum(1 for _ in _slots(kind, base))
    return kind.__itemsize__ != base.__itemsize__ or kind.__basicsize__ > size


def is_bag(kind: type) -> bool:
    """Whether a class that is installed only holds attributes, such as `argparse.Namespace`.

    These are the classes of the standard library that are written in Python, and classes of others
    without methods of their own.
    """
    if not is_in_python(kind) or has_hidden_state(kind):
        return False
    if _is_standard(kind):
        return True
    names = (name for part in kind.__mro__[:-1] for name in _functions(part))
    return not any(not name.startswith("_") for name in names)


def is_in_python(kind: type) -> bool:
    """Whether a class is written in Python, not compiled."""
    return bool(kind.__flags__ & _HEAP_TYPE) and not kind.__flags__ & _IMMUTABLE_TYPE


def _is_standard(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in sys.stdlib_module_names


def _functions(kind: type) -> Iterator[str]:
    for name, item in vars(kind).items():
        if callable(item) or isinstance(item, (property, staticmethod, classmethod)):
            yield name


def _is_worked_out(kind: type, name: str) -> bool:
    return any(isinstance(vars(part).get(name), _CACHED) for part in kind.__mro__)


def _slots(kind: type, base: type) -> Iterator[tuple[str, types.MemberDescriptorType]]:
    """Yield the slots of a class and of its bases, but for those that `base` has."""
    for part in reversed(kind.__mro__):
        if part in base.__mro__ or "__slots__" not in vars(part) or not is_in_python(part):
            continue
        for name, item in vars(part).items():
            if isinstance(item, types.MemberDescriptorType) and item.__objclass__ is part:
                yield name, item
