"""One rule for members that are not there: whoever takes all members says what becomes of it.

::

    partial="error"   the members are taken if all of them are there
    partial="allow"   those that are there are taken, and the others are named
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from scutoid.errors import IncompleteResult, ParameterError
from scutoid.steps.graph import CollectionFromStore, CollectionRef
from scutoid.steps.handles._latest import LATEST

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
Partial: TypeAlias = Literal["error", "allow"]
MISSING = "missing"
"""Among the attributes of a table: keys of members that are not in it."""
_NAMED = 3


def check_partial(partial: object, *, place: str) -> None:
    """Refuse what is no rule for members that are not there.

    Raises
    ------
    ParameterError
        If it is none.
    """
    if partial not in ("error", "allow"):
        raise ParameterError(
            'partial= is "error" or "allow"',
            value=partial,
            place=place,
            remedy='"allow" takes the members that are there, and names the others',
        )


class MembersTaken:
    """Goes through the members of a collection, and notes those that are not there.

    Parameters
    ----------
    collection : CollectionRef
        Its members are read from a store, or computed if none has them.
    partial : {"error", "allow"}
        What becomes of members that are not there.

    Raises
    ------
    ParameterError
        If `partial` is something else.
    """

    def __init__(self, collection: CollectionRef, partial: Partial) -> None:
        check_partial(partial, place=f"members of {collection.name!r}")
        self._collection = collection
        self._is_allowed = partial == "allow"
        self.missing: list[str] = []

    def each(self, take: Callable[[str], T]) -> Iterator[tuple[str, T]]:
        """Yield each key with what `take` returns for it.

        Members that a run did not finish are not computed here.  Those of which no run is known
        are, and one that fails is not there.

        Raises
        ------
        IncompleteResult
            If a member is not there, and `partial` is "error"; or if none is there.
        """
        last: Exception | None = None
        unfinished = LATEST.unfinished(self._collection.node)
        for key in self._collection.keys:
            if key not in unfinished:
                try:
                    taken = take(key)
                except Exception as error:
                    if not self._is_for_lack(key, error):
                        error.add_note(f"member {key!r} of {self._collection.name!r}")
                        raise
                    last = error
                else:
                    yield key, taken
                    continue
            if not self._is_allowed:
                raise _incomplete(self._collection, key) from None
            self.missing.append(key)
        if self.missing and len(self.missing) == len(self._collection.keys):
            raise _incomplete(self._collection, *self.missing) from last

    def check(self) -> None:
        """Refuse members that a run did not finish, where they may not be left out.

        Raises
        ------
        IncompleteResult
            If one was not, and `partial` is "error"; or if none was.
        """
        missing = missing_members(self._collection)
        if missing and (not self._is_allowed or len(missing) == len(self._collection.keys)):
            raise _incomplete(self._collection, *missing)

    def _is_for_lack(self, key: str, error: Exception) -> bool:
        """Whether an error says that a member is not there; also what a step raised, if it may."""
        node = self._collection.node
        if isinstance(node, CollectionFromStore):
            return isinstance(error, IncompleteResult) or node.lacks(key)
        is_of_step = self._is_allowed and not isinstance(error, MemoryError)
        return isinstance(error, IncompleteResult) or is_of_step

    def noted_in(self, table: pd.DataFrame) -> pd.DataFrame:
        """Note in a table of the members which are not in it, if some are not."""
        if self.missing:
            table.attrs[MISSING] = list(self.missing)
        return table


def missing_members(collection: CollectionRef) -> tuple[str, ...]:
    """Return the keys of the members that a run did not finish, in order."""
    node = collection.node
    if isinstance(node, CollectionFromStore):
        return node.missing
    unfinished = LATEST.unfinished(node)
    return tuple(key for key in collection.keys if key in unfinished)


def _incomplete(collection: CollectionRef, *found: str) -> IncompleteResult:
    missing, node = missing_members(collection) or found, collection.node
    named = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
    place = getattr(node, "place", "")
    return IncompleteResult(
        "all members of a collection are there when they are taken; some at the least",
        value=f"{len(missing)} of {len(collection.keys)} were not finished: {named}",
        place=f"{collection.name!r}" + (f" in {place}" if place else ""),
        remedy='mend what failed and run again, or take the others: partial="allow" '
        "(--partial allow)",
    )
