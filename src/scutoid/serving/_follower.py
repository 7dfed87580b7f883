"""Follow the events of a run, wherever it runs: how far its steps are, and each of their blocks."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np

from scutoid import events
from scutoid.progress import FINISH
from scutoid.serving._block_map import MOST_BLOCKS, BlockState, Bytes, set_runs
from scutoid.serving._events import event_of
from scutoid.serving._progress import RunProgress
from scutoid.serving._tail import Tail

EVENTS = "events.jsonl"
_MOST_BYTES = 256 << 20
_BATCHES = 64


class Follower:
    """What the events of the parts of a run say so far.

    Memory is bounded: a byte a block of up to 32 Mi blocks a step, and 256 MiB for all together;
    what is above has counts alone.
    """

    def __init__(self) -> None:
        self.progress = RunProgress()
        self.blocks: dict[str, Bytes] = {}
        """States of the blocks of each step, as far as events tell."""
        self.problems: tuple[str, ...] = ()
        """What cannot be read."""
        self._tails: list[Tail] = []
        self._n_bad = 0
        self._held: dict[int, deque[tuple[str, tuple[tuple[int, int], ...]]]] = {}

    def read(self, parts: list[Path], *, most: int = 64 << 20) -> bool:
        """Take in what was written since, of all parts of the run; say whether there was any.

        Parameters
        ----------
        parts : list of Path
            Folders of the parts, in order.
        most : int
            Bytes that are read at once; the rest is for the next call.
        """
        if [tail.path.parent for tail in self._tails] != parts[: len(self._tails)]:
            self._begin_again()
        self._tails += [Tail(part / EVENTS) for part in parts[len(self._tails) :]]
        n_events, problems = 0, []
        for tail in self._tails:
            try:
                n_events += self._read(tail, most)
            except OSError as error:
                problems.append(f"{tail.path} cannot be read: {error.strerror or error}")
            if tail.is_new:
                self._begin_again()
                return True
            if not tail.is_at_end:
                break  # what a later part says comes after it
        n_bad = self._n_bad + sum(tail.n_left_out for tail in self._tails)
        if n_bad:
            problems.append(f"{n_bad} lines of {EVENTS} are no events, and left out")
        self.problems = tuple(problems)
        return n_events > 0

    def _begin_again(self) -> None:
        """Forget all: the files are others than those that were read."""
        self.progress, self.blocks, self._tails, self._held = RunProgress(), {}, [], {}
        self._n_bad = 0

    def _read(self, tail: Tail, most: int) -> int:
        n_events = 0
        for _ in range(max(most // (8 << 20), 1)):
            lines = tail.read()
            if tail.is_new:
                return n_events
            for line in lines:
                self._take(line)
            n_events += len(lines)
            if tail.is_at_end:
                break
        return n_events

    def _take(self, line: bytes) -> None:
        try:
            event = event_of(line)
            if event is not None:  # those of later versions may be more
                self._mark(event)
                self.progress.take(event)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            self._n_bad += 1

    def _mark(self, event: events.Event) -> None:
        """Give blocks the state that an event tells.

        Raises
        ------
        ValueError
            If a step has no such blocks.
        """
        match event:
            case events.RunStarted():
                self._held.clear()
                for info in event.tasks:
                    self._make(info.name, info.n_blocks)
            case events.WorkerLost():
                self._drop(event.worker)
            case events.BatchStarted() if event.task in self.blocks:
                set_runs(self.blocks[event.task], event.blocks, BlockState.RUNNING)
                held = self._held.setdefault(event.worker, deque(maxlen=_BATCHES))
                held.append((event.task, event.blocks))
            case events.BatchDone() if event.task in self.blocks:
                set_runs(self.blocks[event.task], event.blocks, BlockState.DONE)
            case events.BlockFailed() if event.task in self.blocks and event.index >= 0:
                state = BlockState.RETRYING if event.will_retry else BlockState.FAILED
                set_runs(self.blocks[event.task], [(event.index, 1)], state)

    def _make(self, name: str, n_blocks: int) -> None:
        taken = sum(map(len, self.blocks.values()))
        if name.endswith(FINISH) or not 0 < n_blocks <= MOST_BLOCKS:
            return
        if taken + n_blocks <= _MOST_BYTES:
            self.blocks[name] = np.zeros(n_blocks, dtype=np.uint8)

    def _drop(self, worker: int) -> None:
        """Take back the blocks that a lost worker had."""
        for task, runs in self._held.pop(worker, ()):
            states = self.blocks[task]
            for first, n in runs:
                part = states[first : first + n]
                part[part == BlockState.RUNNING] = BlockState.WAITING
