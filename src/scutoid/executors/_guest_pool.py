"""The driver's side of workers with a loop of their own, whatever way they come.

A worker holds one item at a time, so the current item of a lost worker is always known.
"""

from __future__ import annotations

import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from scutoid.errors import WorkerError
from scutoid.executors._doors import Door, Guest, Hello
from scutoid.executors._launch import Launched, LaunchedGroup
from scutoid.executors._pickling import loads
from scutoid.executors._telling import Telling
from scutoid.executors._work import (
    GivenUp,
    ItemFailure,
    Job,
    Joined,
    Lost,
    Message,
    Outcome,
    Waiting,
    Work,
)
from scutoid.spent import Spent

_POLL_SECONDS = 0.25


@dataclass(slots=True, eq=False)
class _Worker:
    """The driver's side of one worker."""

    number: int
    guest: Guest
    name: str
    """Where it runs, for messages."""
    launched: Launched | None = None
    """Its process, if the run has started it."""
    serves: frozenset[int] | None = None
    """Numbers of the works that it carries out; None: all."""
    known: set[int] = field(default_factory=set)
    jobs: deque[Job] = field(default_factory=deque)
    since: float = 0.0
    """When it got its current item, by `time.monotonic`."""

    def send(self, message: object) -> None:
        self.guest.send(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


class GuestPool:
    """The workers that come in by a door.

    Parameters
    ----------
    works : sequence of Work
        All works of the run.
    payloads : sequence of bytes
        The same, pickled.
    door : Door
        Where workers arrive; closed at the end.
    numbers : iterator of int
        Numbers for workers that the run has not started.
    place : str
        How workers find the run, for messages.
    wanted : int
        Number of workers that are wanted.
    own : frozenset of int, optional
        The works that are for them; None: all.
    groups : sequence of LaunchedGroup, optional
        Workers that the run has started.
    patience : float, optional
        Seconds without any worker after which the run gives up; None: it waits.
    at_end : callable, optional
        Called once the door is closed, and workers that the run has started have ended.
    """

    depth = 2
    most_items = 1
    is_one_memory = False

    def __init__(
        self,
        works: Sequence[Work],
        payloads: Sequence[bytes],
        door: Door,
        numbers: Iterator[int],
        *,
        place: str,
        wanted: int,
        own: frozenset[int] | None = None,
        groups: Sequence[LaunchedGroup] = (),
        patience: float | None = None,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        self._works = works
        self._payloads = payloads
        self._door = door
        self._numbers = numbers
        self._place = place
        self._own = own
        self._groups = groups
        self._patience = patience
        self._wanted = wanted
        self._at_end = at_end
        self._workers: dict[int, _Worker] = {}
        self._given_up: set[str] = set()
        self._next_look = self._alone_since = time.monotonic()
        self._telling = Telling()
        self._is_halting = False

    @property
    def is_busy(self) -> bool:
        """Whether there is a worker with something to do."""
        return any(worker.jobs for worker in self._workers.values())

    def knows(self, worker: int) -> bool:
        """Whether a worker came in by this door, and has not left."""
        return worker in self._workers

    def submit(self, worker: int, job: Job) -> None:
        connected = self._workers[worker]
        connected.jobs.append(job)
        if len(connected.jobs) == 1:
            self._send_item(connected)

    def wait(self, timeout: float | None) -> list[Message]:
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            messages = self._read(self._pause(end))
            messages += self._end_overdue()
            messages += self._look_after_crews()
            if messages or (end is not None and time.monotonic() >= end):
                return messages

    def halt(self) -> None:
        self._is_halting = True

    def stop(self, *, grace: float) -> None:
        for worker in self._workers.values():
            worker.send(("end",))
        self._door.close()
        for worker in self._workers.values():
            worker.guest.close()
        self._workers.clear()
        end = time.monotonic() + grace
        for launched in (member for group in self._groups for member in group.members):
            launched.end(max(end - time.monotonic(), 0))
        if self._at_end is not None:
            self._at_end()

    def _pause(self, end: float | None) -> float:
        now = time.monotonic()
        pause = _POLL_SECONDS if end is None else min(end - now, _POLL_SECONDS)
        deadlines = (self._deadline(worker) for worker in self._workers.values())
        soonest = min((d for d in deadlines if d is not None), default=now + pause)
        return max(min(pause, soonest - now + 0.005), 0)

    def _read(self, pause: float) -> list[Message]:
        by_guest = {worker.guest: worker for worker in self._workers.values()}
        arrived, ready = self._door.wait(by_guest, pause)
        messages = [message for guest, hello in arrived for message in self._admit(guest, hello)]
        for guest in ready:
            worker = by_guest[guest]
            if worker.number in self._workers:  # a message of its own may have been its last
                messages += self._receive(worker)
        return messages

    def _admit(self, guest: Guest, hello: Hello) -> list[Message]:
        """Admit a worker that has said its name and its tasks."""
        names = [work.name for work in self._works]
        offered = names if self._own is None else [names[number] for number in sorted(self._own)]
        unknown = [task for task in hello.tasks or () if task not in offered]
        members = (member for group in self._groups for member in group.members)
        launched = next((each for each in members if each.name == hello.launch), None)
        # The number that a launched process was told; one that joins more than once gets others.
        is_known = launched is not None and not launched.has_joined
        number = launched.number if is_known else next(self._numbers)  # type: ignore[union-attr]
        known = [task for task in hello.tasks or () if task in offered]
        serves = self._own if hello.tasks is None else frozenset(map(names.index, known))
        worker = _Worker(number, guest, hello.name, launched, serves)
        if unknown:
            worker.send(("refused", unknown[0], offered))
            guest.close()
            return []
        self._workers[worker.number] = worker
        if launched is not None:
            launched.has_joined = True
        worker.send(("joined", worker.number))
        return [Joined(worker.number, serves)]

    def _receive(self, worker: _Worker) -> list[Message]:
        try:
            message = pickle.loads(worker.guest.receive())
        except (EOFError, OSError):
            return [self._lose(worker, "left without a message")]
        except Exception as error:  # noqa: BLE001 - unpickling runs code of what was sent
            return [
                self._lose(worker, f"sent what cannot be read: {type(error).__name__}: {error}")
            ]
        outcome = None
        match message:
            case ("leave",):
                return [self._let_go(worker)]
            case tuple() if worker.jobs:
                outcome = self._outcome(worker, message)
        if outcome is None:
            return [self._lose(worker, "sent something other than what came of its block")]
        worker.jobs.popleft()
        if worker.launched is not None:
            worker.launched.losses = 0
        if self._is_halting:
            return [outcome, *self._untouched(worker)]
        if worker.jobs:
            self._send_item(worker)
        return [outcome]

    def _untouched(self, worker: _Worker) -> list[Message]:
        """Give back the items that a worker has not been sent."""
        jobs, worker.jobs = worker.jobs, deque()
        nothing = np.zeros(1, dtype=np.uint8)
        return [Outcome(worker.number, job.number, nothing, (), [None]) for job in jobs]

    def _outcome(self, worker: _Worker, message: tuple[object, ...]) -> Outcome | None:
        """What came of a worker's current block; None: the message says something else."""
        number, seconds = worker.jobs[0].number, time.monotonic() - worker.since
        statuses = np.zeros(1, dtype=np.uint8)
        value: object = None
        failures: tuple[ItemFailure, ...] = ()
        spent = Spent(computing=seconds)  # a loop of its own does not say more
        match message:
            case ("failed", ItemFailure() as failure):
                if failure.position < 0:
                    return Outcome(worker.number, number, statuses, setup_failure=failure)
                failures = (failure,)
            case ("done", int(status), None | bytes() as payload, *more):
                spent = next((said for said in more if isinstance(said, Spent)), spent)
                try:
                    value = None if payload is None else loads(payload)
                    statuses[0] = status
                except Exception as error:  # noqa: BLE001 - unpickling runs code of its class
                    failures = (ItemFailure.of(0, error),)
            case _:
                return None
        return Outcome(
            *(worker.number, number, statuses, failures, [value]),
            seconds=seconds,
            slowest=((0, seconds),),
            spent=spent,
        )

    def _send_item(self, worker: _Worker) -> None:
        job = worker.jobs[0]
        if job.work not in worker.known:
            worker.known.add(job.work)
            worker.send(("work", job.work, self._payloads[job.work]))
        worker.since = time.monotonic()
        worker.send(("item", job.work, int(job.indices[0])))

    def _deadline(self, worker: _Worker) -> float | None:
        timeout = self._works[worker.jobs[0].work].timeout if worker.jobs else None
        return None if timeout is None else worker.since + timeout

    def _end_overdue(self) -> list[Message]:
        now = time.monotonic()
        messages: list[Message] = []
        for worker in list(self._workers.values()):
            deadline = self._deadline(worker)
            if deadline is not None and now > deadline and not worker.guest.has_sent():
                timeout = self._works[worker.jobs[0].work].timeout
                words = f"took more than {timeout:g} s"
                lost = self._lose(worker, f"was given up, because a block {words}", words)
                messages.append(lost)
                if worker.launched is not None:
                    worker.launched.kill()
        return messages

    def _lose(self, worker: _Worker, reason: str, overdue: str = "") -> Lost:
        """Remove a worker that was lost during its block, or given up."""
        self._forget(worker)
        charged = None
        if worker.jobs:
            error = f"WorkerError: the worker {worker.name} {reason}"
            if overdue:
                error = f"TimeoutError: the block {overdue}"
            charged = (worker.jobs[0].number, ItemFailure(0, error, ""))
        jobs = tuple(job.number for job in worker.jobs)
        return Lost(worker.number, reason, jobs, charged, was_killed=not overdue)

    def _let_go(self, worker: _Worker) -> Lost:
        """Remove a worker that leaves by itself; no block is charged."""
        self._forget(worker)
        return Lost(worker.number, "left", tuple(job.number for job in worker.jobs))

    def _forget(self, worker: _Worker) -> None:
        worker.guest.close()
        del self._workers[worker.number]
        self._alone_since = time.monotonic()
        self._telling.begin_again()

    def _look_after_crews(self) -> list[Message]:
        """Start workers again that have left, and give up tasks for which none stays."""
        now = time.monotonic()
        if self._is_halting or now < self._next_look:
            return []
        self._next_look = now + _POLL_SECONDS
        messages: list[Message] = []
        for group in self._groups:
            group.look_after()
            if group.is_running or group.task in self._given_up or self._is_served(group.task):
                continue
            error = group.call_back()
            if error is not None:
                messages.append(self._give_up(group.task, error))
        if not self._workers:
            messages += self._wait_for_any(now - self._alone_since)
        return messages

    def _is_served(self, task: str | None) -> bool:
        """Whether others than the workers launched for it are there for a task; None: for all."""
        if any(group.is_running and group.task in (None, task) for group in self._groups):
            return True
        number = None if task is None else [work.name for work in self._works].index(task)
        return any(
            worker.serves is None or number in worker.serves for worker in self._workers.values()
        )

    def _give_up(self, task: str | None, error: WorkerError) -> GivenUp:
        if task is None:
            raise error
        self._given_up.add(task)
        return GivenUp([work.name for work in self._works].index(task), error)

    def _wait_for_any(self, seconds: float) -> list[Message]:
        """Tell that nobody is there, and give up after a time."""
        if self._patience is not None and seconds > self._patience:
            raise WorkerError(
                f"a worker joins within {self._patience:g} s",
                value="there is none",
                place=self._place,
                remedy="start workers that connect there, or give more patience",
            )
        is_starting = any(group.is_running for group in self._groups)
        if is_starting or not self._telling.is_due(seconds):
            return []
        return [Waiting(self._wanted, seconds, f"none has joined by connect({self._place!r})")]
