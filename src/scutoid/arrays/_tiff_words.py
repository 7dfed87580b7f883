"""What tifffile logs of a file: one line, which names the file, in place of thousands."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Iterator

_LOGGER = "tifffile"
_SAID: deque[tuple[str, str]] = deque(maxlen=256)
"""The last lines that this process has said, with their files: none is said twice."""


class _Words(logging.Filter):
    """Keeps the first line that a thread logs, and counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self.first: logging.LogRecord | None = None
        self.n = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if threading.get_ident() != self._thread:
            return True
        self.first = record if self.first is None else self.first
        self.n += 1
        return False


@contextlib.contextmanager
def few_words(path: str) -> Iterator[None]:
    """Have tifffile log one line at most of a file meanwhile, in this thread, and no line twice.

    Parameters
    ----------
    path : str
        The file.
    """
    logger = logging.getLogger(_LOGGER)
    words = _Words()
    logger.addFilter(words)
    try:
        yield
    finally:
        logger.removeFilter(words)
        first = words.first
        said = path, "" if first is None else first.getMessage()
        if first is not None and said not in _SAID:
            _SAID.append(said)
            more = f", and {words.n - 1} lines more" if words.n > 1 else ""
            logger.log(first.levelno, "%s: %s%s", *said, more)
