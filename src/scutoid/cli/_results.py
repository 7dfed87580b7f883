"""Results of a store as commands take them: of a step, and of one member."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scutoid.cli._say import say
from scutoid.errors import ParameterError

if TYPE_CHECKING:
    from scutoid.steps import Store
    from scutoid.steps.handles import Collection, Lazy, Partial

_NAMED = 3


def several(result: Lazy | tuple[Lazy, ...]) -> tuple[Lazy, ...]:
    return result if isinstance(result, tuple) else (result,)


def tell_missing(result: Collection[Any], partial: Partial) -> None:
    """Say which members are left out, if that is allowed."""
    missing = result.missing
    if missing and partial == "allow":
        named = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        text = f"without {len(missing)} of {len(result)} members, which were not finished: {named}"
        say(text, file=sys.stderr)


def single(store: Store, steps: Sequence[str], member: str | None) -> list[Any]:
    """Return the results of steps, of folders of images those of one member."""
    from scutoid.steps.handles import Collection

    items = [(step, item) for step in steps for item in several(store[step])]
    if member is not None and not any(isinstance(item, Collection) for _, item in items):
        raise ParameterError(
            "--member is of the results of a folder of images",
            value=member,
            place=f"steps {', '.join(steps)}",
            remedy="leave it out",
        )
    return [
        _member(step, item, member) if isinstance(item, Collection) else item
        for step, item in items
    ]


def _member(step: str, results: Collection[Any], member: str | None) -> Any:
    if member is None:
        raise ParameterError(
            "of a folder of images one member is shown",
            value=f"{len(results)} members",
            place=f"step {step!r}",
            remedy=f"add --member {shlex.quote(next(iter(results.keys), 'KEY'))}",
        )
    return results[member]
