"""What is known of a run, as frozen values: `RunFacts`, with the `StepFacts` of each step.

All of it can be written as JSON by `to_dict`: keys and digests are text, and so are values of
parameters, for many readers of JSON round numbers beyond 2**53.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from pathlib import PurePath
from typing import Literal

from scutoid.spent import Spent, most_of_the_time

RunState = Literal["running", "done", "failed", "killed"]
StepState = Literal["cached", "waiting", "running", "done", "failed", "stopped", "inside"]
"""`stopped` is not finished, for what it needs failed or the run was ended; `inside` is computed in
the blocks of other steps, and stored nowhere."""
Stored = Literal["complete", "partial", "gone", "nowhere"]
"""`gone` was removed since, or never begun; `nowhere` is not kept."""


class _Facts:
    """Facts that can be written as JSON."""

    __slots__ = ()

    def to_dict(self) -> dict[str, object]:
        """Return them as JSON has them: lists for tuples, objects for facts."""
        return {
            field.name: _plain(getattr(self, field.name))
            for field in fields(self)  # type: ignore[arg-type]
        }


def _plain(value: object) -> object:
    if isinstance(value, _Facts | Spent):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if is_dataclass(value):
        raise TypeError(f"{type(value).__name__} are no facts")
    return value


@dataclass(frozen=True, slots=True)
class InputFacts(_Facts):
    """An input of a step: an edge of the graph."""

    name: str
    """Name of the input, or of the parameter that a step makes."""
    text: str
    """What it is, in a few words."""
    step: str | None = None
    """Name of the step that makes it; None if no step of this run does."""
    source: str | None = None
    """Otherwise the id of the `SourceFacts`."""


@dataclass(frozen=True, slots=True)
class SourceFacts(_Facts):
    """What a run got from outside: a file, a folder, a value, a stored result."""

    id: str
    """Tells it from others: ``source-1``."""
    text: str
    """What it is called."""
    place: str = ""
    """Where it lies; empty where that was not written down, and of what was given."""


@dataclass(frozen=True, slots=True)
class FailureFacts(_Facts):
    """A block, or a member, that failed at every attempt."""

    block: int | None
    """Its number; None where that was not written down, -1 in a set-up."""
    where: str
    """Which block or member, in words."""
    error: str
    """The error, in a line."""
    traceback: str = ""
    """Where it came from; empty if it was not written down."""


@dataclass(frozen=True, slots=True)
class GridFacts(_Facts):
    """How an image was cut: blocks are numbered in C order, the last axis fastest."""

    axes: str
    """A letter an axis."""
    shape: tuple[int, ...]
    """Voxels along each axis."""
    block: tuple[int, ...]
    """Voxels of a block along each axis; the last block is cut off."""
    blocks: tuple[int, ...]
    """Blocks along each axis."""


@dataclass(frozen=True, slots=True)
class OutputFacts(_Facts):
    """One output of a step."""

    kind: str
    """image, table, value, parts or files."""
    name: str
    """What its file is called, without the ending."""
    labels: bool = False
    """Whether it is an image of object numbers."""
    axes: str = ""
    """Of an image, where its recipe names them."""
    shape: tuple[int, ...] = ()
    """Voxels along each axis."""
    dtype: str = ""
    """As numpy names it."""


@dataclass(frozen=True, slots=True)
class StepFacts(_Facts):
    """What is known of one step of a run."""

    name: str
    """Its name in this run, which no other step of it has."""
    key: str
    """Key of its result."""
    entry: str
    """Folder of its result, below the store."""
    state: StepState
    """What came of it."""
    status: str
    """What its plan found of it: cached, partial or run."""
    reason: str
    """Why."""
    within: tuple[str, ...] = ()
    """Names of the steps under which it is shown, outermost first; none where a user made it."""
    kind: str = ""
    """image, table, value, parts, files or collection; empty if it is not known any more."""
    stored: Stored = "gone"
    """What the store has of its result now."""
    inputs: tuple[InputFacts, ...] = ()
    """What it got."""
    outputs: tuple[OutputFacts, ...] = ()
    """What it returns."""
    parameters: tuple[tuple[str, str], ...] = ()
    """Names and values, in a few words."""
    code: tuple[tuple[str, str], ...] = ()
    """Names and digests of the code that made it."""
    versions: tuple[tuple[str, str], ...] = ()
    """Packages and their versions."""
    grid: GridFacts | None = None
    """How it was cut; None without blocks."""
    n_blocks: int = 0
    """Blocks, or members of a collection."""
    n_done: int = 0
    """Those that are done."""
    n_cached: int = 0
    """Those of them that were done before."""
    n_taken: int = 0
    """Those of them that were taken over from an earlier result."""
    n_failed: int = 0
    """Those that failed at every attempt."""
    n_orphaned: int = 0
    """Those that did not run, because what they depend on failed."""
    seconds: float = 0.0
    """From its first batch to its last, in seconds."""
    failures: tuple[FailureFacts, ...] = ()
    """The first failures."""
    slowest: tuple[tuple[int, float], ...] = ()
    """Numbers of the blocks that took longest, and their seconds."""
    spent: Spent | None = None
    """What workers spent their time on; None if that was not written down.  How long they waited is
    known at the end alone."""

    @property
    def label(self) -> str:
        """The name under which a store has its result, which steps of a run may share."""
        return str(PurePath(self.entry).parent)


@dataclass(frozen=True, slots=True)
class RunFacts(_Facts):
    """What is known of a run."""

    name: str
    """Name of its folder; of a run in several parts that of the first."""
    store: str
    """The store."""
    folder: str
    """Its folder."""
    state: RunState
    """Whether it goes on, and how it ended."""
    ok: bool | None
    """Whether all was done; None while it goes on, and if it was killed."""
    started: float
    """When it began, in seconds since 1970."""
    seconds: float | None
    """How long it took; None while it goes on, and if it was killed."""
    last_sign: float
    """When it last wrote something down, in seconds since 1970."""
    steps: tuple[StepFacts, ...] = ()
    """Its steps, upstream first."""
    sources: tuple[SourceFacts, ...] = ()
    """What they got from outside."""
    warnings: tuple[str, ...] = ()
    """What looked wrong and was allowed."""
    parts: tuple[str, ...] = ()
    """Names of the folders of its parts, where it went on after failures or damage."""
    workers: int | None = None
    """How many were asked for; None if nothing was computed."""
    command: tuple[str, ...] = ()
    """The command that began it, word by word; none of a notebook."""
    memory: int | None = None
    """Bytes that its process, or a worker that it started, took at most; None: not known."""
    problems: tuple[str, ...] = ()
    """What of it could not be read, and why."""
    worker_seconds: float | None = None
    """How long it took, times the number of its workers; None if nothing was computed, or that was
    not written down."""

    def most_of_the_time(self, took: str) -> str:
        """Say in a line which step took most of the time, and by what; empty if it is not known.

        Parameters
        ----------
        took : str
            How long the run took, in words.
        """
        return most_of_the_time(self.steps, took, self.worker_seconds or 0.0)

    def step(self, name: str) -> StepFacts:
        """Return one step.

        Raises
        ------
        KeyError
            If the run has none of that name.
        """
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)
