"""What a step was declared to be, as far as its key asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol


class Spec(Protocol):
    """What a walk asks of the declaration of a step."""

    @property
    def name(self) -> str:
        """Name of the step."""

    @property
    def version(self) -> str | None:
        """Stands for the code of the step; None: the code counts."""

    @property
    def function(self) -> Callable[..., object]:
        """What is called on a block."""

    @property
    def merge(self) -> Callable[..., object] | None:
        """Joins the results of two blocks."""

    @property
    def finish(self) -> Callable[..., object] | None:
        """Makes the result of what was joined."""

    @property
    def setup(self) -> Mapping[str, object]:
        """Functions of its declaration that the result depends on."""


def spec_of_step(item: object) -> Spec | None:
    """Return what a step was declared to be; None for all else."""
    if type(item).__module__.partition(".")[0] == "scutoid":
        spec: Spec | None = getattr(item, "spec", None)
        return spec if hasattr(spec, "function") else None
    return None
