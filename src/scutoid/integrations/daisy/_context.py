"""What a worker is told by its run, in one variable of its environment."""

from __future__ import annotations

import os
from urllib.parse import quote, unquote

CONTEXT_VARIABLE = "DAISY_CONTEXT"


class Context(dict[str, str]):
    """Options of a worker: its task, its number, its log folder.

    Examples
    --------
    >>> Context(task_id="smooth", logdir="logs").to_env()
    'task_id=smooth:logdir=logs'
    """

    ENV_VARIABLE = CONTEXT_VARIABLE

    @staticmethod
    def from_env() -> Context:
        """Read a context from the environment; an empty one where there is none."""
        return Context.here()

    @staticmethod
    def here() -> Context:
        """The context of this worker; an empty one where there is none."""
        text = os.environ.get(CONTEXT_VARIABLE, "")
        pairs = (pair.split("=", 1) for pair in text.split(":") if "=" in pair)
        return Context((unquote(name), unquote(value)) for name, value in pairs)

    def to_env(self) -> str:
        """Format the context for the environment; `from_env` reads any names and values back."""
        return ":".join(f"{_written(name)}={_written(value)}" for name, value in self.items())

    def copy(self) -> Context:
        """Another context with the same options."""
        return Context(self)


def _written(value: object) -> str:
    return quote(str(value), safe="/ ,;@+")
