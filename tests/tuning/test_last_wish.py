"""Only the last wish is carried out."""

from __future__ import annotations

import threading

from scutoid.tuning._last_wish import LastWish


def test_what_was_wished_meanwhile_is_left_out(wait_for):
    begun, go_on, done = threading.Event(), threading.Event(), []

    def carry_out(wish):
        begun.set()
        go_on.wait()
        done.append(wish)

    wishes = LastWish(carry_out)
    assert wishes.is_idle
    wishes.wish(0)
    begun.wait()
    for wish in range(1, 10):
        wishes.wish(wish)
    assert not wishes.is_idle
    go_on.set()
    wait_for(lambda: wishes.is_idle)
    assert done == [0, 9]
    wishes.stop()


def test_once_stopped_nothing_more_is_done():
    begun, go_on, done = threading.Event(), threading.Event(), []

    def carry_out(wish):
        begun.set()
        go_on.wait()
        done.append(wish)

    wishes = LastWish(carry_out)
    wishes.wish(0)
    begun.wait()
    wishes.wish(1)
    wishes.stop()
    go_on.set()
    wishes._thread.join()
    assert done == [0]
