"""What the command line prints: text in which nothing acts on the terminal."""

from __future__ import annotations

from typing import TextIO

from scutoid.printable import printable_lines


def say(
    text: object = "", *, file: TextIO | None = None, end: str = "\n", flush: bool = False
) -> None:
    """Print text of users and files, as `print` does."""
    print(printable_lines(text), file=file, end=end, flush=flush)
