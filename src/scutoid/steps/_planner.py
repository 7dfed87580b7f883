"""Working out a plan: keys, shapes, block grids and reasons, before anything runs.

What cannot work raises here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks import Journal
from scutoid.errors import MemoryLimitError, PipelineError, StoreError
from scutoid.steps._accept import Acceptance, Accepted
from scutoid.steps._evaluate import physical_memory
from scutoid.steps._inside import nearest_inside, with_inside
from scutoid.steps._keys import CallKey, Keys
from scutoid.steps._lazy import Lazy
from scutoid.steps._losses import changed_files, lost_blocks
from scutoid.steps._needs import bytes_of, memory_of
from scutoid.steps._plan import Status
from scutoid.steps._producers import Call, Member
from scutoid.steps._recipes import block_of, make_recipe
from scutoid.steps._stored import StoredItems, members_of
from scutoid.store import (
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
class Work:
    """One step as the runner needs it."""

    call: Call
    key: CallKey
    entry: Entry
    task: str
    status: Status
    reason: str
    n_blocks: int
    done: NDArray[np.bool_] | None = None
    needed: NDArray[np.bool_] | None = None
    member_keys: tuple[str, ...] = ()
    is_kept: bool = True
    restarts: bool = False
    lost: NDArray[np.int64] | None = None
    accepted: Accepted | None = None
    nearest: Recipe | None = None
    is_listed_anew: bool = False

    @property
    def finish_task(self) -> str:
        """Name of the task whose end means that the step's values can be read."""
        return f"{self.task}:finish" if self.has_finish else self.task

    @property
    def is_to_be_mended(self) -> bool:
        """Whether the store has some of a result, which was whole or is not finished."""
        if not self.is_kept or self.call.keys is not None or self.status == "cached":
            return False
        return self.restarts or self.entry.status == "partial"

    @property
    def has_finish(self) -> bool:
        """Whether the blocks' values are joined at the end."""
        spec = self.call.spec
        tabular = "table" in spec.outputs and spec.kind == "blockwise"
        return self.call.keys is None and (spec.kind == "reduction" or tabular)

    @property
    def n_done(self) -> int:
        """Blocks that are done already."""
        if self.status == "cached":
            return self.n_blocks
        return 0 if self.done is None else int(self.done.sum())


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
        self.keys = Keys(self.memo, store)
        self._block = block
        self._force = frozenset(force)
        self._acceptance = Acceptance(store, self.keys, accept)
        self.works: list[Work] = []
        self._by_key: dict[str, Work] = {}
        self._by_call: dict[int, Work] = {}

    def plan(self, targets: Sequence[Lazy]) -> list[Work]:
        """Return the steps of `targets` in the order in which they depend on one another.

        Raises
        ------
        ScutoidError
            If anything about them cannot work.
        """
        producers = [self._call_of(target) for target in targets]
        for call in producers:
            self._visit(call)
        self._check_names()
        self._settle({id(self._by_call[id(call)]) for call in producers})
        self._check_memory()
        self._check_disk()
        return self.works

    def work(self, lazy: Lazy) -> Work | None:
        """Return the step that makes a result; None for what was opened or given."""
        producer = lazy.producer
        if isinstance(producer, Member):
            producer = producer.collection
        return self._by_call.get(id(producer))

    def _call_of(self, target: Lazy) -> Call:
        if not isinstance(target, Lazy):
            raise PipelineError(
                "a target is a result of a step",
                value=type(target).__name__,
                remedy="pass what a step returned on lazy inputs, such as sc.label(mask)",
            )
        producer = target.producer
        if isinstance(producer, Member):
            producer = producer.collection
        if not isinstance(producer, Call):
            raise PipelineError(
                "a target is a result of a step; this is an input",
                value=target.name,
                remedy="pass the results that you want computed",
            )
        return producer

    def _visit(self, call: Call) -> None:
        if id(call) in self._by_call:
            return
        for lazy in call.dependencies():
            producer = lazy.producer
            if isinstance(producer, Member):
                producer = producer.collection
            if isinstance(producer, Call):
                self._visit(producer)
        work = self._make(call)
        self._by_call[id(call)] = same = self._by_key.setdefault(work.key.key, work)
        if same is work:
            self.works.append(work)

    def _make(self, call: Call) -> Work:
        spec = call.spec
        if call.keys is None and spec.kind != "step":
            call.suggested_block = self._block
        if call.keys is None and "image" in spec.outputs:
            for number, kind in enumerate(spec.outputs):
                if kind == "image":
                    call.framed(number)  # raises now what would fail later
        task = self._name(call)
        accepted = self._acceptance.of(call, task, self._n_blocks(call))
        key = self.keys.call(call)
        entry = self.store.entry(spec.label, key.key)
        if call.is_block_invariant and call.keys is None and self._reuse_block(call, entry):
            key = replace(key, block=block_of(call))
        is_kept = spec.options.keep is True or spec.outputs != ("image",) or call.keys is not None
        return Work(
            call,
            key,
            entry,
            task=task,
            status="run",
            reason="",
            n_blocks=self._n_blocks(call),
            accepted=accepted,
            is_kept=is_kept or spec.kind != "blockwise" or spec.sees_neighbours,
        )

    def _reuse_block(self, call: Call, entry: Entry) -> bool:
        """Cut an image as an earlier run did, if that has left blocks behind."""
        recipe = entry.recipe
        if call.spec.kind == "step" or recipe is None or recipe.block is None:
            return False
        axes = call.layout().axes
        if entry.status != "absent" and len(recipe.block) == len(axes):
            call.suggested_block = dict(zip(axes, recipe.block, strict=True))
            return True
        return False

    def _n_blocks(self, call: Call) -> int:
        if call.keys is not None:
            return len(call.keys)
        return 1 if call.spec.kind == "step" else call.layout().grid.n_blocks

    def _name(self, call: Call) -> str:
        """Name a step that may be the second of its name."""
        number = 1 + sum(work.call.spec.label == call.spec.label for work in self.works)
        return call.spec.label if number == 1 else f"{call.spec.label}-{number}"

    def _check_names(self) -> None:
        twice = self._force & self._acceptance.names
        if twice:
            raise PipelineError("a step is run again or accepted, not both", value=min(twice))
        unknown = (self._force | self._acceptance.names) - {work.task for work in self.works}
        if unknown:
            raise PipelineError(
                "force= and accept= name steps of the pipeline",
                value=min(unknown),
                remedy=f"one of {', '.join(work.task for work in self.works)}",
            )

    def _settle(self, targets: set[int]) -> None:
        """Find out, from the targets upwards, what is there and what is needed."""
        needed = {id(w): w for w in self.works if id(w) in targets}
        masks: dict[int, NDArray[np.bool_] | None] = {}
        for work in reversed(self.works):
            if id(work) in targets:
                work.is_kept = True
            self._look_up(work)
            if id(work) not in needed and not work.is_to_be_mended:
                continue
            needed[id(work)] = work
            if work.call.keys is not None:
                mask = masks.get(id(work)) if id(work) not in targets else None
                work.needed = np.ones(work.n_blocks, bool) if mask is None else mask
                if work.done is not None and bool((work.done | ~work.needed).all()):
                    work.status = "cached"
            if work.status == "cached":
                continue
            for lazy in self._read_by(work.call):
                upstream = self.work(lazy)
                if upstream is None:
                    continue
                needed[id(upstream)] = upstream
                wanted = self._wanted(work, lazy, upstream)
                before = masks.get(id(upstream), wanted)
                masks[id(upstream)] = None if wanted is None or before is None else before | wanted
        self.works = [w for w in self.works if id(w) in needed or w.status == "cached"]
        self._record_reasons()

    def _read_by(self, call: Call) -> Iterator[Lazy]:
        """Yield what a call reads: also what a step reads that is computed in its blocks."""
        for lazy in call.dependencies():
            yield lazy
            upstream = self.work(lazy)
            if upstream is not None and upstream.call in call.fused_inputs:
                yield from self._read_by(upstream.call)

    def _wanted(self, work: Work, lazy: Lazy, upstream: Work) -> NDArray[np.bool_] | None:
        """Return the members of `upstream` that `work` needs; None: all."""
        call = work.call
        if upstream.call.keys is None or call.keys is None or work.needed is None:
            return None
        gathered = not any(lazy is item for item in (*call.inputs, *call.params.values()))
        if gathered or work.done is None:
            return None
        places = upstream.call.places
        wanted = np.zeros(upstream.n_blocks, bool)
        for key, is_needed, is_done in zip(call.keys, work.needed, work.done, strict=True):
            wanted[places[key]] = is_needed and not is_done
        return wanted

    def _look_up(self, work: Work) -> None:
        """Find out what the store has of a step."""
        call, entry = work.call, work.entry
        forced = work.task in self._force
        if call.keys is not None:
            work.member_keys = tuple(self.keys.member(call, key) for key in call.keys)
            by_key = dict(zip(call.keys, work.member_keys, strict=True))
            items = StoredItems.of(entry, call.spec, by_key)
            done = np.array([items.has(key) for key in call.keys], bool)
            work.done = done & (not forced)
            work.status = "partial" if work.done.any() else "run"
            if work.done.all():
                work.status = "cached"
                self._look_up_list(work, by_key)
            return
        if not work.is_kept:
            return
        if entry.status == "absent":
            return
        if entry.is_suspect:
            work.reason = "damage was noticed in it: it is looked through when it runs"
        work.restarts = forced or not self._is_whole(work)
        if not work.restarts and self._is_stored_otherwise(work):
            work.restarts, work.reason = True, "it was begun with another storage="
        if work.restarts:
            return
        try:
            lost = lost_blocks(entry)
            statuses = Journal.read(entry.journal)
        except StoreError:
            work.restarts, work.reason = True, "its journal is damaged"
            return
        if entry.status == "complete" and not lost:
            work.status = "cached"
        elif work.call.spec.kind != "step" and len(statuses) == work.n_blocks:
            self._take_losses(work, lost, statuses)
            work.done = statuses != 0
            work.status = "partial" if work.done.any() else "run"

    def _look_up_list(self, work: Work, by_key: Mapping[str, str]) -> None:
        """See whether the entry of a collection lists its members, all of which are done."""
        if work.entry.status != "complete" or work.entry.misfits():
            work.is_listed_anew = True
            work.reason = "its list of members was damaged or not finished: it is written anew"
        else:
            work.is_listed_anew = members_of(work.entry) != by_key

    def _take_losses(
        self, work: Work, lost: Mapping[str, NDArray[np.int64]], statuses: NDArray[np.uint8]
    ) -> None:
        """Have blocks made anew whose shards are gone; they are struck from `statuses`."""
        for file, blocks in lost.items():
            statuses[blocks] = 0
            work.reason = f"{len(blocks)} of {work.n_blocks} blocks of {file} are missing"
        if lost:
            work.lost = np.unique(np.concatenate(list(lost.values())))

    def _is_stored_otherwise(self, work: Work) -> bool:
        """Whether a result was begun in other chunks or another format than is asked for."""
        recipe = work.entry.recipe
        if recipe is None or work.entry.status != "partial":
            return False
        return bool(recipe.output.get("storage") != str(work.call.spec.options.storage))

    def _is_whole(self, work: Work) -> bool:
        """Whether all that the recipe names is there."""
        recipe = work.entry.recipe
        if recipe is None:
            return False
        if recipe.stands_for is not None:
            work.reason = "the result that was accepted for it is gone"
            return False
        for said in recipe.output.get("outputs", ()):
            file = said.get("file")
            if file and not (work.entry.path / file).exists():
                work.reason = f"output {file} is missing"
                return False
        changed = changed_files(work.entry) if work.entry.status == "complete" else []
        if changed:
            work.reason = f"output {changed[0]} is missing or was changed"
        return not changed

    def _record_reasons(self) -> None:
        rerun: set[int] = set()
        for work in self.works:
            if work.accepted is not None:
                work.reason = f"accepted, although {work.accepted.reason}"
            if work.status == "cached":
                work.reason = work.reason or "up to date"
                continue
            rerun.add(id(work))
            if work.reason:
                continue
            if work.task in self._force:
                work.reason = "forced"
            elif work.call.keys is not None and work.entry.status != "absent":
                work.reason = self._changed_members(work)
            elif work.status == "partial":
                work.reason = f"{work.n_done} of {work.n_blocks} are done"
            elif not work.is_kept:
                work.reason = self._said_of_readers(work)
            else:
                work.reason = self._explain(work)

    def _said_of_readers(self, work: Work) -> str:
        names = ", ".join(reader.task for reader in self._readers(work))
        text = f"not kept: computed inside the blocks of {names}" if names else "not kept"
        work.nearest = self._nearest_inside(work)
        changed = [] if work.nearest is None else differences(self.compared(work), work.nearest)
        return "; ".join([text, *changed])

    def _readers(self, work: Work) -> list[Work]:
        return [w for w in self.works if work.call in w.call.fused_inputs]

    def _nearest_inside(self, work: Work) -> Recipe | None:
        """Return what the nearest result of a step that is kept says of one inside its blocks."""
        readers = self._readers(work)
        for reader in readers:  # grows: what is not kept has readers of its own
            if not reader.is_kept:
                readers.extend(self._readers(reader))
            elif reader.status == "run":
                above = self.store.nearest(reader.call.spec.label, self.recipe(reader))
                found = nearest_inside(above, self.recipe(work))
                if found is not None:
                    return found
        return None

    def _explain(self, work: Work) -> str:
        work.nearest = self.store.nearest(work.call.spec.label, self.recipe(work))
        return explain(self.compared(work), work.nearest)

    def _changed_members(self, work: Work) -> str:
        """Say which members are not as they were when the collection was last run."""
        said = members_of(work.entry)
        pairs = list(zip(work.call.keys or (), work.member_keys, strict=True))
        changed = [key for key, member in pairs if said.get(key, member) != member]
        added = [key for key, _ in pairs if key not in said]
        lists = (("changed", changed), ("are new", added))
        words = [
            f"{len(keys)} of {len(pairs)} members {what}: {', '.join(keys[:3])}"
            + (", ..." if len(keys) > _NAMED else "")
            for what, keys in lists
            if keys
        ]
        return "; ".join(words) or "a member's result is missing"

    def recipe(self, work: Work) -> Recipe:
        """Return what the entry of a step shall say of itself."""
        return with_inside(make_recipe(work.call, work.key, work.n_blocks), work.call, self.keys)

    def compared(self, work: Work) -> Recipe:
        """Return the recipe as it is compared with the nearest: where blocks count, with them."""
        recipe, near = self.recipe(work), work.nearest
        if near is not None and (work.call.is_block_invariant or not work.is_kept):
            return replace(recipe, block=near.block)
        return recipe

    def _check_memory(self) -> None:
        for work in self.works:
            if work.status == "cached" or work.call.keys is not None:
                continue
            need = memory_of(work.call)
            if need > self.memory:
                what = "inputs of a whole step" if work.call.spec.kind == "step" else "a block"
                raise MemoryLimitError(
                    f"{what} fit in the memory of one worker",
                    value=f"about {need / 1e9:.1f} GB needed, {self.memory / 1e9:.1f} GB allowed",
                    place=f"step {work.task!r}",
                    remedy="use a block-wise step or a smaller block=, or allow more memory=",
                )

    def _check_disk(self) -> None:
        """Refuse what cannot fit even if it compresses well."""
        wanted = sum(bytes_of(w.call) for w in self.works if w.status == "run" and w.is_kept)
        free = self.store.free_bytes()
        if wanted / _LIKELY_COMPRESSION > free:
            raise StoreError(
                "the results fit on the store's disk",
                value=f"{wanted / 1e9:.1f} GB uncompressed, {free / 1e9:.1f} GB free",
                place=str(self.store.path),
                remedy="choose another store, or keep=False for steps whose images you do not need",
            )


def is_computed(work: Work) -> bool:
    """Whether steps that read a fused image compute it in their blocks, kept or not."""
    return not (work.is_kept and work.call.is_block_invariant)


def flatten(targets: Iterable[object]) -> list[Lazy]:
    """Return all results in nested tuples, lists and dicts of them."""
    found: list[Lazy] = []
    for item in targets:
        if isinstance(item, dict):
            found.extend(flatten(item.values()))
        elif isinstance(item, (tuple, list)):
            found.extend(flatten(item))
        else:
            found.append(item)  # type: ignore[arg-type]
    return found
