"""The newest stored results of this process: where a lazy result that was run is read from.

The graph is frozen, so a call does not know what became of it.  A run enters its results here, and
whoever reads a lazy result looks here first: a handle that has been run, or that belongs to a step
in between, is read from the store of the newest run and not computed again.  Plans and runs never
look here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from weakref import WeakKeyDictionary

from scutoid.steps.graph import Call, Member, Node, StoredMembers, StoredOutputs


class Latest:
    """The newest stored results of calls, for as long as the calls live."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._results: WeakKeyDictionary[Node, StoredOutputs] = WeakKeyDictionary()
        self._collections: WeakKeyDictionary[Node, StoredMembers] = WeakKeyDictionary()
        self._unfinished: WeakKeyDictionary[Node, frozenset[str]] = WeakKeyDictionary()

    def enter(self, call: Call, stored: StoredOutputs) -> None:
        """Read a call from a store from now on."""
        with self._lock:
            self._results[call] = stored

    def enter_members(
        self, call: Node, stored: StoredMembers, unfinished: Iterable[str] = ()
    ) -> None:
        """Read the members of a call from a store from now on; those that failed are named."""
        with self._lock:
            self._collections[call] = stored
            self._unfinished[call] = frozenset(unfinished)

    def has_members(self, node: Node) -> bool:
        """Whether members of a call are read from a store."""
        with self._lock:
            return node in self._collections

    def __len__(self) -> int:
        return len(self._results) + len(self._collections)

    def unfinished(self, node: Node) -> frozenset[str]:
        """Return the members of a call that the newest run needed and did not finish."""
        with self._lock:
            return self._unfinished.get(node, frozenset())

    def of(self, node: Node) -> StoredOutputs | None:
        """Return where a single result is read from; None if it was not run."""
        if isinstance(node, Member):
            with self._lock:
                members = self._collections.get(node.collection)
            return None if members is None else members.member(node.key)
        with self._lock:
            stored = self._results.get(node)
        return stored if stored is not None and stored.is_there else None


LATEST = Latest()
"""Of this process: it remembers where results lie, never what they are."""
