"""Begin a run: what it uses stays as long as it goes on."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TypeVar

from scutoid.executors import check_ready
from scutoid.steps.running._claim import to_make
from scutoid.steps.running._runner import Runner
from scutoid.store import Lock

R = TypeVar("R", bound=Runner)


def begin_run(runner: R, announced: ExitStack, parts: list[str], *, executor: object) -> R | None:
    """Announce what a run uses, as one more of its parts; None if some of that is gone.

    What breaks the run off before it has begun with its blocks is written down too.  An executor
    that cannot begin here is refused first, where something is to be made.
    """
    if runner.is_read_only:
        return runner
    if to_make(runner.planned):
        check_ready(executor)
    lock = Lock(runner.folder)
    announced.push(lock)  # before it is held: Ctrl-C may come at any time
    lock.__enter__()
    announced.push(runner.broken_off)
    if not runner.announce():
        lock.release()
        return None
    parts.append(runner.folder.name)
    return runner
