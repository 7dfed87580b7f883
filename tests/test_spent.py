"""Clocks count what a thread spends its time on; a line names what took most."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from scutoid import spent
from scutoid.spent import Clock, Spent, most_of_the_time, spending


@pytest.fixture
def pass_time(monkeypatch):
    """Stop the time, but for what is said."""
    now = [100.0]
    monkeypatch.setattr(spent.time, "perf_counter", lambda: now[0])

    def pass_time(seconds):
        now[0] += seconds

    return pass_time


def test_what_is_not_said_to_be_something_else_is_computing(pass_time) -> None:
    with Clock() as clock:
        pass_time(1)
        with spending("reading"):
            pass_time(2)
        pass_time(4)
        with spending("writing"):
            pass_time(8)
        pass_time(16)
    assert clock.spent == Spent(reading=2, computing=21, writing=8)


def test_what_is_said_inside_counts_for_itself(pass_time) -> None:
    with Clock() as clock, spending("reading"):
        pass_time(1)
        with spending("computing"):  # the function of a fused step
            pass_time(2)
            with spending("reading"):
                pass_time(4)
        pass_time(8)
    assert clock.spent == Spent(reading=13, computing=2)


def test_what_raises_counts_as_far_as_it_came(pass_time) -> None:
    def fail():
        with spending("writing"):
            pass_time(1)
            raise OSError("full")

    with Clock() as clock:
        with pytest.raises(OSError, match="full"):
            fail()
        pass_time(2)
    assert clock.spent == Spent(computing=2, writing=1)


def test_a_clock_inside_of_another_leaves_it_as_it_was(pass_time) -> None:
    with Clock() as outer:
        with Clock() as inner, spending("writing"):
            pass_time(1)
        with spending("reading"):
            pass_time(2)
    assert inner.spent == Spent(writing=1)
    assert outer.spent == Spent(reading=2, computing=1)


def test_nothing_is_counted_without_a_clock_and_in_other_threads(pass_time) -> None:
    with spending("reading"):
        pass_time(1)

    def elsewhere():
        with spending("writing"):
            pass_time(2)

    with Clock() as clock:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert clock.spent == Spent(computing=2)


@dataclass
class Step:
    name: str
    spent: Spent | None = None
    within: tuple[str, ...] = ()


STEPS = [
    Step("pieces", Spent(reading=1, computing=20), ("label",)),
    Step("label", Spent(writing=2, computing=10)),
    Step("denoise", Spent(reading=25, waiting=1)),
    Step("old"),
]


@pytest.mark.parametrize(
    ("steps", "worker_seconds", "among", "line"),
    [
        (STEPS, 80, None, "label (2 steps), computing (38% of 9 s); next: denoise, reading (31%)"),
        (
            *(STEPS, 200, None),
            (
                "starting, loading and ending (70% of 9 s); "
                "of the steps: label (2 steps), computing (15%)"
            ),
        ),
        (STEPS, 80, {"denoise"}, "denoise, reading (31% of 9 s)"),
        ([Step("a", Spent(reading=90, writing=4))], 100, None, "a, reading (90% of 9 s)"),
        ([Step("a", Spent(computing=3))], 2.9, None, "a, computing (100% of 9 s)"),
    ],
    ids=["two", "others took more", "some steps", "too little to be named", "rounding"],
)
def test_the_line_names_what_took_most(steps, worker_seconds, among, line) -> None:
    text = most_of_the_time(steps, "9 s", worker_seconds, among=among)
    assert text == f"most of the time: {line}"


@pytest.mark.parametrize(
    ("steps", "worker_seconds"),
    [([], 1), ([Step("old")], 1), ([Step("cached", Spent())], 1), (STEPS, 0)],
    ids=["no steps", "not known", "nothing computed", "no workers"],
)
def test_there_is_no_line_where_nothing_is_known(steps, worker_seconds) -> None:
    assert most_of_the_time(steps, "9 s", worker_seconds) == ""
