"""Encode objects of installed classes by what pickle would keep of them."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import numpy as np

from scutoid.store.keys._attributes import is_in_python, without_worked_out
from scutoid.store.keys._file_names import file_names_in
from scutoid.store.keys._tagged import Encodes, refuse, tagged

_USED_UP = (Iterator, io.IOBase, random.Random)
"""What changes by being used, so that its state says nothing of the next run."""


def encode_pickled(encoder: Encodes, value: object, where: str) -> bytes:
    """Encode an object of a class that is written in Python by its state; refuse all others.

    Text in the state that names a file counts as text, which is noted.

    Raises
    ------
    ParameterError
        If it is compiled, changes by being used, or cannot be pickled.
    """
    kind = type(value)
    # numpy loads its random numbers when they are first named
    used_up = (*_USED_UP, np.random.RandomState, np.random.Generator)
    if isinstance(value, used_up) or not is_in_python(kind):
        return refuse(value, where)
    try:
        reduced = value.__reduce_ex__(2)
    except Exception:  # noqa: BLE001  # whatever the class raises
        return refuse(value, where)
    if not isinstance(reduced, tuple):
        return tagged("named", encoder.code(kind, where), str(reduced).encode())
    for text in file_names_in(reduced[1:]):
        encoder.note(f"file {text!r} (named in {where})")
    parts = [encoder.code(kind, where)]
    for number, item in enumerate(reduced):
        part = list(item) if number > 2 and item is not None else item
        part = without_worked_out(kind, part) if isinstance(part, dict) else part
        parts.append(encoder.encode(part, where))
    return tagged("pickled", *parts)
