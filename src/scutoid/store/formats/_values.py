"""Store numbers, text, and lists and dicts of these as JSON; arrays as npy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scutoid.regular import read_regular
from scutoid.store._damage import reading
from scutoid.store._durable import replacing, write_file
from scutoid.store._plain import dict_of, is_plain_integer, name_of_dict
from scutoid.texts import json_text, parse_json

_TAG = "__scutoid__"
_MAX_JSON_ARRAY = 1000
_MAX_ITEM = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}
"""Bytes of the widest numbers that Python's own hold exactly, by numpy's letter of the kind."""
_MAX_HEADER = 2**20
"""Bytes: numpy reads up to 10,000 of them, which a type of many fields exceeds."""


def is_json(value: Any) -> bool:
    """Whether JSON holds a value, with numpy's numbers and small arrays among the items.

    Types that are derived from others are none of these, but for dicts of the standard library: a
    named tuple would come back as a tuple.
    """
    kind = type(value)
    if value is None or kind in (bool, float, complex, str, np.str_):
        return True
    if kind is int:
        return is_plain_integer(value)
    if isinstance(value, (np.bool_, np.number)):
        is_own = kind is value.dtype.type
        return is_own and value.dtype.itemsize <= _MAX_ITEM.get(value.dtype.kind, 0)
    if kind in (list, tuple):
        return all(is_json(item) for item in value)
    if kind is np.ndarray:
        is_small = value.size <= _MAX_JSON_ARRAY and value.dtype.itemsize <= _MAX_ITEM["f"]
        return is_small and value.dtype.kind in "biuf"
    if name_of_dict(value) is not None:
        return all(is_json(item) for pair in value.items() for item in pair)
    return False


def to_json(value: object) -> object:
    """Return a value that JSON holds (`is_json`) as it stands there."""
    if isinstance(value, dict):
        return _dict_to_json(value)
    if isinstance(value, tuple):
        return {_TAG: "tuple", "items": [to_json(item) for item in value]}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, np.ndarray):
        items = [to_json(item) for item in value.ravel().tolist()]
        return {_TAG: "array", "dtype": value.dtype.str, "shape": list(value.shape), "items": items}
    if isinstance(value, np.str_):
        return {_TAG: "scalar", "dtype": "<U0", "item": str.__str__(value)}
    if isinstance(value, (np.bool_, np.number)):
        return {_TAG: "scalar", "dtype": value.dtype.str, "item": to_json(value.item())}
    if isinstance(value, complex):
        return {_TAG: "complex", "items": [to_json(value.real), to_json(value.imag)]}
    if isinstance(value, float) and not math.isfinite(value):
        return {_TAG: "float", "text": repr(value)}
    return value


def _dict_to_json(value: dict[Any, Any]) -> object:
    name = name_of_dict(value)
    if name == "dict" and all(type(key) is str and key != _TAG for key in value):
        return {key: to_json(item) for key, item in value.items()}
    items = [[to_json(key), to_json(item)] for key, item in value.items()]
    tagged = {_TAG: "dict", "items": items}
    return tagged if name == "dict" else {**tagged, "type": name}


def from_json(value: Any) -> Any:
    """Return the value that stands in JSON, of the type that it had."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    tag = value.get(_TAG)
    if tag is None:
        return {name: from_json(item) for name, item in value.items()}
    if tag == "dict":
        pairs = {from_json(name): from_json(item) for name, item in value["items"]}
        return dict_of(value.get("type", "dict"), pairs)
    if tag == "tuple":
        return tuple(from_json(item) for item in value["items"])
    if tag == "array":
        items = [from_json(item) for item in value["items"]]
        return np.array(items, np.dtype(value["dtype"])).reshape(value["shape"])
    if tag == "scalar":
        return np.dtype(value["dtype"]).type(from_json(value["item"]))
    if tag == "complex":
        return complex(*map(from_json, value["items"]))
    return float(value["text"])


def save_json(value: object, path: Path) -> None:
    """Write a value as JSON; what JSON has no word for is a dict with a tag."""
    write_file(path, (json_text(to_json(value), allow_nan=False) + "\n").encode())


def load_json(path: Path) -> object:
    """Read a value back; the types of numbers, tuples and arrays as well."""
    with reading("value", path):
        content = read_regular(path)
        if not content.endswith(b"\n"):  # 12 cut off is 1, which is JSON too
            raise ValueError("cut off")
        return from_json(parse_json(content))


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
