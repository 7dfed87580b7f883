"""What a worker is told by its run, in one variable of its environment."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, unquote

from scutoid.errors import ParameterError
from scutoid.executors import Rendezvous

CONTEXT_VARIABLE = "DAISY_CONTEXT"


class MissingContext(ParameterError, KeyError):
    """There is no context, for this is no worker."""


class Context(dict[str, str]):
    """Options of a worker, all of them texts.

    ``task_id``, ``worker_id`` (no two workers of a run that live at once have the same),
    ``hostname`` and ``port`` at which the run listens (port 0: it hands out blocks by pipes, and
    nobody can join), and ``logdir``.

    Examples
    --------
    >>> context = Context(task_id="smooth", worker_id=3)
    >>> context["worker_id"]
    '3'
    >>> context.to_env()
    'task_id=smooth:worker_id=3'
    """

    ENV_VARIABLE = CONTEXT_VARIABLE

    def __init__(
        self, options: Mapping[str, object] | Iterable[tuple[str, object]] = (), **more: object
    ) -> None:
        super().__init__()
        for name, value in dict(options, **more).items():
            self[name] = value

    def __setitem__(self, name: str, value: object) -> None:
        super().__setitem__(str(name), str(value))

    @classmethod
    def here(cls) -> Context:
        """The context of this block or worker; an empty one where there is none."""
        current = _current.get()
        if current is not None:
            return current.copy()
        return cls.read(os.environ.get(CONTEXT_VARIABLE, ""))

    @classmethod
    def read(cls, text: str) -> Context:
        """Read the text that `to_env` returns."""
        pairs = (pair.split("=", 1) for pair in text.split(":") if "=" in pair)
        return cls((unquote(name), unquote(value)) for name, value in pairs)

    @classmethod
    def from_env(cls) -> Context:
        """The context of the block or worker function that is running, or of its environment.

        Raises
        ------
        MissingContext
            A KeyError, if this is no worker.
        """
        if _current.get() is None and CONTEXT_VARIABLE not in os.environ:
            raise MissingContext(
                f"a worker has a context in its environment, {CONTEXT_VARIABLE}",
                value="none",
                place="Context.from_env",
                remedy="call it in a task's function, or in a program that such a function starts; "
                "where several threads of one process run blocks, programs have none",
            )
        return cls.here()

    def to_env(self) -> str:
        """Format the context for the environment; any names and values are read back."""
        return ":".join(f"{_written(name)}={_written(value)}" for name, value in self.items())

    def copy(self) -> Context:
        """Another context with the same options."""
        return Context(self)


def _written(value: object) -> str:
    return quote(str(value), safe="/ ,;@+")


@lru_cache(maxsize=256)
def context_of(shared: str, worker: int | None) -> tuple[Context, str]:
    """The context of one worker, not to be written to, and its text.

    Parameters
    ----------
    shared : str
        What all workers of a task are told, as text.
    worker : int or None
        The worker's number, if it is known.
    """
    context = Context.read(shared)
    if "connection" in context:
        rendezvous = Rendezvous.read(Path(context["connection"]))
        context.update(hostname=rendezvous.host, port=str(rendezvous.port))
    if worker is not None:
        context["worker_id"] = str(worker)
    return context, context.to_env()


# State of this process, a worker: the context of each thread that is at a block.
_current: ContextVar[Context | None] = ContextVar("daisy_context", default=None)
_lock = threading.Lock()
_texts: dict[int, list[str]] = {}
_before: list[str | None] = []


@contextmanager
def acting(context: Context, text: str) -> Iterator[None]:
    """Make a context that of this thread, and of the programs that it starts.

    A process has one environment.  While blocks run in several of its threads, programs find no
    context there, rather than that of another worker.
    """
    thread = threading.get_ident()
    token = _current.set(context)
    with _lock:
        if not _texts:
            _before.append(os.environ.get(CONTEXT_VARIABLE))
        _texts.setdefault(thread, []).append(text)
        _show()
    try:
        yield
    finally:
        _current.reset(token)
        with _lock:
            _texts[thread].pop()
            if not _texts[thread]:
                del _texts[thread]
            _show()


def _show() -> None:
    """Put the only thread's context into the environment; at the end, what was there before."""
    text = next(iter(_texts.values()))[-1] if len(_texts) == 1 else None
    if not _texts:
        text = _before.pop()
    if text is None:
        os.environ.pop(CONTEXT_VARIABLE, None)
    else:
        os.environ[CONTEXT_VARIABLE] = text
