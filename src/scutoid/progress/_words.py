"""Say in words how far a run is."""

from __future__ import annotations

from scutoid.events import StepAwaited, WorkersAwaited
from scutoid.progress._counts import Count


def facts(count: Count, now: float) -> list[str]:
    """Return what is worth saying of a step beside the number of its blocks."""
    found = []
    for number, word in (
        (count.cached, "cached"),
        (count.taken, "taken"),
        (count.failed, "failed"),
        (count.orphaned, "not run"),
    ):
        if number:
            found.append(f"{number} {word}")
    if count.rate(now):
        found.append(f"{count.rate(now):.3g} blocks/s")
    found.extend(time_left(count.left(now)))
    return found


def awaited(event: StepAwaited) -> str:
    """Say who is waited for, and since when there is no sign of it.

    Examples
    --------
    >>> awaited(StepAwaited(0.0, "label", "process 7 on node3"))
    'label: waiting for process 7 on node3, which computes it'
    >>> awaited(StepAwaited(0.0, "label", "process 7 on node3", last_seen=40, limit=60))
    'label: waiting for process 7 on node3, last seen 40 s ago; taken over after 60 s'
    """
    text = f"{event.task}: waiting for {event.owner}"
    if event.last_seen is None or event.limit is None:
        return f"{text}, which computes it"
    limit = f"{event.limit:g} s"
    return f"{text}, last seen {duration(event.last_seen)} ago; taken over after {limit}"


def without_workers(event: WorkersAwaited) -> str:
    """Say that no worker is there, and what they wait for.

    Examples
    --------
    >>> without_workers(WorkersAwaited(0.0, 40, 600, "40 jobs pending (Resources)"))
    'waiting for workers (up to 40) since 10 min 0 s: 40 jobs pending (Resources)'
    """
    since = duration(event.seconds)
    return f"waiting for workers (up to {event.workers}) since {since}: {event.why}"


def time_left(seconds: float | None) -> list[str]:
    """Return how long something takes yet, where it is known and worth saying."""
    return [] if seconds is None or seconds < 1 else [f"{duration(seconds)} left"]


def duration(seconds: float) -> str:
    """Write a time.

    Examples
    --------
    >>> duration(42), duration(600), duration(86400)
    ('42 s', '10 min 0 s', '24 h 0 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
