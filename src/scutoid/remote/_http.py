"""Files that are read by HTTP, whose statuses tell what is absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scutoid.errors import ScutoidError
from scutoid.remote._systems import system_of
from scutoid.remote._tries import (
    ABSENT,
    FORBIDDEN,
    Cut,
    PassingStatus,
    is_passing_status,
    tried,
    unreadable,
)

_REFUSES_HEAD = (400, 403, 405, 501)
_PARTIAL = 206


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answers."""

    status: int
    """Status of HTTP."""
    headers: Mapping[str, str]
    """Its headers, by names in whatever case."""
    content: bytes
    """The body; empty where it was not asked for."""


def is_http(url: str) -> bool:
    """Whether a URL is read by HTTP."""
    return url.startswith(("http://", "https://"))


def without_query(url: str) -> str:
    """Return a URL without its query; names of objects in buckets may hold a question mark."""
    scheme = url.partition("://")[0].rpartition("::")[2]
    return url.partition("?")[0] if scheme in ("http", "https") else url


def read_http(url: str, *, refused_is_absent: bool) -> bytes | None:
    """Return the content of a file; None: there is none."""
    answer = _answer("GET", url, reads=True)
    if answer.status in (*ABSENT, *(FORBIDDEN if refused_is_absent else ())):
        return None
    return checked(answer, url).content


def ask_http(url: str, *, refused_is_absent: bool) -> Mapping[str, str] | None:
    """Return the headers of a file; None: there is none."""
    answer = _answer("HEAD", url)
    if answer.status in _REFUSES_HEAD:
        answer = _answer("GET", url)
        if refused_is_absent and answer.status in FORBIDDEN:
            return None
    return None if answer.status in ABSENT else checked(answer, url).headers


def part_of_http(url: str, start: int, stop: int | None) -> Answer | None:
    """Return what a server answers who is asked for some bytes; None: it gives whole files alone.

    Raises
    ------
    SourceError
        If it fails, or gives other bytes than it is asked for.
    """
    asked = f"{start}" if start < 0 else f"{start}-{'' if stop is None else stop - 1}"
    answer = _answer("GET", url, {"Range": f"bytes={asked}"}, reads=True)
    return answer if answer.status == _PARTIAL or answer.status >= 400 else None


def checked(answer: Answer, url: str) -> Answer:
    """Return an answer that is no refusal.

    Raises
    ------
    SourceError
        If it is one.
    """
    if answer.status >= 400:
        raise unreadable(url, f"status {answer.status}")
    return answer


def _answer(
    method: str, url: str, headers: Mapping[str, str] | None = None, *, reads: bool = False
) -> Answer:
    """Return the answer of a server that is not at fault."""

    def once() -> Answer:
        answer = _once(method, url, dict(headers or {}), reads=reads)
        if is_passing_status(answer.status):
            raise PassingStatus(answer.status)
        return answer

    try:
        return tried(url, once)
    except ScutoidError:
        raise
    except Exception as error:
        raise unreadable(url, error) from error


def _once(method: str, url: str, headers: dict[str, str], *, reads: bool) -> Answer:
    from fsspec.asyn import sync

    system, _ = system_of(url)

    async def answer() -> Answer:
        session = await system.set_session()
        options = {**system.kwargs, "headers": {**system.kwargs.get("headers", {}), **headers}}
        request = session.request(method, system.encode_url(url), allow_redirects=True, **options)
        async with request as got:
            # Whole files where a part is asked for are not waited for
            is_wanted = reads and got.status == (_PARTIAL if "Range" in headers else 200)
            content = await got.read() if is_wanted else b""
            if is_wanted and got.status == _PARTIAL:
                _check_part(content, headers.get("Range", ""), got.headers)
            return Answer(got.status, got.headers, content)

    result: Answer = sync(system.loop, answer)
    return result


def _check_part(content: bytes, asked: str, headers: Mapping[str, Any]) -> None:
    """Compare what came with what the server says that it is, and with what was asked for."""
    span, _, whole = str(headers.get("Content-Range", "")).removeprefix("bytes ").partition("/")
    first, _, last = asked.removeprefix("bytes=").partition("-")
    size = int(whole) if whole.isdecimal() else None
    if not first:  # the last bytes
        expected = int(last) if size is None else min(int(last), size)
        first = span.partition("-")[0]
    elif not last:
        expected = len(content) if size is None else size - int(first)
    else:
        stop = int(last) + 1
        expected = (stop if size is None else min(stop, size)) - int(first)
    if len(content) != expected or (span and not span.startswith(f"{first}-")):
        raise Cut(f"{len(content)} bytes came ({span or 'unnamed'}), {expected} were asked for")
