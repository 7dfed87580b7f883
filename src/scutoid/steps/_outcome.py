"""What came of a run, as the user sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scutoid.blocks import BlockTime, Failure
from scutoid.errors import DamagedResult, PipelineError

LOGS = "logs"
"""In a run's folder: what its workers printed."""
_WORTH_TELLING = 1.0


@dataclass(frozen=True, slots=True)
class RunStep:
    """What came of one step."""

    name: str
    """Name in the store and in reports."""
    n_blocks: int
    """Blocks, or members of a collection."""
    n_done: int
    """Those that are done now."""
    n_cached: int
    """Those of them that did not run, because they were done before."""
    n_failed: int
    """Those that failed at every attempt."""
    n_orphaned: int
    """Those that did not run, because what they depend on failed."""
    seconds: float
    """From the first batch to the last, in seconds."""
    failures: tuple[Failure, ...] = ()
    """The first failures."""
    slowest: tuple[BlockTime, ...] = ()
    """The blocks that took longest."""
    members: tuple[str, ...] = ()
    """Keys of the members, in the order of the blocks, where the step ran on a collection."""

    @property
    def is_done(self) -> bool:
        """Whether all of it is done."""
        return self.n_failed == 0 and self.n_orphaned == 0 and self.n_done >= self.n_blocks

    def label(self, index: int) -> str:
        """Name a block: by its number, or by the member that it is."""
        return f"member {self.members[index]!r}" if self.members else f"block {index}"

    def place(self, failure: Failure) -> str:
        """Say where a failure happened: which block, member or set-up."""
        if failure.index < 0:
            return "set-up"
        where = f" {failure.write_roi}" if failure.write_roi and not self.members else ""
        return f"{self.label(failure.index)}{where}"


class Run:
    """What came of a run; results are indexed by the names of their steps."""

    def __init__(
        self,
        steps: Sequence[RunStep],
        results: Mapping[str, Any],
        seconds: float,
        store: Path,
        folder: Path,
    ) -> None:
        self.steps = tuple(steps)
        self.seconds = seconds
        self.store = store
        self.folder = folder
        self._results = dict(results)

    @property
    def ok(self) -> bool:
        """Whether all that was asked for is done."""
        return all(step.is_done for step in self.steps)

    @property
    def met_damage(self) -> bool:
        """Whether blocks failed because what they read in the store was damaged."""
        failures = (failure for step in self.steps for failure in step.failures)
        return any(failure.error.startswith(DamagedResult.__name__) for failure in failures)

    def __getitem__(self, name: str) -> Any:
        if name not in self._results:
            raise PipelineError(
                "a run is indexed by the names of its steps",
                value=name,
                remedy=", ".join(self._results),
            )
        return self._results[name]

    def step(self, name: str) -> RunStep:
        """Return what came of one step."""
        return {step.name: step for step in self.steps}[name]

    def summary(self) -> str:
        """Return a line a step, then the first failures."""
        lines = []
        for step in self.steps:
            counts = [f"{step.n_done} of {step.n_blocks} blocks done"]
            for number, word in (
                (step.n_cached, "cached"),
                (step.n_failed, "failed"),
                (step.n_orphaned, "not run, because what they need failed"),
            ):
                if number:
                    counts.append(f"{number} {word}")
            lines.append(f"{step.name}: {', '.join(counts)}, {step.seconds:.1f} s")
            if step.slowest and step.slowest[0].seconds >= _WORTH_TELLING:
                slow = (f"{step.label(b.index)} ({b.seconds:.1f} s)" for b in step.slowest[:3])
                lines.append(f"    slowest: {', '.join(slow)}")
        for step in self.steps:
            for failure in step.failures[:3]:
                lines.append(f"{step.name}, {step.place(failure)}: {failure.error}")
                lines.extend(
                    f"    {line}" for line in failure.traceback.rstrip().splitlines()[-12:]
                )
        if not self.ok and (self.folder / LOGS).is_dir():
            lines.append(f"what the workers printed: {self.folder / LOGS}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        word = "done" if self.ok else "with failures"
        return f"Run({len(self.steps)} steps, {word}, {self.seconds:.1f} s)"
