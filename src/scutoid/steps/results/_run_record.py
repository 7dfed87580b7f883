"""Typed records of runs: which results a run needed, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from scutoid.spent import CAUSES, Spent
from scutoid.steps.results._record_fields import (
    VERSION_FIELD,
    Fields,
    count,
    inner_name,
    items,
    mapping,
    number,
    optional,
    text,
    truth,
    whole,
)
from scutoid.texts import json_text


@dataclass(frozen=True, slots=True)
class OutcomeRecord:
    """What came of one step of a run."""

    n_blocks: int
    """Blocks, or members of a collection."""
    n_done: int
    """Those that were done in the end."""
    n_cached: int
    """Those of them that were done before."""
    n_failed: int
    """Those that failed at every attempt."""
    n_orphaned: int
    """Those that did not run, because what they depend on failed."""
    seconds: float
    """From the first batch to the last, in seconds."""
    failures: tuple[str, ...] = ()
    """The first failures, each in a line: where, and the error."""
    slowest: tuple[tuple[int, float], ...] = ()
    """Numbers of the blocks that took longest, and their seconds."""
    n_taken: int = 0
    """Blocks that were taken over from an earlier result."""
    spent: Spent | None = None
    """What workers spent their time on; None in runs from before it was written down."""

    def to_dict(self) -> dict[str, object]:
        """Return it as it stands in JSON."""
        return {
            "n_blocks": self.n_blocks,
            "n_done": self.n_done,
            "n_cached": self.n_cached,
            "n_failed": self.n_failed,
            "n_orphaned": self.n_orphaned,
            "n_taken": self.n_taken,
            "seconds": self.seconds,
            "failures": list(self.failures),
            "slowest": [{"block": block, "seconds": seconds} for block, seconds in self.slowest],
            **({} if self.spent is None else {"spent": self.spent.to_dict()}),
        }

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Read it from the fields of another record."""
        within, spent = fields.within("slowest"), fields.within("spent")

        def slow(content: object) -> tuple[int, float]:
            one = within(content)
            return one.take("block", whole), one.take("seconds", number)

        return cls(
            n_blocks=fields.take("n_blocks", count),
            n_done=fields.take("n_done", count),
            n_cached=fields.take("n_cached", count),
            n_failed=fields.take("n_failed", count),
            n_orphaned=fields.take("n_orphaned", count),
            seconds=fields.take("seconds", number),
            failures=fields.take("failures", items(text)),
            slowest=fields.take("slowest", items(slow)),
            n_taken=fields.find("n_taken", count, 0),
            spent=fields.find("spent", lambda one: _spent(spent(one)), None),
        )


def _spent(fields: Fields) -> Spent:
    return Spent(*(fields.take(cause, number) for cause in CAUSES))


@dataclass(frozen=True, slots=True)
class InputRecord:
    """What a step of a run got."""

    name: str
    """Name of the input or the parameter."""
    text: str
    """What it is, in a few words."""
    step: str | None = None
    """Name of the step of the run that makes it; None: it was opened, given, or is stored."""
    place: str = ""
    """Where it lies, if it was opened, or is stored: a path or a URL."""

    def to_dict(self) -> dict[str, object]:
        """Return it as it stands in JSON."""
        return {"name": self.name, "text": self.text, "step": self.step, "place": self.place}

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Read it from the fields of another record."""
        return cls(
            name=fields.take("name", text),
            text=fields.take("text", text),
            step=fields.take("step", optional(text)),
            place=fields.take("place", text),
        )


@dataclass(frozen=True, slots=True)
class RunStepRecord:
    """One step of a run."""

    name: str
    """Name of the step."""
    key: str
    """Key of its result."""
    entry: str
    """The result's folder, below the store."""
    status: str
    """Whether it was cached, partial or to be run, when the run was planned."""
    reason: str
    """Why."""
    within: tuple[str, ...] = ()
    """Names of the steps under which it is shown, outermost first; none where a user made it."""
    outcome: OutcomeRecord | None = None
    """What came of it; None while the run is going on, or if it was killed."""
    inputs: tuple[InputRecord, ...] | None = None
    """What it got; None in runs from before it was written down."""
    view: Mapping[str, object] | None = None
    """How its result is shown, where ``options(view=)`` says so."""

    @property
    def spent(self) -> Spent | None:
        """What workers spent their time on; None if it is not known."""
        return None if self.outcome is None else self.outcome.spent

    def to_dict(self) -> dict[str, object]:
        """Return it as it stands in JSON."""
        return {
            "name": self.name,
            "key": self.key,
            "entry": self.entry,
            "status": self.status,
            "reason": self.reason,
            **({"within": list(self.within)} if self.within else {}),
            **({} if self.inputs is None else {"inputs": [one.to_dict() for one in self.inputs]}),
            **({} if self.view is None else {"view": dict(self.view)}),
            **({} if self.outcome is None else self.outcome.to_dict()),
        }

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Read it from the fields of another record."""
        taken = fields.within("inputs")
        return cls(
            name=fields.take("name", text),
            key=fields.take("key", text),
            entry=fields.take("entry", inner_name),
            status=fields.take("status", text),
            reason=fields.take("reason", text),
            within=fields.find("within", items(text), ()),
            outcome=OutcomeRecord.read(fields) if "n_blocks" in fields.content else None,
            inputs=fields.find("inputs", items(lambda one: InputRecord.read(taken(one))), None),
            view=fields.find("view", optional(mapping), None),
        )


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run has written down of itself: `run.json`.

    Examples
    --------
    >>> step = RunStepRecord("denoise", "3f9a", "denoise/3f9a", "run", "first run")
    >>> record = RunRecord(1000.0, (step,))
    >>> RunRecord.from_json(record.to_json()) == record
    True
    """

    VERSION: ClassVar[int] = 1
    """Version that is written, and the latest that is read."""

    started: float
    """When it began, in seconds since 1970."""
    steps: tuple[RunStepRecord, ...]
    """The steps that it planned, upstream first."""
    ok: bool | None = None
    """Whether all was done; None while it is going on, or if it was killed."""
    seconds: float | None = None
    """How long it took."""
    warnings: tuple[str, ...] = ()
    """What looked wrong in its plan and was allowed."""
    part_of: str | None = None
    """Name of the folder of the run that it goes on with; None if it is the first part of a run."""
    command: tuple[str, ...] = ()
    """The command that began it, word by word; none of a notebook."""
    memory: int | None = None
    """Bytes that this process, or a worker that it started, has taken at most so far."""
    array: str | None = None
    """The job array that it is an element of: its cluster and number; None: of none."""
    worker_seconds: float | None = None
    """How long it took, times the number of its workers; None if nothing was computed, or it was
    not written down."""

    def to_json(self) -> str:
        """Return the text of the file."""
        content = {
            VERSION_FIELD: self.VERSION,
            "started": self.started,
            "ok": self.ok,
            "seconds": self.seconds,
            **({"warnings": list(self.warnings)} if self.warnings else {}),
            **({} if self.part_of is None else {"part_of": self.part_of}),
            **({"command": list(self.command)} if self.command else {}),
            **({} if self.memory is None else {"memory": self.memory}),
            **({} if self.array is None else {"array": self.array}),
            **({} if self.worker_seconds is None else {"worker_seconds": self.worker_seconds}),
            "steps": [step.to_dict() for step in self.steps],
        }
        return json_text(content) + "\n"

    @classmethod
    def from_json(cls, content: str | bytes, *, place: Path | str = "run.json") -> Self:
        """Read the text of the file.

        Raises
        ------
        StoreError
            If it is of a later version; a `DamagedResult` if a field is missing or is not what
            belongs there.
        """
        remedy = "remove the folder of the run: no result depends on it"
        fields = Fields.parse(content, "record of a run", place, remedy=remedy)
        fields.check_version(cls.VERSION)
        within = fields.within("step")
        return cls(
            started=fields.take("started", number),
            steps=fields.take("steps", items(lambda one: RunStepRecord.read(within(one)))),
            ok=fields.take("ok", optional(truth)),
            seconds=fields.take("seconds", optional(number)),
            warnings=fields.find("warnings", items(text), ()),
            part_of=fields.find("part_of", text, None),
            command=fields.find("command", items(text), ()),
            memory=fields.find("memory", optional(count), None),
            array=fields.find("array", text, None),
            worker_seconds=fields.find("worker_seconds", number, None),
        )
