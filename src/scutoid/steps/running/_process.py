"""What the record of a run says of the process that drives it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of a unit of `ru_maxrss`."""


def command_of_process() -> tuple[str, ...]:
    """Return the command by which a user began this process; none of a notebook or a prompt.

    A package that was run by ``python -m`` has the path of its ``__main__.py`` for its first word.
    """
    words = tuple(sys.argv)
    if words and Path(words[0]).name == "__main__.py":
        spec = sys.modules["__main__"].__spec__
        if spec is not None:
            return ("python", "-m", spec.name.removesuffix(".__main__"), *words[1:])
    if not words or not words[0] or words[0] == "-c" or "ipykernel" in Path(words[0]).name:
        return ()
    return () if Path(words[0]).parent.name.startswith("ipykernel") else words


def memory_of_process() -> int:
    """Return the bytes that this process, or one that it started and that ended, took at most."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) * _UNIT
