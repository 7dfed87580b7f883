"""A property that is worked out once holds no lock meanwhile."""

from __future__ import annotations

import threading

from scutoid.cached import cached_property


class Slow:
    def __init__(self, started=None, go_on=None) -> None:
        self.started, self.go_on, self.n_calls = started, go_on, 0

    @cached_property
    def value(self) -> int:
        """One more."""
        self.n_calls += 1
        if self.started is not None:
            self.started.set()
            assert self.go_on.wait(30)
        return self.n_calls


def test_a_value_is_worked_out_once() -> None:
    slow = Slow()
    assert (slow.value, slow.value, slow.n_calls) == (1, 1, 1)
    assert Slow.value.__doc__ == "One more."


def test_one_object_does_not_wait_for_another() -> None:
    started, go_on = threading.Event(), threading.Event()
    waiting = Slow(started, go_on)
    thread = threading.Thread(target=lambda: waiting.value)
    thread.start()
    assert started.wait(30)
    other = Slow()
    asking = threading.Thread(target=lambda: other.value, daemon=True)
    asking.start()
    asking.join(30)
    finished = not asking.is_alive()
    go_on.set()
    thread.join()
    assert finished
    assert other.value == 1
