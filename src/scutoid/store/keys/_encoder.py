"""Encode a value as bytes that are the same in every run: tagged, never `repr`, `hash` or pickle.

The bytes say the kind of a value, its content in order, and what rides on it: the class of a value
that is derived from a builtin, an array or a table, and its attributes and slots.  How functions,
paths and values without a stable form are encoded is handed in: a digest refuses the last, a code
fingerprint notes them.
"""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import math
import operator
import pathlib
import re
import struct
import types
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from scutoid.errors import ParameterError
from scutoid.store.keys._arrays import (
    FILE_NAMES,
    MASKED_NAMES,
    encode_array,
    encode_dtype,
    encode_masked,
    encode_scalar,
)
from scutoid.store.keys._attributes import attribute_of, attributes_of
from scutoid.store.keys._tables import encode_index, encode_table, is_index, is_pandas, is_scalar
from scutoid.store.keys._tables import encode_scalar as encode_pandas_scalar
from scutoid.store.keys._tagged import NO_FORM, Hook, PathHook, name_of_type, refuse, tagged


def _no_note(_text: str) -> None:
    """Note nothing."""


class Encoder:
    """Encodes values as bytes.

    Parameters
    ----------
    code : callable
        Encodes a function or a class.
    path : callable
        Encodes a `PurePath`.
    unknown : callable
        Encodes a value that has no stable form.
    note : callable
        Is told what rides on a value and does not count, for it has no stable form.
    takes_circles : bool
        A value may contain itself; where it does, what counts is how many levels above.
    """

    def __init__(
        self,
        *,
        code: Hook = refuse,
        path: PathHook = refuse,
        unknown: Hook = refuse,
        note: Callable[[str], None] = _no_note,
        takes_circles: bool = False,
    ) -> None:
        self._takes_circles = takes_circles
        self._code = code
        self._path = path
        self._unknown = unknown
        self._note = note
        self._within: list[object] = []

    def code(self, value: object, where: str) -> bytes:
        """Encode a function or a class."""
        return self._code(value, where)

    def path(self, value: PurePath, where: str) -> bytes:
        """Encode a path."""
        return self._path(value, where)

    def unknown(self, value: object, where: str) -> bytes:
        """Encode a value that has no stable form."""
        return self._unknown(value, where)

    def note(self, text: str) -> None:
        """Tell what does not count."""
        self._note(text)

    def encode(self, value: object, where: str) -> bytes:
        """Encode a value.

        Raises
        ------
        ParameterError
            If it has no stable form, or contains itself.
        """
        simple = _SIMPLE.get(type(value))
        if simple is not None:
            return simple(value)
        above = next((n for n, other in enumerate(self._within) if value is other), None)
        if above is not None and self._takes_circles:
            return tagged("again", b"%d" % (len(self._within) - above))
        if above is not None:
            raise ParameterError("a value that enters a key does not contain itself", place=where)
        self._within.append(value)
        try:
            return self._compound(value, where)
        finally:
            self._within.pop()

    def lenient(self, value: object, where: str) -> bytes:
        """Encode a value; what contains itself or cannot be encoded is noted instead."""
        try:
            return self.encode(value, where)
        except RecursionError:
            self.note(f"{where} (nested too deep)")
            return tagged("unseen", name_of_type(value).encode())
        except (ParameterError, OSError) as error:
            place, rule = getattr(error, "place", None), getattr(error, "rule", error)
            reason = getattr(error, "value", None) if rule == NO_FORM else rule
            self.note(f"{place or where} ({reason})")
            return tagged("unseen", name_of_type(value).encode())

    def items(self, tag: str, values: Iterable[object], where: str) -> bytes:
        """Encode values in their order."""
        pieces = []
        for n, item in enumerate(values):
            simple = _SIMPLE.get(type(item))  # without a place: most columns hold nothing else
            pieces.append(self.encode(item, f"{where}[{n}]") if simple is None else simple(item))
        return tagged(tag, *pieces)

    def attributes(
        self, value: object, where: str, *, base: type = object, without: Collection[str] = ()
    ) -> bytes:
        """Encode what an object holds besides its content, in order; the rest is noted."""
        held = attributes_of(value, base=base, without=without)
        return tagged("held", *(self.named(name, v, where) for name, v in held.items()))

    def named(self, name: str, value: object, where: str) -> bytes:
        """Encode an attribute with its name."""
        return tagged(name, self.lenient(value, f"{where}.{name}"))

    def _compound(self, value: object, where: str) -> bytes:
        kind = type(value)
        exact = _EXACT.get(kind)
        if exact is not None:
            return exact(self, value, where)
        if isinstance(value, np.generic) and kind is value.dtype.type:
            return encode_scalar(self, value, where)
        own = attribute_of(value, "__scutoid_key__")
        if callable(own) and not isinstance(value, type):
            inner = self.encode(own(), f"{where}.__scutoid_key__()")
            return tagged("own", self.code(kind, where), inner)
        if isinstance(value, type) or is_code(value):
            return tagged("code", self.code(value, where))
        if isinstance(value, enum.Enum):
            return self._enum(value, where)
        if isinstance(value, np.dtype):
            return tagged("dtype", encode_dtype(self, value, where))
        zone = getattr(value, "key", None) if isinstance(value, dt.tzinfo) else None
        if isinstance(zone, str):
            return tagged("zone", self.code(kind, where), zone.encode())
        for is_of_pandas, encode in _OF_PANDAS:
            if is_of_pandas(value):
                return encode(self, value, where)
        return self._instance(value, where)

    def _instance(self, value: object, where: str) -> bytes:
        """Encode an object by its class, by the content it has of a class that is known, and more.

        The fields of a dataclass must have a stable form; other attributes are noted if they have
        none.
        """
        kind = type(value)
        base = next((part for part in kind.__mro__ if part in _CONTENTS), None)
        is_dataclass = dataclasses.is_dataclass(kind)
        if base is None and not is_dataclass:
            return self.unknown(value, where)
        parts = [self.code(kind, where)]
        left_out: set[str] = set()
        if base is not None:
            content, names = _CONTENTS[base]
            parts.append(content(self, value, where))
            left_out.update(names)
        if is_dataclass:
            fields = [item.name for item in dataclasses.fields(value)]  # type: ignore[arg-type]
            held = [(name, getattr(value, name)) for name in fields if hasattr(value, name)]
            items = (tagged(name, self.encode(item, f"{where}.{name}")) for name, item in held)
            parts.append(tagged("fields", *items))
            left_out.update(fields)
        parts.append(self.attributes(value, where, base=base or object, without=left_out))
        return tagged("instance", *parts)

    def _mapping(self, tag: str, value: Mapping[Any, Any], where: str) -> bytes:
        pairs = (
            tagged("", self.encode(k, f"{where}, key {k!r}"), self.encode(v, f"{where}[{k!r}]"))
            for k, v in value.items()
        )
        return tagged(tag, *pairs)

    def _set(self, tag: str, value: Iterable[object], where: str) -> bytes:
        # Sorted by name first, so that functions in a set are met in the same order in every run.
        met = sorted(value, key=lambda item: str(getattr(item, "__qualname__", "")))
        return tagged(tag, *sorted(self.encode(item, f"{where}, member") for item in met))

    def _enum(self, value: enum.Enum, where: str) -> bytes:
        own = {name for name in vars(value) if name.startswith("_")}
        parts = (
            self.code(type(value), where),
            str(value.name).encode(),
            self.lenient(value.value, f"{where}.value"),
            self.attributes(value, where, without=own),
        )
        return tagged("enum", *parts)

    def _instant(self, value: dt.date | dt.time, where: str) -> bytes:
        fold = b"%d" % getattr(value, "fold", 0)
        zone = self.encode(getattr(value, "tzinfo", None), f"{where}.tzinfo")
        return tagged("instant", value.isoformat().encode(), fold, zone)

    def _partial(self, value: functools.partial[object], where: str) -> bytes:
        inner = (value.func, value.args, dict(value.keywords))
        parts = [self.encode(item, f"{where}.func") for item in inner]
        return tagged("partial", *parts, self.attributes(value, where))

    def _method(self, value: types.MethodType, where: str) -> bytes:
        bound = self.encode(value.__self__, f"{where}.__self__")
        return tagged("method", self.code(value.__func__, where), bound)

    def _builtin(self, value: types.BuiltinFunctionType, where: str) -> bytes:
        """Encode a function that is compiled; one that is bound to an object counts with it."""
        if not is_bound(value):
            return tagged("code", self.code(value, where))
        name = value.__name__.encode()
        return tagged("method", name, self.lenient(value.__self__, f"{where}.__self__"))

    def _deque(self, value: collections.deque[object], where: str) -> bytes:
        return tagged("deque", self.encode(value.maxlen, where), self.items("", value, where))

    def _defaultdict(self, value: collections.defaultdict[Any, Any], where: str) -> bytes:
        factory = self.encode(value.default_factory, f"{where}.default_factory")
        return tagged("defaultdict", factory, self._mapping("dict", value, where))


def encode_simple(value: object) -> bytes | None:
    """Encode a number, a text or nothing, as an encoder does; None for all else."""
    simple = _SIMPLE.get(type(value))
    return None if simple is None else simple(value)


def is_code(value: object) -> bool:
    """Whether a value is a function, a class, a module or the like, known by its code."""
    if isinstance(value, types.BuiltinFunctionType):
        return not is_bound(value)
    return isinstance(value, _CODE) or callable(attribute_of(value, "__wrapped__"))


def is_bound(value: types.BuiltinFunctionType | types.MethodWrapperType) -> bool:
    """Whether a function that is compiled is bound to an object, as ``{}.get`` is."""
    return not isinstance(value.__self__, (type(None), type, types.ModuleType))


_CODE = (
    type,
    types.FunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.ModuleType,
    np.ufunc,
)


def _float(value: float) -> bytes:
    return b"nan" if math.isnan(value) else b"float" + struct.pack("<d", value)


def _complex(value: complex) -> bytes:
    return tagged("complex", _float(value.real), _float(value.imag))


Encode = Callable[[Encoder, Any, str], bytes]
"""Encodes a value of one class."""


def _of_text(tag: str) -> Encode:
    return lambda _self, value, _where: tagged(tag, str(value).encode())


def _of(tag: str, parts: Callable[[Any], Iterable[object]]) -> Encode:
    """Encode a value by its parts, which say all of it."""
    return lambda self, value, where: self.items(tag, parts(value), where)


_SIMPLE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"none",
    type(...): lambda _: b"ellipsis",
    type(NotImplemented): lambda _: b"not implemented",
    bool: lambda value: b"true" if value else b"false",
    int: lambda value: b"int%d" % value,
    float: _float,
    complex: _complex,
    str: lambda value: tagged("str", value.encode("utf-8", "surrogatepass")),
    bytes: lambda value: tagged("bytes", value),
    bytearray: lambda value: tagged("bytearray", bytes(value)),
}

_PLAIN: dict[type, Callable[[Any], Any]] = {
    int: int.__index__,
    float: float.__float__,
    complex: complex.__complex__,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: lambda value: bytearray.__getitem__(value, slice(None)),
    list: lambda value: list.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
}
"""The content of a value of a derived class, as its base has it, whatever the class overrides."""

_EXACT: dict[type, Encode] = {
    list: lambda self, value, where: self.items("list", value, where),
    tuple: lambda self, value, where: self.items("tuple", value, where),
    dict: lambda self, value, where: self._mapping("dict", value, where),
    types.MappingProxyType: lambda s, v, w: s._mapping("proxy", v, w),  # noqa: SLF001
    set: lambda self, value, where: self._set("set", value, where),
    frozenset: lambda self, value, where: self._set("frozenset", value, where),
    collections.deque: Encoder._deque,  # noqa: SLF001
    array.array: _of("array", lambda v: (v.typecode, v.tobytes())),
    slice: _of("slice", lambda v: (v.start, v.stop, v.step)),
    range: _of("range", lambda v: (v.start, v.stop, v.step)),
    np.ndarray: encode_array,
    np.memmap: lambda s, v, w: tagged("memmap", encode_array(s, v, w)),
    types.MethodType: Encoder._method,  # noqa: SLF001
    types.BuiltinFunctionType: Encoder._builtin,  # noqa: SLF001
    types.MethodWrapperType: Encoder._builtin,  # noqa: SLF001
    functools.partial: Encoder._partial,  # noqa: SLF001
    types.GenericAlias: _of("alias", lambda v: (v.__origin__, v.__args__)),
    types.UnionType: _of("union", lambda v: v.__args__),
    types.SimpleNamespace: lambda s, v, w: tagged("namespace", s._mapping("", vars(v), w)),  # noqa: SLF001
    operator.itemgetter: _of("operator", lambda v: v.__reduce__()),
    operator.attrgetter: _of("operator", lambda v: v.__reduce__()),
    operator.methodcaller: _of("operator", lambda v: v.__reduce__()),
    uuid.UUID: _of("uuid", lambda v: (v.int, v.is_safe.name)),
    decimal.Decimal: _of_text("decimal"),
    fractions.Fraction: _of("fraction", lambda v: (v.numerator, v.denominator)),
    re.Pattern: _of("pattern", lambda v: (v.pattern, v.flags)),
    dt.date: Encoder._instant,  # noqa: SLF001
    dt.time: Encoder._instant,  # noqa: SLF001
    dt.datetime: lambda s, v, w: tagged("datetime", s._instant(v, w)),  # noqa: SLF001
    dt.timedelta: _of("timedelta", lambda v: (v.days, v.seconds, v.microseconds)),
    dt.timezone: _of("timezone", lambda v: v.__getinitargs__()),
    **{kind: lambda s, v, w: s.path(v, w) for kind in (
        pathlib.PosixPath, pathlib.PurePosixPath, pathlib.WindowsPath, pathlib.PureWindowsPath,
        pathlib.Path, pathlib.PurePath,
    )},
}  # fmt: skip


def _content_of(base: type) -> Encode:
    """Return what encodes the content that a derived class has of a base."""
    plain = _PLAIN.get(base)
    if plain is None:
        return _EXACT[base]
    simple = _SIMPLE.get(base)
    if simple is not None:
        return lambda _self, value, _where: simple(plain(value))
    return lambda self, value, where: _EXACT[base](self, plain(value), where)


_CONTENTS: dict[type, tuple[Encode, Collection[str]]] = {
    **{base: (_content_of(base), ()) for base in {*_PLAIN, *_EXACT}},
    collections.defaultdict: (Encoder._defaultdict, ()),  # noqa: SLF001
    np.generic: (encode_scalar, ()),
    np.ma.MaskedArray: (encode_masked, MASKED_NAMES),
    np.memmap: (_EXACT[np.memmap], FILE_NAMES),
}
"""What a derived class has of a known base, and the attributes in which the base keeps it."""

_OF_PANDAS: tuple[tuple[Callable[[object], bool], Encode], ...] = (
    (is_pandas, encode_table),
    (is_index, encode_index),
    (is_scalar, encode_pandas_scalar),
)
