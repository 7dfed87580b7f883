"""A second look at inputs: what came back from workers counts if these have not changed till then.

::

    key made           block read          second look       journal, pack, COMPLETE
    ----|-------------------|-------------------|-------------------|---->
        the file is A       A, if it still      is A

Of a collection each member is looked at with the files of its own, one stat a file.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence

from scutoid.errors import SourceError
from scutoid.steps.graph import (
    Call,
    CollectionRef,
    ConstantCollection,
    Gathered,
    MappedCall,
    Member,
    Node,
    OpenedFolder,
    Ref,
    planned_node,
)
from scutoid.steps.planning import Keys, PlannedCall, PlannedRun

_SHARE = 0.05
"""Part of a run's time that may go into looking at inputs that are costly to look at."""


class Watch:
    """Looks at the inputs of one step again.

    Parameters
    ----------
    keys : Keys
        Knows how the inputs were when their keys were made.
    shared : sequence of str
        Paths and URLs that each block, or each member, may read.
    own : sequence of sequences of str
        For each member those that it alone reads; empty: none does.
    above : sequence of Watch
        Those of earlier steps of the run, whose results this one reads.
    """

    def __init__(
        self,
        keys: Keys,
        shared: Sequence[str],
        own: Sequence[Sequence[str]],
        above: Sequence[Watch],
    ) -> None:
        self._keys = keys
        self._shared = shared
        self._own = own
        self._above = above
        self._next_look = 0.0
        self.is_settled = False
        """Whether the step was finished when nothing had changed: nothing of it is read again."""
        self.unsettled: list[int] = []
        """Numbers of the blocks that came back since the last look."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look at."""
        return not (self._shared or self._own or any(not each.is_empty for each in self._above))

    def check(self, indices: Sequence[int]) -> Mapping[int, Exception]:
        """Return why blocks that came back do not count.

        Raises
        ------
        SourceError
            If none of the step's blocks counts from now on, for all may read what has changed.
        """
        if time.monotonic() >= self._next_look:
            self.look()
        refused = {}
        for index in indices if self._own else ():
            changed = self._keys.changed(self._own[index])
            if changed is not None:
                refused[index] = changed_error(changed)
        self.unsettled += [index for index in indices if index not in refused]
        return refused

    def check_all(self, indices: Sequence[int]) -> Mapping[int, Exception]:
        """Do as `check` does for what is committed with its one block: look at all of it."""
        self._next_look = 0.0
        return self.check(indices)

    def look(self) -> None:
        """Look at all that the blocks share.

        Raises
        ------
        SourceError
            If any of it has changed.
        """
        began = time.monotonic()
        changed = self._changed()
        if changed is not None:
            raise changed_error(changed)
        ended = time.monotonic()
        self._next_look = ended + (ended - began) / _SHARE
        self.unsettled.clear()

    def _changed(self) -> str | None:
        if self.is_settled:
            return None
        changed = self._keys.changed(self._shared)
        return changed or next(filter(None, (each._changed() for each in self._above)), None)  # noqa: SLF001


class Watches:
    """The watches of a run's steps."""

    def __init__(self, planned: PlannedRun) -> None:
        self._planned = planned
        self._keys = planned.keys
        self._made: dict[PlannedCall, Watch] = {}

    def of(self, each: PlannedCall) -> Watch:
        """Return the watch of a step."""
        if each not in self._made:
            self._made[each] = self._make(each)
        return self._made[each]

    def _make(self, each: PlannedCall) -> Watch:
        call = each.call
        facts = (*each.key.parameters.values(), *each.key.inputs.values())
        digests = (each.key.code.digest, *(fact.digest for fact in facts))
        shared = itertools.chain(
            *(self._keys.given_paths(digest) for digest in digests),
            *(self._singles(item) for item in (*call.inputs, *call.params.values())),
        )
        above = []
        for ref in call.dependencies:
            earlier = self._planned.by_node.get(planned_node(ref))
            if earlier is not None and not earlier.is_cached:
                above.append(self.of(earlier))
        return Watch(self._keys, tuple(dict.fromkeys(shared)), self._own(call), above)

    def _singles(self, item: object) -> Iterator[str]:
        """Yield what all blocks or members read of an input."""
        if isinstance(item, Gathered):
            node = item.collection.node
            for key in item.collection.keys:
                yield from self._of_member(node, key)
        elif isinstance(item, Ref) and isinstance(item.node, Member):
            yield from self._of_member(item.node.collection, item.node.key)
        elif isinstance(item, Ref) and not isinstance(item.node, Call):
            yield from self._keys.locations(item.node)

    def _of_member(self, node: Node, key: str) -> Sequence[str]:
        is_given = isinstance(node, (OpenedFolder, ConstantCollection))
        return self._keys.locations(node, key) if is_given else ()

    def _own(self, call: Call) -> Sequence[Sequence[str]]:
        if not isinstance(call, MappedCall):
            return ()
        nodes = [
            item.node
            for item in (*call.inputs, *call.params.values())
            if isinstance(item, CollectionRef)
        ]
        folders = [node for node in nodes if isinstance(node, OpenedFolder)]
        values = [node for node in nodes if isinstance(node, ConstantCollection)]
        given = [node for node in values if any(self._of_member(node, k) for k in call.keys)]
        if not folders and not given:
            return ()
        return [
            tuple(itertools.chain(*(self._of_member(node, key) for node in (*folders, *given))))
            for key in call.keys
        ]


def changed_error(path: str) -> SourceError:
    """Say that an input is not what it was when the run was planned."""
    return SourceError(
        "an input stays as it was when the run was planned, until it has been read",
        value="it has changed since: what was read may be neither the old nor the new",
        place=path,
        remedy="run again when it is complete: what was made of other inputs is kept",
    )
