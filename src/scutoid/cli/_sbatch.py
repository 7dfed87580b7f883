"""Options of sbatch that a user gives to `scutoid submit`: which are taken, and time limits."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scutoid.errors import ParameterError

_TIME = re.compile(
    r"(?:(?P<days>\d+)-(?P<of_day>\d+)(?::(?P<minutes>\d+))?(?::(?P<seconds>\d+))?"
    r"|(?P<whole>\d+(?::\d+){0,2}))"
)
_OPTION = re.compile(r"[a-z][a-z-]*(=.*)?")

_ELSEWHERE: Mapping[str, str] = {
    "array": "--array says how many elements there are",
    "chdir": "elements run in the folder in which scutoid submit is called",
    "cpus-per-task": "--cpus says how many cores an element has",
    "no-requeue": "an element is requeued at its time limit, and where its node has failed",
    "open-mode": "logs are appended to, so that a start leaves what earlier ones have written",
    "output": "elements write to runs/slurm-*.log in the store; error= can name another file",
    "parsable": "scutoid submit prints the number of the job",
    "requeue": "elements are requeued anyway",
    "signal": "--notice says how long before the time limit an element is told",
    "test-only": "--dry-run prints the script and submits nothing",
    "time": "--time gives the limit",
    "wait": "scutoid run with the same store waits for the elements",
    "wrap": "the script is that of scutoid; --dry-run prints it",
    "help": "see man sbatch",
    "usage": "see man sbatch",
    "version": "ask sbatch --version",
}
"""Options that the script has, or that change what becomes of it, and what says the same."""


def check_option(option: str) -> None:
    """Refuse what is no option of sbatch, or one that scutoid gives itself.

    Raises
    ------
    ParameterError
        As said.
    """
    if not _OPTION.fullmatch(option):
        raise ParameterError(
            "an option of sbatch is its name, and a value behind =, on one line",
            value=option,
            place="--sbatch",
            remedy="give it as in --sbatch mem=16G",
        )
    name = option.partition("=")[0]
    # As sbatch does, which takes the beginning of a name for the name.
    meant = next((other for other in _ELSEWHERE if other.startswith(name)), None)
    if meant is not None:
        raise ParameterError(
            f"{meant} of sbatch is given by scutoid itself, and not by --sbatch",
            value=option,
            place="--sbatch",
            remedy=f"leave it out: {_ELSEWHERE[meant]}",
        )


def seconds_of(limit: str) -> int | None:
    """Return how long a time limit is, in seconds; None if it is none that SLURM takes.

    Examples
    --------
    >>> [seconds_of(text) for text in ("90", "90:30", "1:30:00", "1-12", "1-0:30", "soon")]
    [5400, 5430, 5400, 129600, 88200, None]
    """
    found = _TIME.fullmatch(limit)
    if found is None:
        return None
    if found["whole"] is None:
        hours, minutes, seconds = (int(found[n] or 0) for n in ("of_day", "minutes", "seconds"))
        return ((int(found["days"]) * 24 + hours) * 60 + minutes) * 60 + seconds
    parts = [int(part) for part in found["whole"].split(":")]
    if len(parts) == 1:
        return parts[0] * 60
    total = 0
    for part in parts:
        total = total * 60 + part
    return total
