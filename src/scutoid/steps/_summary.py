"""A plan that was worked out, in words and numbers for the user."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scutoid.arrays import Storage
from scutoid.steps._needs import bytes_of, memory_of
from scutoid.steps._plan import Plan, PlannedStep
from scutoid.steps._planner import Planner, Work
from scutoid.steps._producers import Call
from scutoid.steps._recipes import block_of
from scutoid.store import differences, version_notes


def summarize(planner: Planner) -> Plan:
    """Return a plan as the user sees it."""
    steps = tuple(
        PlannedStep(
            name=work.task,
            key=work.key.key,
            status=work.status,
            reason=work.reason,
            n_blocks=work.n_blocks,
            n_done=work.n_done,
            block=block_of(work.call),
            axes=_axes_of(work.call),
            nbytes=bytes_of(work.call),
            memory=memory_of(work.call) if work.call.keys is None else 0,
            **_compared(planner, work),
        )
        for work in planner.works
    )
    return Plan(steps, str(planner.store.path), tuple(_warnings(planner.works)))


def _compared(planner: Planner, work: Work) -> dict[str, Any]:
    """Say how a step differs from the nearest earlier result."""
    if work.nearest is None:
        return {}
    recipe = planner.compared(work)
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(work.nearest.created))
    return {
        "differences": tuple(differences(recipe, work.nearest)),
        "compared": f"{work.nearest.key[:12]}, made {made}",
        "noted": tuple(version_notes(recipe.stamped(), work.nearest)),
    }


def _warnings(works: Sequence[Work]) -> Iterator[str]:
    for work in works:
        if _is_stored_otherwise(work):
            yield (
                f"step {work.task!r} is there, stored in another way than storage= asks for, which "
                f"is no part of its key; force=[{work.task!r}] stores it anew"
            )
        if work.key.code.opaque:
            yield (
                f"step {work.task!r}: a change of {', '.join(work.key.code.opaque)} is not "
                "noticed; pass it as a parameter, or give version= to the decorator"
            )
        for name, value in work.call.params.items():
            if isinstance(value, str) and "/" in value and _names_a_file(value):
                yield (
                    f"step {work.task!r}: {name}={value!r} is text that names a file; "
                    "pass a pathlib.Path to notice when its content changes"
                )


def _is_stored_otherwise(work: Work) -> bool:
    """Whether a result that is there lies in other chunks, levels or another format than asked."""
    recipe = work.entry.recipe
    asked = work.call.spec.options.storage
    if work.status != "cached" or recipe is None or asked == Storage():
        return False
    return bool(recipe.output.get("storage", str(asked)) != str(asked))


def _names_a_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:
        return False


def _axes_of(call: Call) -> str:
    return "" if call.keys is not None or call.spec.kind == "step" else call.layout().axes
