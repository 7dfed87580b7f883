"""Where the results of a run's steps lie."""

from __future__ import annotations

from pathlib import Path

from scutoid.reports._facts import RunFacts, StepFacts
from scutoid.store import Entry, is_url


def entry_of(run: RunFacts, step: StepFacts) -> Entry:
    """Return the place of the result of a step; at a URL what was fetched when the run was read."""
    if not is_url(run.store):
        return Entry(Path(run.store) / step.entry, step.name, step.key)
    working = Path(run.folder).parents[1]
    return Entry(working / step.entry, step.name, step.key, f"{run.store}/{step.entry}")
