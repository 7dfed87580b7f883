"""A plan as the runner needs it: what is to be done of each call, all of it frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scutoid.steps.compute import BlockStep
from scutoid.steps.graph import (
    BlockCall,
    Call,
    CollectionRef,
    Layouts,
    MappedCall,
    Node,
    Ref,
    planned_node,
)
from scutoid.steps.planning._accept import Accepted
from scutoid.steps.planning._keys import CallKey, Keys
from scutoid.steps.planning._plan import Status
from scutoid.steps.planning._recipes import make_recipe, with_inside
from scutoid.steps.results import StoredItems
from scutoid.store import Entry, EntryStore, Recipe


@dataclass(frozen=True, slots=True, eq=False)
class PlannedCall:
    """What is to be done of one call."""

    call: Call
    """The call."""
    key: CallKey
    """Its key."""
    entry: Entry
    """Where its result goes."""
    task: str
    """Its name in this plan."""
    status: Status
    """Whether its result is there, is there in part, or is to be computed."""
    reason: str
    """Why it runs."""
    n_blocks: int
    """Blocks, or members of a collection."""
    is_kept: bool
    """Whether its result is stored."""
    done: NDArray[np.bool_] | None = None
    """Which blocks are done, shape (n_blocks,); None: none."""
    needed: NDArray[np.bool_] | None = None
    """Which members are needed, shape (n_blocks,); None: all."""
    member_keys: tuple[str, ...] = ()
    """Keys of the members of a collection."""
    restarts: bool = False
    """Whether what is there of it is removed first."""
    lost: NDArray[np.int64] | None = None
    """Numbers of the blocks whose shards are missing."""
    accepted: Accepted | None = None
    """What is taken as good although its key differs."""
    nearest: Recipe | None = None
    """The earlier result that it is compared with."""
    is_relisted: bool = False
    """Whether the list of a collection's members is written again."""
    step: BlockStep | None = None
    """How its blocks are computed, where it has blocks."""
    within: tuple[str, ...] = ()
    """The steps under which it is shown, the outermost first, where an operation made it."""
    family: str = ""
    """Digest of what all its blocks have in common; empty: none can be taken over, nor from it."""
    earlier: Entry | None = None
    """The result of the same family that blocks may be taken over from."""

    @property
    def is_cached(self) -> bool:
        """Whether there is nothing to do."""
        return self.status == "cached"

    @property
    def is_mapped(self) -> bool:
        """Whether it runs on a collection."""
        return isinstance(self.call, MappedCall)

    @property
    def has_finish(self) -> bool:
        """Whether the values of its blocks are joined at the end."""
        return isinstance(self.call, BlockCall) and self.call.has_finish

    @property
    def finish_task(self) -> str:
        """Name of the task whose end means that the step's values can be read."""
        return f"{self.task}:finish" if self.has_finish else self.task

    @property
    def n_done(self) -> int:
        """Blocks that are done already."""
        if self.is_cached:
            return self.n_blocks
        return 0 if self.done is None else int(self.done.sum())

    @property
    def items(self) -> StoredItems:
        """The results of its members, where it runs on a collection."""
        by_key = dict(zip(self.call.keys or (), self.member_keys, strict=True))
        return StoredItems.of(self.entry, self.call.spec, by_key)

    @property
    def block(self) -> tuple[int, ...] | None:
        """Its block shape in voxels; None where there are no blocks."""
        return None if self.step is None else tuple(self.step.layout.grid.block_shape)


@dataclass(frozen=True, slots=True, eq=False)
class PlannedRun:
    """Planned calls, and what of the plan they have in common."""

    store: EntryStore
    """Where results go."""
    keys: Keys
    """Keys of all nodes."""
    layouts: Layouts
    """How the calls are cut."""
    calls: tuple[PlannedCall, ...]
    """Those that are needed or there, in the order in which they depend on one another."""
    by_node: Mapping[Node, PlannedCall]
    """The planned call of each node; calls of one key share one."""

    def __iter__(self) -> Iterator[PlannedCall]:
        return iter(self.calls)

    def of(self, ref: Ref | CollectionRef) -> PlannedCall | None:
        """Return the planned call that makes a result; None for what was opened or given."""
        return self.by_node.get(planned_node(ref))

    def recipe(self, planned: PlannedCall) -> Recipe:
        """Return what the entry of a call shall say of itself."""
        return recipe_of(planned.call, planned.key, planned.n_blocks, self.keys, self.layouts)

    def stamped(self, planned: PlannedCall) -> Recipe:
        """Return the recipe of a call as its entry is begun with it."""
        return replace(self.recipe(planned), within=planned.within).stamped()

    def compared(self, planned: PlannedCall) -> Recipe:
        """Return the recipe as it is compared with the nearest: where blocks count, with them."""
        recipe, near = self.recipe(planned), planned.nearest
        return as_compared(recipe, planned.call, near, is_kept=planned.is_kept)


def as_compared(recipe: Recipe, call: Call, near: Recipe | None, *, is_kept: bool) -> Recipe:
    """Return a recipe as it is compared with another: with its blocks, where these do not count."""
    if near is not None and (call.is_block_invariant or not is_kept):
        return replace(recipe, block=near.block)
    return recipe


def recipe_of(call: Call, key: CallKey, n_blocks: int, keys: Keys, layouts: Layouts) -> Recipe:
    """Return the recipe of a call, with those of the steps that are computed in its blocks."""
    return with_inside(make_recipe(call, key, n_blocks, layouts), call, keys)


def is_computed(planned: PlannedCall) -> bool:
    """Whether steps that read a fused image compute it in their blocks, kept or not."""
    return not (planned.is_kept and planned.call.is_block_invariant)
