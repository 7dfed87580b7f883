"""Follow the user's own classes: their source, their bases and their members."""

from __future__ import annotations

import enum
import functools
import inspect
import itertools
import sys
import types

from scutoid.store.keys._attributes import attributes_of
from scutoid.store.keys._encoder import is_code
from scutoid.store.keys._follows import Follows
from scutoid.store.keys._installed import put_into_bases, registered_with
from scutoid.store.keys._names import Names
from scutoid.store.keys._ownership import file_of_class, functions_of, is_own
from scutoid.store.keys._source import source_of_class, source_of_function, text_of_code
from scutoid.store.keys._tagged import tagged

_MAKERS = ("__dataclass_fields__", "_fields", "__attrs_attrs__")
_ADDED_LATER = ("__slotnames__",)
"""What Python writes into a class when an object of it is first copied or pickled."""
_NEWER = (
    *("__firstlineno__", "__static_attributes__", "__replace__"),
    *("__protocol_attrs__", "__callable_proto_members_only__"),
    *("__readonly_keys__", "__mutable_keys__"),
)
"""What Python writes into classes from 3.12 or 3.13 on: a key is the same on every version."""
_WRITTEN_BY_DATACLASS = (
    *("__init__", "__repr__", "__eq__", "__lt__", "__le__", "__gt__", "__ge__"),
    *("__setattr__", "__delattr__"),
)


class Classes:
    """Follows own classes.

    Parameters
    ----------
    walk : Follows
        Follows what the members of the classes are.
    names : Names
        Follows the names that they use.
    """

    def __init__(self, walk: Follows, names: Names) -> None:
        self._walk = walk
        self._names = names

    def items(self, kind: type, label: str) -> list[bytes]:
        """Return what a class counts by: its source, bases and members."""
        file = file_of_class(kind)
        source = source_of_class(kind.__qualname__, file) if file else None
        items = [tagged("class", (source.text if source else kind.__qualname__).encode())]
        items += [tagged("base", self._walk.code(base, label)) for base in kind.__bases__]
        if type(kind) is not type:
            items.append(tagged("metaclass", self._walk.code(type(kind), label)))
        names = _names_seen_by(kind)
        items += self._names.decorators(source, names)
        for chain in source.loads if source else ():
            if chain[0] in names and chain[0] not in vars(kind):
                items.append(self._names.resolve(chain, names, "constant"))
        for name, value in _members_of(kind).items():
            items.append(tagged(name, self._member(kind, name, value, f"{label}.{name}")))
        registered = [self._walk.code(one, label) for one in registered_with(kind)]
        items += [tagged("registered", *sorted(registered))] if registered else []
        for name, function in put_into_bases(kind).items():
            items.append(tagged(name, self._walk.code(function, f"{label}.{name}")))
        return items

    def _member(self, kind: type, name: str, value: object, where: str) -> bytes:
        inner = functions_of(value)
        if inner:
            items = [self._method_of(kind, item, where) for item in inner]
            if isinstance(value, functools.partialmethod):
                items.append(self._walk.lenient((value.args, value.keywords), where))
            if isinstance(value, functools.singledispatchmethod):
                items.append(self._walk.lenient(tuple(value.dispatcher.registry), where))
            if is_own(type(value)):  # an object in the place of the function that it calls
                items.append(self._walk.lenient(value, where))
            return tagged("", *items, *self._accessors(value, where))
        if isinstance(value, property):
            return b"".join(self._accessors(value, where))
        if inspect.isdatadescriptor(value):
            return self._descriptor(value, where) if is_own(type(value)) else b""
        is_made = name.startswith("__") and (is_code(value) or not callable(value))
        if is_made or name == "_abc_impl":
            return b""
        return self._walk.lenient(value, where)

    def _accessors(self, value: object, where: str) -> list[bytes]:
        """Encode what a property calls that is no function, such as a partial."""
        if not isinstance(value, property):
            return []
        called = (value.fget, value.fset, value.fdel)
        others = [f for f in called if f is not None and not isinstance(f, types.FunctionType)]
        return [self._walk.lenient(others, where)] if others else []

    def _descriptor(self, value: object, where: str) -> bytes:
        """Encode an own descriptor, which may keep values of the objects that it serves."""
        told = self._walk.told(attributes_of(value), where)
        return tagged("descriptor", self._walk.code(type(value), where), *map(str.encode, told))

    def _method_of(self, kind: type, function: types.FunctionType, where: str) -> bytes:
        code = function.__code__
        is_special = function.__name__.startswith("__")
        is_made = code.co_filename.startswith("<") and any(map(kind.__dict__.get, _MAKERS))
        if is_special and (is_made or not is_own(function)):
            return b""  # written by dataclass from the fields
        if code.co_qualname != f"{kind.__qualname__}.{code.co_name}":
            return self._walk.code(function, where)  # a function from elsewhere
        source = source_of_function(function)
        items = []
        if source is not None and source.is_stale:
            self._walk.stale.add(where)
        if source is None or source.is_stale:
            items.append(text_of_code(code).encode())
        if source is None:
            self._walk.opaque.add(f"what {where} reads besides its arguments (no source)")
        items.append(self._walk.defaults(function, where))
        items += self._names.decorators(source, function.__globals__)
        items += self._names.loads(function)
        self._walk.outside(function, source)
        return tagged("", *items)


def _names_seen_by(kind: type) -> dict[str, object]:
    """Return the global names of the module that a class was defined in."""
    names: dict[str, object] = {}
    for value in vars(kind).values():  # the module may have been loaded by path
        if isinstance(value, types.FunctionType) and value.__module__ == kind.__module__:
            names = value.__globals__
    return names or vars(sys.modules.get(kind.__module__, types.ModuleType("none")))


def _members_of(kind: type) -> dict[str, object]:
    """Return what a class holds; of an enumeration the values, for its members are of the class."""
    members = {name: value for name, value in vars(kind).items() if not _is_left_out(name, value)}
    members = {name: members[name] for name in _in_the_first_order(list(members))}
    if not issubclass(kind, enum.Enum):
        return members
    left_out = set(kind.__members__)
    left_out.update(
        name
        for name, value in members.items()
        if name.startswith("_") and not any(map(is_own, functions_of(value)))
    )
    members = {name: value for name, value in members.items() if name not in left_out}
    return members | {name: item._value_ for name, item in kind.__members__.items()}


def _is_left_out(name: str, value: object) -> bool:
    """Whether something of a class is there by the version of Python, or since it was asked for."""
    if name == "__annotations__":
        return not value
    is_users = any(map(is_own, functions_of(value)))
    return name in _ADDED_LATER or (name in _NEWER and not is_users)


def _in_the_first_order(names: list[str]) -> list[str]:
    """Return names in the order of Python 3.11, where `dataclass` writes ``__hash__`` last."""
    after = names.index("__dataclass_fields__") + 1 if "__dataclass_fields__" in names else None
    if after is None or names[after : after + 1] != ["__hash__"]:
        return names
    rest = names[after + 1 :]
    written = list(itertools.takewhile(_WRITTEN_BY_DATACLASS.__contains__, rest))
    return [*names[:after], *written, "__hash__", *rest[len(written) :]]
