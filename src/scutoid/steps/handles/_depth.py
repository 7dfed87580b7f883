"""The depth of a pipeline: as many steps, one upon the other, as Python calls itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scutoid.errors import PipelineError


@contextmanager
def refusing_depth() -> Iterator[None]:
    """Say of a pipeline that is too deep for Python what to do about it.

    Raises
    ------
    PipelineError
        Instead of a RecursionError.
    """
    try:
        yield
    except RecursionError:
        raise PipelineError(
            "steps are some hundred deep at most, one upon the other",
            value="more than Python's recursion limit allows",
            place="reading or planning a result",
            remedy="run a part of them into a store and go on from there, or join many images in "
            "one step, such as sc.project of sc.concatenate",
        ) from None
