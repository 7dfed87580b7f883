"""Arguments that a call may change in place: each call of a step's function gets its own.

A parameter, a table, a list or a result of another step is one object for all blocks of a step that
a worker computes, for the trial call before them and for a block that is tried again; in the user's
own process it is the user's object.  What one call changes in it must not be seen by another::

    {"factor": 5} --+-- own --> trial call
                    +-- own --> block 0
                    +-- own --> block 0, tried again
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import decimal
import enum
import fractions
import pickle
import sys
import types
import uuid
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import StepError

LARGEST_COPY = 2**20
"""Bytes of an array up to which a call gets a copy; of a larger one it gets a read-only view."""

_READ_ONLY = "read-only"
"""What numpy, and extensions that ask for a buffer to write to, say of such a view."""


class ReadWhenAsked:
    """Marks a mapping of results that reads, or copies, each anew whenever it is asked for."""

    __slots__ = ()


_IMMUTABLE = (
    int,
    float,
    complex,
    str,
    bytes,
    range,
    slice,
    type,
    types.NoneType,
    types.EllipsisType,
    types.FunctionType,
    types.BuiltinFunctionType,
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
"""Types whose objects no call can change, or that give out nothing of their own."""


def is_table(value: object) -> bool:
    """Whether a value is a DataFrame; pandas is not imported to find out."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def own(value: Any) -> Any:
    """Return a value that a call may change in place without anyone else seeing it.

    What cannot be changed is returned as it is.  Arrays of up to 1 MiB are copied, also within
    other objects; larger ones are views that cannot be written to, so that a change raises.

    Parameters
    ----------
    value : object
        Whatever a step is given whole.

    Examples
    --------
    >>> options = {"factor": 5}
    >>> own(options).pop("factor"), options
    (5, {'factor': 5})
    """
    if isinstance(value, _IMMUTABLE):
        return value
    kind = type(value)
    if kind is tuple:
        items = tuple(own(item) for item in value)
        unchanged = all(mine is given for mine, given in zip(items, value, strict=True))
        return value if unchanged else items
    if kind is list:
        return [own(item) for item in value]
    if kind is dict:
        return {key: own(item) for key, item in value.items()}
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return _own_array(value)
    if is_table(value):
        return value.copy()
    return value if _has_no_state(value) else _own_object(value)


def own_all(params: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters by name, each as `own` gives it."""
    return {name: own(value) for name, value in params.items()}


def _own_array(array: NDArray[Any]) -> NDArray[Any]:
    """Copy a small array; of a large one, return a view that cannot be written to."""
    if array.nbytes <= LARGEST_COPY:
        return array.copy("K")
    view = array.view()
    view.flags.writeable = False
    return view


def _has_no_state(value: object) -> bool:
    """Whether an object is all that its class says, such as one that stands for "not given"."""
    kind = type(value)
    is_plain = kind.__reduce_ex__ is object.__reduce_ex__ and kind.__reduce__ is object.__reduce__
    is_container = isinstance(value, (list, dict, set, frozenset, tuple, bytearray))
    return is_plain and not is_container and value.__getstate__() is None


def _own_object(value: Any) -> Any:
    """Copy an object with all that it holds; large arrays in it are shared, and read-only."""
    large: list[pickle.PickleBuffer] = []

    def is_copied(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes <= LARGEST_COPY:
            return True
        large.append(buffer)
        return False

    try:
        copied = pickle.dumps(value, protocol=5, buffer_callback=is_copied)
        return pickle.loads(copied, buffers=[buffer.raw().toreadonly() for buffer in large])
    except Exception:  # noqa: BLE001 - what pickle cannot carry says so in many ways
        with contextlib.suppress(Exception):  # what nothing can copy holds what the system owns
            return copy.deepcopy(value)
        return value


@contextlib.contextmanager
def told_of_read_only(label: str) -> Iterator[None]:
    """Say of a failed write to a large array of the step's arguments what it was, and where.

    Raises
    ------
    StepError
        Instead of the ValueError that numpy raises.
    """
    try:
        yield
    except ValueError as error:
        if _READ_ONLY not in str(error):
            raise
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = "" if trace is None else f", {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        raise StepError(
            f"an array of more than {LARGEST_COPY // 2**20} MiB that a step is given whole "
            "is the same for all calls, and cannot be written to",
            value=str(error),
            place=f"step {label!r}{place}",
            remedy="work on a copy: array = array.copy()",
        ) from error
