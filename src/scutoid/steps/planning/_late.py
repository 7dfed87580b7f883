"""Variables that two functions made by one `def` share, and read only when they are called.

Of a loop that makes a step in each round::

    for level in (1, 5):

        @sc.step
        def above(image):
            return image > level  # all steps read one `level`, of the last round
"""

from __future__ import annotations

import dis
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import CellType, CodeType, FunctionType, ModuleType

from scutoid.steps.declaration import StepSpec

_LOADS = ("LOAD_GLOBAL", "LOAD_NAME")


def shared_variables(one: StepSpec, other: StepSpec) -> tuple[str, ...]:
    """Return the variables that two steps made by one `def` share; none of one step twice.

    Parameters
    ----------
    one, other : StepSpec
        Declarations of two results that have one key.
    """
    found: dict[str, None] = {}
    pairs: list[tuple[object, object]] = [
        (one.function, other.function),
        (one.merge, other.merge),
        (one.finish, other.finish),
    ]
    pairs.extend((load, other.setup.get(name)) for name, load in one.setup.items())
    for first, second in pairs:
        found.update(dict.fromkeys(_shared(first, second)))
    return tuple(found)


def _shared(one: object, other: object) -> Iterator[str]:
    """Yield what two functions share: closure cells and, made at module level, globals."""
    if one is other or not (isinstance(one, FunctionType) and isinstance(other, FunctionType)):
        return
    if one.__code__ != other.__code__:
        return
    seen: list[object] = []
    for name, cell, second in zip(
        one.__code__.co_freevars, one.__closure__ or (), other.__closure__ or (), strict=True
    ):
        if cell is second:
            yield from _variables(name, _content(cell), one, seen)
        else:  # a decorator's function holds the one that was decorated
            yield from _shared(_content(cell), _content(second))
    if _is_of_module(one) and one.__globals__ is other.__globals__:
        yield from _globals(one, one, seen)


def _globals(function: FunctionType, maker: FunctionType, seen: list[object]) -> Iterator[str]:
    names: Mapping[str, object] = function.__globals__
    for name in dict.fromkeys(_loaded(function.__code__)):
        if name in names:
            yield from _variables(name, names[name], maker, seen)


def _variables(name: str, value: object, maker: FunctionType, seen: list[object]) -> Iterator[str]:
    """Yield a name that may stand for another value in each round, or what its function reads.

    A module, and a class or function under its own name, were imported or defined: these are no
    variables; but a function of the same module may read one.
    """
    if isinstance(value, ModuleType) or any(value is each for each in seen):
        return
    if not _is_called(value, name):
        yield name
        return
    seen.append(value)
    if isinstance(value, FunctionType) and value.__globals__ is maker.__globals__:
        for inner, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            yield from _variables(inner, _content(cell), maker, seen)
        if _is_of_module(maker):
            yield from _globals(value, maker, seen)


def _loaded(code: CodeType) -> Iterator[str]:
    """Yield the names of globals that code loads, functions within it included."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in _LOADS:
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _loaded(constant)


def _is_of_module(function: FunctionType) -> bool:
    """Whether a function was made at module level, so that a loop around it has global names."""
    return "<locals>" not in function.__qualname__


def _is_called(value: object, name: str) -> bool:
    own: object = None
    with suppress(Exception):  # of a class that answers to any name, as it likes
        own = getattr(value, "__name__", None)
    return isinstance(own, str) and own == name


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # its variable was deleted
        return None
