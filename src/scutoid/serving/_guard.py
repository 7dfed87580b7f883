"""Who may ask: this machine's own browser, with the token that was printed in the terminal.

::

    page of another site ──► Host or Origin is not ours ──► 403
    first request with ?token=... ──► cookie, redirect to the address without it
    others without the cookie ──► 403
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from scutoid.serving._asgi import App, Receive, Scope, Send, headers_of, respond

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_TOKEN_BYTES = 32
_OWN_SITES = {"", "none", "same-origin"}


@dataclass(frozen=True, slots=True)
class Access:
    """What opens the page: the token of the address, and the cookie that it is changed for."""

    port: int
    """That the server listens at."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES))
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES))

    @property
    def hosts(self) -> frozenset[str]:
        """Names by which this machine is called."""
        port = "" if self.port == 80 else f":{self.port}"
        return frozenset(f"{name}{port}" for name in ("127.0.0.1", "localhost"))

    @property
    def cookie_name(self) -> str:
        """Name of the cookie: those of two servers are kept apart by their ports."""
        return f"scutoid-{self.port}"

    @property
    def address(self) -> str:
        """What is opened in the browser."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    def is_token(self, text: str) -> bool:
        """Whether a text is the token, in a time that does not tell how much of it is right."""
        return _is_same(text, self.token)

    def is_cookie(self, header: str) -> bool:
        """Whether a header of cookies has ours."""
        try:
            found = SimpleCookie(header).get(self.cookie_name)
        except CookieError:
            return False
        return found is not None and _is_same(found.value, self.cookie)


def _is_same(text: str, secret: str) -> bool:
    return secrets.compare_digest(text.encode(errors="replace"), secret.encode())


class Guard:
    """Lets requests through to an application that come from its own page.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    access : Access
        What opens it.
    """

    def __init__(self, app: App, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on; other kinds than HTTP are not answered."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await respond(send, *refusal, HEADERS)
            return
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = dict(query).get("token")
        if token is not None:
            await self._exchange(scope, send, token, query)
        elif self._access.is_cookie(headers_of(scope).get("cookie", "")):
            await self._app(scope, receive, _with_headers(send))
        else:
            text = "open the address that scutoid serve has printed: it has a token\n"
            await respond(send, 403, text, HEADERS)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return status and text for what does not come from our own page; None if it does."""
        headers = headers_of(scope)
        host = headers.get("host", "")
        if host not in self._access.hosts:
            return 403, "this page is shown at 127.0.0.1 and localhost alone\n"
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return 403, "this page answers no other site\n"
        is_visit = headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "") not in _OWN_SITES and not is_visit:
            return 403, "this page answers no other site\n"
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "nothing can be changed here\n"
        return None

    async def _exchange(
        self, scope: Scope, send: Send, token: str, query: list[tuple[str, str]]
    ) -> None:
        """Take the token, set the cookie, and lead to the address without it."""
        if not self._access.is_token(token):
            text = "the token is another: open the address that scutoid serve has printed last\n"
            await respond(send, 403, text, HEADERS)
            return
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        path = "/" + scope["path"].lstrip("/")  # two slashes would name another machine
        cookie = f"{self._access.cookie_name}={self._access.cookie}"
        headers = {
            **HEADERS,
            "set-cookie": f"{cookie}; Path=/; HttpOnly; SameSite=Strict",
            "location": quote(path, safe="/-._~") + (f"?{rest}" if rest else ""),
        }
        await respond(send, 303, "", headers)


def _with_headers(send: Send) -> Send:
    """Add our headers to each answer, where it has none of its own."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message["headers"]}
            more = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in own]
            message = {**message, "headers": [*message["headers"], *more]}
        await send(message)

    return sending
