"""The facts of a run's steps: of the record, of events, and of the recipes of their results."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from scutoid.errors import StoreError
from scutoid.regular import read_regular
from scutoid.reports._events import RunEvents, TaskEvents
from scutoid.reports._facts import (
    FailureFacts,
    GridFacts,
    InputFacts,
    OutputFacts,
    SourceFacts,
    StepFacts,
    StepState,
    Stored,
)
from scutoid.steps.results import OutcomeRecord, OutputRecord, ResultRecord, RunStepRecord
from scutoid.store import RECIPE, Entry, EntryStore, Recipe

_NOT_KEPT = "not kept"
"""How the reason of a step begins that is computed in the blocks of others."""
_TEXT_OF_STEP = (
    re.compile(r"members of (.+)"),
    re.compile(r"all \d+ of (.+?)(?:, without .*)?"),
    re.compile(r"(.+)\['.*'\]"),
    re.compile(r"(.+)"),
)
"""How recipes name the step that an input comes from."""


class StepReader:
    """Reads the facts of steps.

    Parameters
    ----------
    store : EntryStore
        Where their results are.
    events : sequence of RunEvents
        Those of each part of the run.
    is_live : bool
        Whether the run goes on.
    """

    def __init__(self, store: EntryStore, events: Sequence[RunEvents], *, is_live: bool) -> None:
        self._store = store
        self._events = events
        self._is_live = is_live
        self._sources: dict[tuple[str, str], SourceFacts] = {}
        self._inside: dict[str, Recipe] = {}
        self.problems: list[str] = []
        self.is_whole = True
        """Whether all blocks of all steps that were read are done."""

    @property
    def sources(self) -> tuple[SourceFacts, ...]:
        """What the steps got from outside."""
        return tuple(self._sources.values())

    def steps(self, records: Sequence[RunStepRecord]) -> tuple[StepFacts, ...]:
        """Return the facts of the steps of a run."""
        recipes = [self._recipe(record) for record in records]
        for recipe in recipes:
            self._note_inside(recipe)
        found: list[StepFacts] = []
        for record, recipe in zip(records, recipes, strict=True):
            found.append(self._step(record, recipe or self._inside.get(record.key), found))
        return tuple(found)

    def _entry(self, record: RunStepRecord) -> Entry:
        return self._store.entry_in(record.entry, record.name, record.key)

    def _recipe(self, record: RunStepRecord) -> Recipe | None:
        """Return the recipe of a result; one that is there and cannot be read is a problem."""
        path = self._entry(record).path / RECIPE
        try:
            recipe = Recipe.from_json(read_regular(path), place=path)
        except FileNotFoundError:
            return None
        except (OSError, StoreError) as error:
            self.problems.append(f"what {record.name!r} was made of cannot be read: {error}")
            return None
        return recipe if recipe.key == record.key else None

    def _result(self, recipe: Recipe | None, record: RunStepRecord) -> ResultRecord | None:
        try:
            return ResultRecord.of(recipe, place=self._store.path / record.entry / RECIPE)
        except StoreError as error:
            self.problems.append(f"the outputs of {record.name!r} cannot be read: {error}")
            return None

    def _note_inside(self, recipe: Recipe | None) -> None:
        """Remember the recipes of steps that were computed in the blocks of another."""
        inside = {} if recipe is None else recipe.output
        said = inside.get("inside", ())
        for content in said if isinstance(said, list) else ():
            try:
                one = Recipe.from_json(json.dumps(content))
            except StoreError:  # said where the outputs are read
                continue
            self._inside[one.key] = one

    def _step(
        self, record: RunStepRecord, recipe: Recipe | None, above: Sequence[StepFacts]
    ) -> StepFacts:
        is_kept = not record.reason.startswith(_NOT_KEPT)
        result = self._result(recipe, record)
        outputs = () if result is None else tuple(map(_output, result.outputs))
        counts = record.outcome or self._so_far(record, recipe, result)
        done = counts.n_done >= counts.n_blocks and counts.n_failed == counts.n_orphaned == 0
        self.is_whole &= done
        return StepFacts(
            name=record.name,
            key=record.key,
            entry=record.entry,
            state=self._state(record, counts, is_kept=is_kept),
            status=record.status,
            reason=record.reason,
            within=record.within,
            kind="" if recipe is None or not is_kept else recipe.kind,
            stored=self._stored(record, is_kept=is_kept),
            inputs=tuple(self._inputs(record, recipe, above)),
            outputs=outputs,
            parameters=_texts({n: f.text for n, f in recipe.parameters.items()} if recipe else {}),
            code=_texts(recipe.code if recipe else {}),
            versions=_texts({**recipe.environment, **recipe.versions} if recipe else {}),
            grid=None if result is None else _grid(result.outputs),
            n_blocks=counts.n_blocks,
            n_done=counts.n_done,
            n_cached=counts.n_cached,
            n_taken=counts.n_taken,
            n_failed=counts.n_failed,
            n_orphaned=counts.n_orphaned,
            seconds=counts.seconds,
            failures=tuple(self._failures(record, counts)),
            slowest=counts.slowest,
            spent=counts.spent,
        )

    def _stored(self, record: RunStepRecord, *, is_kept: bool) -> Stored:
        if not is_kept:
            return "nowhere"
        status = self._entry(record).status
        return "gone" if status == "absent" else status

    def _task(self, name: str) -> TaskEvents | None:
        """Return what the last part of the run that had a step as a task says of it."""
        return next((e.tasks[name] for e in reversed(self._events) if name in e.tasks), None)

    def _so_far(
        self, record: RunStepRecord, recipe: Recipe | None, result: ResultRecord | None
    ) -> OutcomeRecord:
        """Return what has come of a step in a run that goes on, or was killed."""
        task = self._task(record.name)
        if task is None:
            n_blocks = 0 if result is None else result.n_blocks
            n_done = n_blocks if record.status == "cached" else 0
            return OutcomeRecord(n_blocks, n_done, n_done, 0, 0, 0.0)
        return OutcomeRecord(
            n_blocks=task.n_blocks,
            n_done=min(task.n_cached + task.n_skipped + task.n_done, task.n_blocks),
            n_cached=task.n_cached,
            n_failed=len(task.failures),
            n_orphaned=task.n_orphaned,
            seconds=task.seconds,
            slowest=tuple(task.slowest),
            spent=task.spent,
        )

    def _state(self, record: RunStepRecord, counts: OutcomeRecord, *, is_kept: bool) -> StepState:
        if counts.n_failed:
            return "failed"
        if not is_kept:
            return "inside"
        if record.status == "cached" and counts.n_done >= counts.n_blocks:
            return "cached"
        task = self._task(record.name)
        if record.outcome is None and self._is_live:
            if task is None or not (task.is_begun or task.is_ended):
                return "waiting"
            return "done" if task.is_ended and counts.n_done >= counts.n_blocks else "running"
        is_known = record.outcome is not None or counts.n_blocks
        return "done" if is_known and counts.n_done >= counts.n_blocks else "stopped"

    def _failures(self, record: RunStepRecord, counts: OutcomeRecord) -> list[FailureFacts]:
        """Join failures as the record has them, in a line, with those of events."""
        events = [
            one
            for part in self._events
            for one in (part.tasks[record.name].failures if record.name in part.tasks else ())
        ]
        texts = list(counts.failures)
        if record.outcome is None:
            return [_of_event(event) for event in events]
        found = []
        for text in texts:
            event = next((e for e in events if text.endswith(f": {e['error']}")), None)
            if event is None:
                where, _, error = text.partition(": ")
                found.append(FailureFacts(None, where, error))
                continue
            events.remove(event)
            where = text.removesuffix(f": {event['error']}")
            found.append(
                FailureFacts(event["index"], where, event["error"], event["traceback"] or "")
            )
        return found

    def _inputs(
        self, record: RunStepRecord, recipe: Recipe | None, above: Sequence[StepFacts]
    ) -> list[InputFacts]:
        if record.inputs is not None:
            return [
                InputFacts(one.name, one.text, one.step)
                if one.step is not None
                else InputFacts(one.name, one.text, None, self._source(one.text, one.place))
                for one in record.inputs
            ]
        found = []
        for name, fact in recipe.inputs.items() if recipe else ():
            step = _maker(fact.digest, fact.text, above)
            source = None if step else self._source(fact.text, "")
            found.append(InputFacts(name, fact.text, step, source))
        return found

    def _source(self, text: str, place: str) -> str:
        known = (text, place) if not place else ("", place)
        if known not in self._sources:
            name = f"source-{len(self._sources) + 1}"
            self._sources[known] = SourceFacts(name, text, place)
        return self._sources[known].id


def _maker(key: str, text: str, above: Sequence[StepFacts]) -> str | None:
    """Find the step that makes an input, by its key, else the last one of the name in its text."""
    for step in above:
        if step.key == key:
            return step.name
    for pattern in _TEXT_OF_STEP:
        found = pattern.fullmatch(text)
        named = [step.name for step in above if found and step.label == found[1]]
        if named:
            return named[-1]
    return None


def _of_event(event: Mapping[str, object]) -> FailureFacts:
    index = int(str(event["index"]))
    where = "set-up" if index < 0 else f"block {index}"
    return FailureFacts(index, where, str(event["error"]), str(event["traceback"] or ""))


def _texts(named: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(named.items())


def _output(output: OutputRecord) -> OutputFacts:
    image = output.image
    if image is None:
        return OutputFacts(output.kind, output.name, output.labels)
    return OutputFacts(
        output.kind, output.name, output.labels, image.axes, image.shape, image.dtype
    )


def _grid(outputs: Sequence[OutputRecord]) -> GridFacts | None:
    """Return how the blocks lie, from the first output that says it."""
    for output in outputs:
        place = output.image or output.parts
        if place is not None and place.grid is not None:
            grid = place.grid.grid
            shape, block = tuple(grid.total.shape), tuple(grid.block_shape)
            blocks = tuple(-(-size // side) for size, side in zip(shape, block, strict=True))
            return GridFacts(place.grid.axes, shape, block, blocks)
    return None
