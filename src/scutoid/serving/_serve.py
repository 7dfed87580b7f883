"""Start the server, and end it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from scutoid.errors import MissingExtra, ParameterError, StoreError
from scutoid.store import EntryStore

if TYPE_CHECKING:
    import uvicorn

LOOPBACK = "127.0.0.1"
_MOST_PORT = 65535


def serve(
    store: str | os.PathLike[str],
    *,
    port: int = 0,
    tell: Callable[[str], object] = print,
) -> None:
    """Show a store and its live runs as a page for a browser of this machine, until Ctrl-C.

    The store is only read.  The server listens at the loopback address alone, and answers only who
    brings the token that is in the address.

    Parameters
    ----------
    store : path
        Folder of the results.
    port : int
        Where the server listens; 0: one that is free.
    tell : callable
        Gets the address, once the server listens.

    Raises
    ------
    StoreError
        If there is no such store.
    ParameterError
        If the port is none, or taken.
    MissingExtra
        If starlette or uvicorn is not installed: the extra ``web``.
    """
    opened = EntryStore(store)
    opened.check_is_folder("pages show folders", "read it by scutoid.Store")
    if not opened.path.is_dir():
        raise StoreError(
            "a store that is shown exists",
            value=str(store),
            place=str(opened.path),
            remedy="check the path; a store is made by sc.run(..., store=...)",
        )
    for package in ("starlette", "uvicorn"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingExtra.of(package, extra="web") from error
    with _listening(port) as listener:
        _run(opened, listener, tell)


def _listening(port: int) -> socket.socket:
    """Return a socket that listens at the loopback address."""
    if not 0 <= port <= _MOST_PORT:
        raise ParameterError(
            f"a port is a whole number from 0 to {_MOST_PORT}",
            value=port,
            place="port",
            remedy="give 0 for one that is free",
        )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ParameterError(
            "a port that is listened at is free, and may be used",
            value=f"{port}: {error.strerror}",
            place="port",
            remedy="give another, or 0 for one that is free",
        ) from error
    return listener


def _run(store: EntryStore, listener: socket.socket, tell: Callable[[str], object]) -> None:
    import uvicorn

    from scutoid.serving._app import make_app
    from scutoid.serving._guard import Access
    from scutoid.serving._store_view import StoreView

    access = Access(listener.getsockname()[1])
    servers: list[uvicorn.Server] = []
    app = make_app(
        StoreView(store), access, is_stopping=lambda: any(one.should_exit for one in servers)
    )
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,  # an open stream of events would hold it up for ever
    )
    servers.append(uvicorn.Server(config))
    tell(access.address)  # it listens already: who comes now waits for a moment
    with suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
        servers[0].run(sockets=[listener])
