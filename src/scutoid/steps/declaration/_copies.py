"""Copies of values, of which a function may change what it likes.

A value is taken apart as pickle does it, without a change of what cannot be copied or need not be::

    Settings --+-- list, dict, attributes    copied
               +-- a large array             a view that cannot be written to
               +-- a function, a class       the same object
               +-- a lock, an open file      the same object: nothing can copy them
"""

from __future__ import annotations

import contextlib
import copy
import copyreg
import datetime as dt
import decimal
import enum
import fractions
import io
import pickle
import sys
import types
import uuid
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ReadWhenAsked:
    """Marks a mapping of results that reads, or copies, each anew whenever it is asked for."""

    __slots__ = ()


_ATOMS = frozenset(
    (int, float, complex, bool, str, bytes, range, slice, types.NoneType, types.EllipsisType)
)
"""Types whose objects no call can change; one derived from them may have attributes."""

_IMMUTABLE = (
    type,
    types.FunctionType,
    types.ModuleType,
    np.generic,
    np.dtype,
    np.ufunc,
    PurePath,
    enum.Enum,
    fractions.Fraction,
    decimal.Decimal,
    dt.date,
    dt.time,
    dt.timedelta,
    uuid.UUID,
    ReadWhenAsked,
)
"""Types whose objects, and those of types derived from them, are one for all calls."""


def is_table(value: object) -> bool:
    """Whether a value is a DataFrame; pandas is not imported to find out."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def copied(value: Any, limit: int) -> Any:
    """Copy a value; its arrays of more than `limit` bytes are views that cannot be written to."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is tuple:
        items = tuple(copied(item, limit) for item in value)
        unchanged = all(mine is given for mine, given in zip(items, value, strict=True))
        return value if unchanged else items
    if kind is list:
        return [copied(item, limit) for item in value]
    if kind is dict:
        return {key: copied(item, limit) for key, item in value.items()}
    if _is_one_for_all(value):
        return value
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return _copied_array(value, limit)
    if is_table(value):
        return _copied_table(value, limit)
    return _copied_object(value, limit)


def _is_one_for_all(value: object) -> bool:
    """Whether an object is the same for all calls: it cannot be changed, or is no argument's own.

    An object without any state is, such as one that stands for "not given" and is compared by
    ``is``; so are functions of extensions, but not methods that are bound to what can be changed.
    """
    if isinstance(value, _IMMUTABLE):
        return not isinstance(value, np.void)
    if isinstance(value, types.BuiltinFunctionType):
        return value.__self__ is None or isinstance(value.__self__, (types.ModuleType, type))
    if not _is_copied_plainly(type(value)):
        return False
    try:
        return _has_no_state(value.__reduce_ex__(5))
    except Exception:  # noqa: BLE001 - what cannot be copied says so in many ways
        return False


def _is_copied_plainly(kind: Any) -> bool:
    """Whether objects of a class are copied by their attributes, slots and items alone."""
    return (
        kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and kind not in copyreg.dispatch_table
    )


def _has_no_state(reduced: Any) -> bool:
    """Whether an object that is copied plainly is all that its class says."""
    return len(reduced[1]) == 1 and not any(item is not None for item in reduced[2:])


def _copied_array(array: NDArray[Any], limit: int) -> NDArray[Any]:
    """Copy a small array, and the attributes of a type derived from arrays, each as its own.

    Of a large one it is a view that cannot be written to.
    """
    if array.nbytes <= limit:
        mine = array.copy("K")
    else:
        mine = array.view()
        mine.flags.writeable = False
        if isinstance(mine, np.ma.MaskedArray):
            mine.unshare_mask()
    if type(array) is not np.ndarray:
        for name, attribute in getattr(array, "__dict__", {}).items():
            if not isinstance(attribute, np.ndarray):  # of a masked array, its mask
                mine.__dict__[name] = copied(attribute, limit)
    return mine


def _copied_table(table: Any, limit: int) -> Any:
    """Copy a table, and what its cells hold, which pandas leaves as it is."""
    mine = table.copy()
    for place, dtype in enumerate(table.dtypes):
        if dtype.kind == "O" and isinstance(dtype, np.dtype):
            column = table.iloc[:, place]
            cells = [copied(cell, limit) for cell in column]
            if any(cell is not given for cell, given in zip(cells, column, strict=True)):
                mine.isetitem(place, _of_cells(cells))
    return mine


def _of_cells(cells: list[Any]) -> NDArray[Any]:
    """Return an array of objects, also where these have a length."""
    array = np.empty(len(cells), object)
    for place, cell in enumerate(cells):
        array[place] = cell
    return array


def _shared(place: int) -> object:
    """Stands, in a copied object, for what is not copied; see `_Pickler`."""
    raise NotImplementedError(place)


class _Pickler(pickle.Pickler):
    """Takes an object apart into what is copied, and what is the same for all calls.

    Parameters
    ----------
    limit : int
        Bytes of an array up to which it is copied.
    """

    def __init__(self, limit: int) -> None:
        self.stream = io.BytesIO()
        self.large: list[pickle.PickleBuffer] = []
        self.shared: list[object] = []
        self._limit = limit
        self._plain: dict[type, bool] = {}
        self._memo: dict[int, Any] = {}
        super().__init__(self.stream, protocol=5, buffer_callback=self._is_copied)

    def _is_copied(self, buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes <= self._limit:
            return True
        self.large.append(buffer)
        return False

    def reducer_override(self, value: Any) -> Any:
        """Say how to copy one object of those that a value holds, numbers and text apart."""
        kind = type(value)
        is_plain = self._plain.get(kind)
        if is_plain is None:
            if value is _shared or kind is np.ndarray:
                return NotImplemented
            if _is_one_for_all(value):
                return self._share(value)
            if isinstance(value, np.ndarray):
                if value.dtype.hasobject:
                    return NotImplemented
                return self._share(_copied_array(value, self._limit))
            if is_table(value):
                return self._share(_copied_table(value, self._limit))
            is_plain = self._plain[kind] = _is_copied_plainly(kind) and not _copies_itself(kind)
        if not is_plain and _copies_itself(kind):
            with contextlib.suppress(Exception):  # some of its objects it may not copy
                return self._share(copy.deepcopy(value, self._memo))
        try:
            if is_plain:
                reduced = value.__reduce_ex__(5)
                return self._share(value) if _has_no_state(reduced) else reduced
            reduce = copyreg.dispatch_table.get(kind)
            reduced = value.__reduce_ex__(5) if reduce is None else reduce(value)
        except Exception:  # noqa: BLE001 - what cannot be copied says so in many ways
            return self._share(value)
        return self._share(value) if isinstance(reduced, str) else reduced

    def _share(self, value: object) -> tuple[object, tuple[int]]:
        self.shared.append(value)
        return _shared, (len(self.shared) - 1,)


class _Unpickler(pickle.Unpickler):
    """Puts a copy together."""

    def __init__(self, taken: _Pickler) -> None:
        buffers = [buffer.raw().toreadonly() for buffer in taken.large]
        super().__init__(io.BytesIO(taken.stream.getvalue()), buffers=buffers)
        self._taken = taken

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for shared objects, or the global of a name."""
        if (module, name) == (__name__, _shared.__name__):
            return self._taken.shared.__getitem__
        return super().find_class(module, name)


def _copies_itself(kind: type) -> bool:
    """Whether a class says how it is copied within a process, such as a quantity with a unit."""
    return hasattr(kind, "__deepcopy__") and kind.__module__.partition(".")[0] != "pandas"


def _copied_object(value: Any, limit: int) -> Any:
    """Copy an object with all that it holds; what cannot be copied is shared, such as a lock."""
    try:
        taken = _Pickler(limit)
        taken.dump(value)
        return _Unpickler(taken).load()
    except Exception:  # noqa: BLE001 - what pickle cannot carry says so in many ways
        with contextlib.suppress(Exception):  # what nothing can copy holds what the system owns
            return copy.deepcopy(value)
        return value
