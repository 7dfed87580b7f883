"""Encode a value as bytes that are the same in every run: tagged, never `repr`, `hash` or pickle.

The bytes say the kind of a value and its content.  How functions, paths and values without a
stable form are encoded is handed in: a digest refuses the last, a code fingerprint notes them.
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
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from scutoid.errors import ParameterError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_TEXT_LIMIT = 60
_PANDAS_SCALARS = {"NAType", "NaTType", "Timestamp", "Timedelta", "Period", "Interval"}
_LENGTH = struct.Struct("<Q")


def tagged(tag: str, *parts: bytes) -> bytes:
    """Join bytes so that no other tag or other parts give the same."""
    pieces = [tag.encode(), b"("]
    for part in parts:
        pieces += (_LENGTH.pack(len(part)), part)
    pieces.append(b")")
    return b"".join(pieces)


Hook = Callable[[object, str], bytes]
"""Encodes a value; the text is what the value is called in errors."""
PathHook = Callable[[PurePath, str], bytes]
"""The same of a path."""


def refuse(value: object, where: str) -> bytes:
    """Refuse a value that has no stable form.

    Raises
    ------
    ParameterError
        Always.
    """
    kind = type(value)
    raise ParameterError(
        "a value that enters a key has a form that is the same in every run",
        value=f"{kind.__module__}.{kind.__qualname__}",
        place=where,
        remedy="pass numbers, text, arrays, dataclasses or paths instead, or give its class a "
        "method __scutoid_key__ that returns these",
    )


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
    """

    def __init__(
        self, *, code: Hook = refuse, path: PathHook = refuse, unknown: Hook = refuse
    ) -> None:
        self.code = code
        self.path = path
        self.unknown = unknown
        self._within: list[object] = []

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
        if any(value is other for other in self._within):
            raise ParameterError("a value that enters a key does not contain itself", place=where)
        self._within.append(value)
        try:
            return self._compound(value, where)
        finally:
            self._within.pop()

    def _compound(self, value: object, where: str) -> bytes:
        exact = _EXACT.get(type(value))
        if exact is not None:
            return exact(self, value, where)
        own = getattr(value, "__scutoid_key__", None)
        if callable(own) and not isinstance(value, type):
            return tagged("own", _kind(value), self.encode(own(), f"{where}.__scutoid_key__()"))
        if isinstance(value, type) or is_code(value):
            return tagged("code", self.code(value, where))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._dataclass(value, where)
        if _is_pandas(value):
            return self._pandas(value, where)
        if type(value).__name__ in _PANDAS_SCALARS and _is_from_pandas(value):
            return tagged(type(value).__name__, str(value).encode())
        for kinds, encode in _BY_BASE:
            if isinstance(value, kinds):
                return encode(self, value, where)
        return self.unknown(value, where)

    def items(self, tag: str, values: Iterable[object], where: str) -> bytes:
        """Encode values in their order."""
        items = (self.encode(item, f"{where}[{n}]") for n, item in enumerate(values))
        return tagged(tag, *items)

    def _mapping(self, value: Mapping[object, object], where: str) -> bytes:
        pairs = (
            tagged("", self.encode(k, f"{where}, key {k!r}"), self.encode(v, f"{where}[{k!r}]"))
            for k, v in value.items()
        )
        return tagged("dict", *sorted(pairs))

    def _set(self, value: Iterable[object], where: str) -> bytes:
        # Sorted by name first, so that functions in a set are met in the same order in every run.
        met = sorted(value, key=lambda item: str(getattr(item, "__qualname__", "")))
        return tagged("set", *sorted(self.encode(item, f"{where}, member") for item in met))

    def _subclass(self, value: object, where: str) -> bytes:
        """Encode a value of a class derived from a builtin: its class, content and attributes."""
        base = next(kind for kind in type(value).__mro__ if kind in _SIMPLE or kind in _EXACT)
        plain = base(value)
        simple = _SIMPLE.get(base)
        content = simple(plain) if simple is not None else _EXACT[base](self, plain, where)
        extra = dict(getattr(value, "__dict__", None) or {})
        if hasattr(value, "default_factory"):  # of a defaultdict, which keeps it nowhere else
            extra["default_factory"] = value.default_factory
        return tagged("subclass", self._type(value, where), content, self._mapping(extra, where))

    def _type(self, value: object, where: str) -> bytes:
        return self.code(type(value), where)

    def _enum(self, value: enum.Enum, where: str) -> bytes:
        name = str(value.name)
        return tagged("enum", self._type(value, where), name.encode())

    def _dataclass(self, value: DataclassInstance, where: str) -> bytes:
        fields = {
            item.name: getattr(value, item.name)
            for item in dataclasses.fields(value)
            if hasattr(value, item.name)
        }
        content = tagged(
            "", *(tagged(k, self.encode(v, f"{where}.{k}")) for k, v in fields.items())
        )
        return tagged("dataclass", self._type(value, where), content)

    def _array(self, value: np.ndarray[tuple[int, ...], np.dtype[Any]], where: str) -> bytes:
        shape = repr(tuple(map(int, value.shape))).encode()
        if isinstance(value, np.ma.MaskedArray):
            mask = np.ma.getmaskarray(value)
            return tagged(
                "masked", self._array(value.filled(), where), self._array(np.asarray(mask), where)
            )
        if value.dtype.hasobject or value.dtype.kind == "T":  # "T": text of any length
            items = self.items("list", value.ravel().tolist(), where)
            return tagged("objects", str(value.dtype).encode(), shape, items)
        native = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        digest = hashlib.sha256(native.reshape(-1).view(np.uint8).data).digest()
        return tagged("array", _dtype(native.dtype), shape, digest)

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

    def _partial(self, value: functools.partial[object], where: str) -> bytes:
        inner = (value.func, value.args, dict(value.keywords))
        return tagged("partial", *(self.encode(item, f"{where}.func") for item in inner))

    def _method(self, value: types.MethodType, where: str) -> bytes:
        bound = self.encode(value.__self__, f"{where}.__self__")
        return tagged("method", self.code(value.__func__, where), bound)


def is_code(value: object) -> bool:
    """Whether a value is a function, a class, a module or the like, known by its code."""
    return isinstance(
        value,
        (
            type,
            types.FunctionType,
            types.BuiltinFunctionType,
            types.MethodDescriptorType,
            types.WrapperDescriptorType,
            types.ModuleType,
            np.ufunc,
        ),
    ) or callable(getattr(value, "__wrapped__", None))


def _kind(value: object) -> bytes:
    return type(value).__qualname__.encode()


def _dtype(dtype: np.dtype[Any]) -> bytes:
    return repr(dtype.descr).encode() if dtype.names else dtype.str.encode()


def _is_pandas(value: object) -> bool:
    return _is_from_pandas(value) and hasattr(value, "index") and hasattr(value, "iloc")


def _is_from_pandas(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "pandas"


def _float(value: float) -> bytes:
    return b"nan" if math.isnan(value) else b"float" + struct.pack("<d", value + 0.0)


def _complex(value: complex) -> bytes:
    return tagged("complex", _float(value.real), _float(value.imag))


def _scalar(self: Encoder, value: np.generic, where: str) -> bytes:
    if isinstance(value, np.floating) and np.isnan(value):
        return tagged("scalar", value.dtype.str.encode(), b"nan")
    return tagged("scalar", self._array(np.asarray(value), where))


def _instant(value: dt.date | dt.time) -> bytes:
    return tagged(type(value).__name__, value.isoformat().encode())


def _of_text(tag: str) -> Callable[[Encoder, object, str], bytes]:
    return lambda _self, value, _where: tagged(tag, str(value).encode())


Encode = Callable[[Encoder, Any, str], bytes]
"""Encodes a value of one class."""

_SIMPLE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"none",
    type(...): lambda _: b"ellipsis",
    bool: lambda value: b"true" if value else b"false",
    int: lambda value: b"int%d" % value,
    float: _float,
    complex: _complex,
    str: lambda value: tagged("str", value.encode("utf-8", "surrogatepass")),
    bytes: lambda value: tagged("bytes", value),
    bytearray: lambda value: tagged("bytearray", bytes(value)),
}

_EXACT: dict[type, Encode] = {
    list: lambda self, value, where: self.items("list", value, where),
    tuple: lambda self, value, where: self.items("tuple", value, where),
    dict: Encoder._mapping,  # noqa: SLF001
    types.MappingProxyType: Encoder._mapping,  # noqa: SLF001
    set: Encoder._set,  # noqa: SLF001
    frozenset: Encoder._set,  # noqa: SLF001
    slice: lambda s, v, w: s.items("slice", (v.start, v.stop, v.step), w),
    range: lambda s, v, w: s.items("range", (v.start, v.stop, v.step), w),
    np.ndarray: Encoder._array,  # noqa: SLF001
    types.MethodType: Encoder._method,  # noqa: SLF001
    functools.partial: Encoder._partial,  # noqa: SLF001
    types.GenericAlias: _of_text("alias"),
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
    (enum.Enum, Encoder._enum),  # noqa: SLF001
    (np.generic, _scalar),
    (np.ndarray, Encoder._array),  # noqa: SLF001
    (np.dtype, lambda _self, value, _where: tagged("dtype", _dtype(value))),
    (PurePath, lambda s, v, w: s.path(v, w)),
    ((dt.date, dt.time), lambda _self, value, _where: _instant(value)),
    (dt.timedelta, lambda s, v, w: s.items("timedelta", (v.days, v.seconds, v.microseconds), w)),
    (dt.tzinfo, _of_text("timezone")),
    ((bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset), Encoder._subclass),  # noqa: SLF001
)


def describe(value: object) -> str:
    """Describe a value in a few words, for people.

    Examples
    --------
    >>> describe(2.0), describe(np.zeros((2, 3)))
    ('2.0', 'array (2, 3) float64')
    """
    if isinstance(value, np.ndarray) and value.ndim:
        return f"array {value.shape} {value.dtype}"
    if _is_pandas(value):
        return f"{type(value).__name__} {getattr(value, 'shape', '')}"
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, functools.partial):
        return f"partial of {describe(value.func)}"
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    text = repr(value)
    return text if len(text) <= _TEXT_LIMIT else f"{text[: _TEXT_LIMIT - 1]}…"
