"""The connection file, by which workers find a run that did not start them: address and key.

The transport is `multiprocessing.connection`; only processes with the key can join.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from pathlib import Path

from scutoid.durable import write_secret
from scutoid.errors import WorkerError

_ANSWER_SECONDS = 10.0
"""Time that a run has to prove that it knows the key: another program may have taken its port."""
_STALL_SECONDS = 30
_RETRY_SECONDS = 0.1
# A machine that is switched off closes no connection; the system probes for it.
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


@dataclass(frozen=True, slots=True)
class Rendezvous:
    """An address and the key to it."""

    host: str
    """Name or number of the driver's machine."""
    port: int
    """The port."""
    key: bytes
    """The secret that both sides prove to know, without sending it."""

    @classmethod
    def new(cls, host: str, port: int) -> Rendezvous:
        """An address with a fresh key."""
        return cls(host, port, secrets.token_bytes(32))

    def write(self, path: Path) -> None:
        """Write the connection file in one atomic step, readable by its owner alone."""
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"host": self.host, "port": self.port, "key": self.key.hex()}
        write_secret(path, json.dumps(record))

    def remove(self, path: Path) -> None:
        """Remove the connection file, unless it is by now that of another run."""
        with suppress(OSError, ValueError):
            if Rendezvous.read(path) == self:
                path.unlink()

    @classmethod
    def read(cls, path: Path) -> Rendezvous:
        """Read a connection file.

        Raises
        ------
        OSError, ValueError
            If there is no such file, or it is no connection file.
        """
        match json.loads(path.read_text()):
            case {"host": str(host), "port": int(port), "key": str(key)}:
                return cls(host, port, bytes.fromhex(key))
        raise ValueError("it has no host, port and key")


def meet(path: Path, patience: float) -> Connection:
    """Connect to the run of a connection file.

    Parameters
    ----------
    path : Path
        The file.
    patience : float
        Seconds to wait for a run that has not begun yet.

    Raises
    ------
    WorkerError
        If there is no run in that time.
    """
    end = time.monotonic() + patience
    while True:
        try:
            rendezvous = Rendezvous.read(path)
            connection = _enter(rendezvous)
        except (OSError, ValueError, EOFError, AuthenticationError, AssertionError) as error:
            # The file of an interrupted run may remain until the next one begins, and its port be
            # that of any other program.
            if time.monotonic() >= end:
                raise WorkerError(
                    "a worker finds the run that it is to join",
                    value=f"{type(error).__name__}: {error}",
                    place=str(path),
                    remedy="begin the run with executor=ConnectExecutor(the same file), "
                    "or wait longer for it with patience=",
                ) from error
            time.sleep(_RETRY_SECONDS)
        else:
            keep_alive(connection)
            return connection


def _enter(rendezvous: Rendezvous) -> Connection:
    """Connect to a run; both sides prove that they know the key."""
    address = (rendezvous.host, rendezvous.port)
    with socket.create_connection(address, _ANSWER_SECONDS) as end:
        end.settimeout(None)
        connection = connection_of(end)
        try:
            with shut_after(end, _ANSWER_SECONDS):
                answer_challenge(connection, rendezvous.key)
                deliver_challenge(connection, rendezvous.key)
        except BaseException:
            connection.close()
            raise
    return connection


def connection_of(end: socket.socket) -> Connection:
    """A connection by a descriptor of its own, which stays open when `end` is closed."""
    return Connection(os.dup(end.fileno()))


@contextmanager
def shut_after(end: socket.socket, seconds: float) -> Iterator[None]:
    """End what goes on at a socket, however slowly bytes arrive, if the body takes too long."""
    timer = threading.Timer(seconds, shut, (end,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def shut(end: socket.socket) -> None:
    """End a connection; whoever waits at it, in any thread, finds that it is over."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def keep_alive(connection: Connection) -> None:
    """Make the system notice within a minute that the other machine is gone."""
    with suppress(OSError), _socket_of(connection) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                end.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def limit_stalls(connection: Connection) -> None:
    """Make reading and writing fail where the other process stops in the middle of a message."""
    seconds = struct.pack("ll", _STALL_SECONDS, 0)
    with _socket_of(connection) as end:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            end.setsockopt(socket.SOL_SOCKET, option, seconds)


def end_connection(connection: Connection) -> None:
    """Shut a connection: its next read finds the end."""
    with suppress(OSError), _socket_of(connection) as end:
        shut(end)


def _socket_of(connection: Connection) -> socket.socket:
    return socket.socket(fileno=os.dup(connection.fileno()))
