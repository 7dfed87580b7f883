"""Formats of tables and values: open ones, each by a name and an ending; never pickle."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scutoid.errors import DamagedResult, ParameterError
from scutoid.store._durable import replacing, write_file
from scutoid.store._parts import PLAIN_KINDS, arrow_of_table


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of value is written and read."""

    name: str
    """Such as "parquet"."""
    suffix: str
    """Ending of its files."""
    accepts: Callable[[object], bool]
    """Whether it can hold a value."""
    save: Callable[[Any, Path], None]
    """Writes a value to a path: beside it, synced and renamed."""
    load: Callable[[Path], Any]
    """Reads it back as it was."""


def _is_table(value: object) -> bool:
    return type(value).__name__ == "DataFrame" and hasattr(value, "columns")


def _save_parquet(value: Any, path: Path) -> None:
    import pyarrow.parquet as pq

    table = arrow_of_table(value)
    with replacing(path) as beside:
        pq.write_table(table, beside, compression="zstd")


def _load_parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return file.read().to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise DamagedResult(
            "a stored table can be read",
            value=str(error)[:300],
            place=str(path),
            remedy="run again: it is made anew",
        ) from error


def _save_csv(value: Any, path: Path) -> None:
    write_file(path, value.to_csv(index=False).encode())


def _load_csv(path: Path) -> Any:
    import pandas as pd

    return pd.read_csv(path)


_TAG = "__scutoid__"
_MAX_JSON_ARRAY = 1000
_MAX_ITEM = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}
"""Bytes of the widest numbers that Python's own hold exactly, by numpy's letter of the kind."""


def _is_json(value: object) -> bool:
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        return not isinstance(value, enum.Enum)
    if isinstance(value, (np.bool_, np.number)):
        return value.dtype.kind in "biufc" and value.dtype.itemsize <= _MAX_ITEM[value.dtype.kind]
    if isinstance(value, (list, tuple)):
        return all(_is_json(item) for item in value)
    if isinstance(value, np.ndarray):
        is_plain = type(value) is np.ndarray and value.dtype.kind in "biuf"
        is_small = value.size <= _MAX_JSON_ARRAY and value.dtype.itemsize <= _MAX_ITEM["f"]
        return is_plain and is_small
    if isinstance(value, Mapping):
        return all(_is_json(item) for pair in value.items() for item in pair)
    return False


def _to_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        if all(type(name) is str and name != _TAG for name in value):
            return {name: _to_json(item) for name, item in value.items()}
        return {_TAG: "dict", "items": [[_to_json(k), _to_json(v)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {_TAG: "tuple", "items": [_to_json(item) for item in value]}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, np.ndarray):
        items = [_to_json(item) for item in value.ravel().tolist()]
        return {_TAG: "array", "dtype": value.dtype.str, "shape": list(value.shape), "items": items}
    if isinstance(value, (np.bool_, np.number)):
        return {_TAG: "scalar", "dtype": value.dtype.str, "item": _to_json(value.item())}
    if isinstance(value, complex):
        return {_TAG: "complex", "items": [_to_json(value.real), _to_json(value.imag)]}
    if isinstance(value, float) and not math.isfinite(value):
        return {_TAG: "float", "text": repr(value)}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    tag = value.get(_TAG)
    if tag is None:
        return {name: _from_json(item) for name, item in value.items()}
    if tag == "dict":
        return {_from_json(name): _from_json(item) for name, item in value["items"]}
    if tag == "tuple":
        return tuple(_from_json(item) for item in value["items"])
    if tag == "array":
        items = [_from_json(item) for item in value["items"]]
        return np.array(items, np.dtype(value["dtype"])).reshape(value["shape"])
    if tag == "scalar":
        return np.dtype(value["dtype"]).type(_from_json(value["item"]))
    if tag == "complex":
        return complex(*map(_from_json, value["items"]))
    return float(value["text"])


def _save_json(value: Any, path: Path) -> None:
    write_file(path, (json.dumps(_to_json(value), indent=1, allow_nan=False) + "\n").encode())


def _load_json(path: Path) -> Any:
    try:
        return _from_json(json.loads(path.read_bytes()))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedResult(
            "a stored value can be read",
            value=str(error),
            place=str(path),
            remedy="run again: it is made anew",
        ) from error


def _is_plain_array(value: object) -> bool:
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        return False
    return value.dtype.kind in PLAIN_KINDS and not value.dtype.hasobject


class _Stream:
    """A file that numpy writes piece by piece, so that a full disk is told with its error code."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def _save_npy(value: Any, path: Path) -> None:
    with replacing(path) as beside, beside.open("wb") as file:
        np.lib.format.write_array(_Stream(file), value, allow_pickle=False)


def _load_npy(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DamagedResult(
            "a stored array can be read",
            value=str(error),
            place=str(path),
            remedy="run again: it is made anew",
        ) from error


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format("parquet", ".parquet", _is_table, _save_parquet, _load_parquet),
        Format("json", ".json", _is_json, _save_json, _load_json),
        Format(
            "npy",
            ".npy",
            _is_plain_array,
            _save_npy,
            _load_npy,
        ),
        Format("csv", ".csv", _is_table, _save_csv, _load_csv),
    )
}
"""Formats by name; the first that accepts a value is chosen."""


def installed_formats() -> dict[str, Format]:
    """Return the formats of other packages: entry points of the group "scutoid.formats"."""
    from importlib import metadata

    return {one.name: one.load() for one in metadata.entry_points(group="scutoid.formats")}


def _misfit(value: object) -> str:
    """Name the type that no format holds, and where in a list or dict it stands."""
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    for place, item in items:
        if not _is_json(item):
            return f"{type(value).__name__} with {_misfit(item)} at {place!r}"
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def choose_format(value: object, name: str | None = None) -> Format:
    """Return the format of a name, or the first that accepts a value.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if name is not None:
        known = FORMATS if name in FORMATS else {**installed_formats(), **FORMATS}
        if name not in known:
            raise ParameterError(f"a format is one of {', '.join(known)}", value=name)
        if not known[name].accepts(value):
            raise ParameterError(
                f"the format {name!r} holds what it is made for", value=type(value).__name__
            )
        return known[name]
    for one in FORMATS.values():
        if one.accepts(value):
            return one
    for one in installed_formats().values():
        if one.accepts(value):
            return one
    raise ParameterError(
        "a step returns tables, arrays, numbers, text, and lists and dicts of these",
        value=_misfit(value),
        remedy="return one of these, or out='files' and write files yourself",
    )
