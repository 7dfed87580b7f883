"""One digest for equal values: tagged, free of order where order means nothing, never by `repr` or pickle."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import hashlib
import math
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from scutoid.errors import ParameterError

_TEXT_LIMIT = 60


def canonical_digest(value: object) -> str:
    """Digest a value so that equal values have equal digests, in every process.

    Parameters
    ----------
    value : object
        None, bool, numbers, text, bytes, tuples, lists, dicts, sets, enums, dataclasses, slices,
        ranges, dates, numpy arrays and scalars, DataFrames, paths (by content), functions and
        classes (by code), and objects with a method ``__scutoid_key__``.

    Returns
    -------
    str
        Hexadecimal.

    Raises
    ------
    ParameterError
        If a value within has no stable form; the message names where it is.

    Notes
    -----
    numpy scalars count as the Python numbers that they equal; 2 and 2.0 differ, -0.0 and 0.0 do not;
    all NaN are one.

    Examples
    --------
    >>> canonical_digest({"a": 1, "b": 2}) == canonical_digest({"b": 2, "a": 1})
    True
    >>> canonical_digest(np.float64(0.5)) == canonical_digest(0.5)
    True
    """
    return _digest(value, "value").hex()


def _digest(value: object, where: str) -> bytes:
    for kinds, encode in _TABLE:
        if isinstance(value, kinds):
            return encode(value, where)
    return _other(value, where)


def _hash(tag: str, *parts: bytes) -> bytes:
    found = hashlib.sha256(tag.encode())
    for part in parts:
        found.update(struct.pack("<Q", len(part)))
        found.update(part)
    return found.digest()


def _float(value: float) -> bytes:
    if math.isnan(value):
        return _hash("nan")
    return _hash("float", struct.pack("<d", value + 0.0))  # -0.0 + 0.0 is 0.0


def _sequence(tag: str) -> Callable[[Any, str], bytes]:
    def encode(value: Iterable[object], where: str) -> bytes:
        return _hash(tag, *(_digest(item, f"{where}[{n}]") for n, item in enumerate(value)))

    return encode


def _mapping(value: Mapping[object, object], where: str) -> bytes:
    items = (
        _digest(k, f"{where} key {k!r}") + _digest(v, f"{where}[{k!r}]") for k, v in value.items()
    )
    return _hash("dict", *sorted(items))


def _set(value: Iterable[object], where: str) -> bytes:
    return _hash("set", *sorted(_digest(item, f"{where} member") for item in value))


def _array(value: np.ndarray[Any, Any], where: str) -> bytes:
    if value.dtype.hasobject:
        return _hash(
            "objects", repr(value.shape).encode(), _sequence("list")(value.ravel().tolist(), where)
        )
    native = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
    return _hash("array", native.dtype.str.encode(), repr(value.shape).encode(), native.tobytes())


def _scalar(value: np.generic, where: str) -> bytes:
    item = value.item()
    if isinstance(item, (bool, int, float, complex, str, bytes)):
        return _digest(item, where)
    return _array(np.asarray(value), where)


def _enum(value: enum.Enum, where: str) -> bytes:
    kind = type(value)
    return _hash("enum", f"{kind.__module__}.{kind.__qualname__}.{value.name}".encode())


def _path(value: PurePath, where: str) -> bytes:
    from scutoid.store._inputs import key_of_path

    return _hash("path", key_of_path(os.fspath(value)).encode())


def _table(value: Any, where: str) -> bytes:
    columns = value.to_frame() if value.ndim == 1 else value
    parts = [_array(np.asarray(columns.index), where)]
    for name, column in columns.items():
        parts += [
            _digest(name, where),
            str(column.dtype).encode(),
            _array(np.asarray(column), where),
        ]
    return _hash("table", *parts)


def _dataclass(value: Any, where: str) -> bytes:
    kind = type(value)
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.compare}
    return _hash("dataclass", kind.__qualname__.encode(), _mapping(fields, where))


def _code(value: Any, where: str) -> bytes:
    from scutoid.store._fingerprint import fingerprint

    if isinstance(value, functools.partial):
        inner = (value.func, value.args, value.keywords)
        return _hash("partial", _digest(inner, where))
    return _hash("code", fingerprint(value).digest.encode())


def _other(value: object, where: str) -> bytes:
    own = getattr(value, "__scutoid_key__", None)
    if callable(own) and not isinstance(value, type):
        return _hash(
            "own", type(value).__qualname__.encode(), _digest(own(), f"{where}.__scutoid_key__()")
        )
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _dataclass(value, where)
    if type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "index"):
        return _table(value, where)
    if isinstance(value, functools.partial) or callable(value) and hasattr(value, "__qualname__"):
        return _code(value, where)
    raise ParameterError(
        "a parameter has a form that is the same in every run",
        value=f"{type(value).__module__}.{type(value).__qualname__}",
        place=where,
        remedy="pass numbers, text, arrays, dataclasses or paths, or give its class a method "
        "__scutoid_key__ that returns these",
    )


_TABLE: tuple[tuple[Any, Callable[[Any, str], bytes]], ...] = (
    (type(None), lambda v, w: _hash("none")),
    (enum.Enum, _enum),
    (bool, lambda v, w: _hash("bool", bytes([v]))),
    (int, lambda v, w: _hash("int", str(int(v)).encode())),
    (np.generic, _scalar),
    (float, lambda v, w: _float(v)),
    (complex, lambda v, w: _hash("complex", _float(v.real), _float(v.imag))),
    (str, lambda v, w: _hash("str", v.encode("utf-8", "surrogatepass"))),
    ((bytes, bytearray), lambda v, w: _hash("bytes", bytes(v))),
    (list, _sequence("list")),
    (tuple, _sequence("tuple")),
    (Mapping, _mapping),
    ((set, frozenset), _set),
    (slice, lambda v, w: _hash("slice", _digest((v.start, v.stop, v.step), w))),
    (range, lambda v, w: _hash("range", _digest((v.start, v.stop, v.step), w))),
    ((dt.date, dt.time), lambda v, w: _hash(type(v).__name__, v.isoformat().encode())),
    (
        dt.timedelta,
        lambda v, w: _hash("timedelta", repr((v.days, v.seconds, v.microseconds)).encode()),
    ),
    (PurePath, _path),
    (np.ndarray, _array),
    (np.dtype, lambda v, w: _hash("dtype", v.str.encode())),
)


def describe(value: object) -> str:
    """Describe a value in a few words, for people.

    Examples
    --------
    >>> describe(np.float64(2.0)), describe(np.zeros((2, 3)))
    ('2.0', 'array (2, 3) float64')
    """
    if isinstance(value, np.ndarray) and value.ndim:
        return f"array {value.shape} {value.dtype}"
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, PurePath):
        return str(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    text = repr(value)
    return text if len(text) <= _TEXT_LIMIT else f"{text[: _TEXT_LIMIT - 1]}…"
