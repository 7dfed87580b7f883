"""Signals that are held back while something is done that must not stay half done."""

from __future__ import annotations

import signal
import threading

import pytest

from scutoid.errors import RunStopped
from scutoid.stopping import SIGNALS, ends_by_signals, held_back


def act(number, done):
    with held_back():
        signal.raise_signal(number)
        done.append("held back")
    done.append("afterwards")


def run(number, done):
    with ends_by_signals():
        act(number, done)


def test_ctrl_c_counts_once_the_body_is_done():
    done = []
    with pytest.raises(KeyboardInterrupt):
        act(signal.SIGINT, done)
    assert done == ["held back"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_ends_a_run_counts_once_the_body_is_done(number):
    done = []
    with pytest.raises(RunStopped):
        run(number, done)
    assert done == ["held back"]


def test_an_error_of_the_body_is_not_lost():
    with pytest.raises(ValueError, match="half"), held_back():
        raise ValueError("half")


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with held_back():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_changes_no_handler():
    found = []

    def look():
        with held_back():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
