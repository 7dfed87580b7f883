"""Objects of installed classes that hold a function, and what they hold besides."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Mapping

import numpy as np

from scutoid.store.keys._attributes import attribute_of, attributes_of
from scutoid.store.keys._encoder import is_code
from scutoid.store.keys._ownership import is_own

_VECTORIZE = ("pyfunc", "otypes", "excluded", "signature", "cache")
"""What `numpy.vectorize` was told; what else it keeps follows from that."""
_COMPILER = ("py_func", "targetoptions", "locals")
"""What a compiler of functions such as numba was told; what else it keeps it has compiled."""
_FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
_MAY_GROW = (dict, list, set, bytearray)


def settings_of(value: object) -> dict[str, object]:
    """Return all that an object of an installed class holds, but for what it works out from that.

    Examples
    --------
    >>> settings_of(np.vectorize(abs, excluded={1}))["excluded"]
    {1}
    """
    if isinstance(value, np.vectorize):
        return {name: getattr(value, name, None) for name in _VECTORIZE}
    if is_known_holder(value):
        return {name: getattr(value, name, None) for name in _COMPILER}
    held = attributes_of(value, without=("__wrapped__",))
    told = attribute_of(value, "cache_parameters")  # of functools.lru_cache
    return {**held, "cache_parameters": told()} if callable(told) else held


def is_known_holder(value: object) -> bool:
    """Whether it is known which of its attributes an object was told, and which it works out."""
    is_compiler = isinstance(attribute_of(value, "py_func"), types.FunctionType)
    return isinstance(value, np.vectorize) or is_compiler


def holds_function(settings: Mapping[str, object]) -> bool:
    """Whether an object with these settings calls a function that it was given."""
    return any(isinstance(item, _FUNCTIONS) for item in settings.values())


def is_wrapper(value: object) -> bool:
    """Whether an object, not a function itself, stands for a function that it wraps."""
    is_plain = isinstance(value, (type, types.FunctionType, types.ModuleType))
    return not is_plain and callable(attribute_of(value, "__wrapped__"))


def wraps_own(value: object) -> bool:
    """Whether what an object wraps in the end is the user's own code."""
    inner = inspect.unwrap(value)  # type: ignore[arg-type]
    return isinstance(inner, (type, types.FunctionType)) and is_own(inner)


def bound_own(value: object) -> bool:
    """Whether something that is called is the user's own, with an object that belongs to it.

    A method that is bound to an object, an object with ``__call__``, or a partial of such.
    """
    if isinstance(value, functools.partial):
        value = value.func
        return bound_own(value) or (isinstance(value, types.FunctionType) and is_own(value))
    if isinstance(value, types.MethodType):
        return is_own(value.__func__) or is_own(type(value.__self__))
    return callable(value) and not is_code(value) and is_own(type(value))


def may_grow(value: object) -> bool:
    """Whether what a wrapper keeps may be a cache, which says nothing of what it was told."""
    return isinstance(value, _MAY_GROW) or type(value).__name__.startswith("Weak")


def is_made_of_function(value: np.ufunc) -> bool:
    """Whether a ufunc calls a Python function, which it does not give away."""
    return value.__name__.endswith(" (vectorized)")
