"""Names of ASGI, and the shortest answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers of a request by their names in lower case; of two alike, both joined.

    Two hosts, for example, are then none that is ours.
    """
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}; {text}" if key in found else text
    return found


async def respond(send: Send, status: int, text: str, headers: Mapping[str, str]) -> None:
    """Answer with plain text."""
    body = text.encode()
    sent = {
        **headers,
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(body)),
    }
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
