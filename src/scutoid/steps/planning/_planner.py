"""Work out a plan: keys, shapes, block grids and reasons, before anything runs.

What cannot work raises here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import MemoryLimitError, PipelineError, StoreError
from scutoid.steps.graph import (
    BlockCall,
    Call,
    CollectionRef,
    Gathered,
    Layouts,
    MappedCall,
    Node,
    Ref,
    WholeCall,
    bytes_of,
    memory_of,
    physical_memory,
    planned_node,
)
from scutoid.steps.planning._accept import Acceptance
from scutoid.steps.planning._changed_members import changed_members
from scutoid.steps.planning._families import Families, find_earlier
from scutoid.steps.planning._folds import folded
from scutoid.steps.planning._keys import Keys
from scutoid.steps.planning._lookup import find_stored
from scutoid.steps.planning._pending_call import PendingCall
from scutoid.steps.planning._planned import PlannedRun, as_compared, recipe_of
from scutoid.steps.planning._recipes import block_of, nearest_inside
from scutoid.store import (
    Entry,
    EntryStore,
    HashMemo,
    Recipe,
    differences,
    explain,
)
from scutoid.texts import size_text

_LIKELY_COMPRESSION = 10
_MEMO = ".input-hashes"

Looks = Literal["all", "unfinished", "none"]
"""Which results at a URL are looked at again: of those that were before, if there was a plan."""


class Planner:
    """Works out the plan of some targets."""

    def __init__(
        self,
        store: EntryStore,
        *,
        block: object = None,
        force: Iterable[str] = (),
        accept: Iterable[str] = (),
        memory: int | None = None,
        paranoid: bool = False,
        is_elsewhere: bool = False,
        looks: Looks = "all",
    ) -> None:
        self.store = store
        if looks != "none":
            store.look_again(notes_damage=True, but_complete=looks == "unfinished")
        here = None if is_elsewhere else physical_memory()
        self.memory = here if memory is None else memory
        self.memo = HashMemo(store.path / _MEMO, is_trusted=not paranoid)
        self.layouts = Layouts(block)
        self.keys = Keys(self.memo, store, self.layouts)
        self._force = frozenset(force)
        self._acceptance = Acceptance(store, self.keys, self.layouts, accept)
        self._pending: list[PendingCall] = []
        self._by_key: dict[str, PendingCall] = {}
        self._by_node: dict[Node, PendingCall] = {}

    def plan(self, targets: Sequence[Ref | CollectionRef]) -> PlannedRun:
        """Return what is to be done for `targets`.

        Raises
        ------
        ScutoidError
            If anything about them cannot work.
        """
        calls = [_call_of(target) for target in targets]
        for call in calls:
            self._visit(call)
        self._check_names()
        self._settle({self._by_node[call] for call in calls})
        self._find_earlier()
        self._check_place()
        self._check_memory()
        self._check_disk()
        within = folded(self._pending, self._by_node)
        frozen = {
            pending: pending.frozen(self.layouts, within.get(pending, ()))
            for pending in self._by_key.values()
        }
        return PlannedRun(
            store=self.store,
            keys=self.keys,
            layouts=self.layouts,
            calls=tuple(frozen[pending] for pending in self._pending),
            by_node={node: frozen[pending] for node, pending in self._by_node.items()},
        )

    def _of(self, ref: Ref | CollectionRef) -> PendingCall | None:
        """Return the call that makes a result; None for what was opened or given."""
        return self._by_node.get(planned_node(ref))

    def _visit(self, call: Call) -> None:
        if call in self._by_node:
            return
        for ref in call.dependencies:
            node = planned_node(ref)
            if isinstance(node, Call):
                self._visit(node)
        pending = self._make(call)
        if self._by_key.get(pending.key.key, pending).members != pending.members:
            # The key of a collection leaves out its members; two of them need an entry each.
            self.keys.set_apart(call, pending.member_keys)
            pending = self._make(call)
        self._by_node[call] = same = self._by_key.setdefault(pending.key.key, pending)
        if same is pending:
            self._pending.append(pending)
        elif pending.accepted is not None:
            same.accepted = pending.accepted.joined(same.accepted)

    def _make(self, call: Call) -> PendingCall:
        spec = call.spec
        if not isinstance(call, MappedCall):
            _ = call.frames  # raises now what would fail later
        task = self._name(call)
        accepted = self._acceptance.of(call, task, self._n_blocks(call))
        key = self.keys.call(call)
        entry = self.store.entry(spec.label, key.key)
        if isinstance(call, BlockCall) and call.is_block_invariant and self._reuse(call, entry):
            key = replace(key, block=block_of(call, self.layouts))
        members = call.keys if isinstance(call, MappedCall) else ()
        is_whole = not isinstance(call, BlockCall) or spec.kind != "blockwise"
        return PendingCall(
            call=call,
            key=key,
            entry=entry,
            task=task,
            n_blocks=self._n_blocks(call),
            is_kept=spec.options.keep is True
            or spec.outputs != ("image",)
            or is_whole
            or spec.sees_neighbours,
            accepted=accepted,
            member_keys=tuple(self.keys.member(call, member) for member in members),
        )

    def _reuse(self, call: BlockCall, entry: Entry) -> bool:
        """Cut an image as an earlier run did, if that has left blocks behind."""
        recipe = entry.recipe
        if recipe is None or recipe.block is None:
            return False
        axes = self.layouts.of(call).axes
        if len(recipe.block) != len(axes):
            return False
        self.layouts.reuse(call, dict(zip(axes, recipe.block, strict=True)))
        return True

    def _n_blocks(self, call: Call) -> int:
        if call.keys is not None:
            return len(call.keys)
        return self.layouts.of(call).grid.n_blocks if isinstance(call, BlockCall) else 1

    def _name(self, call: Call) -> str:
        """Name a step that may be the second of its name."""
        number = 1 + sum(pending.call.spec.label == call.spec.label for pending in self._pending)
        return call.spec.label if number == 1 else f"{call.spec.label}-{number}"

    def _check_names(self) -> None:
        twice = self._force & self._acceptance.names
        if twice:
            raise PipelineError("a step is run again or accepted, not both", value=min(twice))
        # Two results become one where the same earlier result is accepted for both.
        known = {pending.task for pending in self._pending} | self._acceptance.met
        unknown = (self._force | self._acceptance.names) - known
        if unknown:
            raise PipelineError(
                "force= and accept= name steps of the pipeline",
                value=min(unknown),
                remedy=f"one of {', '.join(pending.task for pending in self._pending)}",
            )

    def _settle(self, targets: set[PendingCall]) -> None:
        """Find out, from the targets upwards, what is there and what is needed."""
        needed = set(targets)
        masks: dict[PendingCall, NDArray[np.bool_] | None] = {}
        for pending in reversed(self._pending):
            if pending in targets:
                pending.is_kept = True
            if pending.task not in self._force:
                self.store.check_intact(pending.entry)
            find_stored(pending, is_forced=pending.task in self._force)
            if pending not in needed and not pending.is_to_be_mended:
                continue
            needed.add(pending)
            if isinstance(pending.call, MappedCall):
                mask = masks.get(pending) if pending not in targets else None
                pending.needed = np.ones(pending.n_blocks, bool) if mask is None else mask
                if pending.done is not None and bool((pending.done | ~pending.needed).all()):
                    pending.status = "cached"
            if pending.status == "cached":
                continue
            for ref in self._read_by(pending.call):
                upstream = self._of(ref)
                if upstream is None:
                    continue
                needed.add(upstream)
                wanted = self._wanted(pending, ref, upstream)
                before = masks.get(upstream, wanted)
                masks[upstream] = None if wanted is None or before is None else before | wanted
        self._pending = [one for one in self._pending if one in needed or one.status == "cached"]
        self._record_reasons()

    def _read_by(self, call: Call) -> Iterator[Ref | CollectionRef]:
        """Yield what a call reads: also what a step reads that is computed in its blocks."""
        readers = [call]
        for reader in readers:  # grows meanwhile; each is asked once, however many ways lead to it
            for ref in reader.dependencies:
                yield ref
                upstream = self._of(ref)
                if upstream is None or upstream.call in readers:
                    continue
                if upstream.call in reader.fused_inputs:
                    readers.append(upstream.call)

    def _wanted(
        self, pending: PendingCall, ref: Ref | CollectionRef, upstream: PendingCall
    ) -> NDArray[np.bool_] | None:
        """Return the members of `upstream` that `pending` needs; None: all."""
        call = pending.call
        if not isinstance(call, MappedCall) or not isinstance(upstream.call, MappedCall):
            return None
        is_gathered = any(isinstance(i, Gathered) and i.collection == ref for i in call.inputs)
        if pending.needed is None or pending.done is None or is_gathered:
            return None
        places = upstream.call.places
        wanted = np.zeros(upstream.n_blocks, bool)
        for key, is_needed, is_done in zip(call.keys, pending.needed, pending.done, strict=True):
            wanted[places[key]] = is_needed and not is_done
        return wanted

    def _record_reasons(self) -> None:
        for pending in self._pending:
            if pending.accepted is not None:
                pending.reason = f"accepted, although {pending.accepted.reason}"
            if pending.status == "cached":
                pending.reason = pending.reason or "up to date"
                continue
            if pending.reason:
                continue
            if pending.task in self._force:
                pending.reason = "forced"
            elif pending.call.keys is not None and pending.entry.status != "absent":
                pending.reason = changed_members(pending, self.keys)
            elif pending.status == "partial":
                pending.reason = f"{pending.n_done} of {pending.n_blocks} are done"
            elif not pending.is_kept:
                pending.reason = self._explain_readers(pending)
            else:
                pending.reason = self._explain(pending)

    def _find_earlier(self) -> None:
        """Find, for each result to be made block by block, one that blocks may be taken from."""
        if self.store.url is not None:  # shards are not copied within a bucket
            return
        families = Families(self.keys, self.layouts)
        for pending in self._pending:
            if pending.status == "cached" or not pending.is_kept:
                continue
            if isinstance(pending.call, BlockCall):
                pending.family = families.of(pending.call)
                if pending.family and pending.task not in self._force:
                    pending.earlier = find_earlier(pending, self.store)

    def _explain_readers(self, pending: PendingCall) -> str:
        names = ", ".join(reader.task for reader in self._readers(pending))
        text = f"not kept: computed inside the blocks of {names}" if names else "not kept"
        pending.nearest = self._nearest_inside(pending)
        changed = (
            [] if pending.nearest is None else differences(self.compared(pending), pending.nearest)
        )
        return "; ".join([text, *changed])

    def _readers(self, pending: PendingCall) -> list[PendingCall]:
        return [one for one in self._pending if pending.call in one.call.fused_inputs]

    def _nearest_inside(self, pending: PendingCall) -> Recipe | None:
        """Return what the nearest result of a step that is kept says of one inside its blocks."""
        readers = self._readers(pending)
        for reader in readers:  # grows: what is not kept has readers of its own
            if not reader.is_kept:
                readers.extend(self._readers(reader))
            elif reader.status == "run":
                above = self.store.nearest(reader.call.spec.label, self.recipe(reader))
                found = nearest_inside(above, self.recipe(pending))
                if found is not None:
                    return found
        return None

    def _explain(self, pending: PendingCall) -> str:
        pending.nearest = self.store.nearest(pending.call.spec.label, self.recipe(pending))
        if pending.nearest is None and not self.store.tells_results:
            return "not there; of others nothing is known: the server of the store lists no folders"
        return explain(self.compared(pending), pending.nearest)

    def recipe(self, pending: PendingCall) -> Recipe:
        """Return what the entry of a step shall say of itself."""
        return recipe_of(pending.call, pending.key, pending.n_blocks, self.keys, self.layouts)

    def compared(self, pending: PendingCall) -> Recipe:
        """Return the recipe as it is compared with the nearest: where blocks count, with them."""
        recipe, near = self.recipe(pending), pending.nearest
        return as_compared(recipe, pending.call, near, is_kept=pending.is_kept)

    def _check_place(self) -> None:
        """Refuse what cannot be made in a store at a URL; in one that is only read, nothing is."""
        if self.store.is_only_read:
            return
        for pending in self._pending:
            spec, is_mapped = pending.call.spec, isinstance(pending.call, MappedCall)
            is_tiff = "image" in spec.outputs and spec.options.storage.format == "tiff"
            if is_tiff and not is_mapped:
                what = f"step {pending.task!r} writes a TIFF, block by block"
                self.store.check_is_folder(what, 'leave out format="tiff", and export the image')
            elif pending.accepted is not None:
                self.store.check_is_folder("accept= is for folders", "leave it out")

    def _check_memory(self) -> None:
        if self.memory is None:
            return
        for pending in self._pending:
            if pending.status == "cached" or isinstance(pending.call, MappedCall):
                continue
            need = memory_of(pending.call, self.layouts)
            if need > self.memory:
                what = (
                    "inputs of a whole step" if isinstance(pending.call, WholeCall) else "a block"
                )
                raise MemoryLimitError(
                    f"{what} fit in the memory of one worker",
                    value=f"about {size_text(need)} needed, {size_text(self.memory)} allowed",
                    place=f"step {pending.task!r}",
                    remedy="use a block-wise step or a smaller block=, or allow more memory=",
                )

    def _check_disk(self) -> None:
        """Refuse what cannot fit even if it compresses well."""
        wanted = sum(
            bytes_of(one.call) for one in self._pending if one.status == "run" and one.is_kept
        )
        free = self.store.free_bytes()
        if wanted / _LIKELY_COMPRESSION > free:
            raise StoreError(
                "the results fit on the store's disk",
                value=f"{size_text(wanted)} uncompressed, {size_text(free)} free",
                place=str(self.store.path),
                remedy="free some space, choose another store, or keep=False for steps whose "
                "images you do not need",
            )


def _call_of(target: Ref | CollectionRef) -> Call:
    node = planned_node(target)
    if not isinstance(node, Call):
        raise PipelineError(
            "a target is a result of a step; this is an input",
            value=target.name,
            remedy="pass the results that you want computed",
        )
    return node
