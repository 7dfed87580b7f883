"""The loop that every kind of worker runs: it carries out jobs, item by item."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from contextvars import ContextVar
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import RunStopped
from scutoid.executors._chain import Link
from scutoid.executors._work import Heartbeat, ItemFailure, Job, Outcome, Work
from scutoid.spent import Clock
from scutoid.stopping import OutOfTime

_worker: ContextVar[int | None] = ContextVar("scutoid_worker", default=None)


def current_worker() -> int | None:
    """The number of the worker that carries out the item that this thread is at; None: no item."""
    return _worker.get()


# Number of a job's slowest items whose times are reported.
_SLOWEST = 3


def slowest(seconds: NDArray[np.float64]) -> tuple[tuple[int, float], ...]:
    """The items that took longest, from the seconds of all."""
    fastest = max(len(seconds) - _SLOWEST, 0)
    longest = np.argpartition(seconds, fastest)[fastest:] if len(seconds) else seconds
    times = sorted(((float(seconds[int(at)]), int(at)) for at in longest), reverse=True)
    return tuple((at, each) for each, at in times)


class Workbench:
    """One worker's own state: set-up values by work, and their context managers.

    Parameters
    ----------
    worker : int
        The worker's number.
    encode : callable, optional
        Applied to each value that goes back; an exception of it is the item's failure.
    passes : callable, optional
        Whether an exception is not caught as a failure of its item, but ends the worker.
    breaks : callable, optional
        Whether an exception of an item ends the run: then no other item is begun, those before
        count, and it stands in `broken`.
    is_quiet : bool
        Whether numbers that are divided by zero, too large or none are no warning or error here,
        whatever this process has set: as in a process of its own, where nobody is told.
    """

    def __init__(
        self,
        worker: int,
        *,
        encode: Callable[[object], object] | None = None,
        passes: Callable[[BaseException], bool] = lambda error: False,
        breaks: Callable[[BaseException], bool] = lambda error: False,
        is_quiet: bool = False,
    ) -> None:
        self.worker = worker
        self.cancelled = False
        self.broken: BaseException | None = None
        self._encode = encode
        self._passes = passes
        self._breaks = breaks
        self._is_quiet = is_quiet
        self._values: dict[int, dict[str, object]] = {}
        self._stack = ExitStack()
        self._unwritable: ItemFailure | None = None

    def carry_out(
        self, job: Job, work: Work, heartbeat: Heartbeat, then: Sequence[Work] = ()
    ) -> Outcome:
        """Carry out a job from its set-up to its last item; exceptions of items become failures.

        After one that ends the run no other item is begun.  `then` are the works of the jobs that
        come behind; without them nothing of these is begun.
        """
        if self.cancelled:
            return self.untouched(job)
        if self._unwritable is not None:
            return self.refusal(job, self._unwritable)
        token = _worker.set(self.worker)
        try:
            quiet = np.errstate(all="ignore") if self._is_quiet else nullcontext()
            if then:
                with quiet:
                    return self._carry_out_chain(job, (work, *then), heartbeat)
            with Clock() as clock, quiet:
                return self._carry_out(job, work, heartbeat, clock)
        finally:
            _worker.reset(token)

    def _carry_out(self, job: Job, work: Work, heartbeat: Heartbeat, clock: Clock) -> Outcome:
        heartbeat.begin(job.number)
        try:
            values = self._set_up(job.work, work)
        except (OutOfTime, RunStopped):
            self.cancelled = True
            heartbeat.end()
            return self.untouched(job)
        except BaseException as error:
            if self._passes(error) or self._breaks(error):
                raise
            heartbeat.end()
            return self.refusal(job, ItemFailure.of(-1, error, skip=2))
        n = len(job.indices)
        statuses = bytearray(n)  # an item of an array is set ten times more slowly
        results: list[object] | None = [None] * n if work.returns else None
        failures: list[ItemFailure] = []
        call, encode, now, note = work.call, self._encode, time.perf_counter, heartbeat.at
        ends = [now()]
        for position, item in enumerate(work.items(job.indices)):
            note(position)
            try:
                status, value = call(item, values)
                if results is not None:
                    results[position] = value if encode is None else encode(value)
                statuses[position] = status
            except (OutOfTime, RunStopped):  # a signal ends the run, and this item with it
                self.cancelled = True
            except BaseException as error:
                if self._passes(error):
                    raise
                if self._is_end(error):
                    break
                failures.append(self._noted(position, error))
            ends.append(now())
            if self.cancelled or self._unwritable is not None:
                break
        heartbeat.end()
        return Outcome(
            *(self.worker, job.number, np.frombuffer(statuses, dtype=np.uint8)),
            *(tuple(failures), results),
            seconds=ends[-1] - ends[0],
            slowest=slowest(np.diff(ends)),
            spent=clock.spent,
        )

    def _is_end(self, error: BaseException) -> bool:
        """Whether an exception of an item ends the run; it is noted then."""
        if self._breaks(error):
            self.broken, self.cancelled = error, True
        return self.broken is error

    def _noted(self, position: int, error: BaseException) -> ItemFailure:
        """Return the failure of an item, and note whether others can be written."""
        failure = ItemFailure.of(position, error, skip=2)
        self._unwritable = failure if failure.unwritable else None
        return failure

    def _carry_out_chain(self, job: Job, works: Sequence[Work], heartbeat: Heartbeat) -> Outcome:
        """Carry out a job and those behind it, number by number."""
        heartbeat.begin(job.number)
        links = [Link(*pair) for pair in zip((job, *job.then), works, strict=True)]
        n = len(job.indices)
        for position, index in enumerate(job.indices.tolist()):
            for level, link in enumerate(links):
                if index in link.places:
                    heartbeat.at(position + level * n)
                    if not self._is_done(link, index, is_first=level == 0):
                        break
            if self.cancelled or self._unwritable is not None:
                break
        heartbeat.end()
        first, *others = (self._outcome(job, link) for link in links)
        return replace(first, then=tuple(others))

    def _outcome(self, job: Job, link: Link) -> Outcome:
        return Outcome(
            *(self.worker, job.number, np.frombuffer(link.statuses, dtype=np.uint8)),
            *(tuple(link.failures), link.values),
            seconds=float(link.seconds.sum()),
            slowest=slowest(link.seconds),
            spent=link.clock.spent,
        )

    def _is_done(self, link: Link, index: int, *, is_first: bool) -> bool:
        """Carry out an item of a chain; return whether those behind it may be begun."""
        with link.taking(index) as at:
            try:
                return link.carry_out(at, self._encode, is_first=is_first)
            except (OutOfTime, RunStopped):
                self.cancelled = True
            except BaseException as error:
                if self._passes(error):
                    raise
                if not self._is_end(error):
                    link.failures.append(self._noted(at, error))
        return False

    def untouched(self, job: Job) -> Outcome:
        """Return the outcome of a job none of whose items was begun."""
        n = len(job.indices)
        values = [None] * n
        return Outcome(self.worker, job.number, np.zeros(n, dtype=np.uint8), (), values)

    def refusal(self, job: Job, failure: ItemFailure) -> Outcome:
        """The outcome of a job that could not begin."""
        statuses = np.zeros(len(job.indices), dtype=np.uint8)
        return Outcome(self.worker, job.number, statuses, setup_failure=failure)

    def close(self) -> None:
        """Leave the context managers of the set-ups, last entered first."""
        self._values.clear()
        self._stack.close()

    def _set_up(self, number: int, work: Work) -> dict[str, object]:
        if number in self._values:
            return self._values[number]
        with ExitStack() as entering:
            values = {}
            for name, make in work.setup:
                value = make()
                if hasattr(type(value), "__enter__") and hasattr(type(value), "__exit__"):
                    value = entering.enter_context(value)  # type: ignore[arg-type]
                values[name] = value
            self._stack.enter_context(entering.pop_all())
        self._values[number] = values
        return values
