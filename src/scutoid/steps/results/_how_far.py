"""How much of a result is in its store."""

from __future__ import annotations

from dataclasses import dataclass

from scutoid.blocks import Journal
from scutoid.errors import StoreError
from scutoid.steps.results._member_lists import list_of
from scutoid.steps.results._names import ITEMS
from scutoid.steps.results._record import ResultRecord
from scutoid.store import RECIPE, Entry, Pack, Recipe


@dataclass(frozen=True, slots=True)
class HowFar:
    """How many of the blocks or members of a result are done.

    Examples
    --------
    >>> print(HowFar(13, 64), HowFar(64, 64), HowFar(None, 64))
    13/64 64 ?/64
    """

    n_done: int | None
    """Those that are done; None: what says so is damaged."""
    n_all: int
    """All of them."""

    def __str__(self) -> str:
        if self.n_done == self.n_all:
            return str(self.n_all)
        return f"{'?' if self.n_done is None else self.n_done}/{self.n_all}"


def how_far(entry: Entry, recipe: Recipe) -> HowFar | None:
    """Say how far a result is; None: it has no blocks, such as a record of what was accepted.

    Raises
    ------
    StoreError
        If its recipe is damaged, or of a later version.
    """
    record = ResultRecord.of(recipe, place=entry.path / RECIPE)
    if record is None:
        return None
    n_all = record.n_blocks
    if entry.status == "complete":
        return HowFar(n_all, n_all)
    try:
        if recipe.kind == "collection":
            listed = list_of(entry)
            if listed is not None and listed.keys:
                return HowFar(len(listed.members), len(listed.keys))
            return HowFar(min(len(Pack(entry.path / ITEMS)), n_all), n_all)
        return HowFar(int((Journal.read(entry.journal, key=recipe.key) != 0).sum()), n_all)
    except StoreError:
        return HowFar(None, n_all)
