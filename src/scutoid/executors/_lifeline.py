"""The process between a run and a command that it has launched: ends the command with the run.

It is run as a file, for it has to start quickly and imports nothing of ours::

    driver  --[pipe that only the driver can write]-->  this process  --fork, exec-->  the command

When the driver is gone, killed or not, the pipe ends, and this process kills the process group of
the command: all that it has started.  The system tells it too, where it can (Linux), for a process
that was forked from the driver may keep the pipe open.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_LEFT_TO_THE_COMMAND = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Lifeline:
    """Runs a command as long as the driver lives.

    Parameters
    ----------
    descriptor : int
        The end of a pipe on which nothing comes but its end.
    parent : int
        The driver's process number.
    """

    def __init__(self, descriptor: int, parent: int) -> None:
        self._descriptor = descriptor
        self._parent = parent
        self._child = 0

    def run(self, command: list[str]) -> int:
        """Run a command; return what `os.waitstatus_to_exitcode` makes of its end."""
        os.set_inheritable(self._descriptor, False)
        signal.signal(signal.SIGUSR1, self._end)
        for number in _LEFT_TO_THE_COMMAND:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _pass_over)
        _be_told_of_the_end(signal.SIGUSR1)
        if os.getppid() != self._parent:
            return 1
        started, starting = os.pipe()
        own = os.getpid()
        self._child = os.fork()
        if self._child == 0:
            _carry_out(command, own)
        os.close(starting)
        os.read(started, 1)  # ends once it is the command, in a group of its own
        threading.Thread(target=self._watch, daemon=True).start()
        _, status = os.waitpid(self._child, 0)
        self._end()
        return os.waitstatus_to_exitcode(status)

    def _watch(self) -> None:
        """Wait until the driver is gone."""
        os.read(self._descriptor, 1)
        self._end()

    def _end(self, *signal_and_frame: object) -> None:
        """End the command, and what it has started and not put into other groups."""
        if self._child == 0:
            os._exit(1)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child, signal.SIGKILL)


def _carry_out(command: list[str], parent: int) -> None:
    """Become the command."""
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
        _be_told_of_the_end(signal.SIGKILL)
        if os.getppid() == parent:
            os.execvp(command[0], command)  # noqa: S606 - it is the command of the user
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error}\n".encode())
    finally:
        os._exit(127)


def _pass_over(*signal_and_frame: object) -> None:
    """Leave a signal to the command; this process ends with it."""


def _be_told_of_the_end(number: int) -> None:
    """Have the system send a signal when the parent of this process has ended."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    code = Lifeline(int(sys.argv[1]), int(sys.argv[2])).run(sys.argv[3:])
    if code < 0:  # ended by a signal: so is this process, for who looks at its end
        with suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
