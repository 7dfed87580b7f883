"""The report that a run writes at its end: by the package above, which is loaded by its name."""

from __future__ import annotations

import os
import pkgutil
import warnings

from scutoid.errors import RunStopped, ScutoidWarning
from scutoid.steps.running._outcome import Run

VARIABLE = "SCUTOID_REPORT"
"""In the environment: "off" leaves out reports that nobody asked for."""
_WRITER = "scutoid.reports:report_of_run"


def report_at_end(done: Run, *, wanted: bool | None, in_haste: bool = False) -> None:
    """Write the report of a run.

    Parameters
    ----------
    done : Run
        What came of it.
    wanted : bool, optional
        Whether; default: if it computed something.
    in_haste : bool
        Whether a signal ends the process, which may be killed soon.

    Warns
    -----
    ScutoidWarning
        If it was asked for, and the store cannot be written.

    Raises
    ------
    RunStopped
        If a signal comes meanwhile; it carries the run.
    """
    is_asked = wanted is True
    if wanted is None:
        is_off = os.environ.get(VARIABLE, "").strip().lower() in ("off", "0", "false", "no")
        wanted = not is_off and any(
            step.n_done > step.n_cached or step.n_failed for step in done.steps
        )
    if wanted and done.folder.is_dir():
        try:
            pkgutil.resolve_name(_WRITER)(done, in_haste=in_haste)
        except RunStopped as stopped:  # the run has ended, and gets a report in haste
            stopped.run = done
            raise
    elif is_asked:
        warnings.warn(
            f"the run has no report: the store {done.store} cannot be written; all was there",
            ScutoidWarning,
            stacklevel=4,
        )
