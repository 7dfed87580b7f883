"""Encode arrays of numpy, their dtypes and their scalars."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from scutoid.store.keys._tagged import Encodes, name_of_type, tagged

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]

MASKED_NAMES = frozenset(
    (
        "_fill_value",
        "_hardmask",
        "_mask",
        "_sharedmask",
        "_isfield",
        "_basedict",
        "_optinfo",
        "_baseclass",
    )
)
"""What a masked array keeps of itself among its attributes."""
FILE_NAMES = frozenset(("_mmap", "filename", "offset", "mode"))
"""What a `numpy.memmap` keeps of its file, which counts by the values that were read from it."""


def encode_array(encoder: Encodes, value: Array, where: str) -> bytes:
    """Encode an array by its dtype, its shape, its values and the order of its axes in memory.

    Of a class derived from `numpy.ndarray` this is the content, without what the class adds.

    Parameters
    ----------
    encoder : Encoder
        Encodes what an array of objects holds.
    value : array
        Of any shape and dtype.
    where : str
        What it is called in errors.
    """
    value = np.ndarray.view(value, np.ndarray)
    shape = repr(tuple(map(int, value.shape))).encode()
    dtype = encode_dtype(encoder, value.dtype, where)
    layout = _layout(value)
    if value.dtype.hasobject or value.dtype.kind == "T":  # "T": text of any length
        items = encoder.items("list", value.ravel().tolist(), where)
        return tagged("objects", dtype, shape, items, *layout)
    return tagged("array", dtype, shape, _digest_of(value), *layout)


def encode_values(value: Array) -> bytes:
    """Encode the values of an image, whatever their order in memory and the order of their bytes.

    Its dtype is known from elsewhere.
    """
    shape = repr(tuple(map(int, value.shape))).encode()
    native = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
    return tagged("array", native.dtype.str.encode(), shape, _digest_of(native))


def encode_masked(encoder: Encodes, value: Any, where: str) -> bytes:
    """Encode a masked array: also what lies below the mask."""
    if value is np.ma.masked:  # it refuses to be asked for its fill value
        value = value.view(np.ma.MaskedArray)
    mask = np.ma.getmask(value)
    held = [np.ma.getdata(value, subok=False), np.asarray(mask), value.fill_value]
    parts = [encoder.encode(item, where) for item in held]
    flags = bytes([mask is np.ma.nomask, bool(value.hardmask)])
    optional = getattr(value, "_optinfo", None) or {}
    kinds = encoder.code(value.baseclass, where)
    return tagged("masked", *parts, flags, kinds, encoder.lenient(optional, f"{where}._optinfo"))


def encode_scalar(encoder: Encodes, value: Any, where: str) -> bytes:
    """Encode a scalar of numpy; all that are not a number are one."""
    if isinstance(value, np.floating) and np.isnan(value):
        return tagged("scalar", value.dtype.str.encode(), b"nan")
    content = encode_array(encoder, np.asarray(value), where)
    if isinstance(value, np.void):
        return tagged("scalar", name_of_type(value).encode(), content)
    return tagged("scalar", content)


def encode_dtype(encoder: Encodes, dtype: np.dtype[Any], where: str) -> bytes:
    """Encode a dtype: the order of its bytes, its fields with their places, what rides on it."""
    text = dtype.str.encode()
    if dtype.isbuiltin == 1 and dtype.metadata is None:
        return text
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        text = tagged("sub", encode_dtype(encoder, base, where), repr(shape).encode())
    elif dtype.fields is not None and dtype.names is not None:
        fields = [(name, dtype.fields[name]) for name in dtype.names]
        held = (
            tagged(
                name,
                encode_dtype(encoder, item[0], where),
                b"%d" % item[1],
                encoder.encode(item[2] if len(item) > 2 else None, where),
            )
            for name, item in fields
        )
        size = b"%d %d" % (dtype.itemsize, dtype.isalignedstruct)
        text = tagged("fields", size, dtype.type.__name__.encode(), *held)
    elif dtype.kind == "T":
        text = tagged("text", str(dtype).encode(), encoder.encode(_missing(dtype), where))
    elif dtype.type.__module__ != "numpy":
        text = tagged("dtype", text, f"{dtype.type.__module__}.{dtype.type.__qualname__}".encode())
    if dtype.metadata:
        riding = encoder.lenient(dict(dtype.metadata), f"{where}.dtype.metadata")
        return tagged("with", text, riding)
    return text


def _missing(dtype: np.dtype[Any]) -> object:
    """Return what stands for a missing text; a class of numpy where nothing does."""
    return getattr(dtype, "na_object", np.dtype)


def _layout(value: Array) -> list[bytes]:
    """Return in which order the axes lie in memory, where it is not that of C.

    Sums add up in that order, so their last digits depend on it.
    """
    if value.flags.c_contiguous:
        return []
    axes = [axis for axis in range(value.ndim) if value.shape[axis] > 1]
    laid = sorted(axes, key=lambda axis: -abs(value.strides[axis]))
    return [] if laid == axes else [repr(tuple(laid)).encode()]


def _digest_of(value: Array) -> bytes:
    if not value.dtype.itemsize or not value.size:
        return hashlib.sha256(b"").digest()
    whole = np.ascontiguousarray(_without_gaps(value) if _has_gaps(value.dtype) else value)
    return hashlib.sha256(whole.reshape(-1).view(np.uint8).data).digest()


def _has_gaps(dtype: np.dtype[Any]) -> bool:
    """Whether an element has bytes that hold nothing of its value, and so may be anything."""
    if dtype.subdtype is not None:
        return _has_gaps(dtype.subdtype[0])
    if dtype.names is None or dtype.fields is None:
        return dtype.type in (np.longdouble, np.clongdouble)
    fields = [dtype.fields[name][0] for name in dtype.names]
    return sum(item.itemsize for item in fields) != dtype.itemsize or any(map(_has_gaps, fields))


def _without_gaps(value: Array) -> Array:
    """Copy values into an array in which all bytes between them are zero."""
    if value.dtype.names is not None:
        copy = np.zeros(value.shape, value.dtype)
        for name in value.dtype.names:
            has_gaps = _has_gaps(value[name].dtype)
            copy[name] = _without_gaps(value[name]) if has_gaps else value[name]
        return copy
    numbers = np.array(value, value.dtype.newbyteorder("="), order="C")  # a copy
    pieces = numbers.reshape(-1).view(np.uint8).reshape(-1, np.dtype(np.longdouble).itemsize)
    pieces[:, _SIZE_OF_LONG_DOUBLE:] = 0
    return numbers


_SIZE_OF_LONG_DOUBLE = 10 if np.finfo(np.longdouble).nmant == 63 else 16
"""Bytes of a `numpy.longdouble` that hold its value; those of x86 are followed by others."""
