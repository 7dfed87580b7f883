"""The door of a run for guests that come by Dask's scheduler."""

from __future__ import annotations

import asyncio
import logging
import pickle
import queue
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import cast

from scutoid.errors import WorkerError
from scutoid.executors import _dask_relay as relay
from scutoid.executors._dask_types import DaskClient
from scutoid.executors._doors import Guest, Hello

_logger = logging.getLogger(__name__)

_ASK_SECONDS = 20.0
_CLOSING_SECONDS = 5.0


class RelayedGuest:
    """The driver's end of the way to one guest.

    Parameters
    ----------
    name : str
        Its name as a client of Dask.
    door : DaskDoor
        The door by which it has come.
    """

    def __init__(self, name: str, door: DaskDoor) -> None:
        self._name = name
        self._door = door
        self.inbox: deque[bytes | None] = deque()

    def send(self, message: bytes) -> None:
        """Send a message."""
        self._door.post(self._name, message)

    def receive(self) -> bytes:
        """Return the next message.

        Raises
        ------
        EOFError
            If the guest is gone.
        """
        message = self.inbox.popleft() if self.inbox else None
        if message is None:
            raise EOFError("it is no client of the scheduler any more")
        return message

    def has_sent(self) -> bool:
        """Whether there is a message, or the guest is gone."""
        return bool(self.inbox)

    def close(self) -> None:
        """Take no message of it any more."""
        self._door.forget(self._name)


class DaskDoor:
    """Lets guests in who are clients of the same scheduler.

    Parameters
    ----------
    client : distributed.Client
        The run's own connection.
    run : str
        Tells the runs apart that share a cluster.
    tasks : sequence of str
        Names of the tasks that are for guests.
    ring : callable, optional
        Called when there is something to be waited for, in another thread.
    """

    def __init__(
        self,
        client: DaskClient,
        run: str,
        tasks: Sequence[str],
        *,
        ring: Callable[[], None] | None = None,
    ) -> None:
        self._client = client
        self._run = run
        self._ring = ring
        self._guests: dict[str, RelayedGuest] = {}
        self._rung: queue.SimpleQueue[tuple[RelayedGuest, Hello | None] | None]
        self._rung = queue.SimpleQueue()
        self._letters: deque[relay.Letter] = deque()
        self._trouble: BaseException | None = None
        self._sending = asyncio.Lock()
        self._is_closed = threading.Event()
        client.run_on_scheduler(relay.open_desk, run, client.id, tuple(tasks))
        client.loop.add_callback(self._collect)

    def wait(
        self, guests: Collection[Guest], seconds: float
    ) -> tuple[list[tuple[Guest, Hello]], list[Guest]]:
        """Wait for new guests, or for messages of those that are in.

        Raises
        ------
        WorkerError
            If the scheduler is lost.
        """
        del guests
        arrived: list[tuple[Guest, Hello]] = []
        ready: list[Guest] = []
        with suppress(queue.Empty):
            while True:
                rung = self._rung.get(timeout=0 if arrived or ready else max(seconds, 0))
                if rung is None:
                    raise self._lost()
                guest, hello = rung
                if hello is None:
                    ready.append(guest)
                else:
                    arrived.append((guest, hello))
        return arrived, ready

    def post(self, guest: str, message: bytes | None) -> None:
        """Send a message to a guest, after those before it; None: the end of its way."""
        self._letters.append((guest, message))
        self._client.loop.add_callback(self._send)

    def forget(self, guest: str) -> None:
        """End the way to a guest."""
        if self._guests.pop(guest, None) is not None:
            self.post(guest, None)

    def close(self) -> None:
        """Let nobody in any more; what was sent before still arrives."""
        if self._client.status == "running":
            self._client.loop.add_callback(self._close)
            self._is_closed.wait(_CLOSING_SECONDS)

    async def _send(self) -> None:
        async with self._sending:
            letters = list(self._letters)
            self._letters.clear()
            if letters:
                try:
                    await self._asked(relay.deliver, self._run, letters)
                except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - told by wait
                    self._fail(error)

    async def _close(self) -> None:
        await self._send()
        with suppress(Exception, asyncio.CancelledError):
            await self._asked(relay.close_desk, self._run)
        self._is_closed.set()

    async def _collect(self) -> None:
        """Take in what guests send, until the end."""
        while True:
            try:
                letters = await self._asked(relay.collect, self._run, _ASK_SECONDS)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - told by wait
                self._fail(error)
                return
            if letters is None:
                return
            for name, message in cast("list[relay.Letter]", letters):
                self._take_in(name, message)

    def _take_in(self, name: str, message: bytes | None) -> None:
        guest = self._guests.get(name)
        if guest is not None:
            guest.inbox.append(message)
            self._tell((guest, None))
        elif message is not None:
            try:
                hello = Hello.parse(pickle.loads(message))
            except Exception as error:  # noqa: BLE001 - whatever a guest sends is its own fault
                _logger.warning("a guest could not join: %s: %s", type(error).__name__, error)
                self.post(name, None)
                return
            self._guests[name] = guest = RelayedGuest(name, self)
            self._tell((guest, hello))

    async def _asked(self, function: Callable[..., object], *args: object) -> object:
        """Call a function in the scheduler, from the loop of the client."""
        return await cast("Awaitable[object]", self._client.run_on_scheduler(function, *args))

    def _tell(self, what: tuple[RelayedGuest, Hello | None] | None) -> None:
        self._rung.put(what)
        if self._ring is not None:
            self._ring()

    def _fail(self, error: BaseException) -> None:
        self._trouble = error
        self._tell(None)

    def _lost(self) -> WorkerError:
        return WorkerError(
            "Dask's scheduler answers while a run goes on",
            value=f"{type(self._trouble).__name__}: {self._trouble}",
            place=str(self._client),
            remedy="start the cluster again, and the run: what was done is kept where there is a "
            "journal",
        )
