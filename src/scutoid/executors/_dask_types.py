"""The parts of Dask's clients, clusters and servers that an executor uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

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


class _Remote(Protocol):
    """A server as a client knows it."""

    address: str


class DaskClient(Protocol):
    """A `distributed.Client`."""

    id: str
    status: str
    asynchronous: bool
    loop: Loop
    scheduler: _Remote

    def submit(self, *function_and_args: object, **options: object) -> DaskFuture:
        """Have a worker call a function."""
        ...

    def map(self, *function_and_args: object, **options: object) -> Sequence[DaskFuture]:
        """Have workers call a function with each of some arguments."""
        ...

    def cancel(self, futures: Sequence[DaskFuture], /) -> object:
        """Give up calls."""
        ...

    def run(
        self, function: Callable[..., object], /, *args: object, workers: list[str], nanny: bool
    ) -> Awaitable[Mapping[str, object]]:
        """Call a function in workers or their nannies at once; the results by address."""
        ...

    def run_on_scheduler(self, function: Callable[..., Answer], /, *args: object) -> Answer:
        """Call a function in the scheduler."""
        ...

    def close(self, *, timeout: float) -> object:
        """End the connection."""
        ...


class DaskSecurity(Protocol):
    """A `distributed.security.Security`: certificates and keys, by role."""

    tls_ca_file: str

    def get_connection_args(self, role: str, /) -> Mapping[str, object]:
        """What a connection of a role needs; an `ssl_context` if there are credentials."""
        ...


class Present(NamedTuple):
    """A worker that a scheduler knows."""

    identity: str
    """Dask's own name of its process."""
    status: str
    """Such as "running" or "paused"."""
    nanny: str | None
    """Address of its nanny, if it has one."""
    threads: int
    """Number of its threads."""
    resources: Mapping[str, float]
    """What it has of named resources."""
    memory: int
    """Bytes at which Dask ends its process; 0: at none."""


class OwnedCluster(Protocol):
    """A cluster that a run has started, and ends."""

    @property
    def address(self) -> str:
        """Of its scheduler."""
        ...

    @property
    def security(self) -> DaskSecurity | None:
        """Credentials for it, if it wants some."""
        ...

    @property
    def memory(self) -> int:
        """Bytes at which Dask ends each worker's process; 0: at none."""
        ...

    @property
    def grows(self) -> bool:
        """Whether it has as many workers as there is work for."""
        ...

    def check(self) -> None:
        """Raise `WorkerError` if no worker will ever join."""
        ...

    def note_workers(self) -> None:
        """Note that workers have joined."""
        ...

    def tend(self) -> None:
        """See now and then that those workers come that are not there, while others work."""
        ...

    def waiting(self) -> str:
        """What the workers wait for that are not there, in words."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class DaskNanny(Protocol):
    """A `distributed.Nanny`, which looks after a worker's process."""

    address: str
    worker_address: str
    pid: int
    scheduler: Any
    plugins: Mapping[str, object]

    async def plugin_add(self, plugin: object, name: str) -> object:
        """Take in a plugin."""
        ...


class DaskWorker(Protocol):
    """A `distributed.Worker`."""

    address: str
    scheduler: Any
    plugins: Mapping[str, object]

    async def plugin_add(self, plugin: object, name: str) -> object:
        """Take in a plugin."""
        ...


class _Status(Protocol):
    """A member of `distributed.core.Status`."""

    name: str


class _WorkerState(Protocol):
    """A worker as the scheduler knows it."""

    server_id: object
    status: _Status
    nanny: str | None
    nthreads: int
    resources: Mapping[str, float]
    memory_limit: int | None


class DaskScheduler(Protocol):
    """A `distributed.Scheduler`."""

    workers: Mapping[str, _WorkerState]
    clients: Mapping[str, object]
    extensions: dict[str, object]
    connection_args: Mapping[str, object]

    def get_events(self, topic: str) -> Sequence[tuple[float, Mapping[str, object]]]:
        """What was told under a topic, with times."""
        ...
