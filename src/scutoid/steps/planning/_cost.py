"""What a run would cost, as some of its blocks tell: time, memory, bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from scutoid.errors import ParameterError, PipelineError
from scutoid.folding import fold, folded_name
from scutoid.printable import printable, printed
from scutoid.progress import duration
from scutoid.steps.handles import grid, lines, section

_HEADER = ("step", "to do", "sampled", "s a block", "core-hours", "GB read", "GB written", "MB")


@dataclass(frozen=True, slots=True)
class StepCost:
    """What the blocks of one step take, as a sample of them tells."""

    name: str
    """Name of the step."""
    n_left: int
    """Blocks, or members, that are still to be computed; those of the sample are done."""
    n_sampled: int
    """Blocks that were measured; 0: none could be."""
    seconds: float = 0.0
    """Time of a block in one worker, the mean of the sample, in seconds."""
    fastest: float = 0.0
    """The least of them."""
    slowest: float = 0.0
    """The most of them."""
    n_read: float = 0.0
    """Bytes that a block reads, the mean; what is mapped into memory is not counted."""
    n_written: float = 0.0
    """Bytes that a block writes, the mean."""
    memory: int = 0
    """The most memory that a worker held at once, in bytes: its libraries are part of it."""
    overhead: float = 0.0
    """Time of a block that is not its functions': reading, writing and handing on, the mean."""
    writes_image: bool = False
    """Whether its blocks write images."""
    n_regions: int = 0
    """Regions on which its functions were measured by themselves, where no block of it could run
    by itself: then the rest of its time is that of other steps, and bytes are not known."""
    why: str = ""
    """Why no block of it could be measured."""
    n_requests: float = 0.0
    """Requests to servers (object storage) that a block makes, the mean."""
    n_members: int = 0
    """Members of collections on which its functions were measured, as on regions."""
    within: tuple[str, ...] = ()
    """Names of the steps under which it is shown, the outermost first."""

    @property
    def is_known(self) -> bool:
        """Whether blocks of it were measured, or its functions by themselves."""
        return self.n_sampled + self.n_regions + self.n_members > 0

    @property
    def core_seconds(self) -> float:
        """Time of all blocks that are still to be computed, in one worker, in seconds."""
        return self.n_left * self.seconds


@dataclass(frozen=True, slots=True)
class Cost:
    """What is left of a run, as a sample of its blocks tells; made by ``plan(..., sample=8)``.

    Examples
    --------
    >>> cost = Cost((StepCost("smooth", 3600, 8, seconds=2.0, n_read=1e6, n_written=1e6),))
    >>> cost.core_hours, cost.seconds(workers=4)
    (2.0, 1800.0)
    """

    steps: tuple[StepCost, ...]
    """Those that are to be computed, in the order in which they depend on one another."""
    warnings: tuple[str, ...] = ()
    """What is to be known of the figures."""

    def __iter__(self) -> Iterator[StepCost]:
        return iter(self.steps)

    def __getitem__(self, name: str) -> StepCost:
        for step in self.steps:
            if step.name == name:
                return step
        raise PipelineError(
            "a cost is indexed by the names of the steps that are to be computed",
            value=name,
            remedy=", ".join(step.name for step in self.steps) or "all are done",
        )

    @property
    def core_hours(self) -> float:
        """Time that all measured steps take in one worker, in hours."""
        return sum(step.core_seconds for step in self.steps) / 3600

    def seconds(self, workers: int) -> float:
        """Time that they take with some workers, in seconds, if these never wait.

        Raises
        ------
        ParameterError
            If there is not one worker at the least.
        """
        if workers < 1:
            raise ParameterError(
                "a cost is told for some workers, 1 or more", value=workers, place="workers"
            )
        return sum(step.core_seconds / max(1, min(workers, step.n_left)) for step in self.steps)

    @property
    def n_read(self) -> float:
        """Bytes that are read."""
        return sum(step.n_left * step.n_read for step in self.steps)

    @property
    def n_written(self) -> float:
        """Bytes that are written."""
        return sum(step.n_left * step.n_written for step in self.steps)

    @property
    def n_requests(self) -> float:
        """Requests that are made to servers."""
        return sum(step.n_left * step.n_requests for step in self.steps)

    @property
    def memory(self) -> int:
        """Memory that a worker needs, in bytes."""
        return max((step.memory for step in self.steps), default=0)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the steps of which no block could be measured."""
        return tuple(step.name for step in self.steps if step.n_left and not step.is_known)

    @printed
    def text(self, workers: int = 1, *, folded: bool = True) -> str:
        """Write a line a step, then what it comes to.

        Parameters
        ----------
        workers : int
            How many are meant to be used.
        folded : bool
            Whether the steps of an operation are one line: that of the step that makes its result.

        Returns
        -------
        str
        """
        steps = self._shown(folded=folded)
        rows = [_HEADER, *(tuple(map(printable, _row(step))) for step in steps)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(_HEADER))]
        table = [
            "  ".join(
                cell.ljust(width) if n == 0 else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*table, *self._sums(workers)])

    def _shown(self, *, folded: bool) -> Sequence[StepCost]:
        if not folded:
            return self.steps
        return [_joined(head, under) for head, under in fold(self.steps)]

    def _sums(self, workers: int) -> list[str]:
        many = "" if workers == 1 else f", {duration(self.seconds(workers))} with {workers} workers"
        sums = f"in all: {duration(self.core_hours * 3600)} of one worker{many}; "
        sums += f"{self.n_read / 1e9:.3g} GB read, {self.n_written / 1e9:.3g} GB written; "
        if self.n_requests:
            sums += f"{self.n_requests:,.0f} requests to servers; "
        sums += f"a worker needs {self.memory / 1e6:.0f} MB"
        said = [
            f"not measured: {each.name}, {each.why}" for each in map(self.__getitem__, self.unknown)
        ]
        for n, what in (
            (max((step.n_members for step in self.steps), default=0), "members"),
            (max((step.n_regions for step in self.steps), default=0), "regions"),
        ):
            if n:
                how = f"~ functions alone, on {n} {what}, of which whole values are"
                said.insert(0, f"{how}; with the reading and writing of other steps")
        return [sums, *said, *(f"warning: {text}" for text in self.warnings)]

    def _repr_html_(self) -> str:
        return section(
            "Cost", "", grid(_HEADER, map(_row, self._shown(folded=True))), lines(self._sums(1))
        )

    def __str__(self) -> str:
        return self.text()


def _joined(head: StepCost, under: Sequence[StepCost]) -> StepCost:
    """Return the steps of an operation as one: sums, and means of all their blocks."""
    if not under:
        return head
    steps = (*under, head)
    n_left = sum(step.n_left for step in steps)
    timed = [step for step in steps if step.is_known]

    def mean(name: str) -> float:
        total: float = sum(step.n_left * getattr(step, name) for step in steps)
        return total / n_left if n_left else 0.0

    return replace(
        head,
        name=folded_name(head.name, len(under)),
        n_left=n_left,
        n_sampled=sum(step.n_sampled for step in steps),
        seconds=mean("seconds"),
        fastest=min((step.fastest for step in timed), default=0.0),
        slowest=max((step.slowest for step in timed), default=0.0),
        n_read=mean("n_read"),
        n_written=mean("n_written"),
        n_requests=mean("n_requests"),
        memory=max(step.memory for step in steps),
        n_regions=max(step.n_regions for step in steps),
        n_members=max(step.n_members for step in steps),
    )


def _row(step: StepCost) -> tuple[str, ...]:
    if not step.is_known:
        return (step.name, str(step.n_left), "0", *("-",) * (len(_HEADER) - 3))
    hours = f"{step.core_seconds / 3600:.3g}"
    is_estimated = step.n_regions + step.n_members > 0
    if is_estimated and not step.n_sampled:
        return (step.name, str(step.n_left), "~", f"{step.seconds:.3g}", hours, "-", "-", "-")
    return (
        step.name,
        str(step.n_left),
        f"{step.n_sampled}{' ~' if is_estimated else ''}",
        f"{step.seconds:.3g} ({step.fastest:.3g} to {step.slowest:.3g})",
        hours,
        f"{step.n_left * step.n_read / 1e9:.3g}",
        f"{step.n_left * step.n_written / 1e9:.3g}",
        f"{step.memory / 1e6:.0f}",
    )
