"""What an object in a bucket says of the process that has created it, and whether that lives."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from scutoid import remote
from scutoid.store._any_lock import Owner, dead_after
from scutoid.texts import parse_json

TOKENS: set[str] = set()
"""Of what this process holds, or tries to take."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What an object says of its holder."""

    owner: Owner
    """The process that has created it."""
    machine: str
    """Its boot and its process namespace: no two machines, and no two containers, are one."""
    is_released: bool = False
    """Whether it was given back."""

    @classmethod
    def new(cls) -> Hold:
        """Name this process, for one holding."""
        return cls(Owner.new(), machine())

    def to_bytes(self) -> bytes:
        """Return it as it is stored."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Hold | None:
        """Read it; None: it is none."""
        try:
            record = parse_json(content)
            return cls(Owner(**record["owner"]), record["machine"], record["is_released"])
        except (ValueError, KeyError, TypeError):
            return None

    @classmethod
    def at(cls, url: str) -> Hold | None:
        """Read an object; None: there is none, or it says nothing."""
        content = remote.get(url)
        return None if content is None else cls.from_bytes(content)

    def is_here(self) -> bool:
        """Whether its process was begun where this one can see it."""
        return self.owner.host == socket.gethostname() and self.machine == machine()


def has_ended(hold: Hold | None, url: str) -> bool:
    """Whether the process that holds an object has ended, or gives no sign any more.

    Parameters
    ----------
    hold : Hold or None
        What it says; None: that cannot be read.
    url : str
        The object.
    """
    if hold is not None and hold.is_released:
        return True
    if hold is not None and hold.is_here():
        if hold.owner.process == os.getpid():
            return hold.owner.token not in TOKENS
        if not hold.owner.is_running():
            return True
    # A process of this machine that lives may have failed to give it back
    age = remote.age(url)
    return age is None or age > dead_after()


def last_sign(hold: Hold | None, url: str) -> float | None:
    """Return the seconds since a holder on another machine has written its object; else None."""
    if hold is None or hold.is_released or hold.is_here():
        return None
    age = remote.age(url)
    return None if age is None else max(age, 0.0)


def machine() -> str:
    """Name the boot of this machine and the namespace in which its processes have numbers."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        return f"{boot.read_text().strip()} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # not of Linux
        return ""
