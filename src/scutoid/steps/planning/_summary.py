"""Summarize a plan in words and numbers for the user."""

from __future__ import annotations

import time
from typing import Any

from scutoid.steps.graph import bytes_of, memory_of
from scutoid.steps.planning._last_time import last_time
from scutoid.steps.planning._plan import Choice, Plan, PlannedStep
from scutoid.steps.planning._planned import PlannedCall, PlannedRun
from scutoid.steps.planning._warnings import warnings_of
from scutoid.store import differences, version_notes


def summarize(planned: PlannedRun, executor: Choice | None = None) -> Plan:
    """Return a plan as the user sees it, with the executor if it was chosen."""
    steps = tuple(
        PlannedStep(
            name=each.task,
            key=each.key.key,
            status=each.status,
            reason=each.reason,
            n_blocks=each.n_blocks,
            n_done=each.n_done,
            block=each.block,
            axes="" if each.step is None else each.step.layout.axes,
            nbytes=bytes_of(each.call),
            memory=0 if each.is_mapped else memory_of(each.call, planned.layouts),
            within=each.within,
            takes_from="" if each.earlier is None else each.earlier.key,
            **_compared(planned, each),
        )
        for each in planned
    )
    return Plan(
        steps,
        planned.store.place,
        warnings_of(planned),
        executor=executor,
        last_time=last_time(planned),
    )


def _compared(planned: PlannedRun, each: PlannedCall) -> dict[str, Any]:
    """Say how a step differs from the nearest earlier result."""
    if each.nearest is None:
        return {}
    recipe = planned.compared(each)
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.nearest.created))
    return {
        "differences": tuple(differences(recipe, each.nearest)),
        "compared": f"{each.nearest.key[:12]}, made {made}",
        "noted": tuple(version_notes(recipe.stamped(), each.nearest)),
    }
