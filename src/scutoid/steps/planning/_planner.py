"""Work out a plan: keys, shapes, block grids and reasons, before anything runs.

What cannot work raises here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks import Journal
from scutoid.errors import DamagedResult, MemoryLimitError, PipelineError, StoreError
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
from scutoid.steps.planning._accept import Acceptance, Accepted
from scutoid.steps.planning._keys import CallKey, Keys
from scutoid.steps.planning._plan import Status
from scutoid.steps.planning._planned import PlannedCall, PlannedRun, as_compared, recipe_of
from scutoid.steps.planning._recipes import block_of, is_stored_otherwise, nearest_inside
from scutoid.steps.results import (
    ResultRecord,
    StoredItems,
    changed_files,
    lost_blocks,
    members_of,
)
from scutoid.store import (
    RECIPE,
    Entry,
    EntryStore,
    HashMemo,
    Recipe,
    differences,
    explain,
)

_NAMED = 3
_LIKELY_COMPRESSION = 10
_MEMO = ".input-hashes"


@dataclass(slots=True, eq=False)
class _Draft:
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

    @property
    def is_to_be_mended(self) -> bool:
        """Whether the store has some of a result, which was whole or is not finished."""
        if not self.is_kept or isinstance(self.call, MappedCall) or self.status == "cached":
            return False
        return self.restarts or self.entry.status == "partial"

    @property
    def n_done(self) -> int:
        """Blocks that are done already."""
        return 0 if self.done is None else int(self.done.sum())

    def frozen(self, layouts: Layouts) -> PlannedCall:
        """Return the planned call."""
        step = layouts.step(self.call) if isinstance(self.call, BlockCall) else None
        return PlannedCall(
            call=self.call,
            key=self.key,
            entry=self.entry,
            task=self.task,
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
        )


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
    ) -> None:
        self.store = store
        self.memory = physical_memory() if memory is None else memory
        self.memo = HashMemo(store.path / _MEMO, is_trusted=not paranoid)
        self.layouts = Layouts(block)
        self.keys = Keys(self.memo, store, self.layouts)
        self._force = frozenset(force)
        self._acceptance = Acceptance(store, self.keys, self.layouts, accept)
        self._drafts: list[_Draft] = []
        self._by_key: dict[object, _Draft] = {}
        self._by_entry: dict[Path, _Draft] = {}
        self._by_node: dict[Node, _Draft] = {}

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
        self._check_memory()
        self._check_disk()
        frozen = {draft: draft.frozen(self.layouts) for draft in self._by_key.values()}
        return PlannedRun(
            store=self.store,
            keys=self.keys,
            layouts=self.layouts,
            calls=tuple(frozen[draft] for draft in self._drafts),
            by_node={node: frozen[draft] for node, draft in self._by_node.items()},
        )

    def _of(self, ref: Ref | CollectionRef) -> _Draft | None:
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
        members = tuple(zip(call.keys or (), draft.member_keys, strict=True))
        same = self._by_key.setdefault((draft.key.key, members), draft)
        if same is draft:
            self._check_entry(draft)
            self._drafts.append(draft)
        self._by_node[call] = same

    def _check_entry(self, draft: _Draft) -> None:
        """Refuse other members under the name and the key of a collection that is planned."""
        other = self._by_entry.setdefault(draft.entry.path, draft)
        if other is not draft:
            raise PipelineError(
                "a step that is applied to two collections has a name for each",
                value=f"collections of {other.n_blocks} and {draft.n_blocks} members",
                place=f"step {other.task!r}",
                remedy='name one of them, step.options(name="other")(images), or run one after '
                "the other",
            )

    def _make(self, call: Call) -> _Draft:
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
        return _Draft(
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
        unknown = (self._force | self._acceptance.names) - {draft.task for draft in self._drafts}
        if unknown:
            raise PipelineError(
                "force= and accept= name steps of the pipeline",
                value=min(unknown),
                remedy=f"one of {', '.join(draft.task for draft in self._drafts)}",
            )

    def _settle(self, targets: set[_Draft]) -> None:
        """Find out, from the targets upwards, what is there and what is needed."""
        needed = set(targets)
        masks: dict[_Draft, NDArray[np.bool_] | None] = {}
        for draft in reversed(self._drafts):
            if draft in targets:
                draft.is_kept = True
            self._look_up(draft)
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
        for ref in call.dependencies:
            yield ref
            upstream = self._of(ref)
            if upstream is not None and upstream.call in call.fused_inputs:
                yield from self._read_by(upstream.call)

    def _wanted(
        self, draft: _Draft, ref: Ref | CollectionRef, upstream: _Draft
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

    def _look_up(self, draft: _Draft) -> None:
        """Find out what the store has of a step."""
        call, entry = draft.call, draft.entry
        forced = draft.task in self._force
        if isinstance(call, MappedCall):
            by_key = dict(zip(call.keys, draft.member_keys, strict=True))
            items = StoredItems.of(entry, call.spec, by_key)
            done = np.array([items.has(key) for key in call.keys], bool)
            draft.done = done & (not forced)
            draft.status = "partial" if draft.done.any() else "run"
            if draft.done.all():
                draft.status = "cached"
                self._look_up_list(draft, by_key)
            return
        if not draft.is_kept:
            return
        if entry.status == "absent":
            return
        if entry.is_suspect:
            draft.reason = "damage was noticed in it: it is looked through when it runs"
        draft.restarts = forced or not self._is_whole(draft)
        is_begun = entry.status == "partial"
        if not draft.restarts and is_begun and is_stored_otherwise(entry, call.spec):
            draft.restarts, draft.reason = True, "it was begun with another storage="
        if draft.restarts:
            return
        try:
            lost = lost_blocks(entry)
            statuses = Journal.read(entry.journal)
        except StoreError:
            draft.restarts, draft.reason = True, "its journal is damaged"
            return
        if entry.status == "complete" and not lost:
            draft.status = "cached"
        elif isinstance(call, BlockCall) and len(statuses) == draft.n_blocks:
            self._take_losses(draft, lost, statuses)
            draft.done = statuses != 0
            draft.status = "partial" if draft.done.any() else "run"

    def _look_up_list(self, draft: _Draft, by_key: Mapping[str, str]) -> None:
        """See whether the entry of a collection lists its members, all of which are done."""
        if draft.entry.status != "complete" or draft.entry.misfits():
            draft.is_relisted = True
            draft.reason = "its list of members was damaged or not finished: it is written again"
        else:
            draft.is_relisted = members_of(draft.entry) != by_key

    def _take_losses(
        self, draft: _Draft, lost: Mapping[str, NDArray[np.int64]], statuses: NDArray[np.uint8]
    ) -> None:
        """Have blocks made again whose shards are gone; they are struck from `statuses`."""
        for file, blocks in lost.items():
            statuses[blocks] = 0
            draft.reason = f"{len(blocks)} of {draft.n_blocks} blocks of {file} are missing"
        if lost:
            draft.lost = np.unique(np.concatenate(list(lost.values())))

    def _is_whole(self, draft: _Draft) -> bool:
        """Whether all that the recipe names is there."""
        recipe = draft.entry.recipe
        if recipe is None:
            return False
        if recipe.stands_for is not None:
            draft.reason = "the result that was accepted for it is gone"
            return False
        try:
            record = ResultRecord.of(recipe, place=draft.entry.path / RECIPE)
        except DamagedResult as error:
            draft.reason = f"its recipe is damaged: {error.rule}"
            return False
        for output in () if record is None else record.outputs:
            if output.file is not None and not (draft.entry.path / output.file).exists():
                draft.reason = f"output {output.file} is missing"
                return False
        changed = changed_files(draft.entry) if draft.entry.status == "complete" else []
        if changed:
            draft.reason = f"output {changed[0]} is missing or was changed"
        return not changed

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
                draft.reason = self._changed_members(draft)
            elif draft.status == "partial":
                draft.reason = f"{draft.n_done} of {draft.n_blocks} are done"
            elif not draft.is_kept:
                draft.reason = self._explain_readers(draft)
            else:
                draft.reason = self._explain(draft)

    def _explain_readers(self, draft: _Draft) -> str:
        names = ", ".join(reader.task for reader in self._readers(draft))
        text = f"not kept: computed inside the blocks of {names}" if names else "not kept"
        draft.nearest = self._nearest_inside(draft)
        changed = [] if draft.nearest is None else differences(self.compared(draft), draft.nearest)
        return "; ".join([text, *changed])

    def _readers(self, draft: _Draft) -> list[_Draft]:
        return [d for d in self._drafts if draft.call in d.call.fused_inputs]

    def _nearest_inside(self, draft: _Draft) -> Recipe | None:
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

    def _explain(self, draft: _Draft) -> str:
        draft.nearest = self.store.nearest(draft.call.spec.label, self.recipe(draft))
        return explain(self.compared(draft), draft.nearest)

    def _changed_members(self, draft: _Draft) -> str:
        """Say which members are not as they were when the collection was last run."""
        listed = members_of(draft.entry)
        pairs = list(zip(draft.call.keys or (), draft.member_keys, strict=True))
        changed = [key for key, member in pairs if listed.get(key, member) != member]
        added = [key for key, _ in pairs if key not in listed]
        lists = (("changed", changed), ("are new", added))
        words = [
            f"{len(keys)} of {len(pairs)} members {what}: {', '.join(keys[:3])}"
            + (", ..." if len(keys) > _NAMED else "")
            for what, keys in lists
            if keys
        ]
        return "; ".join(words) or "a member's result is missing"

    def recipe(self, draft: _Draft) -> Recipe:
        """Return what the entry of a step shall say of itself."""
        return recipe_of(draft.call, draft.key, draft.n_blocks, self.keys, self.layouts)

    def compared(self, draft: _Draft) -> Recipe:
        """Return the recipe as it is compared with the nearest: where blocks count, with them."""
        recipe, near = self.recipe(draft), draft.nearest
        return as_compared(recipe, draft.call, near, is_kept=draft.is_kept)

    def _check_memory(self) -> None:
        for draft in self._drafts:
            if draft.status == "cached" or isinstance(draft.call, MappedCall):
                continue
            need = memory_of(draft.call, self.layouts)
            if need > self.memory:
                what = "inputs of a whole step" if isinstance(draft.call, WholeCall) else "a block"
                raise MemoryLimitError(
                    f"{what} fit in the memory of one worker",
                    value=f"about {need / 1e9:.1f} GB needed, {self.memory / 1e9:.1f} GB allowed",
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
                value=f"{wanted / 1e9:.1f} GB uncompressed, {free / 1e9:.1f} GB free",
                place=str(self.store.path),
                remedy="choose another store, or keep=False for steps whose images you do not need",
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
