"""What a stored value is made of, so that it comes back as it was.

A type derived from another may hold more than its items, such as a unit or a mask, or behave
otherwise.  Dicts of the standard library keep their type; all others are refused.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from typing import Any

import numpy as np

from scutoid.store._parts import PLAIN_KINDS

_MAX_BITS = 14_000
"""Of a whole number: Python writes and reads at most 4300 digits."""
_ORDINARY: dict[str, type[dict[Any, Any]]] = {
    "dict": dict,
    "Counter": Counter,
    "OrderedDict": OrderedDict,
}
_MADE_OF = "defaultdict of "
_FACTORIES = (int, float, complex, bool, str, list, tuple, dict, set, Counter)
_DEFAULTS = {
    "defaultdict": None,
    **{f"{_MADE_OF}{factory.__name__}": factory for factory in _FACTORIES},
}


def name_of_dict(value: Any) -> str | None:
    """Return what the type of a dict is called where it is stored; None if it cannot be.

    Examples
    --------
    >>> name_of_dict({}), name_of_dict(defaultdict(list)), name_of_dict([])
    ('dict', 'defaultdict of list', None)
    """
    kind = type(value)
    if kind is dict:
        return "dict"
    if kind is defaultdict:
        factory = value.default_factory
        return next((name for name, one in _DEFAULTS.items() if one is factory), None)
    if getattr(value, "__dict__", None):  # attributes of its own would be lost
        return None
    return next((name for name, one in _ORDINARY.items() if one is kind), None)


def dict_of(name: str, items: dict[Any, Any]) -> dict[Any, Any]:
    """Return a dict of the type that `name_of_dict` called so.

    Raises
    ------
    ValueError
        If there is no such type.
    """
    if name == "dict":
        return items
    if name in _DEFAULTS:
        return defaultdict(_DEFAULTS[name], items)
    if name not in _ORDINARY:
        raise ValueError(f"a dict of the unknown type {name!r}")
    return _ORDINARY[name](items)


def is_plain_array(value: Any) -> bool:
    """Whether an array is one of numbers, dates, text or fields, not of Python objects.

    Types derived from that of arrays, such as those with a mask or a unit, are none; a file that is
    mapped into memory is.
    """
    if type(value) not in (np.ndarray, np.memmap):
        return False
    return value.dtype.kind in PLAIN_KINDS and not value.dtype.hasobject


def is_plain_integer(value: Any) -> bool:
    """Whether a value is an integer of Python, of no more digits than it writes and reads."""
    return type(value) is int and value.bit_length() <= _MAX_BITS
