"""Tracebacks as a summary shows them: those that lead to lines of the user."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path

_SHOWN = 12
_LINKS = re.compile(r"\n\n(?:The above exception|During handling)[^\n]*\n\n")
_FRAME = re.compile(r'^  File "(.+)", line \d+, in ', re.MULTILINE)
_OURS = "scutoid.errors."
_INSIDE = tuple(
    f"{Path(folder)}/" for folder in (Path(__file__).parents[2], sysconfig.get_path("stdlib"))
)


def shown_trace(text: str) -> list[str]:
    r"""Return the last lines of a traceback; none where it says no more than its message.

    An error of this library, such as that of a damaged file, names the place itself; the lines of
    the library that raised it tell nobody more.  Where a function of the user is on the way, or the
    error is another, the traceback is shown.

    Parameters
    ----------
    text : str
        The traceback, as Python writes it.

    Examples
    --------
    >>> shown_trace('  File "/home/me/cells.py", line 3, in f\n    g()\nValueError: no')[-1]
    'ValueError: no'
    """
    last = _LINKS.split(text)[-1]
    is_ours = any(line.startswith(_OURS) for line in last.splitlines())
    if is_ours and all(file.startswith(_INSIDE) for file in _FRAME.findall(last)):
        return []
    return text.rstrip().splitlines()[-_SHOWN:]
