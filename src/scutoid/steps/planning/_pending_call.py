"""A planned call while the plan is worked out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scutoid.steps.graph import BlockCall, Call, Layouts, MappedCall
from scutoid.steps.planning._accept import Accepted
from scutoid.steps.planning._keys import CallKey
from scutoid.steps.planning._plan import Status
from scutoid.steps.planning._planned import PlannedCall
from scutoid.store import Entry, Recipe


@dataclass(slots=True, eq=False)
class PendingCall:
    """A planned call while the plan is worked out; see `PlannedCall` for the fields."""

    call: Call
    key: CallKey
    entry: Entry
    task: str
    n_blocks: int
    is_kept: bool
    accepted: Accepted | None
    status: Status = "run"
    reason: str = ""
    done: NDArray[np.bool_] | None = None
    needed: NDArray[np.bool_] | None = None
    member_keys: tuple[str, ...] = ()
    restarts: bool = False
    lost: NDArray[np.int64] | None = None
    nearest: Recipe | None = None
    is_relisted: bool = False
    family: str = ""
    earlier: Entry | None = None

    @property
    def is_to_be_mended(self) -> bool:
        """Whether the store has some of a result, which was whole or is not finished."""
        if not self.is_kept or isinstance(self.call, MappedCall) or self.status == "cached":
            return False
        return self.restarts or self.entry.status == "partial"

    @property
    def members(self) -> tuple[tuple[str, str], ...]:
        """Members of a collection and their keys; empty for a single result."""
        return tuple(zip(self.call.keys or (), self.member_keys, strict=True))

    @property
    def n_done(self) -> int:
        """Blocks that are done already."""
        return 0 if self.done is None else int(self.done.sum())

    def frozen(self, layouts: Layouts, within: tuple[str, ...]) -> PlannedCall:
        """Return the planned call, shown under these steps."""
        step = layouts.step(self.call) if isinstance(self.call, BlockCall) else None
        return PlannedCall(
            call=self.call,
            key=self.key,
            entry=self.entry,
            task=self.task,
            within=within,
            status=self.status,
            reason=self.reason,
            n_blocks=self.n_blocks,
            is_kept=self.is_kept,
            done=self.done,
            needed=self.needed,
            member_keys=self.member_keys,
            restarts=self.restarts,
            lost=self.lost,
            accepted=self.accepted,
            nearest=self.nearest,
            is_relisted=self.is_relisted,
            step=step,
            family=self.family,
            earlier=self.earlier,
        )
