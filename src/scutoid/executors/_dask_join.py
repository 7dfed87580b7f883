"""The guest's side of a run over Dask: whom it trusts, and messages by the scheduler."""

from __future__ import annotations

import importlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from scutoid.errors import MissingExtra, ParameterError, WorkerError
from scutoid.executors import _dask_relay as relay
from scutoid.executors._dask_address import (
    ENCRYPTED,
    Peer,
    check_handshake,
    credentials_for,
    peer_of,
)
from scutoid.executors._loopback import is_loopback

if TYPE_CHECKING:
    from scutoid.executors._dask_types import DaskClient, DaskSecurity

_ASK_SECONDS = 20.0
_CONNECT_SECONDS = 10.0
_RETRY_SECONDS = 0.2


def is_trusted(address: str) -> bool:
    """Whether what goes to a scheduler is encrypted, or leaves this machine for nobody.

    Parameters
    ----------
    address : str
        Such as ``tls://node7:8786``.
    """
    parts = urlsplit(address)
    return parts.scheme in ENCRYPTED or is_loopback(parts.hostname or "")


def meet_over_dask(
    address: str, tasks: Sequence[str] | None, patience: float, security: object = None
) -> RelayedConnection:
    """Connect to a run whose executor is a Dask cluster.

    Parameters
    ----------
    address : str
        The scheduler's.
    tasks : sequence of str, optional
        The only tasks that are wanted; None: all.
    patience : float
        Seconds to wait for a run that has not begun yet.
    security : distributed.security.Security, optional
        Credentials; by default those of Dask's configuration.

    Raises
    ------
    MissingExtra
        If distributed is not installed.
    ParameterError
        If the address is none, or beyond this machine and without credentials; if the scheduler
        refuses the credentials, or they are for another one.
    WorkerError
        If there is no run in that time, or more than one.
    """
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtra.of("distributed", extra="dask") from error
    place = f"connect({address!r})"
    peer, credentials = _checked(address, security, place)
    end = time.monotonic() + patience
    client = None
    while True:
        try:
            if client is None:
                check_handshake(peer, place, credentials)
                client = distributed.Client(
                    *(address, None),
                    timeout=max(min(end - time.monotonic(), _CONNECT_SECONDS), 1),
                    security=credentials,
                    set_as_default=False,
                )
            runs = client.run_on_scheduler(relay.list_runs)
        except OSError as error:
            if time.monotonic() >= end:
                raise _no_run(address, f"{type(error).__name__}: {error}") from error
        except BaseException:
            if client is not None:
                client.close()
            raise
        else:
            fitting = _fitting(runs, tasks)
            if len(fitting) == 1:
                return RelayedConnection(client, fitting[0][0])
            if fitting or time.monotonic() >= end:
                client.close()
                _refuse(address, fitting, runs)
        time.sleep(_RETRY_SECONDS)


class RelayedConnection:
    """A guest's end of the way to its run.

    Parameters
    ----------
    client : distributed.Client
        Closed with it.
    run : str
        The run.
    """

    def __init__(self, client: DaskClient, run: str) -> None:
        self._client = client
        self._run = run
        self._messages: deque[bytes] = deque()
        self.closed = False

    def send_bytes(self, message: bytes) -> None:
        """Send a message.

        Raises
        ------
        EOFError, OSError
            If the run is over, or the scheduler is lost.
        """
        if not self._asked(relay.post, message):
            raise EOFError("the run takes no message of this worker any more")

    def recv_bytes(self) -> bytes:
        """Wait for a message.

        Raises
        ------
        EOFError, OSError
            If the run is over, or the scheduler is lost.
        """
        while not self._messages:
            messages = self._asked(relay.fetch, _ASK_SECONDS)
            if messages is None:
                raise EOFError("the run has no message for this worker any more")
            self._messages += messages  # type: ignore[arg-type]
        return self._messages.popleft()

    def close(self) -> None:
        """Leave the scheduler."""
        self.closed = True
        self._client.close(timeout=_CONNECT_SECONDS)

    def _asked(self, function: Callable[..., object], last: object) -> object:
        try:
            return self._client.run_on_scheduler(function, self._run, self._client.id, last)
        except OSError:
            raise
        except Exception as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error


def _checked(address: str, security: object, place: str) -> tuple[Peer, DaskSecurity]:
    """Return what an address says, and the credentials for it.

    Raises
    ------
    ParameterError
        If it is none of a scheduler, or what is sent would not be encrypted.
    """
    peer = peer_of(address, place)
    if peer is None:
        raise ParameterError(
            "a run over Dask is joined at the address of its scheduler",
            value=address,
            place=place,
            remedy="give tls://host:port, or the path of a connection file",
        )
    if not is_trusted(address):
        raise ParameterError(
            "a scheduler on another machine is joined by TLS, for whoever can listen or answer in "
            "its place could run code as this user",
            value=address,
            place=place,
            remedy="start the cluster with credentials (distributed.security.Security), and give "
            "tls://host:port",
        )
    return peer, credentials_for(address, place, security, or_give=", or give security=")


Runs = list[tuple[str, tuple[str, ...]]]


def _fitting(runs: Runs, tasks: Sequence[str] | None) -> Runs:
    """The runs that have one of the tasks; None: all."""
    return [run for run in runs if tasks is None or not set(tasks).isdisjoint(run[1])]


def _refuse(address: str, fitting: Runs, runs: Runs) -> NoReturn:
    if not fitting:
        raise _no_run(address, f"the tasks for such workers there are {_names(runs)}")
    raise WorkerError(
        "a worker joins one run",
        value=f"{len(fitting)} runs have tasks for it: {_names(fitting)}",
        place=address,
        remedy="say by tasks= which it is for, or give each run a scheduler of its own",
    )


def _names(runs: Runs) -> str:
    return ", ".join(repr(task) for _, tasks in runs for task in tasks) or "none"


def _no_run(address: str, found: str) -> WorkerError:
    return WorkerError(
        "a worker finds the run that it is to join",
        value=found,
        place=address,
        remedy="begin the run with executor= the same scheduler and a task without a function, or "
        "wait longer for it with patience=",
    )
