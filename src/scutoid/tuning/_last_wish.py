"""A thread that computes what was wished last, and leaves out what was wished meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Wish = TypeVar("Wish")


class LastWish(Generic[Wish]):
    """Carries out one wish at a time, and after it the last one that came meanwhile.

    Parameters
    ----------
    carry_out : callable
        Called with a wish, in the thread; what it raises goes nowhere, so it raises nothing.
    """

    def __init__(self, carry_out: Callable[[Wish], None]) -> None:
        self._carry_out = carry_out
        self._changed = threading.Condition()
        self._wish: tuple[Wish] | None = None
        self._is_over = False
        self._is_busy = False
        self._thread = threading.Thread(target=self._run, name="scutoid-tuning", daemon=True)
        self._thread.start()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way or waits."""
        with self._changed:
            return self._wish is None and not self._is_busy

    def wish(self, wish: Wish) -> None:
        """Have something carried out, instead of what waits."""
        with self._changed:
            self._wish = (wish,)
            self._changed.notify()

    def stop(self) -> None:
        """End the thread when what it does now is done."""
        with self._changed:
            self._is_over = True
            self._wish = None
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_busy = False
                while self._wish is None and not self._is_over:
                    self._changed.wait()
                if self._wish is None:
                    return
                (wish,), self._wish = self._wish, None
                self._is_busy = True
            self._carry_out(wish)
