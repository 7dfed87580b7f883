"""Store numbers, text, and lists and dicts of these as JSON; arrays as npy."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scutoid.store._durable import replacing, write_file
from scutoid.store._parts import PLAIN_KINDS
from scutoid.store.formats._damage import reading

_TAG = "__scutoid__"
_MAX_JSON_ARRAY = 1000
_MAX_ITEM = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}
"""Bytes of the widest numbers that Python's own hold exactly, by numpy's letter of the kind."""
_MAX_BITS = 14_000
"""Of a whole number: Python writes and reads at most 4300 digits."""
_MAX_HEADER = 2**20
"""Bytes: numpy reads up to 10,000 of them, which a type of many fields exceeds."""


def is_json(value: object) -> bool:
    """Whether JSON holds a value, with numpy's numbers and small arrays among the items."""
    if isinstance(value, int) and not isinstance(value, enum.Enum):
        return value.bit_length() <= _MAX_BITS
    if value is None or isinstance(value, (float, complex, str)):
        return not isinstance(value, enum.Enum)
    if isinstance(value, (np.bool_, np.number)):
        return value.dtype.kind in "biufc" and value.dtype.itemsize <= _MAX_ITEM[value.dtype.kind]
    if isinstance(value, (list, tuple)):
        return all(is_json(item) for item in value)
    if isinstance(value, np.ndarray):
        is_plain = type(value) is np.ndarray and value.dtype.kind in "biuf"
        is_small = value.size <= _MAX_JSON_ARRAY and value.dtype.itemsize <= _MAX_ITEM["f"]
        return is_plain and is_small
    if isinstance(value, Mapping):
        return all(is_json(item) for pair in value.items() for item in pair)
    return False


def _to_json(value: object) -> object:
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


def save_json(value: object, path: Path) -> None:
    """Write a value as JSON; what JSON has no word for is a dict with a tag."""
    write_file(path, (json.dumps(_to_json(value), indent=1, allow_nan=False) + "\n").encode())


def load_json(path: Path) -> object:
    """Read a value back; the types of numbers, tuples and arrays as well."""
    with reading("value", path):
        content = path.read_bytes()
        if not content.endswith(b"\n"):  # 12 cut off is 1, which is JSON too
            raise ValueError("cut off")
        return _from_json(json.loads(content))


def is_plain_array(value: object) -> bool:
    """Whether an array is one of numbers, dates, text or fields, not of Python objects."""
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        return False
    return value.dtype.kind in PLAIN_KINDS and not value.dtype.hasobject


class _Stream:
    """A file that numpy writes piece by piece, so that a full disk is told with its error code."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def save_npy(value: NDArray[Any], path: Path) -> None:
    """Write an array as npy, piece by piece."""
    with replacing(path) as beside, beside.open("wb") as file:
        np.lib.format.write_array(_Stream(file), value, allow_pickle=False)


def load_npy(path: Path) -> NDArray[Any]:
    """Read an array back, if the file has the length that its header says."""
    with reading("array", path):
        # Mapped first: a damaged header may name a size that no memory holds.
        mapped = np.load(path, allow_pickle=False, mmap_mode="r", max_header_size=_MAX_HEADER)
        _check_length(mapped, path)
        array: NDArray[Any] = np.load(path, allow_pickle=False, max_header_size=_MAX_HEADER)
        return array


def _check_length(mapped: np.memmap[tuple[int, ...], np.dtype[Any]], path: Path) -> None:
    size, announced = path.stat().st_size, mapped.offset + mapped.nbytes
    if size != announced:
        raise ValueError(f"{size} bytes, its header names {announced}")
