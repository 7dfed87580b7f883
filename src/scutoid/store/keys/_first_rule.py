"""The first rule of keys, kept to find out whether a result of then has equal code and inputs.

It told fewer values apart than the rule of today.  Where it meets one that it could take for
another it says so, and a result that was stored under such a key is not taken over.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import hashlib
import math
import operator
import re
import struct
import types
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from scutoid.store.keys._encoder import Encoder
from scutoid.store.keys._fingerprint import CodeFingerprint, fingerprint, walked
from scutoid.store.keys._input_hashes import HashMemo, encode_path
from scutoid.store.keys._installed import identity_of
from scutoid.store.keys._ownership import is_own
from scutoid.store.keys._specs import spec_of_step
from scutoid.store.keys._tagged import Hook, PathHook, refuse, tagged
from scutoid.store.keys._walk import Walk

_PANDAS_SCALARS = {"NAType", "NaTType", "Timestamp", "Timedelta", "Period", "Interval"}
_UNSEEN = ("Logger", "RootLogger", "LoggerAdapter")
_ZEROS = "0.0 or -0.0"
_ORDER = "the order of a dict"
_CLASS = "the class and the attributes of an array"


def first_digest(
    value: object, where: str, *, memo: HashMemo | None = None, confused: set[str] | None = None
) -> str:
    """Digest a value by the first rule.

    Parameters
    ----------
    value : object
        A value as `canonical_digest` takes it.
    where : str
        What it is called.
    memo : HashMemo, optional
        Remembers the hashes of files.
    confused : set of str, optional
        Is told what of the value the rule could take for something else.

    Raises
    ------
    ParameterError
        If the rule had no digest for it.
    """
    notes: set[str] = set()

    def code(item: object, _where: str) -> bytes:
        found = first_fingerprint(item)
        notes.update(found.opaque)
        return found.digest.encode()

    encoder = FirstEncoder(
        code=code, path=lambda path, _where: encode_path(path, memo), note=notes.add
    )
    digest = hashlib.sha256(encoder.encode(value, where)).hexdigest()
    if confused is not None:
        confused |= notes
    return digest


def first_fingerprint(
    function: object, *, version: str | None = None, environment: Sequence[str] = ()
) -> CodeFingerprint:
    """Fingerprint code by the first rule; `opaque` is all that it could take for something else."""
    plain = fingerprint(len, version=version or "", environment=environment)
    if version is not None:
        return plain
    versions = {name: plain.packages[name] for name in environment}
    return walked(_FirstWalk(), function, versions)


class FirstEncoder(Encoder):
    """Encodes values by the first rule, and notes what it could take for something else."""

    def __init__(
        self,
        *,
        code: Hook = refuse,
        path: PathHook = refuse,
        unknown: Hook = refuse,
        note: Callable[[str], None],
    ) -> None:
        super().__init__(code=code, path=path, unknown=unknown, note=note)

    def encode(self, value: object, where: str) -> bytes:
        """Encode a value."""
        if type(value) in (float, complex):
            return self._number(value, where)
        return super().encode(value, where)

    def items(self, tag: str, values: Iterable[object], where: str) -> bytes:
        """Encode values in their order."""
        items = (self.encode(item, f"{where}[{n}]") for n, item in enumerate(values))
        return tagged(tag, *items)

    def _number(self, value: Any, where: str) -> bytes:
        if isinstance(value, complex):
            parts = (self._number(part, where) for part in (value.real, value.imag))
            return tagged("complex", *parts)
        if math.isnan(value):
            return b"nan"
        if value == 0:
            self._confuse(where, _ZEROS)
        return b"float" + struct.pack("<d", value + 0.0)

    def _confuse(self, where: str, what: str) -> None:
        self.note(f"{where}: {what}")

    def _compound(self, value: object, where: str) -> bytes:
        exact = _EXACT.get(type(value))
        if exact is not None:
            return exact(self, value, where)
        own = getattr(value, "__scutoid_key__", None)
        if callable(own) and not isinstance(value, type):
            self._confuse(where, "the class of a value with __scutoid_key__")
            kind = type(value).__qualname__.encode()
            return tagged("own", kind, self.encode(own(), f"{where}.__scutoid_key__()"))
        if isinstance(value, type) or _is_code(value):
            return tagged("code", self.code(value, where))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._first_dataclass(value, where)
        if _is_pandas(value):
            self._confuse(where, "attributes of a table")
            return self._pandas(value, where)
        if type(value).__name__ in _PANDAS_SCALARS and _is_from_pandas(value):
            self._confuse(where, "the unit of a time")
            return tagged(type(value).__name__, str(value).encode())
        for kinds, encode in _BY_BASE:
            if isinstance(value, kinds):
                return encode(self, value, where)
        return self.unknown(value, where)

    def sorted_pairs(self, value: Mapping[Any, Any], where: str) -> bytes:
        """Encode a dict without its order."""
        pairs = (
            tagged("", self.encode(k, f"{where}, key {k!r}"), self.encode(v, f"{where}[{k!r}]"))
            for k, v in value.items()
        )
        return tagged("dict", *sorted(pairs))

    def _first_mapping(self, value: Mapping[Any, Any], where: str) -> bytes:
        self._confuse(where, _ORDER)
        return self.sorted_pairs(value, where)

    def _first_set(self, value: Iterable[object], where: str) -> bytes:
        self._confuse(where, "a set or a frozenset")
        met = sorted(value, key=lambda item: str(getattr(item, "__qualname__", "")))
        return tagged("set", *sorted(self.encode(item, f"{where}, member") for item in met))

    def _subclass(self, value: object, where: str) -> bytes:
        self._confuse(where, "what rides on a value of a derived class")
        base: Any = next(
            kind for kind in type(value).__mro__ if kind in _BUILTINS or kind in _EXACT
        )
        content = self.encode(base(value), where)
        extra = dict(getattr(value, "__dict__", None) or {})
        if hasattr(value, "default_factory"):
            extra["default_factory"] = value.default_factory
        kind = self.code(type(value), where)
        return tagged("subclass", kind, content, self.sorted_pairs(extra, where))

    def _first_enum(self, value: enum.Enum, where: str) -> bytes:
        return tagged("enum", self.code(type(value), where), str(value.name).encode())

    def _first_dataclass(self, value: Any, where: str) -> bytes:
        if hasattr(value, "__dict__") and not type(value).__dataclass_params__.frozen:
            self._confuse(where, "attributes that are no fields")
        fields = {
            item.name: getattr(value, item.name)
            for item in dataclasses.fields(value)
            if hasattr(value, item.name)
        }
        content = tagged(
            "", *(tagged(k, self.encode(v, f"{where}.{k}")) for k, v in fields.items())
        )
        return tagged("dataclass", self.code(type(value), where), content)

    def _array(self, value: Any, where: str) -> bytes:
        self._confuse(where, _CLASS)
        shape = repr(tuple(map(int, value.shape))).encode()
        if isinstance(value, np.ma.MaskedArray):
            mask = np.ma.getmaskarray(value)
            return tagged(
                "masked", self._array(value.filled(), where), self._array(np.asarray(mask), where)
            )
        if value.dtype.hasobject or value.dtype.kind == "T":
            items = self.items("list", value.ravel().tolist(), where)
            return tagged("objects", str(value.dtype).encode(), shape, items)
        native = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        digest = hashlib.sha256(native.reshape(-1).view(np.uint8).data).digest()
        return tagged("array", _dtype(native.dtype), shape, digest)

    def _scalar(self, value: np.generic, where: str) -> bytes:
        if isinstance(value, np.floating) and np.isnan(value):
            return tagged("scalar", value.dtype.str.encode(), b"nan")
        if type(value) is not value.dtype.type or isinstance(value, np.void):
            self._confuse(where, "the class of a scalar")
        plain = FirstEncoder(note=lambda _text: None)
        return tagged("scalar", plain._array(np.asarray(value), where))

    def _pandas(self, value: Any, where: str) -> bytes:
        if value.ndim == 1:
            parts = [self.encode(value.name, where), self._column(value, where)]
        else:
            parts = [
                tagged("", self.encode(name, where), self._column(column, f"{where}[{name!r}]"))
                for name, column in value.items()
            ]
        labels = [value.index] if value.ndim == 1 else [value.index, value.columns]
        for label in labels:
            names = self.encode(list(label.names), where)
            parts.append(tagged("index", names, self._column(label, f"{where}.index")))
        return tagged(type(value).__name__, *parts)

    def _column(self, column: Any, where: str) -> bytes:
        dtype = str(column.dtype).encode()
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufcmM":
            return tagged("column", dtype, self._array(column.to_numpy(), where))
        if dtype == b"category":
            codes = np.asarray(column.array.codes)
            labels = self._column(column.array.categories, where)
            ordered = bytes([column.array.ordered])
            return tagged("column", dtype, ordered, self._array(codes, where), labels)
        return tagged("column", dtype, self.items("list", column.tolist(), where))

    def _first_partial(self, value: functools.partial[object], where: str) -> bytes:
        if vars(value):
            self._confuse(where, "attributes of a partial")
        inner = (value.func, value.args, dict(value.keywords))
        return tagged("partial", *(self.encode(item, f"{where}.func") for item in inner))

    def _noted(self, tag: str, value: object, what: str, where: str) -> bytes:
        self._confuse(where, what)
        return tagged(tag, str(value).encode())


class _FirstWalk(Walk):
    """Follows code by the first rule."""

    def encoder(self) -> Encoder:
        """Return the encoder of the rule."""
        return FirstEncoder(
            code=self.code, path=self.path, unknown=self.unknown, note=self.opaque.add
        )

    def code(self, value: object, where: str) -> bytes:
        """Follow a function or class."""
        is_wrapper = not isinstance(value, (type, types.FunctionType, types.ModuleType))
        if is_wrapper and hasattr(value, "__wrapped__") and spec_of_step(value) is None:
            self.opaque.add(f"{where}: what a wrapper keeps")
        if isinstance(value, types.ModuleType) and is_own(value):
            self.opaque.add(f"{where}: a module as a value")
        return self._reach(value, where).encode()

    def unknown(self, value: object, where: str) -> bytes:
        """Encode objects of own classes by their attributes, all others by their names."""
        kind = type(value)
        if is_own(kind):
            self.opaque.add(f"{where}: attributes of an object")
            state = dict(getattr(value, "__dict__", {}))
            for base in kind.__mro__:
                slots = vars(base).get("__slots__", ())
                for name in (slots,) if isinstance(slots, str) else slots:
                    if hasattr(value, name):
                        state[name] = getattr(value, name)
            items = (tagged(k, self.lenient(v, f"{where}.{k}")) for k, v in sorted(state.items()))
            return tagged("object", self.code(kind, where), *items)
        if spec_of_step(value) is not None:
            return tagged("code", self.code(value, where))
        held = {**getattr(value, "__dict__", {}), "py_func": getattr(value, "py_func", None)}
        functions = {k: v for k, v in held.items() if isinstance(v, types.FunctionType)}
        if kind.__name__ not in _UNSEEN:
            self.opaque.add(f"{where}: what an object keeps besides functions")
        items = (tagged(n, self.code(function, where)) for n, function in sorted(functions.items()))
        return tagged("opaque", self.code(kind, where), identity_of(value).encode(), *items)

    def defaults(self, function: types.FunctionType, where: str) -> bytes:
        """Encode the defaults of a method, whose order its source tells."""
        keywords = function.__kwdefaults__
        encoder = self._encoder
        if not isinstance(encoder, FirstEncoder) or keywords is None:
            return self.lenient((function.__defaults__, keywords), where)
        plain = self.lenient(function.__defaults__, f"{where}[0]")
        return tagged("tuple", plain, encoder.sorted_pairs(keywords, f"{where}[1]"))

    def attributes_of_function(self, function: types.FunctionType) -> list[tuple[str, object]]:
        """Return what was set on a function, by name."""
        return sorted(vars(function).items())

    def told(self, settings: Mapping[str, object], where: str) -> list[str]:
        """Leave out what a function of an installed package was told."""
        self.opaque.add(f"{where}: what a wrapper keeps ({', '.join(settings)})")
        return []


def _is_code(value: object) -> bool:
    kinds = (
        type,
        types.FunctionType,
        types.BuiltinFunctionType,
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
        types.ModuleType,
        np.ufunc,
    )
    return isinstance(value, kinds) or callable(getattr(value, "__wrapped__", None))


def _dtype(dtype: np.dtype[Any]) -> bytes:
    return repr(dtype.descr).encode() if dtype.names else dtype.str.encode()


def _is_pandas(value: object) -> bool:
    return _is_from_pandas(value) and hasattr(value, "index") and hasattr(value, "iloc")


def _is_from_pandas(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas"


def _instant(self: FirstEncoder, value: dt.date | dt.time, where: str) -> bytes:
    if getattr(value, "tzinfo", None) is not None:
        self._confuse(where, "a time zone")
    return tagged(type(value).__name__, value.isoformat().encode())


def _of_text(tag: str) -> Callable[[FirstEncoder, object, str], bytes]:
    return lambda _self, value, _where: tagged(tag, str(value).encode())


def _noted(tag: str, what: str) -> Callable[[FirstEncoder, object, str], bytes]:
    return lambda self, value, where: self._noted(tag, value, what, where)


Encode = Callable[[FirstEncoder, Any, str], bytes]
"""Encodes a value of one class."""

_BUILTINS = (bool, int, float, complex, str, bytes, bytearray)

# ruff: noqa: SLF001
_EXACT: dict[type, Encode] = {
    list: lambda self, value, where: self.items("list", value, where),
    tuple: lambda self, value, where: self.items("tuple", value, where),
    dict: FirstEncoder._first_mapping,
    types.MappingProxyType: FirstEncoder._first_mapping,
    set: FirstEncoder._first_set,
    frozenset: FirstEncoder._first_set,
    slice: lambda s, v, w: s.items("slice", (v.start, v.stop, v.step), w),
    range: lambda s, v, w: s.items("range", (v.start, v.stop, v.step), w),
    np.ndarray: FirstEncoder._array,
    types.MethodType: Encoder._method,
    functools.partial: FirstEncoder._first_partial,
    types.GenericAlias: _noted("alias", "the classes of an alias"),
    types.SimpleNamespace: lambda s, v, w: tagged("namespace", s.encode(vars(v), w)),
    operator.itemgetter: lambda s, v, w: s.items("operator", v.__reduce__(), w),
    operator.attrgetter: lambda s, v, w: s.items("operator", v.__reduce__(), w),
    operator.methodcaller: lambda s, v, w: s.items("operator", v.__reduce__(), w),
    uuid.UUID: _of_text("uuid"),
    decimal.Decimal: _of_text("decimal"),
    fractions.Fraction: _of_text("fraction"),
    re.Pattern: lambda s, v, w: s.items("pattern", (v.pattern, v.flags), w),
}

_BY_BASE: tuple[tuple[type | tuple[type, ...], Encode], ...] = (
    (enum.Enum, FirstEncoder._first_enum),
    (np.generic, FirstEncoder._scalar),
    (np.ndarray, FirstEncoder._array),
    (np.dtype, lambda _self, value, _where: tagged("dtype", _dtype(value))),
    (PurePath, lambda s, v, w: s.path(v, w)),
    ((dt.date, dt.time), _instant),
    (dt.timedelta, lambda s, v, w: s.items("timedelta", (v.days, v.seconds, v.microseconds), w)),
    (dt.tzinfo, _noted("timezone", "a time zone")),
    ((*_BUILTINS, list, tuple, dict, set, frozenset), FirstEncoder._subclass),
)
