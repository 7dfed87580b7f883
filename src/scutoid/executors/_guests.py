"""The door of a run: each guest is greeted on its own, and those with the key come in.

::

    listen --> accept --> greet, a thread each: challenge, answer, name --> arrived
                            without the key, silent, slow, garbage --> shown out

Nobody waits for a guest that does not answer: not the workers behind it, and not the run.
"""

from __future__ import annotations

import logging
import pickle
import queue
import socket
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from multiprocessing.connection import (
    Connection,
    Pipe,
    answer_challenge,
    deliver_challenge,
    wait,
)

from scutoid.errors import WorkerError
from scutoid.executors._doors import Guest, Hello
from scutoid.executors._loopback import is_loopback
from scutoid.executors._rendezvous import (
    Rendezvous,
    connection_of,
    end_connection,
    keep_alive,
    limit_stalls,
    shut,
    shut_after,
)

_logger = logging.getLogger(__name__)

GREETING_SECONDS = 10.0
"""Time that a guest has to prove that it knows the key, and to say its name."""
_FAIR_SECONDS = 1.0
"""Time that it has in any case: in a crowd the one that has been here longest goes."""
_MOST_GUESTS = 64
_CROWDED_SECONDS = 0.02
_LONGEST_HELLO = 2**20


class SocketGuest:
    """The driver's end of a connection to a worker."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fileno(self) -> int:
        """Its descriptor, to be waited for."""
        return self._connection.fileno()

    def send(self, message: bytes) -> None:
        """Send a message."""
        try:
            self._connection.send_bytes(message)
        except OSError:  # gone, or stopped in the middle of the message: the next read tells
            end_connection(self._connection)

    def receive(self) -> bytes:
        """Return the next message."""
        return self._connection.recv_bytes()

    def has_sent(self) -> bool:
        """Whether there is something to read, or the end."""
        return self._connection.poll()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class Door:
    """Listens for workers and greets them, until it is closed.

    Parameters
    ----------
    host : str
        Name of this machine as the workers know it; one of this machine's own (``127.0.0.1``,
        ``localhost``, ``::1``) keeps all others out.
    port : int
        0: any that is free.

    Raises
    ------
    WorkerError
        If the address cannot be listened on.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            self._server = _listen(host, port)
        except OSError as error:
            raise WorkerError(
                "a run listens for its workers at an address that is free",
                value=str(error),
                place=f"{host}:{port}",
                remedy="port=0 takes any that is free",
            ) from error
        self.rendezvous = Rendezvous.new(host, self._server.getsockname()[1])
        self._arrived: queue.SimpleQueue[tuple[SocketGuest, Hello]] = queue.SimpleQueue()
        self._bell, self._ringer = Pipe(duplex=False)
        self._stop, self._stopper = Pipe(duplex=False)
        self._lock = threading.Lock()
        self._is_closing = False
        self._guests: dict[socket.socket, float] = {}
        self._thread = threading.Thread(target=self._tend, name="scutoid-door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let nobody in any more, and show out who has not come in yet."""
        with self._lock:
            if self._is_closing:
                return
            self._is_closing = True
            for guest in self._guests:
                shut(guest)
        self._stopper.close()
        self._thread.join()
        for end in (self._server, self._stop, self._bell, self._ringer):
            end.close()
        with suppress(queue.Empty):
            while True:
                self._arrived.get_nowait()[0].close()

    def wait(
        self, guests: Collection[Guest], seconds: float
    ) -> tuple[list[tuple[Guest, Hello]], list[Guest]]:
        """Wait for new guests, or for messages of those that are in."""
        ready = wait([self._bell, *guests], seconds)  # type: ignore[list-item]
        arrived: list[tuple[Guest, Hello]] = []
        if self._bell in ready:
            self._bell.recv_bytes()
            arrived.append(self._arrived.get())
        return arrived, [guest for guest in ready if isinstance(guest, SocketGuest)]

    def _tend(self) -> None:
        while True:
            if self._has_room():
                ready = wait([self._stop, self._server])
            else:
                ready = wait([self._stop], _CROWDED_SECONDS)
            if self._stop in ready:
                return
            if ready:
                self._accept()

    def _has_room(self) -> bool:
        """Whether one more can be greeted; in a crowd the one that came first has to go."""
        with self._lock:
            if len(self._guests) < _MOST_GUESTS:
                return True
            first, since = next(iter(self._guests.items()))
            if time.monotonic() - since < _FAIR_SECONDS:
                return False
            del self._guests[first]
            shut(first)
        return True

    def _accept(self) -> None:
        try:
            guest, _ = self._server.accept()
        except OSError:  # it has gone again, or no more files can be opened
            self._stop.poll(_CROWDED_SECONDS)
            return
        guest.setblocking(True)
        with self._lock:
            if self._is_closing:
                guest.close()
                return
            self._guests[guest] = time.monotonic()
        greeter = threading.Thread(
            target=self._greet, args=(guest,), name="scutoid-greeting", daemon=True
        )
        greeter.start()

    def _greet(self, guest: socket.socket) -> None:
        has_key = False
        connection = connection_of(guest)
        try:
            with shut_after(guest, GREETING_SECONDS):
                deliver_challenge(connection, self.rendezvous.key)
                answer_challenge(connection, self.rendezvous.key)
                has_key = True
                hello = Hello.parse(pickle.loads(connection.recv_bytes(_LONGEST_HELLO)))
            keep_alive(connection)
            limit_stalls(connection)
            self._let_in(connection, hello)
        except Exception as error:  # noqa: BLE001 - whatever a guest sends is its own fault
            connection.close()
            said = f"{type(error).__name__}: {error}"
            if has_key:
                _logger.warning("a worker with the key could not join: %s", said)
            else:
                _logger.debug("a guest without the key was shown out: %s", said)
        finally:
            with self._lock:
                self._guests.pop(guest, None)
            guest.close()

    def _let_in(self, connection: Connection, hello: Hello) -> None:
        with self._lock:
            if self._is_closing:
                connection.close()
                return
            self._arrived.put((SocketGuest(connection), hello))
            self._ringer.send_bytes(b"!")


def _listen(host: str, port: int) -> socket.socket:
    """Listen on this machine's own address, or on all if other machines are to come."""
    is_v6 = ":" in host
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    bind = host
    if not is_loopback(host):
        # Other machines may use any name of this one; the key keeps other processes out.
        bind = "::" if is_v6 else "0.0.0.0"  # noqa: S104
    server = socket.create_server((bind, port), family=family)
    server.setblocking(False)
    if bind != host:
        _logger.warning(
            "workers on other machines can join at %s:%d, on all networks of this machine: whoever "
            "can read the connection file has the key to it, and runs code as this user; what is "
            "sent is not encrypted",
            *(host, server.getsockname()[1]),
        )
    return server
