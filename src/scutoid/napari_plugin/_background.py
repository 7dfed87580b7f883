"""Work beside the window: done in a thread, its results handed to the thread of Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qtpy.QtCore import QObject, Signal


class Background(QObject):
    """A thread that carries out one thing after another, and forgets what nobody waits for.

    Parameters
    ----------
    parent : QObject
        What it belongs to; signals arrive in its thread.
    """

    _arrived = Signal(object, object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="scutoid-results")
        self._wish = 0
        self._arrived.connect(self._hand_on)

    def forget(self) -> None:
        """Drop all that is under way or waits."""
        self._wish += 1

    def stop(self) -> None:
        """End the thread when what it does now is done."""
        self.forget()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def each(self, work: Callable[[], Iterator[Any]], take: Callable[[Any], None]) -> None:
        """Call `take`, in the thread of Qt, with each thing that `work` yields.

        Parameters
        ----------
        work : callable
            Called in the thread; the next thing is not made once it is forgotten.
        take : callable
            What is done with each of them.
        """
        wish = self._wish

        def carry_out() -> None:
            if wish != self._wish:
                return
            for found in work():
                if wish != self._wish:
                    return
                self._arrived.emit((wish, take), found)

        self._threads.submit(carry_out)

    def _hand_on(self, to: tuple[int, Callable[[Any], None]], found: object) -> None:
        wish, take = to
        if wish == self._wish:
            take(found)
