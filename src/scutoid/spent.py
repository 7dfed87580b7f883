"""Where the time of a run goes: reading, computing, writing, waiting.

A worker counts the time of a job by what it is doing.  What reads and what writes says so by
`spending`, wherever it is called from; all else is computing, so the three add up to the time that
the worker was at the job.  How long workers had nothing to do, the driver knows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from scutoid.folding import Foldable, fold, folded_name

__all__ = [
    "CAUSES",
    "NOTHING",
    "Cause",
    "Clock",
    "Spent",
    "is_at_work",
    "most_of_the_time",
    "spending",
]

Cause = Literal["reading", "computing", "writing", "waiting"]
CAUSES: tuple[Cause, ...] = ("reading", "computing", "writing", "waiting")
"""In the order in which a block meets them."""

_WORTH_NAMING = 0.05
"""Share of the time from which what took second most is named."""


_OUTSIDE = "starting, loading and ending"
"""What no step accounts for."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Time that workers spent on a step, in seconds, those of all workers added up.

    Examples
    --------
    >>> Spent(reading=1.0, computing=3.0) + Spent(computing=2.0)
    Spent(reading=1.0, computing=5.0, writing=0.0, waiting=0.0)
    """

    reading: float = 0.0
    """Opening, reading and decoding what functions are given: images, tables and values."""
    computing: float = 0.0
    """All else at its blocks: its function, those of steps that are computed in its blocks, its
    set-up; checking and cropping what they get and return.  Attempts that failed count too."""
    writing: float = 0.0
    """Encoding, writing and checksumming what they returned; and the time in which workers had
    nothing to do because the driver was recording what had come back."""
    waiting: float = 0.0
    """Time in which workers had nothing to do else, from the first block of the step that was
    handed out to the last that came back: for it has fewer blocks left than there are workers, for
    they wait for other blocks, or for memory.  Where several steps are at it, each has its part.
    A worker that starts, or imports what it needs, is not there yet."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.reading + other.reading,
            self.computing + other.computing,
            self.writing + other.writing,
            self.waiting + other.waiting,
        )

    @property
    def total(self) -> float:
        """All of it, in seconds."""
        return self.reading + self.computing + self.writing + self.waiting

    def rounded(self) -> Spent:
        """Return it as it is written down: in milliseconds."""
        return Spent(*(round(getattr(self, cause), 3) for cause in CAUSES))

    def to_dict(self) -> dict[str, float]:
        """Return it as it stands in JSON."""
        return {cause: getattr(self, cause) for cause in CAUSES}


NOTHING = Spent()
"""No time at all."""


class Clock:
    """Counts the time of this thread by what it is spent on, while it is entered, once or again.

    Examples
    --------
    >>> with Clock() as clock:
    ...     with spending("reading"):
    ...         time.sleep(0.001)
    >>> clock.spent.reading > 0 and clock.spent.writing == 0
    True
    """

    __slots__ = ("_above", "_cause", "_is_on", "_seconds", "_since")

    def __init__(self) -> None:
        self._seconds = {"reading": 0.0, "computing": 0.0, "writing": 0.0}
        self._cause = "computing"
        self._is_on = False

    def __enter__(self) -> Self:
        self._above: Clock | None = getattr(_OF_THREAD, "clock", None)
        _OF_THREAD.clock = self
        self._is_on = True
        self._since = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.turn_to("computing")
        self._is_on = False
        _OF_THREAD.clock = self._above

    def turn_to(self, cause: str) -> str:
        """Count for something else from now on; return what it was."""
        now, before = time.perf_counter(), self._cause
        self._seconds[before] += now - self._since
        self._since, self._cause = now, cause
        return before

    @property
    def spent(self) -> Spent:
        """What was spent until now, or until it was left."""
        if self._is_on:
            self.turn_to(self._cause)
        return Spent(**self._seconds)


_OF_THREAD = threading.local()
"""Its `clock`, where one counts."""


def is_at_work() -> bool:
    """Whether this thread is a worker at a job: its time is counted."""
    return getattr(_OF_THREAD, "clock", None) is not None


class spending:  # noqa: N801 - reads as what it is: `with spending("reading"):`
    """Say what this thread spends its time on, in the body; nothing where no clock counts.

    What is said inside of it counts for what is said there: a function that is called to read an
    image is computing all the same.  The body must not `yield`.

    Parameters
    ----------
    cause : {"reading", "computing", "writing"}
        What it is.
    """

    __slots__ = ("_before", "_cause", "_clock")

    def __init__(self, cause: Literal["reading", "computing", "writing"]) -> None:
        self._cause = cause

    def __enter__(self) -> None:
        self._clock: Clock | None = getattr(_OF_THREAD, "clock", None)
        if self._clock is not None:
            self._before = self._clock.turn_to(self._cause)

    def __exit__(self, *_: object) -> None:
        if self._clock is not None:
            self._clock.turn_to(self._before)


class Timed(Foldable, Protocol):
    """A step of which it is known what its time was spent on."""

    @property
    def spent(self) -> Spent | None:
        """What it was; None: not known."""
        ...


def most_of_the_time(
    steps: Iterable[Timed],
    took: str,
    worker_seconds: float,
    *,
    among: Container[str] | None = None,
) -> str:
    """Say in a line which step took most of a run, and by what.

    Parameters
    ----------
    steps : iterable
        The steps; those of an operation count as one.
    took : str
        How long the run took, in words.
    worker_seconds : float
        How long it took, times the number of its workers: what shares are of.
    among : container of str, optional
        The steps that are named; default: all.

    Returns
    -------
    str
        The two that took most; or first what no step accounts for, where that is more: the start of
        workers, their imports, what the driver did before and after.  Empty if nothing was
        computed, or it is not known.

    Examples
    --------
    >>> from scutoid.steps.running import RunStep
    >>> steps = [
    ...     RunStep("denoise", 8, 8, 0, 0, 0, 36.0, spent=Spent(3.0, 50.0, 2.0)),
    ...     RunStep("labels", 8, 8, 0, 0, 0, 12.0, spent=Spent(2.0, 1.0, 15.0)),
    ... ]
    >>> most_of_the_time(steps, "41 s", 82.0)
    'most of the time: denoise, computing (61% of 41 s); next: labels, writing (18%)'
    """
    shares: list[tuple[float, str]] = []
    outside = worker_seconds
    for head, under in fold(steps):
        spent = sum((one.spent for one in (*under, head) if one.spent), NOTHING)
        outside -= spent.total
        if among is None or head.name in among:
            name = folded_name(head.name, len(under))
            shares += [(getattr(spent, cause), f"{name}, {cause}") for cause in CAUSES]
    shares.sort(key=lambda share: -share[0])
    if worker_seconds <= 0 or not shares or shares[0][0] <= 0:
        return ""

    def of_run(seconds: float) -> str:
        return f"{100 * min(seconds / worker_seconds, 1):.0f}%"

    (most, name), *others = shares
    if outside > most:
        text = f"most of the time: {_OUTSIDE} ({of_run(outside)} of {took})"
        return f"{text}; of the steps: {name} ({of_run(most)})"
    text = f"most of the time: {name} ({of_run(most)} of {took})"
    if others[0][0] >= _WORTH_NAMING * worker_seconds:
        text += f"; next: {others[0][1]} ({of_run(others[0][0])})"
    return text
