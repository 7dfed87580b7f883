r"""Text of users and files as it is shown: nothing in a name acts on the terminal or the page.

Names of files, steps, columns, members and runs, and the words of exceptions, come from outside.
A control character in one of them could erase a line of a terminal, and one that turns the
direction of writing could make a name look like another.  They are shown as they are written in
Python: ``\x1b``, ``\u202e``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

__all__ = ["html_text", "printable", "printable_lines", "printed"]

P = ParamSpec("P")

# Controls of C0 and C1, marks and overrides of direction, separators of lines, halves of
# characters, and tags; not the joiners, which words of some languages are written with.
_ACTING = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb"
    r"\ud800-\udfff\U000e0000-\U000e007f"
)
_IN_LINES = re.compile(f"[{_ACTING}]")
_IN_A_LINE = re.compile(rf"[{_ACTING}\t\n]")


def printable(text: object) -> str:
    r"""Return text as one line in which nothing acts; tabs and ends of lines are shown too.

    Examples
    --------
    >>> printable("cells\x1b[2K.tif"), printable("a\nb"), printable("Zürich 細胞")
    ('cells\\x1b[2K.tif', 'a\\nb', 'Zürich 細胞')
    """
    return _IN_A_LINE.sub(_escaped, str(text))


def printable_lines(text: object) -> str:
    r"""Return text of several lines in which nothing acts; tabs and ends of lines stay.

    Examples
    --------
    >>> printable_lines("two\nlines\x07")
    'two\nlines\\x07'
    """
    return _IN_LINES.sub(_escaped, str(text))


def html_text(text: object) -> str:
    """Return text for a page, in elements and in attributes."""
    import html  # it loads the names of all characters

    return html.escape(printable_lines(text), quote=True)


def printed(describe: Callable[P, str]) -> Callable[P, str]:
    """Make a function that describes something return `printable_lines`."""

    @wraps(describe)
    def describe_printably(*args: P.args, **kwargs: P.kwargs) -> str:
        return printable_lines(describe(*args, **kwargs))

    return describe_printably


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")
