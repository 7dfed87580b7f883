"""What a run and the workers that join it see of each other, whatever way leads there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class Hello:
    """What a worker says of itself when it joins."""

    name: str
    """Where it runs, for messages."""
    tasks: tuple[str, ...] | None
    """The only tasks that it takes; None: all."""
    launch: str | None
    """The name that the run has given it, if the run has started it."""

    @classmethod
    def parse(cls, message: object) -> Self:
        """Take a message of `scutoid.blocks.connect` apart.

        Raises
        ------
        ValueError
            If it is something else.
        """
        match message:
            case ("join", str(name), None, None | str() as launch):
                return cls(name, None, launch)
            case ("join", str(name), [*tasks], None | str() as launch):
                named = tuple(task for task in tasks if isinstance(task, str))
                if len(named) == len(tasks):
                    return cls(name, named, launch)
        raise ValueError("it said no name and tasks")


class Guest(Protocol):
    """The driver's end of the way to a worker."""

    def send(self, message: bytes) -> None:
        """Send a message; if the way has ended, `receive` tells."""
        ...

    def receive(self) -> bytes:
        """Return the next message.

        Raises
        ------
        EOFError, OSError
            If the way has ended.
        """
        ...

    def has_sent(self) -> bool:
        """Whether `receive` returns or raises at once."""
        ...

    def close(self) -> None:
        """End the way."""
        ...


class Wire(Protocol):
    """A worker's end of the way to its run, such as a `multiprocessing.connection.Connection`."""

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        ...

    def send_bytes(self, message: bytes, /) -> None:
        """Send a message; EOFError or OSError if the way has ended."""
        ...

    def recv_bytes(self) -> bytes:
        """Wait for a message; EOFError or OSError if the way has ended."""
        ...

    def close(self) -> None:
        """End the way."""
        ...


class Door(Protocol):
    """Where workers arrive."""

    def wait(
        self, guests: Collection[Guest], seconds: float
    ) -> tuple[list[tuple[Guest, Hello]], list[Guest]]:
        """Wait for new guests, or for messages of those that are in.

        Returns
        -------
        arrived : list of (Guest, Hello)
            New ones, and what they say of themselves.
        ready : list of Guest
            Those that have sent something, or have gone.
        """
        ...

    def close(self) -> None:
        """Let nobody in any more; what was sent before still arrives."""
        ...
