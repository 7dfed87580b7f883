"""The outcome of a run, as the user sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar, overload

from scutoid.blocks import BlockTime, Failure
from scutoid.errors import DamagedResult, PipelineError
from scutoid.folding import fold, folded_name
from scutoid.printable import printed
from scutoid.spent import NOTHING, Spent, most_of_the_time
from scutoid.steps.graph import Member, Node, planned_node
from scutoid.steps.handles import (
    Lazy,
    NamedResults,
    Result,
    grid,
    handle_of,
    lines,
    note,
    section,
)
from scutoid.steps.results import LOGS
from scutoid.steps.running._traces import shown_trace

L = TypeVar("L", bound=Lazy)

_WORTH_TELLING = 1.0
_A_MOMENT = 0.1
_NAMED = 3
"""Failures of each step that are told."""
INPUTS = -2
"""Instead of a block's number in a failure: the inputs of all blocks have changed."""


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
    """The first failures, in the order of the blocks' numbers."""
    slowest: tuple[BlockTime, ...] = ()
    """The blocks that took longest."""
    members: tuple[str, ...] = ()
    """Keys of the members, in the order of the blocks, where the step ran on a collection."""
    within: tuple[str, ...] = ()
    """The steps under which it is shown, the outermost first, where an operation made it."""
    is_stored: bool = True
    """Whether its result is complete in the store; also True where it is not kept."""
    n_taken: int = 0
    """Blocks that did not run either, but were taken over from an earlier result of the step."""
    is_merged: bool = False
    """Whether what its blocks returned was joined, be they taken or run."""
    spent: Spent = NOTHING
    """What workers spent their time on for it."""

    @property
    def n_run(self) -> int:
        """Blocks that were computed, and are done now."""
        return self.n_done - self.n_cached - self.n_taken

    @property
    def has_all_blocks(self) -> bool:
        """Whether all of its blocks are done."""
        return self.n_failed == 0 and self.n_orphaned == 0 and self.n_done >= self.n_blocks

    @property
    def was_found_and_lost(self) -> bool:
        """Whether its result was complete before the run, and is not any more."""
        return self.n_cached >= self.n_blocks and not self.is_stored

    @property
    def is_done(self) -> bool:
        """Whether all of it is done, and stored."""
        return self.has_all_blocks and self.is_stored

    def label(self, index: int) -> str:
        """Name a block: by its number, or by the member that it is."""
        return f"member {self.members[index]!r}" if self.members else f"block {index}"

    def place(self, failure: Failure) -> str:
        """Say where a failure happened: which block, member or set-up, or in the inputs."""
        if failure.index == INPUTS:
            return "inputs"
        if failure.index < 0:
            return "set-up"
        where = f" {failure.write_roi}" if failure.write_roi and not self.members else ""
        return f"{self.label(failure.index)}{where}"


class Run(NamedResults):
    """What came of a run.

    ``run["cells"]`` is the result of the step `cells`, a tuple where it has several outputs;
    ``run.table("cells")`` and ``run[cells]`` are the same with a type that editors and mypy know.
    Each reads the store of this run for ever.

    ``run.report`` is the path of a page that shows the run: pictures, counts, charts, failures.
    ``run.warnings`` has what looked wrong in its plan and was allowed, as `Plan.warnings`.
    ``run.step("cells").spent`` says what the time of workers was spent on, of which there were
    ``run.worker_seconds``: the run's seconds times its workers.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import scutoid as sc
    >>> smooth = sc.gaussian(sc.open(np.zeros((8, 8))), sigma=1)
    >>> with tempfile.TemporaryDirectory() as store:
    ...     run = sc.run(smooth, store=store)
    ...     run["gaussian"], run.image("gaussian"), run[smooth]
    (Image(...), Image(...), Image(...))
    """

    _error: ClassVar[type[PipelineError]] = PipelineError

    def __init__(
        self,
        steps: Sequence[RunStep],
        results: Mapping[str, Result | tuple[Result, ...]],
        seconds: float,
        store: Path | str,
        folder: Path,
        tasks: Mapping[Node, str],
        warnings: Sequence[str] = (),
        worker_seconds: float = 0.0,
    ) -> None:
        self.steps = tuple(steps)
        self.seconds = seconds
        self.store = store
        self.folder = folder
        self.warnings = tuple(warnings)
        self.worker_seconds = worker_seconds
        self._results = dict(results)
        self._tasks = dict(tasks)

    @property
    def ok(self) -> bool:
        """Whether all that was asked for is done."""
        return all(step.is_done for step in self.steps)

    @property
    def report(self) -> Path | None:
        """The page that shows the run; None if it has none: `scutoid.report` writes it."""
        path = self.folder / "report.html"
        return path if path.is_file() else None

    @property
    def met_damage(self) -> bool:
        """Whether something that was found in the store proved to be damaged."""
        failures = (failure for step in self.steps for failure in step.failures)
        was_read = any(failure.error.startswith(DamagedResult.__name__) for failure in failures)
        return was_read or any(step.was_found_and_lost for step in self.steps)

    @property
    def _place(self) -> str:
        return f"a run into {self.store}"

    @overload
    def __getitem__(self, name: str) -> Any: ...
    @overload
    def __getitem__(self, name: L) -> L: ...
    def __getitem__(self, name: str | Lazy) -> Any:
        return self._of_step(name) if isinstance(name, Lazy) else self._named(name)

    def _named(self, name: str) -> Result | tuple[Result, ...]:
        if name not in self._results:
            raise PipelineError(
                "a run is indexed by the names of its steps",
                value=name,
                remedy=", ".join(self._results),
            )
        return self._results[name]

    def _of_step(self, asked: Lazy) -> Result:
        """Return the result of a step that was run, as this run has it."""
        node = asked.ref.node
        task = self._tasks.get(planned_node(asked.ref))
        if task is None:
            raise PipelineError(
                "a run has the results of its steps",
                value=asked,
                place=self._place,
                remedy=", ".join(f'run["{name}"]' for name in self._results),
            )
        results = self._results[task]
        result: Any = results[asked.ref.output] if isinstance(results, tuple) else results
        found = result[node.key] if isinstance(node, Member) else result
        of_run: Result = handle_of(asked.ref, found.read_ref.node)
        return of_run

    def stored_node(self, name: str) -> Node:
        """Return what the results of a step are read from."""
        results = self._results[name]
        first: Any = results[0] if isinstance(results, tuple) else results
        node: Node = first.read_ref.node
        return node

    def followed_by(self, later: Run, names: Mapping[str, str]) -> Run:
        """Return this run with steps that were run afterwards, by their names in both."""
        steps = {new: replace(later.step(old), name=new) for old, new in names.items()}
        results = {new: later._results[old] for old, new in names.items()}
        return Run(
            [steps.get(step.name, step) for step in self.steps],
            {**self._results, **results},
            self.seconds + later.seconds,
            self.store,
            self.folder,
            self._tasks,
            [*self.warnings, *(text for text in later.warnings if text not in self.warnings)],
            self.worker_seconds + later.worker_seconds,
        )

    def step(self, name: str) -> RunStep:
        """Return what came of one step.

        Raises
        ------
        PipelineError
            If the run has no such step.
        """
        steps = {step.name: step for step in self.steps}
        if name not in steps:
            raise PipelineError(
                "a run has the steps of its plan", value=name, remedy=", ".join(steps)
            )
        return steps[name]

    @printed
    def most_of_the_time(self) -> str:
        """Return in a line which step took most of the time, and by what; see `Spent`.

        It is empty where nothing was computed, or in a moment.
        """
        if self.seconds < _A_MOMENT:
            return ""
        return most_of_the_time(self.steps, f"{self.seconds:.1f} s", self.worker_seconds)

    @printed
    def summary(self) -> str:
        """Return a line a step, what took most of the time, the first failures, the warnings."""
        lines = []
        for step in _folded(self.steps):
            counts = [f"{step.n_done} of {step.n_blocks} blocks done"]
            for number, word in (
                (step.n_cached, "cached"),
                (step.n_taken, "taken"),
                (step.n_run if step.n_taken else 0, "run"),
                (step.n_failed, "failed"),
                (step.n_orphaned, "not run, because what they need failed"),
            ):
                if number:
                    counts.append(f"{number} {word}")
            if step.n_taken and step.is_merged:
                counts.append("merged")
            lines.append(f"{step.name}: {', '.join(counts)}, {step.seconds:.1f} s")
            if step.slowest and step.slowest[0].seconds >= _WORTH_TELLING:
                slow = (f"{step.label(b.index)} ({b.seconds:.1f} s)" for b in step.slowest[:3])
                lines.append(f"    slowest: {', '.join(slow)}")
        if most := self.most_of_the_time():
            lines.append(most)
        for step in self.steps:
            for failure in step.failures[:_NAMED]:
                lines.append(f"{step.name}, {step.place(failure)}: {failure.error}")
                lines.extend(f"    {line}" for line in shown_trace(failure.traceback))
        if not self.ok and (self.folder / LOGS).is_dir():
            lines.append(f"all tracebacks, and what workers printed: {self.folder / LOGS}")
        lines.extend(f"warning: {text}" for text in self.warnings)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        header = ("step", "blocks", "done", "cached", "taken", "failed", "not run", "seconds")
        rows = [
            (
                *(s.name, s.n_blocks, s.n_done, s.n_cached, s.n_taken, s.n_failed, s.n_orphaned),
                f"{s.seconds:.1f}",
            )
            for s in _folded(self.steps)
        ]
        failed = [
            f"{step.name}, {step.place(failure)}: {failure.error}"
            for step in self.steps
            for failure in step.failures[:_NAMED]
        ]
        word = "done" if self.ok else "with failures"
        pieces = (
            grid(header, rows),
            note(f"{word}, {self.seconds:.1f} s"),
            lines(filter(None, [self.most_of_the_time()])),
            lines(failed),
            lines(f"warning: {text}" for text in self.warnings),
        )
        return section("Run", str(self.store), *pieces)

    def __repr__(self) -> str:
        word = "done" if self.ok else "with failures"
        return f"Run({len(self.steps)} steps, {word}, {self.seconds:.1f} s)"


def _folded(steps: Sequence[RunStep]) -> list[RunStep]:
    """Return the steps of each operation as one: the sums of their blocks and times."""
    return [_joined(head, under) for head, under in fold(steps)]


def _joined(head: RunStep, under: Sequence[RunStep]) -> RunStep:
    if not under:
        return head
    steps = (*under, head)
    return replace(
        head,
        name=folded_name(head.name, len(under)),
        n_blocks=sum(step.n_blocks for step in steps),
        n_done=sum(step.n_done for step in steps),
        n_cached=sum(step.n_cached for step in steps),
        n_taken=sum(step.n_taken for step in steps),
        is_merged=any(step.is_merged or step.n_blocks == 1 for step in under) or head.is_merged,
        n_failed=sum(step.n_failed for step in steps),
        n_orphaned=sum(step.n_orphaned for step in steps),
        seconds=sum(step.seconds for step in steps),
        spent=sum((step.spent for step in steps), NOTHING),
    )
