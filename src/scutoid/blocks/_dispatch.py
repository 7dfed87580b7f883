"""The choice of the next blocks for each worker, within budgets; failed blocks change workers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from scutoid.blocks._batch import Batch
from scutoid.blocks._batch_sizer import BatchSizer
from scutoid.blocks._budget import Budget
from scutoid.blocks._scheduler import Scheduler
from scutoid.blocks._task import BlockTask

# After so many blocks of a task have taken their workers' memory, all its blocks run by themselves.
_KILLS_PER_TASK = 3

BlockKey = tuple[int, int]
"""Numbers of a task and of a block."""


class Dispatcher:
    """Knows which worker holds which batches, and chooses the next ones.

    Parameters
    ----------
    scheduler : Scheduler
        Knows which blocks may run.
    tasks : sequence of BlockTask
        The scheduler's tasks.
    budget : Budget
        Limits for all running blocks together.
    sizers : sequence of BatchSizer
        By task, the size of its batches.
    workers : int
        Number of workers asked for.
    most_blocks : int
        Largest number of blocks in a batch.
    is_one_memory : bool
        Whether the data that one worker has read serves all.
    has_chains : bool
        Whether blocks may go along with those that they wait for.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        tasks: Sequence[BlockTask],
        budget: Budget,
        sizers: Sequence[BatchSizer],
        workers: int,
        most_blocks: int,
        *,
        is_one_memory: bool,
        has_chains: bool = False,
    ) -> None:
        self._scheduler = scheduler
        self._tasks = tasks
        self._budget = budget if budget.limits(tasks) else None
        self._sizers = sizers
        self._workers = workers
        self._most_blocks = most_blocks
        self._n_shares = 1 if is_one_memory else workers
        self._seats: dict[int, dict[int, Batch]] = {}
        # Workers by the number of batches that they hold, so that none is looked at in vain.
        self._holding: dict[int, dict[int, None]] = defaultdict(dict)
        self._n_busy = 0
        self._are_alike = self._budget is None and all(task.workers is None for task in tasks)
        self._serves: dict[int, frozenset[int]] = {}
        self._held: list[Batch] = []
        self._avoid: dict[BlockKey, int] = {}
        self._crowding: dict[BlockKey, int] = {}
        self._kills = [0] * len(tasks)
        self._has_chains = has_chains
        self._followers = {
            each for number in range(len(tasks)) for each in scheduler.behind(number)
        }

    @property
    def n_workers(self) -> int:
        """Workers that have joined and are not lost."""
        return len(self._seats)

    @property
    def n_idle(self) -> int:
        """Workers that hold no batch."""
        return len(self._seats) - self._n_busy

    @property
    def n_out(self) -> int:
        """Batches that are with workers."""
        return sum(map(len, self._seats.values()))

    def share_of(self, worker: int) -> int | None:
        """Return which of the workers it is, if each reads on its own."""
        return None if self._n_shares == 1 else worker % self._n_shares

    @property
    def is_stuck(self) -> bool:
        """Whether nothing is running although there are workers for every task."""
        everybody = any(worker not in self._serves for worker in self._seats)
        return everybody and not self.n_out

    def join(self, worker: int, serves: frozenset[int] | None) -> None:
        """Add a worker, for all tasks or for those that it serves."""
        self._seats[worker] = {}
        self._holding[0][worker] = None
        if serves is not None:
            self._serves[worker] = serves

    def leave(self, worker: int) -> dict[int, Batch]:
        """Remove a worker; return its batches by number of the job."""
        self._serves.pop(worker, None)
        jobs = self._seats.pop(worker, {})
        self._holding[len(jobs)].pop(worker, None)
        self._n_busy -= bool(jobs)
        return jobs

    def seat(self, worker: int, job: int, batch: Batch) -> None:
        """Note that a worker has received a batch."""
        jobs = self._seats[worker]
        self._n_busy += not jobs
        del self._holding[len(jobs)][worker]
        jobs[job] = batch
        self._holding[len(jobs)][worker] = None

    def take_back(self, worker: int, job: int) -> Batch:
        """Remove a batch from a worker, and return it."""
        jobs = self._seats[worker]
        del self._holding[len(jobs)][worker]
        batch = jobs.pop(job)
        self._holding[len(jobs)][worker] = None
        self._n_busy -= not jobs
        return batch

    def drop_held(self, task: int) -> Iterator[Batch]:
        """Remove and yield the held batches of a task that has been given up."""
        dropped = [batch for batch in self._held if batch.task == task]
        self._held = [batch for batch in self._held if batch.task != task]
        yield from dropped

    def note_failure(self, block: BlockKey, worker: int) -> None:
        """Note that a block will be tried again: on another worker, if there is one."""
        self._avoid[block] = worker

    def note_kill(self, block: BlockKey, *, others: int) -> None:
        """Note that a worker may have been killed for memory, while so many others were busy.

        At the block's next try at most half as many others are busy, at the one after that none.
        """
        self._crowding[block] = 0 if block in self._crowding else others // 2
        self._kills[block[0]] += 1

    def note_end(self, block: BlockKey) -> None:
        """Note that a block that failed before will not be tried again."""
        self._avoid.pop(block, None)
        self._crowding.pop(block, None)

    def note_success(self, batch: Batch) -> None:
        """Note that the blocks of a batch have come back; some may have failed."""
        if batch.attempt > 1 and self._crowding:
            for index in batch.indices.tolist():
                self._crowding.pop((batch.task, index), None)

    def n_others_busy(self, worker: int) -> int:
        """Number of other workers that are busy."""
        return self._n_busy - bool(self._seats.get(worker))

    def no_chains(self) -> None:
        """Hand out no more blocks along with others: with a worker all of them are lost."""
        self._has_chains = False

    def batches(self, depth: int) -> Iterator[tuple[int, Batch]]:
        """Batches to hand out now: first one for each worker, then the ones behind it."""
        for level in range(depth):
            refused: set[frozenset[int] | None] = set()
            for worker in list(self._holding[level]):
                served = self._serves.get(worker)
                if served in refused:
                    continue
                batch = self._choose(worker)
                if batch is not None:
                    yield worker, self._with_others(worker, batch)
                elif self._is_alike_for_all:
                    refused.add(served)
                    if not self._serves:
                        break

    def _with_others(self, worker: int, batch: Batch) -> Batch:
        if worker in self._serves or self._crowding or batch.attempt > 1:
            return batch
        return self._scheduler.with_others(batch, self._behind(batch.task))

    def _behind(self, task: int) -> list[int]:
        """Return the tasks whose blocks go along with those of a task: cheap ones, all together.

        What a worker has not brought back yet is lost with it.
        """
        found: list[int] = []
        for number in self._scheduler.behind(task) if self._has_chains else ():
            sizers = [self._sizers[each] for each in (*found, number)]
            if self._sizers[task].may_take_along(sizers):
                found.append(number)
        return found

    def _choose(self, worker: int) -> Batch | None:
        """The next batch for a worker; one that failed there waits for another worker, if any."""
        is_free = not self._seats[worker]
        if is_free and self._crowding and self.n_others_busy(worker) > self._most_others_busy():
            return None
        for place, batch in enumerate(self._held):
            if self._suits(batch, worker) and self._admits(worker, batch.task):
                return self._held.pop(place)
        if self._is_waiting_for_room():
            return None
        while True:
            fresh = self._scheduler.next(
                self._limits(worker), share=self.share_of(worker) or 0, n_shares=self._n_shares
            )
            if fresh is None or self._suits(fresh, worker):
                return fresh
            self._held.append(fresh)

    @property
    def _is_alike_for_all(self) -> bool:
        """Whether what there is for one worker is there for all that serve the same tasks."""
        is_free = not self._held and not self._crowding and max(self._kills) < _KILLS_PER_TASK
        return self._are_alike and is_free

    def _suits(self, batch: Batch, worker: int) -> bool:
        if not self._is_served(worker, batch.task):
            return False
        if batch.attempt == 1:
            return True
        block = (batch.task, int(batch.indices[0]))
        if block in self._crowding and (
            self._seats[worker] or self.n_others_busy(worker) > self._crowding[block]
        ):
            return False
        others = (w for w in self._seats if w != worker and self._is_served(w, batch.task))
        return self._avoid.get(block) != worker or next(others, None) is None

    def _is_served(self, worker: int, task: int) -> bool:
        return worker not in self._serves or task in self._serves[worker]

    def _most_others_busy(self) -> int:
        """Limit of the other busy workers, for blocks that were short of memory."""
        if not self._crowding:
            return len(self._seats)
        running = (
            self._crowding[batch.task, index]
            for jobs in self._seats.values()
            for batch in jobs.values()
            if batch.attempt > 1
            for index in batch.indices.tolist()
            if (batch.task, index) in self._crowding
        )
        return min(running, default=len(self._seats))

    def _is_waiting_for_room(self) -> bool:
        """Whether a block waits until fewer workers are busy: then nothing else is begun."""
        return any(
            (batch.task, int(batch.indices[0])) in self._crowding
            for batch in self._held
            if batch.attempt > 1
        )

    def _limits(self, worker: int) -> list[int]:
        is_second = bool(self._seats[worker])
        limits = []
        for number, (task, sizer) in enumerate(zip(self._tasks, self._sizers, strict=True)):
            n_ready = self._scheduler.n_ready(number)
            workers = min(self._workers, task.workers or self._workers)
            behind = [self._sizers[each] for each in self._behind(number)]
            queues = not is_second or sizer.may_queue(n_ready, workers, behind=behind)
            if n_ready == 0 or not (queues or self._is_first_to_follow(number)):
                limits.append(0)
            else:
                allowed = self._admits(worker, number)
                most = 1 if task.function is None else self._most_blocks
                size = min(sizer.size(n_ready, workers, behind=behind), most)
                limits.append(size if allowed else 0)
        return limits

    def _is_first_to_follow(self, task: int) -> bool:
        """Whether no block has told yet what those cost that are to go along with earlier ones.

        Batches of earlier tasks are always behind another, and one of it would never be begun.
        """
        if not self._has_chains or self._sizers[task].is_known or task not in self._followers:
            return False
        return not any(
            task in (batch.task, *(each.task for each in batch.then))
            for jobs in self._seats.values()
            for batch in jobs.values()
        )

    def _admits(self, worker: int, task: int) -> bool:
        if not self._is_served(worker, task):
            return False
        most = self._tasks[task].workers
        if self._kills[task] >= _KILLS_PER_TASK:
            most = 1
        if most is not None:
            at_it = {
                other
                for other, jobs in self._seats.items()
                if any(batch.task == task for batch in jobs.values())
            }
            if len(at_it | {worker}) > most:
                return False
        if self._budget is None:
            return True
        return self._budget.admits(self._tasks[task], *self._held_by(worker))

    def _held_by(self, worker: int) -> tuple[list[BlockTask], list[list[BlockTask]]]:
        """Tasks of the batches that a worker holds, and of those of each other busy worker."""
        held: Mapping[int, list[BlockTask]] = {
            other: [self._tasks[batch.task] for batch in jobs.values()]
            for other, jobs in self._seats.items()
        }
        others = [tasks for other, tasks in held.items() if tasks and other != worker]
        return held[worker], others
