"""The order of blocks: a state machine without threads, clock, input or output.

A byte and, where a task waits for others, a counter a block; each finished batch is taken off the
counters of those that wait for it.  Order, conflicts, retries, orphans and resume are decided here,
so they are the same for every executor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._batch import Batch, WorkerFailure
from scutoid.blocks._block import BlockStatus
from scutoid.blocks._following import Following
from scutoid.blocks._links import Link
from scutoid.blocks._ready_queue import ReadyQueue
from scutoid.blocks._shares import Shares
from scutoid.blocks._task import BlockTask

Ints = NDArray[np.int64]
Statuses = NDArray[np.uint8]

_WAITING, _ACTIVE = int(BlockStatus.WAITING), int(BlockStatus.ACTIVE)
_DONE = (BlockStatus.WRITTEN, BlockStatus.EMPTY, BlockStatus.FOUND, BlockStatus.SKIPPED)
_NEVER = (BlockStatus.FAILED, BlockStatus.ORPHANED)
_LOOKED_AT = 64
"""Places of a queue that are looked at for one that suits a worker."""


class _Queued(NamedTuple):
    """Blocks that are ready to run."""

    attempt: int
    indices: Ints
    share: int | None = None
    """The worker that made what they waited for, and may have it in memory."""


@dataclass(slots=True, eq=False)
class _Lane:
    """One task's blocks."""

    task: BlockTask
    shape: tuple[int, ...]
    states: Statuses
    """Shape (n_blocks,), values of `BlockStatus`."""
    counts: NDArray[np.int32] | None
    """Number of blocks that each still waits for, shape of the grid; None: no block waits."""
    gates: int
    """Number of tasks that must be done before any block may run."""
    tally: list[int]
    """Number of blocks by status."""
    links: list[tuple[int, Link]] = field(default_factory=list)
    """Lanes that wait for single blocks, and their links."""
    gated: list[int] = field(default_factory=list)
    """Lanes that wait for all blocks."""
    queue: deque[_Queued] = field(default_factory=deque)
    """Blocks ready to run."""
    ready: ReadyQueue | None = None
    """The blocks that were ready from the start, not yet looked at; None while a gate is shut."""
    attempts: Statuses | None = None
    """Failed attempts, shape (n_blocks,); None until a block fails."""
    shares: Shares | None = None
    """Blocks ready from the start, a part for each worker that reads on its own; None: no more."""
    n_queued: int = 0
    """Number of blocks in the queue and the shares."""
    abandoned: BlockStatus | None = None
    """The status of its blocks that cannot run, once the task has been given up as a whole."""

    def push(
        self, attempt: int, indices: Ints, *, first: bool = True, share: int | None = None
    ) -> None:
        """Queue blocks, before all others or behind them."""
        self.n_queued += len(indices)
        (self.queue.appendleft if first else self.queue.append)(_Queued(attempt, indices, share))

    def place_for(self, share: int | None) -> int | None:
        """Return the first place in the queue that suits a worker; None: there is none.

        To no worker in particular the first suits.
        """
        if share is None:
            return 0 if self.queue else None
        near = enumerate(islice(self.queue, _LOOKED_AT))
        return next((n for n, each in near if each.share in (None, share)), None)

    def split(self, indices: Ints, n_shares: int) -> None:
        """Give each worker a part of blocks that lie together."""
        self.n_queued += len(indices)
        self.shares = Shares(indices, n_shares)

    def take_share(self, share: int, wanted: int) -> Ints | None:
        """Take blocks of a worker's part, or of another's; None if all are empty."""
        if self.shares is None:
            return None
        indices = self.shares.take(share, wanted)
        self.n_queued -= len(indices)
        if not self.shares.n_left:
            self.shares = None
        return indices

    @property
    def n_open(self) -> int:
        return self.tally[_WAITING] + self.tally[_ACTIVE]

    @property
    def is_satisfied(self) -> bool:
        return sum(self.tally[status] for status in _DONE) == len(self.states)


class Scheduler:
    """Hands out blocks of tasks in an order that their edges allow, and tracks their status.

    Parameters
    ----------
    tasks : sequence of BlockTask
        Each after all tasks that it waits for.
    done : sequence of (ndarray of uint8, shape (n_blocks,), or None), optional
        By task, the status from before: `BlockStatus` WRITTEN, EMPTY or FOUND for each block that
        is done; all others count as not begun.

    Notes
    -----
    Blocks are numbered by their grids, tasks by their place in `tasks`.
    """

    def __init__(
        self, tasks: Sequence[BlockTask], done: Sequence[Statuses | None] | None = None
    ) -> None:
        known = done if done is not None else [None] * len(tasks)
        self._lanes = [_lane(task, statuses) for task, statuses in zip(tasks, known, strict=True)]
        self._n_open = sum(lane.n_open for lane in self._lanes)
        numbers = {task.name: number for number, task in enumerate(tasks)}
        for number, task in enumerate(tasks):
            for edge in task.edges():
                earlier = numbers[edge.task]
                if edge.is_whole:
                    self._add_gate(earlier, number)
                else:
                    link = Link.between(tasks[earlier].grid, task.grid, edge)
                    self._add_link(earlier, number, link)
            conflicts = Link.conflicts(task.grid) if task.conflict else None
            if conflicts is not None:
                self._add_link(number, number, conflicts)
        for lane in self._lanes:
            if lane.gates == 0:
                self._open(lane)
        self._following = Following(self._lanes)

    @property
    def is_complete(self) -> bool:
        """Whether no block is left to run."""
        return self._n_open == 0

    def tally(self, task: int) -> dict[BlockStatus, int]:
        """Number of a task's blocks by status."""
        return {status: self._lanes[task].tally[status] for status in BlockStatus}

    def n_open(self, task: int) -> int:
        """Number of a task's blocks that are neither done nor given up."""
        return self._lanes[task].n_open

    def n_ready(self, task: int) -> int:
        """Upper limit of the number of a task's blocks that can be handed out now."""
        lane = self._lanes[task]
        return lane.n_queued if lane.ready is None else lane.n_open

    def states(self, task: int) -> Statuses:
        """Status of each block of a task, shape (n_blocks,); not to be written to."""
        return self._lanes[task].states

    def next(
        self, limits: int | Sequence[int], *, share: int = 0, n_shares: int = 1
    ) -> Batch | None:
        """Hand out blocks that may run now, later tasks first; None if there are none.

        Parameters
        ----------
        limits : int or sequence of int
            The most blocks in the batch, for all tasks or by task; 0: none of this task now.
        share, n_shares : int, optional
            The worker, and the number of workers, where each reads on its own: it gets blocks
            that lie together, so that what it has read serves the next one too; and not those
            that wait for what another has made, as long as there are others.
        """
        wanted = range(len(self._lanes) - 1, -1, -1)
        if not isinstance(limits, int):
            wanted = [number for number in wanted if limits[number] > 0]  # type: ignore[assignment]
        suiting = (None,) if n_shares == 1 else (share, None)
        for suits in suiting:
            for number in wanted:
                limit = limits if isinstance(limits, int) else limits[number]
                batch = self._take(number, limit, share, n_shares, suits)
                if batch is not None:
                    return batch
        return None

    def behind(self, task: int) -> tuple[int, ...]:
        """Return the tasks whose blocks may go along with those of a task."""
        return self._following.behind(task)

    def with_others(self, batch: Batch, tasks: Sequence[int]) -> Batch:
        """Hand out with a batch the blocks of tasks that wait for nothing but what goes along."""
        if not tasks:
            return batch
        going = self._following.of(batch.task, batch.indices, tasks)
        for number, indices in going.items():
            self._move(self._lanes[number], indices, BlockStatus.ACTIVE)
        return replace(batch, then=tuple(Batch(number, going[number], 1) for number in going))

    def not_begun(self, task: int, indices: Ints) -> Mapping[int, int]:
        """Note that blocks which went along were not begun: they wait as before.

        Returns
        -------
        orphans : mapping of int to int
            As `returned`.
        """
        lane = self._lanes[task]
        indices = indices[lane.states[indices] == _ACTIVE]
        if lane.abandoned is not None and len(indices):
            return self._give_up(task, indices, lane.abandoned)
        self._move(lane, indices, BlockStatus.WAITING)
        return {}

    def finished(
        self, task: int, indices: Ints, statuses: Statuses, *, share: int | None = None
    ) -> None:
        """Note that blocks of a batch are done.

        Parameters
        ----------
        task : int
            Number of the task.
        indices : ndarray of int64, shape (n,)
            The blocks.
        statuses : ndarray of uint8, shape (n,)
            `BlockStatus` WRITTEN, EMPTY or FOUND of each.
        share : int, optional
            The worker that did them, if each reads on its own: what waited for them is its first.
        """
        if len(indices) == 0:
            return
        lane = self._lanes[task]
        lane.states[indices] = statuses
        lane.tally[_ACTIVE] -= len(indices)
        for status, n in enumerate(np.bincount(statuses, minlength=len(BlockStatus)).tolist()):
            lane.tally[status] += n
        self._n_open -= len(indices)
        for later, link in lane.links:
            self._release(self._lanes[later], link, indices, share)
        if lane.gated and lane.is_satisfied:
            self._open_gates(lane)

    def failed(self, task: int, index: int, *, is_final: bool = False) -> WorkerFailure:
        """Retry a block that failed, or give up it and all that depends on it."""
        lane = self._lanes[task]
        if lane.attempts is None:
            lane.attempts = np.zeros(len(lane.states), dtype=np.uint8)
        failures = min(int(lane.attempts[index]) + 1, 255)
        lane.attempts[index] = failures
        may_retry = failures <= lane.task.retries and failures < 255 and not is_final
        number = np.array([index], dtype=np.int64)
        if may_retry and lane.abandoned is None:
            if lane.counts is not None and lane.counts.reshape(-1)[index]:
                self._move(lane, number, BlockStatus.WAITING)  # what went before it is lost too
            else:
                lane.push(failures + 1, number)
            return WorkerFailure(will_retry=True)
        return WorkerFailure(False, self._give_up(task, number, BlockStatus.FAILED))

    def returned(self, batch: Batch, indices: Ints) -> Mapping[int, int]:
        """Queue blocks of a batch that were not run again, without counting an attempt.

        Returns
        -------
        orphans : mapping of int to int
            As `WorkerFailure.orphans`; empty unless the task has been abandoned.
        """
        if len(indices) == 0:
            return {}
        abandoned = self._lanes[batch.task].abandoned
        if abandoned is not None:
            return self._give_up(batch.task, indices, abandoned)
        self._lanes[batch.task].push(batch.attempt, indices)
        return {}

    def abandon(self, task: int, status: BlockStatus = BlockStatus.FAILED) -> Mapping[int, int]:
        """Give up a task whose blocks cannot run; those that are out in batches come back first.

        Parameters
        ----------
        task : int
            Number of the task.
        status : {BlockStatus.FAILED, BlockStatus.ORPHANED}, optional
            What becomes of its blocks: they failed, or were not tried.

        Returns
        -------
        orphans : mapping of int to int
            By task, how many blocks will not run because of it; its own too, if ORPHANED.
        """
        lane = self._lanes[task]
        lane.abandoned = status
        queued = [each.indices for each in lane.queue]
        queued += [] if lane.shares is None else lane.shares.parts
        lane.queue.clear()
        lane.shares = None
        lane.n_queued = 0
        return self._give_up(
            task, np.concatenate([*queued, np.flatnonzero(lane.states == _WAITING)]), status
        )

    def _take(
        self, number: int, limit: int, share: int, n_shares: int, suits: int | None
    ) -> Batch | None:
        lane = self._lanes[number]
        if lane.tally[_WAITING] + lane.tally[_ACTIVE] == 0:
            return None
        parts: list[Ints] = []
        attempt, wanted = 0, limit
        while wanted:
            place = lane.place_for(suits)
            if place is None:
                if parts and attempt > 1:
                    break
                part = lane.take_share(share, wanted)
                if part is not None:
                    attempt = 1
                    parts.append(part)
                    wanted -= len(part)
                    continue
                if not self._advance(lane, n_shares):
                    break
                continue
            # A block that failed before goes alone: it may have to wait for room, or elsewhere.
            queued = lane.queue[place]
            if parts and (queued.attempt != attempt or attempt > 1):
                break
            attempt, indices, _ = queued
            if len(indices) > wanted:
                lane.queue[place] = queued._replace(indices=indices[wanted:])
                indices = indices[:wanted]
            else:
                del lane.queue[place]
            parts.append(indices)
            wanted -= len(indices)
            lane.n_queued -= len(indices)
        if not parts:
            return None
        return Batch(number, parts[0] if len(parts) == 1 else np.concatenate(parts), attempt)

    def _advance(self, lane: _Lane, n_shares: int) -> bool:
        """Queue the next tile of blocks that were ready from the start."""
        if lane.ready is None:
            return False
        tile = lane.ready.next_tile()
        if tile is None:
            lane.ready = None
            return False
        self._move(lane, tile, BlockStatus.ACTIVE)
        if n_shares == 1:
            lane.push(1, tile, first=False)
        else:
            lane.split(tile, n_shares)
        return True

    def _activate(self, lane: _Lane, indices: Ints, share: int | None) -> None:
        if len(indices):
            self._move(lane, indices, BlockStatus.ACTIVE)
            if lane.attempts is not None:
                for index in indices[lane.attempts[indices] > 0].tolist():
                    lane.push(int(lane.attempts[index]) + 1, np.array([index], dtype=np.int64))
                indices = indices[lane.attempts[indices] == 0]
            lane.push(1, indices, first=False, share=share)

    def _move(self, lane: _Lane, indices: Ints, status: BlockStatus) -> None:
        """Change the status of blocks that are waiting or active."""
        n_waiting = int(np.count_nonzero(lane.states[indices] == _WAITING))
        lane.states[indices] = status
        lane.tally[_WAITING] -= n_waiting
        lane.tally[_ACTIVE] -= len(indices) - n_waiting
        lane.tally[status] += len(indices)
        if status in _NEVER:
            self._n_open -= len(indices)

    def _add_gate(self, earlier: int, later: int) -> None:
        if not self._lanes[earlier].is_satisfied:
            self._lanes[earlier].gated.append(later)
            self._lanes[later].gates += 1

    def _add_link(self, earlier: int, later: int, link: Link) -> None:
        lane = self._lanes[later]
        counts = link.counts()
        lane.counts = counts if lane.counts is None else lane.counts + counts
        self._lanes[earlier].links.append((later, link))
        for indices in _done_before(self._lanes[earlier]):
            for freed in link.freed_by(indices):
                freed.take_off(lane.counts)

    def _open(self, lane: _Lane) -> None:
        def is_ready(indices: Ints) -> NDArray[np.bool_]:
            mask: NDArray[np.bool_] = lane.states[indices] == _WAITING
            if lane.counts is not None:
                mask &= lane.counts.reshape(-1)[indices] == 0
            return mask

        lane.ready = ReadyQueue(lane.shape, is_ready)

    def _open_gates(self, lane: _Lane) -> None:
        for later in lane.gated:
            self._lanes[later].gates -= 1
            if self._lanes[later].gates == 0:
                self._open(self._lanes[later])
        lane.gated.clear()

    def _release(self, lane: _Lane, link: Link, indices: Ints, share: int | None) -> None:
        """Take finished upstream blocks off the counters; queue the blocks that are free now."""
        if lane.counts is None:
            return
        for freed in link.freed_by(indices):
            freed.take_off(lane.counts)
            if lane.gates:
                continue
            numbers = freed.where(lane.counts, 0)
            if len(numbers):
                self._activate(lane, numbers[lane.states[numbers] == _WAITING], share)

    def _give_up(self, task: int, indices: Ints, status: BlockStatus) -> Mapping[int, int]:
        self._move(self._lanes[task], indices, status)
        orphans = self._orphan(task, indices)
        if status is BlockStatus.ORPHANED and len(indices):
            orphans[task] = orphans.get(task, 0) + len(indices)
        return orphans

    def _orphan(self, task: int, indices: Ints) -> dict[int, int]:
        """Give up all blocks that depend on blocks that failed."""
        orphans: dict[int, int] = {}
        frontier = deque([(task, indices)])
        while frontier:
            number, lost = frontier.popleft()
            if len(lost) == 0:
                continue
            for later, waiting in self._waiting_for(number, lost):
                if len(waiting):
                    self._move(self._lanes[later], waiting, BlockStatus.ORPHANED)
                    orphans[later] = orphans.get(later, 0) + len(waiting)
                    frontier.append((later, waiting))
        return orphans

    def _waiting_for(self, number: int, lost: Ints) -> Iterator[tuple[int, Ints]]:
        lane = self._lanes[number]
        for later, link in lane.links:
            states = self._lanes[later].states.reshape(link.downstream)
            for freed in link.freed_by(lost):
                yield later, freed.where(states, _WAITING)
        for later in lane.gated:
            yield later, np.flatnonzero(self._lanes[later].states == _WAITING)


def _lane(task: BlockTask, statuses: Statuses | None) -> _Lane:
    n = task.grid.n_blocks
    states = np.zeros(n, dtype=np.uint8)
    chosen = task.chosen()
    if chosen is not None:
        states[~chosen] = BlockStatus.SKIPPED
    known = task.known_done()
    if known is not None:
        states[known] = BlockStatus.FOUND
    if statuses is not None:
        is_done = np.isin(statuses, _DONE[:-1])
        states[is_done] = statuses[is_done]
    tally = np.bincount(states, minlength=len(BlockStatus)).tolist()
    return _Lane(task, tuple(task.grid.shape), states, None, 0, tally)


def _done_before(lane: _Lane) -> Iterable[Ints]:
    """The blocks that are done already, slab by slab, to bound the memory used."""
    if sum(lane.tally[status] for status in _DONE) == 0:
        return
    row = max(len(lane.states) // max(lane.shape[0], 1), 1)
    step = max(1_000_000 // row, 1) * row
    for start in range(0, len(lane.states), step):
        done = np.flatnonzero(lane.states[start : start + step] >= BlockStatus.WRITTEN)
        if len(done):
            yield done + start
