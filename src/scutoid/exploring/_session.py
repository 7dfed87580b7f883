"""What previews of one graph have in common: calls that were made, and what they computed."""

from __future__ import annotations

import copy
import os
from collections import deque
from collections.abc import Mapping, Sequence

from scutoid.exploring._changes import Parameters
from scutoid.exploring._graph import Graph
from scutoid.exploring._known import Known
from scutoid.exploring._memory import Memory
from scutoid.steps.graph import BlockCall, Call, CollectionRef, Outputs
from scutoid.steps.handles import LATEST, Evaluation
from scutoid.steps.running import cached_outputs

_RECENT = 8
"""Previews whose calls, tables and values are remembered."""
_RECALL = 2**30
"""Bytes of images that are remembered."""


class Session:
    """Computes regions of the results of one graph, and remembers what it computed.

    Parameters
    ----------
    graph : Graph
        The steps.
    store : path, optional
        What it has is read, and not computed.
    limit : int, optional
        Bytes that images may take; default: half of the machine's memory.
    exact : bool
        Whether steps that may depend on their blocks are computed in those of a run.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        store: str | os.PathLike[str] | None,
        limit: int | None,
        exact: bool,
    ) -> None:
        self.graph = graph
        self.parameters = Parameters(graph)
        self.exact = exact
        recall = _RECALL if limit is None else min(_RECALL, limit)
        self.near = Evaluation(limit, cut_anew=self.is_cut_anew, recall=recall)
        self.full = Evaluation(limit, recall=recall)
        self._store = store
        self.known = Known()
        for ref in graph.targets:  # now: files may change until the graph is built again
            self.known.ref(ref)
        self.memory = Memory(_RECENT)
        self._recent: deque[set[Call]] = deque(maxlen=_RECENT)

    def on(self, graph: Graph) -> Session:
        """Return a session of another graph, which remembers what this one does."""
        other = copy.copy(self)
        other.graph, other.parameters = graph, Parameters(graph)
        return other

    def is_cut_anew(self, call: BlockCall) -> bool:
        """Whether any region of a step is computed as one block: it is then the same."""
        spec = call.spec
        asks = "block" in spec.parameters.injected and not spec.block_invariant
        return (
            spec.kind == "blockwise"
            and "parts" not in spec.outputs
            and call.given_parts is None
            and not (spec.sees_neighbours or asks)
            and spec.options.where is None
            and (call.is_block_invariant or not self.exact)
        )

    def used(self, calls: set[Call]) -> None:
        """Forget what none of the last previews has used."""
        self._recent.append(calls)
        kept = set[Call]().union(*self._recent)
        self.near.forget(kept)
        self.full.forget(kept)
        self.memory.next_round()

    def stored(self, plain: Sequence[Call], changed: Mapping[Call, object]) -> dict[Call, Outputs]:
        """Return what is stored of calls, as it is.

        Parameters
        ----------
        plain : sequence of Call
            Each call of the graph, with the changes.
        changed : mapping
            The calls that are not as the user made them.
        """
        found: dict[Call, Outputs] = {}
        members = self.graph.members
        for call in self.graph.order:
            node = members.get(call, call)
            if call not in changed and LATEST.of(node) is not None:
                found[call] = tuple(ref.on(node) for ref in call.outputs)
        if self._store is None:
            return found
        wanted: dict[Call, Call] = {}
        for call, each in zip(self.graph.order, plain, strict=True):
            member = None if call in changed else members.get(call)
            collection = each if member is None else member.collection
            if isinstance(collection, Call):
                wanted[call] = collection
        stored = cached_outputs(tuple(dict.fromkeys(wanted.values())), self._store)
        for call, each in wanted.items():
            outputs, member = stored.get(each), members.get(call)
            if outputs is not None:
                found[call] = tuple(
                    ref.member(member.key) if isinstance(ref, CollectionRef) and member else ref
                    for ref in outputs
                )
        return found
