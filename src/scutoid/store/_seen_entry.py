"""An entry as one look has found it: who asks it many questions at once reads two files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from scutoid.store._entry import Entry
from scutoid.store._recipe import Recipe


@dataclass(frozen=True, slots=True)
class SeenEntry(Entry):
    """An entry that says of its recipe and of COMPLETE what they said in one look.

    It is for who asks, and for a moment: others may change the result meanwhile, and what is
    decided by the answers is asked of the entry again.  Other files are looked at as ever.
    """

    seen: tuple[Recipe | None, bool] = (None, False)
    """The recipe, and whether COMPLETE was that of it."""

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Look at an entry."""
        return cls(entry.path, entry.name, entry.key, entry.url, entry.look())

    @property
    def recipe(self) -> Recipe | None:
        """What the result was made of; None if there was none, or it could not be read."""
        return self.seen[0]

    def look(self) -> tuple[Recipe | None, bool]:
        """Return what the look has found."""
        return self.seen

    def distrust(self) -> None:
        """Mark the result as damaged, as it is by now."""
        Entry(self.path, self.name, self.key, self.url).distrust()
