"""Turn small arrays and tables into bytes, which the results of single blocks are packed from.

::

    | magic, 8 | header length u32 | header, JSON | array | array | ...
      header: one entry an array: name, type, shape, codec, length in bytes as stored

Nothing here has a checksum: whoever keeps the bytes (a `Pack`, a file with a digest) has one.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scutoid.errors import ParameterError
from scutoid.free_memory import free_memory
from scutoid.store._columns import (
    check_attributes,
    check_nested,
    is_nested,
    is_of_objects,
    typed_column,
)
from scutoid.store._damage import reading
from scutoid.texts import parse_json
from scutoid.zstd import compress, decompress_into

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MAGIC = b"scutarr1"
_HEAD = struct.Struct("<8sI")
_MIN_COMPRESSED = 1024
_KIND = "set of arrays"
_DENSE = json.JSONEncoder(separators=(",", ":"))
"""Makes headers; json.dumps would make an encoder for each."""
_SMALL = 2**26
"""Bytes of an array that is made without a look at the memory that is free."""
_OTHER_ERRORS = (TypeError, ValueError, OverflowError)
"""Of Arrow, beside its own."""
PLAIN_KINDS = "biufcmMSUV"
"""Letters of the kinds of arrays whose bytes are all there is: no Python objects."""


def bytes_of_arrays(arrays: Mapping[str, ArrayLike]) -> bytes:
    """Pack small arrays, compressed where that pays.

    Parameters
    ----------
    arrays : mapping of str to array-like
        Arrays of any shape and of any type but object.

    Raises
    ------
    ParameterError
        If a name is not text, or an array holds Python objects.

    Examples
    --------
    >>> packed = bytes_of_arrays({"faces": np.arange(3), "n": 7})
    >>> arrays_of_bytes(packed)["faces"]
    array([0, 1, 2])
    """
    header, contents = [], []
    for name, item in arrays.items():
        array = np.asarray(item)
        is_masked = isinstance(item, np.ma.MaskedArray)  # its mask would be lost
        if array.dtype.kind not in PLAIN_KINDS or array.dtype.hasobject or is_masked:
            raise ParameterError(
                "parts are named arrays of numbers, dates or text of fixed length",
                value=f"{name!r}: {'masked ' if is_masked else ''}{array.dtype}",
                remedy="convert it with np.asarray(..., dtype=...), or return a table",
            )
        codec, content = _compressed(np.ascontiguousarray(array))
        descr = np.lib.format.dtype_to_descr(array.dtype)
        header.append([name, descr, array.shape, codec, len(content)])
        contents.append(content)
    head = _DENSE.encode(header).encode()
    return b"".join((_HEAD.pack(_MAGIC, len(head)), head, *contents))


def arrays_of_bytes(packed: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays that `bytes_of_arrays` packed; they can be written to.

    Raises
    ------
    DamagedResult
        If the bytes are not what `bytes_of_arrays` makes.
    """
    return dict(PackedArrays(packed))


class PackedArrays(Mapping[str, NDArray[Any]]):
    """The arrays that `bytes_of_arrays` packed, each unpacked when it is asked for.

    Parameters
    ----------
    packed : bytes

    Raises
    ------
    DamagedResult
        If the bytes are not what `bytes_of_arrays` makes; of an array, when it is asked for.
    """

    def __init__(self, packed: bytes) -> None:
        self._stored: dict[str, tuple[memoryview, str, np.dtype[Any], tuple[int, ...]]] = {}
        with reading(_KIND):
            magic, length = _HEAD.unpack_from(packed)
            if magic != _MAGIC:
                raise ValueError(f"begins with {magic!r}")
            at = _HEAD.size + length
            view = memoryview(packed)
            for name, descr, shape, codec, size in parse_json(packed[_HEAD.size : at]):
                dtype = np.lib.format.descr_to_dtype(_descr(descr))
                self._stored[name] = (view[at : at + size], codec, dtype, tuple(shape))
                at += size

    def __getitem__(self, name: str) -> NDArray[Any]:
        stored = self._stored[name]
        with reading(_KIND):
            return _decompressed(*stored)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


def _descr(descr: object) -> Any:
    """Undo what JSON did to the description of a structured type: it made lists of tuples."""
    if isinstance(descr, list):
        return [(field[0], _descr(field[1]), *map(tuple, field[2:])) for field in descr]
    return descr


def _compressed(array: NDArray[Any]) -> tuple[str, bytes]:
    raw = array.tobytes()
    if len(raw) < _MIN_COMPRESSED:
        return "raw", raw
    content = compress(raw, 1)
    return ("zstd", content) if len(content) < 0.9 * len(raw) else ("raw", raw)


def _decompressed(
    content: memoryview, codec: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes > _SMALL and nbytes > free_memory():
        raise MemoryError(f"{nbytes} bytes, for an array of shape {shape}")
    if codec == "zstd":
        array = np.zeros(shape, dtype)
        decompress_into(content, array)
        return array
    if codec != "raw":
        raise ValueError(f"unknown codec {codec!r}")
    array = np.empty(shape, dtype)
    if array.nbytes:
        array[...] = np.frombuffer(content, dtype).reshape(shape)
    return array


def bytes_of_table(table: pd.DataFrame) -> bytes:
    """Pack a table as a compressed Arrow stream, with the types of its columns and its index.

    Raises
    ------
    ParameterError
        If a column holds values that Arrow has no type for.
    """
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    arrow = arrow_of_table(table)
    options = pa.ipc.IpcWriteOptions(compression="zstd" if table.size > _MIN_COMPRESSED else None)
    with pa.ipc.new_stream(sink, arrow.schema, options=options) as writer:
        writer.write_table(arrow)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def table_of_bytes(packed: bytes) -> pd.DataFrame:
    """Return the table that `bytes_of_table` packed.

    Raises
    ------
    DamagedResult
        If the bytes are not an Arrow stream.
    """
    import pyarrow as pa

    with reading("table"), pa.ipc.open_stream(packed) as reader:
        return table_of_arrow(reader.read_all())


def table_of_arrow(arrow: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as one of pandas; integers with missing ones stay integers."""
    import pyarrow as pa

    nullable = {
        field.name: f"{'UI' if pa.types.is_unsigned_integer(field.type) else 'I'}nt"
        f"{field.type.bit_width}"
        for number, field in enumerate(arrow.schema)
        if pa.types.is_integer(field.type) and arrow.column(number).null_count
    }
    table: pd.DataFrame = arrow.to_pandas(integer_object_nulls=True)  # in lists, too
    return table.astype({k: v for k, v in nullable.items() if k in table.columns})


def arrow_of_table(table: pd.DataFrame) -> pa.Table:
    """Return a table as an Arrow table.

    Raises
    ------
    ParameterError
        If a column holds values that Arrow has no type for, or an attribute of the table is not
        plain; it is named.
    """
    import pyarrow as pa

    check_attributes(table)
    if not table.columns.is_unique or not all(isinstance(name, str) for name in table.columns):
        raise ParameterError(
            "columns have names that are text and differ",
            value=list(table.columns),
            remedy="rename them: table.columns = [...]",
        )
    names = [name for name in table.columns if is_of_objects(table[name])]
    table = table.assign(**{name: typed_column(table[name], name) for name in names})
    try:
        arrow = pa.Table.from_pandas(table)
    except (pa.ArrowException, *_OTHER_ERRORS) as error:
        raise ParameterError(
            "the values of a column are of one type that Arrow knows",
            value=str(error),
            place=f"column {_unknown_column(table)!r} of a table",
            remedy="convert the column with astype, or write it as text",
        ) from error
    for name in filter(lambda name: is_nested(table[name]), names):
        check_nested(table[name], arrow.column(name).to_pylist(), name)
    return arrow


def _unknown_column(table: pd.DataFrame) -> object:
    """Return the name of the first column that Arrow has no type for."""
    import pyarrow as pa

    for name in table.columns:
        try:
            pa.Table.from_pandas(table[[name]], preserve_index=False)
        except (pa.ArrowException, *_OTHER_ERRORS):
            return name
    return table.index.name
