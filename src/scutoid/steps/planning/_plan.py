"""Plans, as the user sees them: what would run, what is there already, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scutoid.errors import PipelineError
from scutoid.folding import fold, folded_name
from scutoid.printable import printable, printed
from scutoid.steps.handles import grid, lines, section
from scutoid.steps.planning._cost import Cost

Status = Literal["cached", "partial", "run"]
_HEADER = ("step", "status", "blocks", "block shape", "MB a block", "why")


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step of a plan."""

    name: str
    """Name in the store and in reports."""
    key: str
    """Its key; of a collection, the base of its members' keys."""
    status: Status
    """Whether its result is there, is there in part, or is to be computed."""
    reason: str
    """Why it runs: what differs from the nearest earlier result."""
    n_blocks: int
    """Blocks, or members of a collection."""
    n_done: int
    """Those that are done already."""
    block: tuple[int, ...] | None
    """Block shape in voxels."""
    axes: str
    """Axes of `block`."""
    nbytes: int
    """Bytes that its images take, uncompressed."""
    memory: int
    """Bytes that a worker needs for one block, estimated."""
    differences: tuple[str, ...] = ()
    """Each difference from the nearest earlier result, where there is one."""
    compared: str = ""
    """Which result that is: its key, and when it was made."""
    within: tuple[str, ...] = ()
    """Names of the steps under which it is shown, outermost first; none where a user made it."""
    noted: tuple[str, ...] = ()
    """Versions of packages that are other than they were for it, and do not enter the key."""

    takes_from: str = ""
    """Key of the earlier result that blocks are taken from where they read the same; empty: none
    has the same code, parameters and blocks."""

    @printed
    def why(self) -> str:
        """Say in some lines why it runs, or that it does not.

        Returns
        -------
        str
        """
        lines = [f"{self.name} {self.key[:12]}: {self.status}, {self.reason}"]
        if self.compared:
            lines.append(f"  beside {self.compared}")
            lines.extend(f"    {text}" for text in self.differences)
        if self.takes_from:
            lines.append(f"  blocks may be taken from {self.takes_from[:12]}")
        if self.noted:
            lines.append(f"  not counted: {', '.join(self.noted)}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Choice:
    """The executor of a run, and why it is that one."""

    executor: str
    """Its name; of one that was given as an object, that of its class."""
    reason: str
    """What decided; empty where it was given."""

    def __str__(self) -> str:
        if not self.reason:
            return f"{self.executor} (as given)"
        return f"{self.executor}, for {self.reason}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    steps: tuple[PlannedStep, ...]
    """Steps in the order in which they depend on one another."""
    store: str
    """Where results are kept."""
    warnings: tuple[str, ...] = ()
    """What looks wrong and is allowed."""
    cost: Cost | None = None
    """What is left of the run, where a sample of its blocks was measured."""
    executor: Choice | None = None
    """Where a run would compute; None: all is there."""
    last_time: str = ""
    """Which of the steps to be computed took most of the time in the last run that computed one of
    them, and by what; empty if no run is known that did."""

    def __iter__(self) -> Iterator[PlannedStep]:
        return iter(self.steps)

    def __getitem__(self, name: str) -> PlannedStep:
        for step in self.steps:
            if step.name == name:
                return step
        raise PipelineError(
            "a plan is indexed by the names of its steps",
            value=name,
            remedy=", ".join(step.name for step in self.steps),
        )

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to run."""
        return all(step.status == "cached" for step in self.steps)

    @printed
    def text(self, *, folded: bool = True) -> str:
        """Write a line a step, then the warnings.

        Parameters
        ----------
        folded : bool
            Whether the steps of an operation are one line: that of the step that makes its result.

        Returns
        -------
        str
        """
        steps = self._shown(folded=folded)
        rows = [_HEADER, *(tuple(map(printable, _row(step))) for step in steps)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)]
        lines = [
            "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, *self._said()])

    def _shown(self, *, folded: bool) -> list[PlannedStep]:
        if not folded:
            return list(self.steps)
        return [_joined(head, under) for head, under in fold(self.steps)]

    def _repr_html_(self) -> str:
        rows = map(_row, self._shown(folded=True))
        cost = "" if self.cost is None else self.cost._repr_html_()
        return section("Plan", self.store, grid(_HEADER, rows), lines(self._said())) + cost

    def _said(self) -> list[str]:
        executor = [] if self.executor is None else [f"executor: {self.executor}"]
        last = [f"last time, {self.last_time}"] if self.last_time else []
        return [*executor, *last, *(f"warning: {text}" for text in self.warnings)]

    def __str__(self) -> str:
        return self.text()


def _joined(head: PlannedStep, under: Sequence[PlannedStep]) -> PlannedStep:
    """Return the steps of an operation as one: what is to be done of all, and the first reason."""
    if head.status == "cached" or not under:
        return head
    steps = (*under, head)
    n_done = sum(step.n_done for step in steps)
    first = next(step for step in steps if step.status != "cached")
    return replace(
        head,
        name=folded_name(head.name, len(under)),
        status="partial" if n_done else "run",
        reason=first.reason,
        takes_from=first.takes_from,
        n_blocks=sum(step.n_blocks for step in steps),
        n_done=n_done,
        memory=max(step.memory for step in steps),
    )


def _reason(step: PlannedStep) -> str:
    """Say why a step runs, and from which result it may take blocks over."""
    if not step.takes_from:
        return step.reason
    return f"{step.reason}; blocks may be taken from {step.takes_from[:12]}"


def _row(step: PlannedStep) -> tuple[str, ...]:
    block = "-"
    if step.block is not None:
        block = f"{step.axes} {' x '.join(map(str, step.block))}"
    return (
        step.name,
        step.status,
        f"{step.n_done}/{step.n_blocks}",
        block,
        f"{step.memory / 1e6:.0f}" if step.memory else "-",
        _reason(step),
    )
