"""Signals that end a run: SIGTERM, as a batch system sends it, and SIGHUP, as a lost terminal does.

::

    with ends_by_signals() as stop:           handlers are there, in the main thread alone
        ...                                   a signal raises RunStopped here, like Ctrl-C
        with stop.noted(pool.halt):           a signal is noted here: no block is begun any more,
            ...                               those in flight have `grace` seconds
                                              afterwards the handlers of before are back, and called

A run inside another one shares what the outer one has set up.  `held_back` is for what must not be
left half done.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from scutoid.errors import RunStopped
from scutoid.settings import time_of

GRACE = "SCUTOID_GRACE"
"""In the environment: how long blocks in flight may go on after a signal, such as "20s"."""
GRACE_SECONDS = 10.0
"""Without it.  SLURM kills 30 s after its SIGTERM; a run also writes itself down in this time."""
SIGNALS = (signal.SIGTERM, signal.SIGHUP)
# `timeout` and closed terminals send the same signal twice, one right after the other.
_ONE_SIGNAL_SECONDS = 0.2

_Handler = Any
"""What `signal.signal` takes and returns."""


class OutOfTime(BaseException):
    """Raised in a block of the main thread whose grace is over; the block is not done."""


class Stop:
    """What a run knows of signals that end it.

    Parameters
    ----------
    grace : float
        Seconds that blocks in flight have after a signal.
    """

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self.signal: signal.Signals | None = None
        """The signal that ends the run; None as long as there was none."""
        self.grace = grace
        self._first = self._end = 0.0
        self._halts: list[Callable[[], None]] = []
        self._before: dict[signal.Signals, _Handler] = {}
        self._n_interruptible = 0
        self._timer: threading.Timer | None = None
        self._is_timed_out = False

    @property
    def is_overdue(self) -> bool:
        """Whether blocks in flight have had their time."""
        return self.signal is not None and time.monotonic() >= self._end

    @property
    def error(self) -> RunStopped:
        """What a run raises that a signal ends."""
        number = self.signal or signal.SIGTERM
        return RunStopped(128 + number, signal.Signals(number).name)

    @contextmanager
    def noted(self, halt: Callable[[], None] | None = None) -> Iterator[None]:
        """Note the first signal instead of raising, and call `halt` from within its handler."""
        self._halts.append(halt or _nothing)
        try:
            yield
        finally:
            self._halts.pop()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Raise `OutOfTime` where blocks in flight have had their time: here is one."""
        self._n_interruptible += 1
        try:
            if self.signal is not None:
                self._set_timer()
            yield
        finally:
            self._n_interruptible -= 1
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def install(self) -> None:
        """Set the handlers, but for signals that are ignored or handled outside of Python."""
        _restore_in_children()
        for number in SIGNALS:
            before = signal.getsignal(number)
            if before is None or before is signal.SIG_IGN:
                continue
            with suppress(ValueError):  # such as in a sub-interpreter
                signal.signal(number, self._handle)
                self._before[number] = before

    def restore(self) -> None:
        """Set the handlers of before again, unless somebody has replaced ours."""
        for number, before in self._before.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, before)

    def tell_earlier(self) -> None:
        """Call the handler of before, if there was one, for the signal that has ended the run."""
        before = None if self.signal is None else self._before.get(self.signal)
        if callable(before):
            before(int(self.signal or 0), sys._getframe())  # noqa: SLF001 - as a handler gets it

    def _handle(self, number: int, frame: object) -> None:
        del frame
        if self._is_timed_out:
            self._is_timed_out = False
            if self._n_interruptible:
                raise OutOfTime
            return
        now = time.monotonic()
        if self.signal is not None:
            if now - self._first >= _ONE_SIGNAL_SECONDS:
                self._end = now
                self.restore()  # a third one acts as if there were no run
                raise self.error
            return
        self.signal = signal.Signals(number)
        self._first, self._end = now, now + self.grace
        if not self._halts:
            raise self.error
        for halt in self._halts:
            halt()
        if self._n_interruptible:
            self._set_timer()

    def _set_timer(self) -> None:
        self._timer = threading.Timer(max(self._end - time.monotonic(), 0), self._time_out)
        self._timer.daemon = True
        self._timer.start()

    def _time_out(self) -> None:
        """Interrupt the main thread, also where it waits for something."""
        if self._n_interruptible and self.signal is not None:
            self._is_timed_out = True
            signal.pthread_kill(threading.main_thread().ident or 0, self.signal)


@contextmanager
def ends_by_signals() -> Iterator[Stop]:
    """Let SIGTERM and SIGHUP end what is done in here; in other threads nothing is changed.

    Raises
    ------
    RunStopped
        At the end, if there was a signal.
    ParameterError
        If the environment has a grace that is no time.
    """
    stop = _current()
    if stop is not None:
        yield stop
        return
    stop = Stop(time_of(GRACE, GRACE_SECONDS))
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    stop.install()
    error: BaseException | None = None
    try:
        yield stop
    except (Exception, RunStopped) as raised:
        error = raised
        if stop.signal is None:
            raise
    finally:
        stop.restore()
        if stop.signal is not None:
            stop.tell_earlier()
    if isinstance(error, RunStopped):
        raise error
    if stop.signal is not None:
        raise stop.error from error


@contextmanager
def interruptible() -> Iterator[None]:
    """Let a block that the main thread computes be interrupted when its grace is over."""
    stop = _current()
    if stop is None:
        yield
        return
    with stop.interruptible():
        yield


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back what signals raise, Ctrl-C among them, until the body is done.

    For what cannot be done by halves.  In other threads than the main one nothing is raised anyway.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, *SIGNALS)
    handlers = {each: signal.getsignal(each) for each in numbers}
    held = [each for each in numbers if callable(handlers[each])]
    for each in held:
        signal.signal(each, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for each in held:
            signal.signal(each, handlers[each])
        for number in came[:1]:  # it ends what is going on
            signal.raise_signal(number)


def _current() -> Stop | None:
    """Return what the run around this one has set up, which its handlers know."""
    if threading.current_thread() is not threading.main_thread():
        return None
    for number in SIGNALS:
        owner = getattr(signal.getsignal(number), "__self__", None)
        if isinstance(owner, Stop):
            return owner
    return None


def _nothing() -> None:
    """Do nothing."""


@functools.cache
def _restore_in_children() -> None:
    """Give processes that are forked the handlers of before: they are no run, and end as usual."""

    def restore() -> None:
        stop = _current()
        if stop is not None:
            stop.restore()

    os.register_at_fork(after_in_child=restore)
