"""Summarize a plan in words and numbers for the user."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scutoid.arrays import Storage
from scutoid.steps.graph import bytes_of, memory_of
from scutoid.steps.planning._plan import Plan, PlannedStep
from scutoid.steps.planning._planned import PlannedCall, PlannedRun
from scutoid.steps.planning._recipes import is_stored_otherwise
from scutoid.store import differences, version_notes


def summarize(planned: PlannedRun) -> Plan:
    """Return a plan as the user sees it."""
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
            **_compared(planned, each),
        )
        for each in planned
    )
    return Plan(steps, str(planned.store.path), tuple(_warnings(planned)))


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


def _warnings(planned: PlannedRun) -> Iterator[str]:
    for each in planned:
        is_asked = each.call.spec.options.storage != Storage()
        if each.is_cached and is_asked and is_stored_otherwise(each.entry, each.call.spec):
            yield (
                f"step {each.task!r} is there, stored in another way than storage= asks for, which "
                f"is no part of its key; force=[{each.task!r}] stores it again"
            )
        if each.key.opaque:
            yield (
                f"step {each.task!r}: a change of {', '.join(each.key.opaque)} is not "
                "noticed; pass it as a parameter, or give version= to the decorator"
            )
        for name, value in each.call.params.items():
            if isinstance(value, str) and "/" in value and _names_a_file(value):
                yield (
                    f"step {each.task!r}: {name}={value!r} is text that names a file; "
                    "pass a pathlib.Path to notice when its content changes"
                )


def _names_a_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:
        return False
