"""A server on this machine for one page: Neuroglancer's client, and what is computed for it.

It listens on the loopback address alone.  Every address holds a token that nobody can guess, and
names something that this process serves, never a file of its own choosing::

    GET /v/TOKEN/                  the page
    GET /v/TOKEN/main.js           the client, from the installed package
    GET /data/TOKEN/state          the view that the page begins with
    GET /events/TOKEN              stays open as long as the page does
    GET /data/TOKEN/1/0/c/2/0/0    a resource: a chunk, a table, ...
"""

from __future__ import annotations

import json
import logging
import secrets
import sys
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scutoid.errors import MissingExtra, ParameterError, ScutoidError

_LOGGER = logging.getLogger(__name__)
_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript"}
_TYPES |= {".json": "application/json", ".wasm": "application/wasm"}
_BYTES = "application/octet-stream"
_NO_ICON = '<link rel="icon" href="data:,">'
"""The page has none; a browser would ask for it in vain."""
_LOOPBACK = ("127.0.0.1", "localhost")
_PAGE = "index.html"
_SCRIPT = Path(__file__).with_name("_neuroglancer.js")
_AT_ONCE = 4
"""Resources that are made at the same time, which bounds the memory that they take."""
_ALIVE = 10.0
"""Seconds after which a page is told that the server is there; a closed one is noticed so."""
_HEADERS = {
    # The browser itself refuses what would lead away from this server
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'unsafe-eval'; "
    "worker-src 'self' blob:; connect-src 'self' data: blob:; img-src 'self' data: blob:; "
    "style-src 'self' 'unsafe-inline'; font-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Resource = Callable[[tuple[str, ...]], bytes | None]
"""Makes what lies at a path below its name; None: there is nothing."""


def client_folder() -> Path:
    """Return the folder of Neuroglancer's client, without an import of the package.

    Raises
    ------
    MissingExtra
        If it is not installed.
    """
    found = find_spec("neuroglancer")
    if found is None or found.origin is None:
        raise MissingExtra.of("neuroglancer", extra="web")
    return Path(found.origin).parent / "static" / "client"


@dataclass(frozen=True, slots=True)
class Page:
    """What a server shows."""

    state: Callable[[str], Mapping[str, object]]
    """Returns the state of the viewer, for the address at which resources are asked for."""
    settings: Mapping[str, object]
    """Settings of the client: what mouse and keys do."""
    resources: Mapping[str, Resource]
    """What is served, by the first part of its path."""


@dataclass(eq=False)
class PageServer:
    """Serves one page until it is closed."""

    page: Page
    port: int = 0
    """Port to listen on; 0: any that is free."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __post_init__(self) -> None:
        self.client = client_folder()
        self.closed = threading.Event()
        self.gate = threading.BoundedSemaphore(_AT_ONCE)
        try:
            self._server = _Server((_LOOPBACK[0], self.port), _Handler)
        except (OSError, OverflowError) as error:
            raise ParameterError(
                "a page is served at a port of this machine that is free",
                value=f"{self.port}: {error}",
                place="port",
                remedy="give another one, or none",
            ) from error
        self._server.owner = self
        self.port = self._server.server_address[1]
        serve = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="scutoid page",
            daemon=True,
        )
        serve.start()

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"http://{_LOOPBACK[0]}:{self.port}/v/{self.token}/"

    def close(self) -> None:
        """Stop; open pages lose their connection."""
        if not self.closed.is_set():
            self.closed.set()
            self._server.shutdown()
            self._server.server_close()

    @cached_property
    def files(self) -> dict[str, Path]:
        """The files of the page, by name."""
        client = {path.name: path for path in self.client.iterdir() if path.is_file()}
        return client | {_SCRIPT.name: _SCRIPT}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: PageServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that a browser has dropped."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            _LOGGER.error("a request could not be answered", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits some 40 ms until its header was received
    server: _Server

    def log_message(self, *args: Any) -> None:
        """Print no line a request."""

    def do_GET(self) -> None:
        """Answer a request."""
        owner = self.server.owner
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        kind, token, *rest = [*path.lstrip("/").split("/"), "", ""]
        below = tuple(rest[:-2])
        if host not in _LOOPBACK:  # another name that leads to this machine
            self._send(HTTPStatus.FORBIDDEN)
        elif not secrets.compare_digest(token.encode(), owner.token.encode()):
            self._send(HTTPStatus.NOT_FOUND)
        elif kind == "v" and not below:
            self._send(HTTPStatus.FOUND, Location=f"/v/{owner.token}/")
        elif kind == "v" and len(below) == 1:
            self._client(owner, below[0] or _PAGE)
        elif kind == "events":
            self._events(owner)
        elif kind == "data" and below == ("state",):
            state = owner.page.state(f"http://{self.headers['Host']}/data/{owner.token}")
            self._send(HTTPStatus.OK, json.dumps(state, allow_nan=False).encode(), _TYPES[".json"])
        elif kind == "data" and below and below[0] in owner.page.resources:
            self._resource(owner, owner.page.resources[below[0]], below[1:])
        else:
            self._send(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server asks for

    def do_POST(self) -> None:
        """Take notice of what the client tells, and keep none of it: the address has the view."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._send(HTTPStatus.OK, b'{"g": ""}', _TYPES[".json"])

    def _send(
        self, status: HTTPStatus, body: bytes = b"", kind: str = _BYTES, **headers: str
    ) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, **headers, "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _client(self, owner: PageServer, name: str) -> None:
        path = owner.files.get(name)
        if path is None:
            self._send(HTTPStatus.NOT_FOUND)
            return
        body = path.read_bytes()
        if name == _PAGE:
            body = body.replace(
                b"<head>", f'<head>{_NO_ICON}<script src="{_SCRIPT.name}"></script>'.encode(), 1
            )
        self._send(HTTPStatus.OK, body, _TYPES.get(path.suffix, _BYTES))

    def _resource(self, owner: PageServer, make: Resource, below: tuple[str, ...]) -> None:
        try:
            with owner.gate:
                body = make(below)
        except (ScutoidError, OSError) as error:
            _LOGGER.warning("not shown: %s", error)
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, str(error).encode(), "text/plain")
            return
        if body is None:
            self._send(HTTPStatus.NOT_FOUND)
        else:
            self._send(HTTPStatus.OK, body, _BYTES if body[:1] != b"{" else _TYPES[".json"])

    def _events(self, owner: PageServer) -> None:
        """Send the settings, and stay connected, or the page would say that nobody is there."""
        self.send_response(HTTPStatus.OK)
        for name, value in {**_HEADERS, "Content-Type": "text/event-stream"}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        message = json.dumps({"k": "c", "s": owner.page.settings, "g": owner.token[:8]})
        self.wfile.write(f"data: {message}\n\n".encode())
        while not owner.closed.wait(_ALIVE):
            self.wfile.write(b": there\n\n")
        self.close_connection = True


def fragment_of(state: Mapping[str, object]) -> str:
    """Write the state of the viewer as the last part of an address."""
    text = json.dumps(state, separators=(",", ":"), allow_nan=False)
    return "#!" + urllib.parse.quote(text, safe="/:[]{}@$&=~-._")
