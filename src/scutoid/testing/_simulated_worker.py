"""Simulated workers, and the virtual clock and dice that they share.

One agenda, sorted by virtual time, holds the next actions; waiting moves the clock to them::

    agenda    0.013 worker 0 ends item 4 | 0.020 worker 1 joins | 0.020 worker 2 is lost | ...
              ^ now                        ties: the order is drawn
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import logging
import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import (
    FAILED,
    ItemFailure,
    Job,
    Joined,
    Lost,
    Message,
    NoHeartbeat,
    Outcome,
    Work,
    Workbench,
)
from scutoid.spent import NOTHING

_logger = logging.getLogger(__name__)

# Ranges of the drawn times, in virtual seconds.
_UNEVEN = (0.3, 3.0)
_LATE = (0.5, 20.0)
_ON_THE_WAY = (1e-4, 0.02)
STARTING = (0.05, 0.5)
"""Range of the time that a worker takes to start, in virtual seconds."""
# Number of a job's slowest items whose times are reported.
_SLOWEST = 3

What = Literal["join", "begin", "call", "end", "fail", "done", "lost", "leave"]


class SimulatedFault(RuntimeError):
    """The error of an item that fails by chance, not by its own function."""


@dataclass(frozen=True, slots=True)
class SimulatedEvent:
    """An event of a simulated worker or of one of its items."""

    time: float
    """Virtual seconds since the pool was opened."""
    worker: int
    """The worker's number."""
    what: What
    """An item begins, its function is called, it ends or fails; it is "done" once its end has
    reached the driver.  A worker joins, leaves, or is lost, during the item if one is named."""
    work: str = ""
    """Name of the item's work; empty between items."""
    index: int = -1
    """The item's number; -1 between items."""


@dataclass(frozen=True, slots=True)
class Odds:
    """Chances, from 0 to 1."""

    failure: float
    loss: float
    leave: float
    late: float
    partial: float

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            chance = getattr(self, each.name)
            # Workers that are lost at every job would be replaced for ever.
            is_endless = chance == 1 and each.name in ("loss", "leave")
            if not 0 <= chance <= 1 or is_endless:
                raise ParameterError(
                    "a chance is from 0 to 1, and that of a lost worker below 1",
                    value=chance,
                    place=f"{each.name} of SimulatedExecutor",
                )


class Dice:
    """The source of all random choices."""

    def __init__(self, seed: int, *, even: bool) -> None:
        self._rng = np.random.default_rng(seed)
        self._even = even

    def fraction(self) -> float:
        return float(self._rng.random())

    def happens(self, chance: float) -> bool:
        return chance > 0 and self.fraction() < chance

    def below(self, n: int) -> int:
        return int(self._rng.integers(n))

    def time(self, low: float, high: float, *, even: float = 0.0) -> float:
        """A time between two others, each power of ten as likely, in virtual seconds."""
        if self._even:
            return even
        return math.exp(self._rng.uniform(math.log(low), math.log(high)))


class Agenda:
    """The virtual clock, and the actions due at later times."""

    def __init__(self, dice: Dice, horizon: float) -> None:
        self.now = 0.0
        self._horizon = horizon
        self._dice = dice
        self._entries: list[tuple[float, float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    @property
    def next_time(self) -> float:
        """Time of the next action; infinity if there is none."""
        return self._entries[0][0] if self._entries else math.inf

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        entry = (self.now + seconds, self._dice.fraction(), next(self._count), action)
        heapq.heappush(self._entries, entry)

    def step(self) -> None:
        """Move the clock to the next action, and carry it out."""
        self.now, _, _, action = heapq.heappop(self._entries)
        if self.now > self._horizon:
            raise WorkerError(
                "a simulated run comes to an end",
                value=f"more than {self._horizon:g} virtual seconds",
                place=f"after {next(self._count)} actions",
                remedy="see in the trace what repeats, or give a later horizon=",
            )
        action()

    def clear(self) -> None:
        self._entries.clear()


class _Gone(Exception):
    """A worker is lost during a job."""

    def __init__(self, lost: Lost) -> None:
        super().__init__(lost.reason)
        self.lost = lost


@dataclass(frozen=True, slots=True)
class World:
    """State that the workers of a pool share."""

    works: Sequence[Work]
    costs: Sequence[float]
    """By work, time that its items take, in virtual seconds."""
    dice: Dice
    odds: Odds
    agenda: Agenda
    trace: list[SimulatedEvent]


class Worker:
    """One worker from its start to its end, whose actions take virtual time.

    Parameters
    ----------
    number : int
        Its number.
    serves : frozenset of int or None
        Which works it carries out.
    world : World
        The state shared with other workers.
    arrive : callable
        Called with the worker and a message when that reaches the driver.
    """

    def __init__(
        self,
        number: int,
        serves: frozenset[int] | None,
        world: World,
        arrive: Callable[[Worker, Message], None],
    ) -> None:
        self.number = number
        self.serves = serves
        self.held: dict[int, Job] = {}
        """Its jobs as far as the driver knows, by number."""
        self.has_joined = False
        self._world = world
        self._arrive = arrive
        # Ctrl-C arrives in the working thread, and must not count as an item's failure.
        self._bench = Workbench(number, passes=lambda error: isinstance(error, KeyboardInterrupt))
        self._inbox: deque[Job] = deque()
        self._outbox: deque[Message] = deque()
        self._arrives = 0.0
        self._is_idle = False
        self._call: Callable[[], Outcome] | None = None
        self._life = self._live()

    def go_on(self) -> None:
        """Carry on until an action takes time, or there is nothing to do."""
        pause = next(self._life, None)
        if pause is not None:
            self._world.agenda.later(pause, self.go_on)

    def take(self, job: Job) -> None:
        """Receive a job."""
        self.held[job.number] = job
        self._inbox.append(job)
        if self._is_idle:
            self._is_idle = False
            self._world.agenda.later(0.0, self.go_on)

    def end(self, *, finish: bool) -> None:
        """End, by chance only after the current item."""
        call, self._call = self._call, None
        if finish and call is not None and self._world.dice.happens(0.5):
            call()
        self._leave_set_ups()

    def _leave_set_ups(self) -> None:
        try:
            self._bench.close()
        except Exception:
            _logger.exception("leaving a set-up failed")

    def _note(self, what: What, work: str = "", index: int = -1) -> None:
        now = self._world.agenda.now
        self._world.trace.append(SimulatedEvent(now, self.number, what, work, index))

    def _send(self, message: Message) -> None:
        """Send a message, to arrive after all earlier ones."""
        agenda = self._world.agenda
        self._outbox.append(message)
        self._arrives = max(self._arrives, agenda.now + self._world.dice.time(*_ON_THE_WAY))
        agenda.later(self._arrives - agenda.now, self._deliver)

    def _deliver(self) -> None:
        message = self._outbox.popleft()
        if isinstance(message, Joined):
            self.has_joined = True
            self._note("join")
        elif isinstance(message, Lost):
            # The driver has handed it jobs until now.
            message = dataclasses.replace(message, jobs=tuple(self.held))
        elif isinstance(message, Outcome):
            job = self.held.pop(message.job)
            for index in job.indices[message.statuses != FAILED].tolist():
                self._note("done", self._world.works[job.work].name, index)
        self._arrive(self, message)

    def _live(self) -> Generator[float | None, None, None]:
        """Yield the times for which it is busy, in virtual seconds; None: until it gets a job."""
        dice, odds = self._world.dice, self._world.odds
        yield dice.time(*(_LATE if dice.happens(odds.late) else STARTING))
        self._send(Joined(self.number, self.serves))
        while True:
            if not self._inbox:
                self._is_idle = True
                yield None
                continue
            if dice.happens(odds.leave):
                self._leave_set_ups()
                self._note("leave")
                self._send(Lost(self.number, "left"))
                return
            try:
                outcome = yield from self._carry_out(self._inbox.popleft())
            except _Gone as gone:
                self._send(gone.lost)
                return
            self._send(outcome)

    def _carry_out(self, job: Job) -> Generator[float, None, Outcome]:
        work, dice, n = self._world.works[job.work], self._world.dice, len(job.indices)
        nothing = Job(job.number, job.work, job.indices[:0])
        refused = self._bench.carry_out(nothing, work, NoHeartbeat()).setup_failure
        if refused is not None:
            return self._bench.refusal(job, refused)
        last = dice.below(n) if dice.happens(self._world.odds.loss) else n
        begun = self._world.agenda.now
        items, seconds = [], []
        for position in range(n):
            item_begun = self._world.agenda.now
            items.append((yield from self._carry_out_item(job, position, is_lost=position == last)))
            seconds.append(self._world.agenda.now - item_begun)
        slowest = sorted(range(n), key=seconds.__getitem__, reverse=True)[:_SLOWEST]
        return Outcome(
            *(self.number, job.number, np.concatenate([item.statuses for item in items])),
            failures=tuple(
                dataclasses.replace(failure, position=position)
                for position, item in enumerate(items)
                for failure in item.failures
            ),
            values=[(item.values or [None])[0] for item in items] if work.returns else None,
            seconds=self._world.agenda.now - begun,
            slowest=tuple((position, seconds[position]) for position in slowest),
            spent=sum((item.spent for item in items), NOTHING),
        )

    def _carry_out_item(
        self, job: Job, position: int, *, is_lost: bool
    ) -> Generator[float, None, Outcome]:
        dice, work = self._world.dice, self._world.works[job.work]
        alone = Job(job.number, job.work, job.indices[position : position + 1])
        key = (work.name, int(alone.indices[0]))
        seconds = self._world.costs[job.work] * dice.time(*_UNEVEN, even=1.0)
        fails = dice.happens(self._world.odds.failure)
        is_torn = dice.happens(0.5)

        def call() -> Outcome:
            self._call = None
            self._note("call", *key)
            return self._bench.carry_out(alone, work, NoHeartbeat())

        self._note("begin", *key)
        self._call = None if fails and not is_torn else call
        outcome = call() if self._call is not None and dice.happens(0.5) else None
        lost = self._lost(job, position, seconds, is_lost=is_lost)
        if lost is not None:
            after, message = lost
            yield after
            self._call = None
            self._note("lost", *key)
            raise _Gone(message)
        yield seconds
        if self._call is not None:
            outcome = self._call()
        if fails or outcome is None:
            when = "after" if is_torn else "before"
            fault = ItemFailure.of(0, SimulatedFault(f"the item failed {when} its call"))
            outcome = Outcome(self.number, job.number, np.zeros(1, dtype=np.uint8), (fault,))
        self._note("fail" if outcome.failures else "end", *key)
        return outcome

    def _lost(
        self, job: Job, position: int, seconds: float, *, is_lost: bool
    ) -> tuple[float, Lost] | None:
        """Time from an item's beginning to the worker's loss, and its message; None: no loss."""
        dice, timeout = self._world.dice, self._world.works[job.work].timeout
        if is_lost:
            after = seconds * dice.fraction()
            if timeout is None or after < timeout:
                reason = "was lost by chance"
                error = f"WorkerError: the worker was lost in the middle of it ({reason})"
                blame = (job.number, ItemFailure(position, error, ""))
                charged = blame if dice.happens(0.5) else None
                was_killed = charged is not None and dice.happens(0.3)
                return after, Lost(self.number, reason, charged=charged, was_killed=was_killed)
        if timeout is not None and seconds > timeout:
            reason = f"ended, because an item took more than {timeout:g} s"
            error = f"TimeoutError: the item took more than {timeout:g} s"
            failure = ItemFailure(position, error, "")
            return timeout, Lost(self.number, reason, charged=(job.number, failure))
        return None
