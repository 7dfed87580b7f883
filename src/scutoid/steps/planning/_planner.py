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
from scutoid.steps.planning._draft import Draft
from scutoid.steps.planning._families import Families, find_earlier
from scutoid.steps.planning._folds import folded
from scutoid.steps.planning._keys import Keys
from scutoid.steps.planning._lookup import find_stored
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
        self._drafts: list[Draft] = []
        self._by_key: dict[str, Draft] = {}
        self._by_node: dict[Node, Draft] = {}

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
        within = folded(self._drafts, self._by_node)
        frozen = {
            draft: draft.frozen(self.layouts, within.get(draft, ()))
            for draft in self._by_key.values()
        }
        return PlannedRun(
            store=self.store,
            keys=self.keys,
            layouts=self.layouts,
            calls=tuple(frozen[draft] for draft in self._drafts),
            by_node={node: frozen[draft] for node, draft in self._by_node.items()},
        )

    def _of(self, ref: Ref | CollectionRef) -> Draft | None:
        """Return the draft of what makes a result; None for what was opened or given."""
        return self._by_node.get(planned_node(ref))

    def _visit(self, call: Call) -> None:
        if call in self._by_node:
            return
        for ref in call.dependencies:
            node = planned_node(ref)
            if isinstance(node, Call):
                self._visit(node)
        draft = self._make(call)
        if self._by_key.get(draft.key.key, draft).members != draft.members:
            # The key of a collection leaves out its members; two of them need an entry each.
            self.keys.set_apart(call, draft.member_keys)
            draft = self._make(call)
        self._by_node[call] = same = self._by_key.setdefault(draft.key.key, draft)
        if same is draft:
            self._drafts.append(draft)
        elif draft.accepted is not None:
            same.accepted = draft.accepted.joined(same.accepted)

    def _make(self, call: Call) -> Draft:
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
        return Draft(
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
        if recipe is None or recipe.block is None or entry.status == "absent":
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
        number = 1 + sum(draft.call.spec.label == call.spec.label for draft in self._drafts)
        return call.spec.label if number == 1 else f"{call.spec.label}-{number}"

    def _check_names(self) -> None:
        twice = self._force & self._acceptance.names
        if twice:
            raise PipelineError("a step is run again or accepted, not both", value=min(twice))
        # Two results become one where the same earlier result is accepted for both.
        known = {draft.task for draft in self._drafts} | self._acceptance.met
        unknown = (self._force | self._acceptance.names) - known
        if unknown:
            raise PipelineError(
                "force= and accept= name steps of the pipeline",
                value=min(unknown),
                remedy=f"one of {', '.join(draft.task for draft in self._drafts)}",
            )

    def _settle(self, targets: set[Draft]) -> None:
        """Find out, from the targets upwards, what is there and what is needed."""
        needed = set(targets)
        masks: dict[Draft, NDArray[np.bool_] | None] = {}
        for draft in reversed(self._drafts):
            if draft in targets:
                draft.is_kept = True
            if draft.task not in self._force:
                self.store.check_intact(draft.entry)
            find_stored(draft, is_forced=draft.task in self._force)
            if draft not in needed and not draft.is_to_be_mended:
                continue
            needed.add(draft)
            if isinstance(draft.call, MappedCall):
                mask = masks.get(draft) if draft not in targets else None
                draft.needed = np.ones(draft.n_blocks, bool) if mask is None else mask
                if draft.done is not None and bool((draft.done | ~draft.needed).all()):
                    draft.status = "cached"
            if draft.status == "cached":
                continue
            for ref in self._read_by(draft.call):
                upstream = self._of(ref)
                if upstream is None:
                    continue
                needed.add(upstream)
                wanted = self._wanted(draft, ref, upstream)
                before = masks.get(upstream, wanted)
                masks[upstream] = None if wanted is None or before is None else before | wanted
        self._drafts = [d for d in self._drafts if d in needed or d.status == "cached"]
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
        self, draft: Draft, ref: Ref | CollectionRef, upstream: Draft
    ) -> NDArray[np.bool_] | None:
        """Return the members of `upstream` that `draft` needs; None: all."""
        call = draft.call
        if not isinstance(call, MappedCall) or not isinstance(upstream.call, MappedCall):
            return None
        is_gathered = any(isinstance(i, Gathered) and i.collection == ref for i in call.inputs)
        if draft.needed is None or draft.done is None or is_gathered:
            return None
        places = upstream.call.places
        wanted = np.zeros(upstream.n_blocks, bool)
        for key, is_needed, is_done in zip(call.keys, draft.needed, draft.done, strict=True):
            wanted[places[key]] = is_needed and not is_done
        return wanted

    def _record_reasons(self) -> None:
        for draft in self._drafts:
            if draft.accepted is not None:
                draft.reason = f"accepted, although {draft.accepted.reason}"
            if draft.status == "cached":
                draft.reason = draft.reason or "up to date"
                continue
            if draft.reason:
                continue
            if draft.task in self._force:
                draft.reason = "forced"
            elif draft.call.keys is not None and draft.entry.status != "absent":
                draft.reason = changed_members(draft, self.keys)
            elif draft.status == "partial":
                draft.reason = f"{draft.n_done} of {draft.n_blocks} are done"
            elif not draft.is_kept:
                draft.reason = self._explain_readers(draft)
            else:
                draft.reason = self._explain(draft)

    def _find_earlier(self) -> None:
        """Find, for each result to be made block by block, one that blocks may be taken from."""
        if self.store.url is not None:  # shards are not copied within a bucket
            return
        families = Families(self.keys, self.layouts)
        for draft in self._drafts:
            if draft.status == "cached" or not draft.is_kept:
                continue
            if isinstance(draft.call, BlockCall):
                draft.family = families.of(draft.call)
                if draft.family and draft.task not in self._force:
                    draft.earlier = find_earlier(draft, self.store)

    def _explain_readers(self, draft: Draft) -> str:
        names = ", ".join(reader.task for reader in self._readers(draft))
        text = f"not kept: computed inside the blocks of {names}" if names else "not kept"
        draft.nearest = self._nearest_inside(draft)
        changed = [] if draft.nearest is None else differences(self.compared(draft), draft.nearest)
        return "; ".join([text, *changed])

    def _readers(self, draft: Draft) -> list[Draft]:
        return [d for d in self._drafts if draft.call in d.call.fused_inputs]

    def _nearest_inside(self, draft: Draft) -> Recipe | None:
        """Return what the nearest result of a step that is kept says of one inside its blocks."""
        readers = self._readers(draft)
        for reader in readers:  # grows: what is not kept has readers of its own
            if not reader.is_kept:
                readers.extend(self._readers(reader))
            elif reader.status == "run":
                above = self.store.nearest(reader.call.spec.label, self.recipe(reader))
                found = nearest_inside(above, self.recipe(draft))
                if found is not None:
                    return found
        return None

    def _explain(self, draft: Draft) -> str:
        draft.nearest = self.store.nearest(draft.call.spec.label, self.recipe(draft))
        if draft.nearest is None and not self.store.tells_results:
            return "not there; of others nothing is known: the server of the store lists no folders"
        return explain(self.compared(draft), draft.nearest)

    def recipe(self, draft: Draft) -> Recipe:
        """Return what the entry of a step shall say of itself."""
        return recipe_of(draft.call, draft.key, draft.n_blocks, self.keys, self.layouts)

    def compared(self, draft: Draft) -> Recipe:
        """Return the recipe as it is compared with the nearest: where blocks count, with them."""
        recipe, near = self.recipe(draft), draft.nearest
        return as_compared(recipe, draft.call, near, is_kept=draft.is_kept)

    def _check_place(self) -> None:
        """Refuse what cannot be made in a store at a URL; in one that is only read, nothing is."""
        if self.store.is_only_read:
            return
        for draft in self._drafts:
            spec, is_mapped = draft.call.spec, isinstance(draft.call, MappedCall)
            is_tiff = "image" in spec.outputs and spec.options.storage.format == "tiff"
            if is_tiff and not is_mapped:
                what = f"step {draft.task!r} writes a TIFF, block by block"
                self.store.check_is_folder(what, 'leave out format="tiff", and export the image')
            elif draft.accepted is not None:
                self.store.check_is_folder("accept= is for folders", "leave it out")

    def _check_memory(self) -> None:
        if self.memory is None:
            return
        for draft in self._drafts:
            if draft.status == "cached" or isinstance(draft.call, MappedCall):
                continue
            need = memory_of(draft.call, self.layouts)
            if need > self.memory:
                what = "inputs of a whole step" if isinstance(draft.call, WholeCall) else "a block"
                raise MemoryLimitError(
                    f"{what} fit in the memory of one worker",
                    value=f"about {size_text(need)} needed, {size_text(self.memory)} allowed",
                    place=f"step {draft.task!r}",
                    remedy="use a block-wise step or a smaller block=, or allow more memory=",
                )

    def _check_disk(self) -> None:
        """Refuse what cannot fit even if it compresses well."""
        wanted = sum(bytes_of(d.call) for d in self._drafts if d.status == "run" and d.is_kept)
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
