"""The parts of Dask's clients, clusters and servers that an executor uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

Answer = TypeVar("Answer")


class DaskFuture(Awaitable[object], Protocol):
    """A call in a cluster; awaited, its result."""

    def done(self) -> bool:
        """Whether it is over."""
        ...


class Loop(Protocol):
    """The event loop of a client."""

    def add_callback(self, callback: Callable[..., object], /, *args: object) -> None:
        """Call a function in the loop's thread."""
        ...


class DaskClient(Protocol):
    """A `distributed.Client`."""

    status: str
    asynchronous: bool
    loop: Loop

    def submit(self, *function_and_args: object, **options: object) -> DaskFuture:
        """Have a worker call a function."""
        ...

    def cancel(self, futures: Sequence[DaskFuture], /) -> object:
        """Give up calls."""
        ...

    def run(
        self, function: Callable[..., object], /, *args: object, workers: list[str], nanny: bool
    ) -> Awaitable[Mapping[str, object]]:
        """Call a function in workers or their nannies at once; the results by address."""
        ...

    def run_on_scheduler(self, function: Callable[..., Answer], /) -> Answer:
        """Call a function in the scheduler."""
        ...

    def close(self, *, timeout: float) -> object:
        """End the connection."""
        ...


class DaskSecurity(Protocol):
    """A `distributed.security.Security`: certificates and keys, by role."""

    tls_ca_file: str


class DaskNanny(Protocol):
    """A `distributed.Nanny`, which looks after a worker's process."""

    worker_address: str
    pid: int


class _Status(Protocol):
    """A member of `distributed.core.Status`."""

    name: str


class _WorkerState(Protocol):
    """A worker as the scheduler knows it."""

    server_id: object
    status: _Status
    nanny: str | None


class DaskScheduler(Protocol):
    """A `distributed.Scheduler`."""

    workers: Mapping[str, _WorkerState]
