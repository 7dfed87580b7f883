"""What a call may set differently from what the decorator said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Literal, TypedDict

from scutoid.arrays import Storage
from scutoid.errors import ParameterError
from scutoid.steps.declaration._view_options import is_view


@dataclass(frozen=True, slots=True)
class Options:
    """What a call may set differently; names, storage and view stay out of the key."""

    name: str | None = None
    """Name in the store and in reports; default: the function's."""
    keep: bool | Literal["memory"] = True
    """Whether the result is stored."""
    storage: Storage = field(default_factory=Storage)
    """Format, chunks and compression of the stored result."""
    block: object = None
    """Block shape in voxels; default: chosen by the planner."""
    where: object = None
    """Which blocks run at all: regions, or a coarse mask; what lies outside stays zero."""
    join: Literal["equal", "inner"] = "equal"
    """What happens to collections of different keys: an error, or those keys that all have."""
    retries: int = 2
    """How often a failed block is tried again."""
    timeout: float | None = None
    """Seconds one block may take."""
    requires: Mapping[str, int] | None = None
    """Resources one block holds while it runs."""
    view: Mapping[str, object] | None = None
    """How the result is shown: arguments of the layers of viewers."""

    def __post_init__(self) -> None:
        for option, is_right, rule in (
            ("name", self.name != "", "a name is not empty"),
            ("keep", self.keep in (True, False, "memory"), 'keep is True, False or "memory"'),
            ("storage", isinstance(self.storage, Storage), "storage is a scutoid.Storage"),
            ("join", self.join in ("equal", "inner"), 'join is "equal" or "inner"'),
            ("retries", _is_count(self.retries), "a block is retried 0 times or more"),
            ("timeout", _is_time(self.timeout), "a timeout is a number of seconds above 0"),
            ("requires", _is_resources(self.requires), 'requires is like {"gpu": 1}'),
            (
                "view",
                is_view(self.view),
                'view is like {"colormap": "magma"}: numbers, texts, and lists of these',
            ),
        ):
            if not is_right:
                raise ParameterError(rule, value=getattr(self, option), place=f"option {option!r}")


def _is_count(value: object) -> bool:
    return isinstance(value, Integral) and int(value) >= 0


def _is_time(value: object) -> bool:
    return value is None or (isinstance(value, Real) and float(value) > 0)


def _is_resources(value: object) -> bool:
    return value is None or (
        isinstance(value, Mapping)
        and all(isinstance(name, str) and _is_count(n) for name, n in value.items())
    )


class ResultOptions(TypedDict, total=False):
    """Options of a result that is there already; see `scutoid.blockwise`."""

    name: str | None
    keep: bool | Literal["memory"]
    storage: Storage
    block: object
    retries: int
    timeout: float | None
    requires: Mapping[str, int] | None
    view: Mapping[str, object] | None


class CallOptions(ResultOptions, total=False):
    """Options of one call; see `scutoid.blockwise`."""

    where: object
    join: Literal["equal", "inner"]
