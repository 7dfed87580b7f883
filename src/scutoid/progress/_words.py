"""Say in words how far a run is."""

from __future__ import annotations

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
