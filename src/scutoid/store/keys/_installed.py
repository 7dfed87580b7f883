"""Name installed code, which counts by its name, and find the user's own code within it."""

from __future__ import annotations

import abc
import builtins
import functools
import inspect
import types
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from typing import Any, Protocol

from scutoid.errors import ParameterError
from scutoid.store.keys._attributes import attribute_of, is_in_python
from scutoid.store.keys._encoder import is_code
from scutoid.store.keys._first_modules import first_module
from scutoid.store.keys._holders import bound_own
from scutoid.store.keys._ownership import file_of_class, is_own
from scutoid.store.keys._source import Chain

SEEN_THROUGH = "__seen_through__"
"""An attribute of a wrapper that adds nothing: what it wraps stands in its place."""

DYNAMIC = ("eval", "exec", "__import__", "globals", "compile")
"""Builtins that run code, or find it, which no name shows."""


_OF_PYTHON = ("builtins", "_io", "io")
"""Modules of the functions and classes that are among the builtins from the start."""
_ADDED = "_sitebuiltins"
"""Module of the classes of the objects that are there, such as `exit`."""

_ABOVE_ALL = (abc.ABC, Protocol)
"""Classes that make others abstract, and of which nobody asks what is one of them."""


def is_dynamic(item: object) -> bool:
    """Whether something is one of the builtins that run or find code, under whatever name."""
    return any(item is vars(builtins)[name] for name in DYNAMIC)


def is_put_there(name: str = "") -> bool:
    """Whether a name among the builtins is none of Python's, or stands for something else."""
    value = vars(builtins).get(name)
    if name not in vars(builtins) or name.startswith("__"):
        return False
    if is_code(value):
        return getattr(value, "__module__", None) not in _OF_PYTHON
    is_constant = value is None or value is ... or value is NotImplemented
    return not (is_constant or isinstance(value, bool) or type(value).__module__ == _ADDED)


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
        known = [repr(other) for other in distributions_of(name)]
        raise ParameterError(
            "environment= names installed packages, as pip calls them",
            value=name,
            place="environment=",
            remedy=f"write {known[0]}" if known else "look it up with: pip list",
        ) from error


@functools.lru_cache(maxsize=1024)
def distributions_of(top: str) -> Sequence[str]:
    """Return the names of the packages that bring a module; most are called as it is.

    A module that lies in a folder without metadata is of none, and so is one beside metadata that
    an uninstall has left without a name.
    """
    try:
        names = [metadata.distribution(top).name]
    except _UNKNOWN:
        names = _bringing(top)
    return tuple(name for name in dict.fromkeys(names) if name and _version(name))


_UNKNOWN = (metadata.PackageNotFoundError, FileNotFoundError, KeyError, DeprecationWarning)
"""What is raised for a package that is not there, or whose metadata say nothing: the second and the
third where the package importlib-metadata stands in the place of Python's own, the fourth from
Python 3.12 on where warnings are errors."""


def _bringing(top: str) -> list[str]:
    try:
        return metadata.packages_distributions().get(top, [])
    except _UNKNOWN:  # one of all has no name
        names = []
    for each in metadata.distributions():
        with suppress(*_UNKNOWN):
            listed = (each.read_text("top_level.txt") or "").split()
            firsts = {file.parts[0].removesuffix(".py") for file in each.files or ()}
            if top in (listed or firsts):
                names.append(each.name)
    return names


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except _UNKNOWN:
        return None


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
    """Return what an installed function or object wraps and calls, and what else it was given.

    What it calls is code, or an object of the user's own; each stands there once.
    """
    wrapped = attribute_of(item, "__wrapped__")
    found: list[object] = [wrapped]
    settings: dict[str, object] = {}
    if isinstance(item, types.FunctionType):
        closure = closure_of(item)
        found += closure.values()
        registry = item.__dict__.get("registry")  # of functools.singledispatch
        if isinstance(registry, Mapping):
            found += registry.values()
            settings = {"registry": tuple(registry)}  # the classes that they are for
        else:
            settings = {n: held for n, held in closure.items() if not _is_called(held)}
    inside: list[object] = []
    for part in found:
        is_inside = callable(part) and (part is wrapped or _is_called(part))
        if is_inside and (is_code(part) or not any(part is each for each in inside)):
            inside.append(part)
    return inside, settings


def _is_called(value: object) -> bool:
    return is_code(value) or bound_own(value)


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


def abstract_class(value: object, rest: Chain) -> object:
    """Return the installed abstract class that a name leads to with which own ones are registered.

    None where there are none.
    """
    for name in rest:
        if not isinstance(value, types.ModuleType):
            break
        value = vars(value).get(name)
    return value if registered_with(value) else None


def registered_with(kind: object) -> list[type]:
    """Return the user's own classes that were registered with an abstract class, by their names.

    Or with a class below it, of whose objects `isinstance` says the same.
    """
    found: set[type] = set()
    waiting = [kind] if isinstance(kind, abc.ABCMeta) else []
    met: set[object] = set()
    while waiting:
        one = waiting.pop()
        if one in met:
            continue
        met.add(one)
        registry = _registry(one)
        found.update(each for each in registry if is_own(each))
        below: list[type] = [] if one in _ABOVE_ALL else one.__subclasses__()
        waiting += [each for each in (*registry, *below) if isinstance(each, abc.ABCMeta)]
    return sorted(found, key=lambda each: (each.__module__, each.__qualname__))


def _registry(kind: abc.ABCMeta) -> list[type]:
    dump = getattr(abc, "_get_dump", None)  # of CPython
    references = dump(kind)[0] if dump is not None else ()
    return [one for one in (each() for each in references) if one is not None]


def _is_written(function: types.FunctionType) -> bool:
    """Whether a function stands in a file or a notebook; others are made by installed code."""
    return function.__module__ == "__main__" or not function.__code__.co_filename.startswith("<")


def _has_place(kind: type) -> bool:
    """Whether it is known where a class was defined."""
    return kind.__module__ == "__main__" or file_of_class(kind) is not None
