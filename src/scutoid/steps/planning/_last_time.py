"""What took most of the time when steps were last computed, as the runs of the store tell."""

from __future__ import annotations

from scutoid.errors import StoreError
from scutoid.spent import most_of_the_time
from scutoid.steps.planning._planned import PlannedRun
from scutoid.steps.results import newest_runs

_LOOKED_AT = 10
"""Runs, the newest: a plan waits for them."""


def last_time(planned: PlannedRun) -> str:
    """Say what took most of the time in the last run that computed one of the steps to be made.

    Returns
    -------
    str
        Empty if no run is known that did.
    """
    names = {each.task for each in planned if each.is_kept and not each.is_cached}
    if not names:
        return ""
    try:
        for record in newest_runs(planned.store.path, _LOOKED_AT):
            took = f"{record.seconds or 0:.1f} s"
            text = most_of_the_time(record.steps, took, record.worker_seconds or 0, among=names)
            if text:
                return text
    except StoreError:  # of a later version: no plan depends on it
        pass
    return ""
