"""Describe a value in a few words."""

from __future__ import annotations

import enum
import functools
from pathlib import PurePath

import numpy as np

from scutoid.store.keys._tables import is_pandas

_TEXT_LIMIT = 60


def describe(value: object) -> str:
    """Describe a value in a few words, for people.

    Examples
    --------
    >>> describe(2.0), describe(np.zeros((2, 3)))
    ('2.0', 'array (2, 3) float64')
    """
    if isinstance(value, np.ndarray) and value.ndim:
        return f"array {value.shape} {value.dtype}"
    if is_pandas(value):
        return f"{type(value).__name__} {getattr(value, 'shape', '')}"
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, functools.partial):
        return f"partial of {describe(value.func)}"
    if callable(value) and hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    text = repr(value)
    return text if len(text) <= _TEXT_LIMIT else f"{text[: _TEXT_LIMIT - 1]}…"
