"""Name installed code, which counts by its name, and find the user's own code within it."""

from __future__ import annotations

import builtins
import functools
import inspect
import types
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from scutoid.errors import ParameterError
from scutoid.store.keys._attributes import attribute_of, is_in_python
from scutoid.store.keys._encoder import is_code
from scutoid.store.keys._first_modules import first_module
from scutoid.store.keys._ownership import file_of_class, is_own
from scutoid.store.keys._source import Chain

SEEN_THROUGH = "__seen_through__"
"""An attribute of a wrapper that adds nothing: what it wraps stands in its place."""

DYNAMIC = ("eval", "exec", "__import__", "globals", "compile")
"""Builtins that run code, or find it, which no name shows."""


def is_dynamic(item: object) -> bool:
    """Whether something is one of the builtins that run or find code, under whatever name."""
    return any(item is vars(builtins)[name] for name in DYNAMIC)


@functools.lru_cache(maxsize=1024)
def version_of(name: str) -> str:
    """Return the version of an installed package.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError as error:
        raise ParameterError(
            "environment= names installed packages",
            value=name,
            remedy="use the name that pip knows, such as 'scikit-image'",
        ) from error


@functools.lru_cache(maxsize=1024)
def distributions_of(top: str) -> Sequence[str]:
    """Return the names of the packages that bring a module; most are called as it is."""
    try:
        return (metadata.distribution(top).name,)
    except metadata.PackageNotFoundError:
        return tuple(dict.fromkeys(metadata.packages_distributions().get(top, ())))


def identity_of(item: Any) -> str:
    """Name installed code by its module and its qualified name."""
    if isinstance(item, types.ModuleType):
        return item.__name__
    inner = inspect.unwrap(item) if hasattr(item, "__wrapped__") else None
    if isinstance(inner, types.FunctionType) and is_own(inner):
        # It took over the names of the user's function, whose module differs when it is a script.
        if isinstance(item, types.FunctionType):
            return _named(item.__globals__["__name__"], item.__code__.co_qualname)
        item = type(item)
    if not hasattr(item, "__qualname__") and not hasattr(item, "__name__"):
        item = type(item)
    name = getattr(item, "__qualname__", None) or item.__name__
    return _named(str(getattr(item, "__module__", None) or ""), str(name))


def _named(module: str, name: str) -> str:
    return f"{first_module(module, name)}:{name}"


def top_of(item: object) -> str:
    """Return the name of the package that a module, function or class is of."""
    name = item.__name__ if isinstance(item, types.ModuleType) else getattr(item, "__module__", "")
    return str(name).partition(".")[0]


def inside_of(item: object) -> tuple[list[object], dict[str, object]]:
    """Return the code that an installed function or object wraps, and what else it was given."""
    inside: list[object] = [attribute_of(item, "__wrapped__")]
    settings: dict[str, object] = {}
    if isinstance(item, types.FunctionType):
        closure = closure_of(item)
        inside += closure.values()
        registry = item.__dict__.get("registry")  # of functools.singledispatch
        if isinstance(registry, Mapping):
            inside += registry.values()
            settings = {"registry": tuple(registry)}  # the classes that they are for
        else:
            settings = {name: held for name, held in closure.items() if not is_code(held)}
    return [part for part in inside if callable(part) and is_code(part)], settings


def closure_of(function: types.FunctionType) -> dict[str, object]:
    """Return the closure variables of a function that are bound by now."""
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            values[name] = cell.cell_contents
        except ValueError:
            continue
    return values


def patched(value: object, rest: Chain) -> object:
    """Return the user's own code that was put into an installed module or class."""
    for name in rest:
        if not isinstance(value, (types.ModuleType, type)) or is_own(value):
            return None
        value = vars(value).get(name)
        if isinstance(value, types.FunctionType) and is_own(value):
            return value
        # Compiled classes may name a module that there is not; the user's own have a source.
        if isinstance(value, type) and is_own(value) and _has_place(value):
            return value
    return None


def put_into_bases(kind: type) -> dict[str, types.FunctionType]:
    """Return the user's own functions that were put into installed classes above a class."""
    found: dict[str, types.FunctionType] = {}
    for base in kind.__mro__[1:]:
        if is_in_python(base) and not is_own(base):
            functions = {n: f for n, f in vars(base).items() if isinstance(f, types.FunctionType)}
            found.update({n: f for n, f in functions.items() if is_own(f) and _is_written(f)})
    return found


def _is_written(function: types.FunctionType) -> bool:
    """Whether a function stands in a file or a notebook; others are made by installed code."""
    return function.__module__ == "__main__" or not function.__code__.co_filename.startswith("<")


def _has_place(kind: type) -> bool:
    """Whether it is known where a class was defined."""
    return kind.__module__ == "__main__" or file_of_class(kind) is not None
