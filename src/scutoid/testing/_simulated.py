"""An executor whose workers exist only in virtual time, with faults drawn from a seed.

Nothing sleeps and nothing runs in parallel, so a run is as fast as its functions, and one that
failed fails again with the same seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import MOST_ITEMS, Job, Lost, Message, Work, WorkerPool
from scutoid.testing._simulated_worker import (
    STARTING,
    Agenda,
    Dice,
    Odds,
    SimulatedEvent,
    Worker,
    World,
)

# Ranges of the drawn times, in virtual seconds.  Tasks are cheap or costly, because the sizes of
# batches depend on that; a driver that is busy finds several messages when it comes back.
_ITEM = (1e-4, 1.0)
_EVEN_ITEM = 0.01
_DRIVER_BUSY = (1e-3, 0.5)


class SimulatedExecutor:
    """Carries out jobs in the calling thread, as if by many workers, in a virtual time.

    Parameters
    ----------
    seed : int, optional
        Seed of all times and faults.
    delays : bool, optional
        Whether times are drawn; else all items take the same, and ties are broken by the seed.
    failure : float, optional
        Chance that an item raises, before its function is called or after it has returned.
    loss : float, optional
        Chance that the worker of a job is lost during one of its items, which is charged with it or
        not; the results of the job so far are lost too.
    leave : float, optional
        Chance that a worker leaves without blame instead of taking up a job.
    late : float, optional
        Chance that a worker joins late.
    partial : float, optional
        Chance that a worker, except the first, serves only some of the works.
    depth : int, optional
        Number of jobs that a worker may hold at once.
    is_one_memory : bool, optional
        Whether its workers count as sharing memory.
    horizon : float, optional
        Virtual seconds after which a run counts as one that never ends.

    Attributes
    ----------
    trace : list of SimulatedEvent
        Events since the last pool was opened, in the order of virtual time.

    Raises
    ------
    ParameterError
        If a chance is not from 0 to 1, or `depth` is below 1.

    Notes
    -----
    A function is called at the virtual moment at which its item begins or ends.  Lost workers and
    those that leave are replaced by new ones.  An item that takes more virtual time than its work's
    timeout is ended.  Jobs that the driver may not hand out, and waiting for what cannot come, are
    errors, and so is a run that does not come to an end.

    Examples
    --------
    >>> from scutoid.blocks import BlockGrid, BlockTask, run_blocks
    >>> from scutoid.geometry import Roi
    >>> grid = BlockGrid(Roi((0,), (4,)), 1)
    >>> executor = SimulatedExecutor(seed=1, loss=0.3)
    >>> task = BlockTask("square", lambda block: block.index**2, grid, retries=9)
    >>> run_blocks([task], executor=executor, workers=2).tasks["square"].n_done
    4
    >>> sorted(event.index for event in executor.trace if event.what == "done")
    [0, 1, 2, 3]
    """

    handles_timeout = True
    handles_setup = True

    def __init__(
        self,
        seed: int = 0,
        *,
        delays: bool = True,
        failure: float = 0.0,
        loss: float = 0.0,
        leave: float = 0.0,
        late: float = 0.0,
        partial: float = 0.0,
        depth: int = 2,
        is_one_memory: bool = False,
        horizon: float = 1e5,
    ) -> None:
        if depth < 1:
            raise ParameterError("a worker may hold 1 job or more", value=depth, place="depth")
        self.trace: list[SimulatedEvent] = []
        self._seed = seed
        self._delays = delays
        self._odds = Odds(failure, loss, leave, late, partial)
        self._depth = depth
        self._is_one_memory = is_one_memory
        self._horizon = horizon

    def open(self, works: Sequence[Work], workers: int, *, logs: Path | None = None) -> WorkerPool:
        """Begin a new virtual time, with the seed's first draw and an empty trace."""
        self.trace = []
        dice = Dice(self._seed, even=not self._delays)
        costs = [dice.time(*_ITEM, even=_EVEN_ITEM) for _ in works]
        agenda = Agenda(dice, self._horizon)
        world = World(works, costs, dice, self._odds, agenda, self.trace)
        return _SimulatedWorkerPool(
            world, workers, depth=self._depth, is_one_memory=self._is_one_memory
        )


class _SimulatedWorkerPool:
    most_items = MOST_ITEMS

    def __init__(self, world: World, workers: int, *, depth: int, is_one_memory: bool) -> None:
        self.depth = depth
        self.is_one_memory = is_one_memory
        self._world = world
        self._agenda = world.agenda
        self._numbers = itertools.count()
        self._workers: dict[int, Worker] = {}
        self._messages: list[Message] = []
        for place in range(workers):
            # The first serves all, or a work might have no worker.
            is_partial = place > 0 and world.dice.happens(world.odds.partial)
            some = (n for n in range(len(world.works)) if world.dice.happens(0.5))
            self._start(frozenset(some) if is_partial else None, 0.0)

    def submit(self, worker: int, job: Job) -> None:
        target = self._workers.get(worker)
        if target is None or not target.has_joined or len(target.held) >= self.depth:
            raise WorkerError(
                f"a worker that has joined and is not lost gets jobs, up to {self.depth} at once",
                value=f"job {job.number} for worker {worker}",
            )
        if len(job.indices) == 0 or (target.serves is not None and job.work not in target.serves):
            raise WorkerError(
                "a job has items, of a work that its worker serves",
                value=f"{len(job.indices)} items of work {job.work} for worker {worker}",
            )
        target.take(job)

    def wait(self, timeout: float | None) -> list[Message]:
        agenda, dice = self._agenda, self._world.dice
        deadline = math.inf if timeout is None else agenda.now + timeout
        while not self._messages:
            if agenda.next_time == math.inf:
                raise WorkerError(
                    "a driver waits only while an action is due",
                    value=f"{len(self._workers)} workers without a job",
                    place=f"{agenda.now:g} virtual seconds after the beginning",
                )
            if agenda.next_time > deadline:
                agenda.now = deadline
                return []
            agenda.step()
        # A driver that is busy elsewhere finds several messages when it comes back.
        until = agenda.now + (dice.time(*_DRIVER_BUSY) if dice.happens(0.3) else 0.0)
        while agenda.next_time <= until:
            agenda.step()
        agenda.now = until
        messages, self._messages = self._messages, []
        return messages

    def stop(self, *, grace: float) -> None:
        self._agenda.clear()
        while self._workers:
            _, worker = self._workers.popitem()
            worker.end(finish=grace > 0)

    def _start(self, serves: frozenset[int] | None, delay: float) -> None:
        number = next(self._numbers)
        worker = Worker(number, serves, self._world, self._arrive)
        self._workers[number] = worker
        self._agenda.later(delay, worker.go_on)

    def _arrive(self, worker: Worker, message: Message) -> None:
        self._messages.append(message)
        if isinstance(message, Lost):
            del self._workers[worker.number]
            self._start(worker.serves, self._world.dice.time(*STARTING))
