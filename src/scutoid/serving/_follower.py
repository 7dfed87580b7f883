"""Follow the events of a run, wherever it runs: how far its steps are, and each of their blocks."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scutoid.serving._block_map import MOST_BLOCKS, BlockState, Bytes, set_runs
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
        self._held: dict[int, deque[tuple[str, Any]]] = {}

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
        n_bad = self.progress.n_unreadable + sum(tail.n_left_out for tail in self._tails)
        if n_bad:
            problems.append(f"{n_bad} lines of {EVENTS} are no events, and left out")
        self.problems = tuple(problems)
        return n_events > 0

    def _begin_again(self) -> None:
        """Forget all: the files are others than those that were read."""
        self.progress, self.blocks, self._tails, self._held = RunProgress(), {}, [], {}

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
            event = json.loads(line)
            self.progress.take(event)
            self._mark(event)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            self.progress.n_unreadable += 1

    def _mark(self, event: Mapping[str, Any]) -> None:
        """Give blocks the state that an event tells."""
        kind = event["event"]
        if kind == "RunStarted":
            self._held.clear()
            for info in event["tasks"]:
                self._make(str(info["name"]), int(info["n_blocks"]))
            return
        if kind == "WorkerLost":
            self._drop(int(event["worker"]))
            return
        states = self.blocks.get(event.get("task", ""))
        if states is None:
            return
        if kind == "BatchStarted":
            held = self._held.setdefault(int(event["worker"]), deque(maxlen=_BATCHES))
            held.append((event["task"], event["blocks"]))
            set_runs(states, event["blocks"], BlockState.RUNNING)
        elif kind == "BatchDone":
            set_runs(states, event.get("blocks", ()), BlockState.DONE)
        elif kind == "BlockFailed" and event["index"] >= 0:
            state = BlockState.RETRYING if event["will_retry"] else BlockState.FAILED
            set_runs(states, [(event["index"], 1)], state)

    def _make(self, name: str, n_blocks: int) -> None:
        taken = sum(map(len, self.blocks.values()))
        if name.endswith(":finish") or not 0 < n_blocks <= MOST_BLOCKS:
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
