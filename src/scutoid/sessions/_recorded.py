"""What this process prints, into files too."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from scutoid.errors import ParameterError
from scutoid.sessions._lines import Lines

_NAMES = ("stdout", "stderr")


class Recording:
    """Writes what goes to ``sys.stdout`` and ``sys.stderr`` to files of a folder as well.

    Parameters
    ----------
    folder : Path
        Gets ``stdout.log`` and ``stderr.log``, or more lines of them.

    Raises
    ------
    ParameterError
        If the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        said = f"--- session of process {os.getpid()} on {socket.gethostname()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._files = {name: _Log(folder / f"{name}.log") for name in _NAMES}
        except OSError as error:
            raise ParameterError(
                "a folder of logs can be written",
                value=error.strerror,
                place=str(folder),
                remedy="give another folder as logs=",
            ) from error
        self._before = {name: getattr(sys, name) for name in _NAMES}
        self._copied = {name: Copied(self._before[name], log) for name, log in self._files.items()}
        for name, log in self._files.items():
            log.add(f"{said}, began {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
            setattr(sys, name, self._copied[name])

    def note(self, error: BaseException) -> None:
        """Write down what ends the session; the terminal has it from Python."""
        self._files["stderr"].add("".join(traceback.format_exception(error)))

    def close(self) -> None:
        """Give the streams of before back, where nobody else has replaced them since."""
        for name in _NAMES:
            if getattr(sys, name) is self._copied[name]:
                before = self._before[name]
                while isinstance(before, Copied) and before.is_over:
                    before = before.below  # that of a session around it which was closed first
                setattr(sys, name, before)
            self._copied[name].is_over = True
            self._files[name].close()


class Copied:
    """A stream whose text goes to a log too; all else is the stream's own.

    Once the log is closed it is just the stream, for handlers and others that still have it.
    """

    def __init__(self, stream: IO[str] | None, log: _Log) -> None:
        self._stream = stream
        self._log = log
        self.is_over = False
        """Whether the session that copies is closed."""

    @property
    def below(self) -> IO[str] | None:
        """The stream itself."""
        return self._stream

    def write(self, text: str) -> int:
        """Write text to both."""
        n = len(text) if self._stream is None else self._stream.write(text)
        self._log.add(text)
        return n

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts to both."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream; the log is written line by line."""
        if self._stream is not None:
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Log:
    """A file that gets lines; one that cannot be written any more does not end the program."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()  # a handler of a signal may print
        self._lines = Lines()
        self._file: IO[str] | None = path.open("a", encoding="utf-8", errors="backslashreplace")
        self._place = path

    def add(self, text: str) -> None:
        with self._lock:
            self._write(self._lines.add(text))

    def close(self) -> None:
        with self._lock:
            self._write(self._lines.rest())
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def _write(self, lines: str) -> None:
        if self._file is None or not lines:
            return
        try:
            self._file.write(lines)
            self._file.flush()
        except OSError as error:
            file, self._file = self._file, None
            with suppress(OSError):
                file.close()
            _tell(f"{self._place} is not written any more: {error.strerror}\n")


def _tell(text: str) -> None:
    if sys.__stderr__ is not None:
        sys.__stderr__.write(text)
