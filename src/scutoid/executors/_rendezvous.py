"""The connection file, by which workers find a run that did not start them: address and key.

The transport is `multiprocessing.connection`; only processes with the key can join.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection
from pathlib import Path

from scutoid.durable import replacing
from scutoid.errors import WorkerError

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
        with replacing(path) as new:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(record, file)

    @classmethod
    def read(cls, path: Path) -> Rendezvous:
        """Read a connection file.

        Raises
        ------
        OSError, ValueError
            If there is no such file, or it is no connection file.
        """
        record = json.loads(path.read_text())
        try:
            return cls(record["host"], record["port"], bytes.fromhex(record["key"]))
        except (KeyError, TypeError) as error:
            raise ValueError(str(error)) from error


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
            connection = Client((rendezvous.host, rendezvous.port), authkey=rendezvous.key)
        except (OSError, ValueError, EOFError) as error:
            # The file of an interrupted run may remain until the next one begins.
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


def keep_alive(connection: object) -> None:
    """Make the system notice within a minute that the other machine is gone."""
    with (
        suppress(OSError),
        socket.socket(fileno=os.dup(connection.fileno())) as end,  # type: ignore[attr-defined]
    ):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                end.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
