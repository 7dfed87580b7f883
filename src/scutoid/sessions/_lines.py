"""What a terminal shows in the end of what was written to it, as lines of a file."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[([0-9;?]*)([@-~])|\x1b[@-Z\\^_]|([\n\r])|([^\x1b\n\r]+)|\x1b")


class Lines:
    r"""Text that goes to a terminal, by lines, without what was written over and without colours.

    A line is given out when it has ended.  Where the text moves up, as bars of progress do to draw
    themselves again, the lines that it moved over are kept back until text comes that does not.

    Examples
    --------
    >>> lines = Lines()
    >>> lines.add("10 %\r20 %"), lines.add("\rdone\n\x1b[31mred\x1b[0m\nno end")
    ('', 'done\nred\n')
    >>> lines.rest()
    'no end\n'
    """

    def __init__(self) -> None:
        self._lines = [""]
        self._row = self._column = 0

    def add(self, text: str) -> str:
        """Take text, and return the lines that will not change any more."""
        n_up = 0
        for moved, command, control, plain in _TOKEN.findall(text):
            if plain:
                self._put(plain)
            elif control == "\n":
                self._row, self._column = self._row + 1, 0
                if self._row == len(self._lines):
                    self._lines.append("")
            elif control == "\r":
                self._column = 0
            elif command == "A":
                n = int(moved) if moved.isdecimal() else 1
                n_up += n
                self._row = max(self._row - n, 0)
            elif command == "K":
                self._erase(moved)
        return self._settled(n_up)

    def rest(self) -> str:
        """Return what is left, at the end."""
        left = self._lines if self._lines[-1] else self._lines[:-1]
        self._lines, self._row, self._column = [""], 0, 0
        return "".join(f"{line}\n" for line in left)

    def _put(self, text: str) -> None:
        line, end = self._lines[self._row], self._column + len(text)
        self._lines[self._row] = line[: self._column].ljust(self._column) + text + line[end:]
        self._column = end

    def _erase(self, which: str) -> None:
        if which == "2":
            self._lines[self._row] = ""
        elif which in ("", "0"):
            self._lines[self._row] = self._lines[self._row][: self._column]

    def _settled(self, n_kept: int) -> str:
        n = max(self._row - n_kept, 0)
        done, self._lines = self._lines[:n], self._lines[n:]
        self._row -= n
        return "".join(f"{line}\n" for line in done)
