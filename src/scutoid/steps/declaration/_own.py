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
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from scutoid.errors import StepError
from scutoid.steps.declaration._copies import copied

LARGEST_COPY = 2**20
"""Bytes of an array up to which a call gets a copy; of a larger one it gets a read-only view."""

_READ_ONLY = "read-only"
"""What numpy, and extensions that ask for a buffer to write to, say of such a view."""


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
    return copied(value, LARGEST_COPY)


def kept(value: Any) -> Any:
    """Return a copy of what a call returned, which what the call keeps of it does not change.

    It is like `own`, but arrays of any size are copied.
    """
    return copied(value, sys.maxsize)


def own_all(params: Mapping[str, object]) -> dict[str, Any]:
    """Return parameters by name, each as `own` gives it."""
    return {name: own(value) for name, value in params.items()}


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
            "a step does not write to an array that is read-only, as one of more than "
            f"{LARGEST_COPY // 2**20} MiB is that it is given whole: all calls have the same",
            value=str(error),
            place=f"step {label!r}{place}",
            remedy="work on a copy: array = array.copy()",
        ) from error
