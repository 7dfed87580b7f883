"""The command that runs one block again, and what a failed run says of it."""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict, Unpack

import numpy as np

from scutoid.cli._say import say
from scutoid.errors import ScutoidError
from scutoid.steps import Run
from scutoid.steps import debug as debug_targets

_OF_RUNS = {
    "--workers": 1,
    "--executor": 1,
    "--preset": 1,
    "--force": 1,
    "--accept": 1,
    "--paranoid": 0,
    "--no-paranoid": 0,
    "--check-halo": 0,
    "--no-check-halo": 0,
}
"""Options of a run that debugging has not, with how many words follow each."""


class DebugOptions(TypedDict):
    """Options that choose a block."""

    store: str
    block: int | None
    memory: str | None
    step: str | None
    at: str | None
    begin: bool


def debug(targets: Sequence[object], **options: Unpack[DebugOptions]) -> int:
    """Compute one block in this process; Python's debugger opens where its function fails."""
    import pdb  # noqa: T100 - this is what debugs

    try:
        found = debug_targets(*targets, **options)
    except ScutoidError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the function raises
        traceback.print_exception(error)
        pdb.post_mortem(error.__traceback__)
        return 1
    for number, item in enumerate(found if isinstance(found, tuple) else (found,), 1):
        say(f"output {number}: {_in_short(item)}")
    return 0


def commands_again(done: Run, command: Sequence[str]) -> Iterator[str]:
    """Yield for each step that failed the command that debugs it.

    Parameters
    ----------
    done : Run
        The run.
    command : sequence of str
        The words that debug something of its pipeline, with the options of the run among them.
    """
    for step in done.steps:
        failed = next((failure for failure in step.failures if failure.index >= 0), None)
        if failed is not None:
            at = step.members[failed.index] if step.members else str(failed.index)
            yield shlex.join([*_without(command, _OF_RUNS), "--step", step.name, "--at", at])


def _without(words: Sequence[str], options: Mapping[str, int]) -> Iterator[str]:
    """Yield the words of a command without some options and what follows them."""
    skipped = 0
    for word in words:
        name, _, value = word.partition("=")
        if name in options:
            skipped = 0 if value else options[name]
        elif skipped:
            skipped -= 1
        else:
            yield word


def _in_short(item: object) -> str:
    """Describe what a block made."""
    if not isinstance(item, np.ndarray) or not item.size:
        return repr(item)
    about = f"{item.dtype}, shape {item.shape}, from {item.min()} to {item.max()}"
    return f"{about}, mean {item.mean():.6g}" if item.dtype.kind in "biuf" else about
