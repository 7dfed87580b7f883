"""The commands by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scutoid.cli._correcting import correct
from scutoid.cli._keeping import du, export, gc, verify
from scutoid.cli._looking import ls, report, serve, show, view


def demo(*, out: Path = Path("scutoid-demo"), workers: int | None = None) -> int:
    """Simulate a small brain with a known number of cells, and count them by region.

    Parameters
    ----------
    out : Path
        Folder for the simulated image and the results.
    workers : int, optional
        Number of workers; default: the cores.
    """
    from scutoid.cli._demo import run_demo

    return run_demo(out, workers)


COMMANDS: dict[str, Callable[..., int]] = {
    "ls": ls,
    "show": show,
    "du": du,
    "export": export,
    "gc": gc,
    "verify": verify,
    "report": report,
    "view": view,
    "correct": correct,
    "serve": serve,
    "demo": demo,
}
"""Commands by name, apart from those that take a file with a pipeline."""
