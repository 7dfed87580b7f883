"""Follow a file of lines that another process appends to, in little memory."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 1 << 20
_LONGEST = 16 << 20


@dataclass(slots=True)
class Tail:
    r"""The lines of a file, each once, as they come to be whole.

    A line that is not whole yet is waited for; one of more than 16 MiB is left out and counted.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "events.jsonl"
    >>> tail = Tail(path)
    >>> tail.read()
    []
    >>> _ = path.write_bytes(b"one\ntw")
    >>> tail.read()
    [b'one']
    >>> _ = path.write_bytes(b"one\ntwo\n")
    >>> tail.read()
    [b'two']
    >>> folder.cleanup()
    """

    path: Path
    """The file; it need not be there yet."""
    n_left_out: int = 0
    """Lines that were too long."""
    is_new: bool = False
    """Whether the last `read` found another file than the one before, or one that was cut: what
    was read before does not count."""
    is_at_end: bool = True
    """Whether the last `read` came to the end of what there was."""
    _file: tuple[int, int] | None = None
    _offset: int = 0
    _rest: bytes = b""
    _is_skipping: bool = field(default=False)

    def read(self, most: int = 8 * _CHUNK) -> list[bytes]:
        """Return the lines that were finished since, of the next `most` bytes, without newlines.

        Raises
        ------
        OSError
            If there is a file and it cannot be read.
        """
        self.is_new, self.is_at_end = False, True
        try:
            file = self.path.open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return []
        with file:
            state = os.fstat(file.fileno())
            identity = state.st_dev, state.st_ino
            if self._file not in (None, identity) or state.st_size < self._offset:
                self._offset, self._rest, self._is_skipping = 0, b"", False
                self.is_new, self.n_left_out = True, 0
            self._file = identity
            file.seek(self._offset)
            lines = self._lines(file.read(most))
            self.is_at_end = self._offset >= state.st_size
        return lines

    def _lines(self, content: bytes) -> list[bytes]:
        self._offset += len(content)
        *lines, rest = (self._rest + content).split(b"\n")
        if lines and self._is_skipping:
            del lines[0]
            self._is_skipping = False
        if len(rest) > _LONGEST or self._is_skipping:
            self.n_left_out += not self._is_skipping
            self._is_skipping, rest = True, b""
        self._rest = rest
        return lines
