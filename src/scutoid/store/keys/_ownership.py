"""Tell the user's own code, which keys follow, from installed code, which counts by its name."""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Iterable

from scutoid.installed import is_installed
from scutoid.store.keys._attributes import attribute_of

_HOLD_NONE = frozenset((type(None), bool, int, float, str, tuple, list, dict))
"""Classes of most members that are no functions."""


def functions_of(value: object) -> list[types.FunctionType]:
    """Return the functions that a member of a class holds."""
    if type(value) in _HOLD_NONE:
        return []
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if isinstance(value, types.FunctionType):
        return [value]
    held: list[object]
    if isinstance(value, property):
        held = [value.fget, value.fset, value.fdel]
    elif isinstance(value, functools.singledispatchmethod):
        held = list(value.dispatcher.registry.values())
    elif isinstance(value, functools.partial):
        held = []  # its arguments count too: it counts as a value
    else:
        held = [attribute_of(value, "func"), attribute_of(value, "__wrapped__")]
    return [item for item in held if isinstance(item, types.FunctionType)]


def file_of_class(kind: type) -> str | None:
    """Return the file that a class was defined in, also if its module has no name to import by."""
    module = sys.modules.get(kind.__module__)
    for value in vars(kind).values():  # the class may come from a module that was loaded by path
        for function in functions_of(value):
            code = function.__code__
            is_inside = code.co_qualname == f"{kind.__qualname__}.{code.co_name}"
            if is_inside and not code.co_filename.startswith("<string>"):
                return code.co_filename
    return getattr(module, "__file__", None)


def is_own_file(file: str | None, folders: Iterable[str] | None = None) -> bool:
    """Whether a module is the user's own, by its file, or by its folders where it has no file."""
    if file in ("built-in", "frozen"):
        return False
    places = [file] if file else [f"{folder}{os.sep}" for folder in folders or ()]
    return bool(places) and not any(map(is_installed, places))


def is_own(item: object) -> bool:
    """Whether code is the user's own: neither installed, nor standard library, nor scutoid."""
    if isinstance(item, types.ModuleType):
        if item.__name__ in sys.builtin_module_names:
            return False
        if item.__name__ == "__main__":
            return True
        return is_own_file(getattr(item, "__file__", None), getattr(item, "__path__", None))
    if isinstance(item, types.FunctionType):
        file = item.__code__.co_filename
        if not file.startswith("<"):
            return not is_installed(file)
        if file.startswith("<frozen"):
            return False
    name = getattr(item, "__module__", None) or "__main__"
    if name == "builtins" or name.partition(".")[0] == "scutoid":
        return False
    module = sys.modules.get(name)
    if module is types and isinstance(item, type) and item.__name__ not in vars(types):
        return True  # made by `types.new_class`, as `dataclasses.make_dataclass` does
    if module is not None and name != "__main__":
        has_file = getattr(module, "__file__", None) is not None
        return is_own(module) if has_file else name not in sys.stdlib_module_names
    place = file_of_class(item) if isinstance(item, type) else None
    return place is None or not is_installed(place)
