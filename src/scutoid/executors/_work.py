"""Works, jobs and outcomes, for the loop that every kind of worker runs.

An executor knows neither blocks nor tasks: it carries out `Work`, numbered items of which arrive in
a `Job` and go back as an `Outcome`.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import UnwritableStore, WorkerError
from scutoid.spent import NOTHING, Spent

Call = Callable[[object, Mapping[str, object]], tuple[int, object]]

FAILED = 0
"""The status of an item that raised; every status that work itself returns is above it."""

MOST_ITEMS = 4096
"""Largest number of items in a job, for workers without a smaller limit."""

_MAX_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one task, for any worker; must be picklable for other processes."""

    name: str
    """The task's name."""
    call: Call
    """Called with an item and the set-up values; returns a status above 0 and a value."""
    items: Callable[[NDArray[np.int64]], Iterable[object]]
    """Makes the items of a job from their numbers."""
    setup: tuple[tuple[str, Callable[[], object]], ...] = ()
    """Called once a worker; a context manager is entered, and left at the worker's end."""
    timeout: float | None = None
    """Seconds that one item may take."""
    returns: bool = False
    """Whether the values go back to the driver."""
    requires: Mapping[str, int] = field(default_factory=dict)
    """What a worker needs to have of named resources."""
    is_own_loop: bool = False
    """Whether `call` leaves items to a loop of the worker's own."""
    memory: int = 0
    """Bytes that an item needs; 0: not known."""
    is_here: Callable[[object], bool] | None = None
    """Called with an item that comes behind those of other works in one job: whether it finds what
    it needs of them in this worker.  None: no item ever comes so."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Items of one work, to be carried out by one worker in this order."""

    number: int
    """Unique in a run."""
    work: int
    """Number of the work."""
    indices: NDArray[np.int64]
    """The items' numbers, shape (n,), int64."""
    then: tuple[Job, ...] = ()
    """Items of other works with some of the same numbers: each is begun when all before it with its
    number are done.  Only pools that `takes_chains` are given such."""

    def at(self, position: int) -> tuple[Job, int]:
        """Return which of its jobs an item of a heartbeat is of, and its place in that."""
        level, place = divmod(position, max(len(self.indices), 1))
        if position < 0 or not level:
            return self, position
        job = self.then[level - 1]
        return job, int(np.flatnonzero(job.indices == self.indices[place])[0])


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """The failure of an item, or of the set-up before it."""

    position: int
    """The item's place in its job; -1 for the set-up."""
    error: str
    """Type and message in one line."""
    traceback: str
    """The traceback as text; may be empty."""
    unwritable: UnwritableStore | None = None
    """Set where nothing else can be written either: the error, which ends the run."""

    @classmethod
    def of(cls, position: int, error: BaseException, *, skip: int = 1) -> ItemFailure:
        """Keep `error` as text, for an exception may not survive the way to the driver."""
        frames = error.__traceback__
        for _ in range(skip):
            frames = frames.tb_next if frames is not None and frames.tb_next else frames
        text = "".join(traceback.format_exception(type(error), error, frames))
        lines = traceback.format_exception_only(type(error), error)
        first = lines[-1].strip() if lines else type(error).__name__
        try:
            message = str(error)
        except Exception as trouble:  # noqa: BLE001 - a broken __str__ must not hide the failure
            message = f"(its message cannot be shown: {type(trouble).__name__})"
        if message:
            first = f"{type(error).__name__}: {message}"
        unwritable = copy.copy(error) if isinstance(error, UnwritableStore) else None
        return cls(position, first[:_MAX_TEXT], text[-_MAX_TEXT:], unwritable)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The outcome of a job: statuses, values, failures and times of its items."""

    worker: int
    """Number of the worker."""
    job: int
    """The job's number."""
    statuses: NDArray[np.uint8]
    """One status an item, shape (n,), uint8; `FAILED` where it raised."""
    failures: tuple[ItemFailure, ...] = ()
    """The items that raised."""
    values: Sequence[object] | None = None
    """One value an item, if the work returns them; None for those that failed."""
    seconds: float = 0.0
    """Time taken, in seconds, without the set-up."""
    slowest: tuple[tuple[int, float], ...] = ()
    """Places of the items that took longest in the job, and their seconds, slowest first."""
    setup_failure: ItemFailure | None = None
    """Set if the set-up raised: then no item was begun."""
    spent: Spent = NOTHING
    """What the time was spent on, the set-up included."""
    then: tuple[Outcome, ...] = ()
    """The outcomes of the jobs that came behind; none where nothing of them was begun."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A worker is up and takes jobs."""

    worker: int
    """Its number."""
    serves: frozenset[int] | None = None
    """Numbers of the works that it carries out; None: all."""


@dataclass(frozen=True, slots=True, eq=False)
class Lost:
    """A worker is lost, and its jobs come back."""

    worker: int
    """Its number."""
    reason: str
    """Why, in words."""
    jobs: tuple[int, ...] = ()
    """Numbers of the jobs that it held."""
    charged: tuple[int, ItemFailure] | None = None
    """Number of the current job, and the failure of its current item, if known."""
    was_killed: bool = False
    """Whether it may have been killed for lack of memory: then its item is tried again with fewer
    busy workers."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenUp:
    """No worker lives to finish an item of a work: it is given up, and others go on."""

    work: int
    """Number of the work."""
    error: WorkerError
    """Raised at the end of the run."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """No worker is there, and the pool waits for some; told again now and then."""

    wanted: int
    """Number of workers that are waited for."""
    seconds: float
    """How long there has been none, in seconds."""
    why: str
    """What they wait for, in words."""


Message = Outcome | Joined | Lost | GivenUp | Waiting


class WorkerPool(Protocol):
    """Workers that carry out jobs, identified by their numbers.

    One that has a method ``halt()`` is told by it that a signal ends the run: jobs are to come back
    when the item is done that each worker is at, with the status 0 of those not begun.  It is
    called by a handler of signals, in the middle of any other method, and may only make a note.
    Pools without it carry out what they hold.

    Only one with a true `takes_chains` is given jobs with others behind them.
    """

    @property
    def depth(self) -> int:
        """Number of jobs that a worker may hold at once, the running one included."""
        ...

    @property
    def most_items(self) -> int:
        """Largest number of items in a job."""
        ...

    @property
    def is_one_memory(self) -> bool:
        """Whether its workers share memory, and so the data that each of them has read."""
        ...

    def submit(self, worker: int, job: Job) -> None:
        """Hand `job` to a worker that has joined and is not lost."""
        ...

    def wait(self, timeout: float | None) -> list[Message]:
        """Messages since the last call; waits for one, at most `timeout` seconds."""
        ...

    def stop(self, *, grace: float) -> None:
        """End all workers, by force after `grace` seconds; unfinished jobs are dropped."""
        ...


class Heartbeat(Protocol):
    """Notes a worker's current item, for the driver to read if the worker is lost."""

    def begin(self, job: int) -> None:
        """Note that a job begins with its set-up."""
        ...

    def at(self, position: int) -> None:
        """Note that an item begins."""
        ...

    def end(self) -> None:
        """Note that no item is running."""
        ...


class NoHeartbeat:
    """A heartbeat that notes nothing, for workers that end only with their driver."""

    def begin(self, job: int) -> None:
        """Ignore."""

    def at(self, position: int) -> None:
        """Ignore."""

    def end(self) -> None:
        """Ignore."""
