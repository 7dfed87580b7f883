"""Encode tables, columns, indexes and scalars of pandas, without importing it."""

from __future__ import annotations

from typing import Any

import numpy as np

from scutoid.store.keys._arrays import encode_array
from scutoid.store.keys._attributes import attributes_of
from scutoid.store.keys._tagged import Encodes, tagged

_PLAIN_KINDS = "biufcmM"
_OWN_NAMES = frozenset(("_attrs", "_flags", "_name", "_id", "_cache"))
_SCALARS = ("NAType", "NaTType", "Timestamp", "Timedelta", "Period", "Interval")


def is_pandas(value: object) -> bool:
    """Whether a value is a DataFrame or a Series, or of a class derived from them."""
    is_derived = any(map(_is_from_pandas, type(value).__mro__))
    return is_derived and hasattr(value, "index") and hasattr(value, "iloc")


def is_index(value: object) -> bool:
    """Whether a value is an index, which has labels and no rows."""
    return _is_from_pandas(type(value)) and hasattr(value, "get_indexer")


def is_scalar(value: object) -> bool:
    """Whether a value is a time, a period, an interval or the missing value of pandas."""
    return type(value).__name__ in _SCALARS and _is_from_pandas(type(value))


def _is_from_pandas(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "pandas"


def encode_table(encoder: Encodes, value: Any, where: str) -> bytes:
    """Encode a DataFrame or Series: its class, columns, index, and what rides on it."""
    if value.ndim == 1:
        parts = [encoder.encode(value.name, where), _column(encoder, value, where)]
        labels = [value.index]
    else:
        parts = [
            tagged("", encoder.encode(name, where), _column(encoder, column, f"{where}[{name!r}]"))
            for name, column in value.items()
        ]
        labels = [value.index, value.columns]
    parts += [encode_index(encoder, label, f"{where}.index") for label in labels]
    riding = _riding(encoder, value, where)
    return tagged("table", encoder.code(type(value), where), *parts, *riding)


def encode_index(encoder: Encodes, value: Any, where: str) -> bytes:
    """Encode an index: its class, names and labels."""
    kind = encoder.code(type(value), where)
    names = encoder.encode(list(value.names), where)
    freq = str(getattr(value, "freqstr", None)).encode()
    if value.nlevels == 1:
        return tagged("index", kind, names, freq, _column(encoder, value, where))
    levels = [
        tagged("", encode_index(encoder, level, where), encode_array(encoder, np.asarray(code), ""))
        for level, code in zip(value.levels, value.codes, strict=True)
    ]
    return tagged("index", kind, names, *levels)


def _column(encoder: Encodes, column: Any, where: str) -> bytes:
    dtype = repr(column.dtype).encode()
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in _PLAIN_KINDS:
        return tagged("column", dtype, encode_array(encoder, column.to_numpy(), where))
    if column.dtype.kind == "M":  # with a time zone: the same instants, as numpy has them
        instants = column.to_numpy(dtype=f"datetime64[{column.dtype.unit}]")
        zone = encoder.lenient(column.dtype.tz, f"{where}.tz")
        return tagged("column", dtype, encode_array(encoder, instants, where), zone)
    if str(column.dtype) == "category":
        codes = np.asarray(column.array.codes)
        labels = encode_index(encoder, column.array.categories, where)
        ordered = bytes([column.array.ordered])
        return tagged("categories", ordered, encode_array(encoder, codes, where), labels)
    return tagged("column", dtype, encoder.items("list", column.tolist(), where))


def _riding(encoder: Encodes, value: Any, where: str) -> list[bytes]:
    """Encode `attrs`, flags, what a derived class names as its own, and attributes set later."""
    left_out = _OWN_NAMES | getattr(value, "_internal_names_set", set())
    held = attributes_of(value, without=left_out)
    for name in getattr(value, "_metadata", ()):
        if hasattr(value, name):
            held.setdefault(name, getattr(value, name))
    held.pop("_name", None)
    riding = [tagged(name, encoder.lenient(item, f"{where}.{name}")) for name, item in held.items()]
    if value.attrs:
        riding.append(tagged("attrs", encoder.lenient(dict(value.attrs), f"{where}.attrs")))
    if not value.flags.allows_duplicate_labels:
        riding.append(b"no duplicate labels")
    return riding


def encode_scalar(encoder: Encodes, value: Any, where: str) -> bytes:
    """Encode a time, a period, an interval or the missing value."""
    held: list[object] = [str(value)]
    for name in ("unit", "fold", "freqstr", "left", "right", "closed"):
        item = getattr(value, name, None)
        if isinstance(item, (str, int, float)) or type(item).__module__ == "numpy":
            held.append((name, item))
        elif item is not None and is_scalar(item):
            held.append((name, str(item), getattr(item, "unit", None)))
    zone = getattr(value, "tzinfo", None)
    parts = [encoder.encode(item, where) for item in held]
    if zone is not None:
        parts.append(encoder.lenient(zone, f"{where}.tzinfo"))
    return tagged(type(value).__name__, *parts)
