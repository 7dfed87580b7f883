"""What looks wrong in a plan and is allowed: above all what may change without a key noticing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from scutoid.arrays import Storage
from scutoid.steps.planning._planned import PlannedCall, PlannedRun
from scutoid.steps.planning._recipes import is_stored_otherwise


def warnings_of(planned: PlannedRun) -> tuple[str, ...]:
    """Return the warnings of a plan, each once; a plan, a run and its record say the same."""
    found: dict[str, None] = {}
    for each in planned:
        found.update(dict.fromkeys(_of_call(each)))
    return tuple(found)


def _of_call(each: PlannedCall) -> Iterator[str]:
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
