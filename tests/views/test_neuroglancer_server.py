"""The server of a page: who gets what."""

from __future__ import annotations

import http.client
import json
import socket

import pytest

from scutoid.errors import ParameterError, SourceError
from scutoid.views._neuroglancer_server import Page, PageServer, _Handler

pytest.importorskip("neuroglancer", reason="pip install 'scutoid[web]'")


def resource(path):
    if path == ("broken",):
        raise SourceError("a file can be read", value="it is gone", place="a.tif")
    return b"/".join(part.encode() for part in path) if path else None


@pytest.fixture(scope="module")
def server():
    page = Page(lambda base: {"base": base}, {"set": 1}, {"0": resource})
    served = PageServer(page)
    yield served
    served.close()


def asked(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "start"),
    [
        ("/v/{token}/", b"<!doctype html>"),
        ("/v/{token}/_neuroglancer.js", b"// Keeps the view"),
        ("/data/{token}/0/a/b", b"a/b"),
        ("/data/{token}/state", b'{"base"'),
    ],
)
def test_the_page_and_its_data_are_served(server, path, start):
    answer, body = asked(server, path.format(token=server.token))
    assert (answer.status, body[: len(start)]) == (200, start)
    assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_no_body_waits_until_its_header_was_received(server, monkeypatch):
    answered, delays = _Handler.do_GET, []

    def noted(handler):
        level, name = socket.IPPROTO_TCP, socket.TCP_NODELAY
        delays.append(handler.connection.getsockopt(level, name) == 0)
        answered(handler)

    monkeypatch.setattr(_Handler, "do_GET", noted)
    asked(server, f"/data/{server.token}/0/a/b")
    assert delays == [False]


def test_a_browser_asks_for_no_icon(server):
    _, body = asked(server, f"/v/{server.token}/")
    assert b'<head><link rel="icon" href="data:,">' in body


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v/",
        "/v/wrong/",
        "/v/{token}x/",
        "/v/{token}/nothing.js",
        "/v/{token}/../../../../../../etc/passwd",
        "/v/{token}/%2e%2e%2f%2e%2e%2f__init__.py",
        "/v/{token}/..%2f__init__.py",
        "/v/{token}//etc/passwd",
        "/v/{token}/a/b",
        "/data/{token}/",
        "/data/{token}/1/a",
        "/data/{token}/0",
        "/data/{token}/../v/{token}/",
        "/data//0/a",
        "/events/wrong",
        "/{token}/v/",
    ],
)
def test_nothing_else_is(server, path):
    answer, body = asked(server, path.format(token=server.token))
    assert (answer.status, body) == (404, b"")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_name_that_leads_to_this_machine_gets_nothing(server, host):
    answer, body = asked(server, f"/data/{server.token}/0/a", Host=host)
    assert (answer.status, body) == (403, b"")


def test_addresses_are_those_by_which_the_page_was_asked_for(server):
    _, body = asked(server, f"/data/{server.token}/state", Host="localhost:9")
    assert json.loads(body) == {"base": f"http://localhost:9/data/{server.token}"}


def test_what_cannot_be_read_is_said(server, caplog):
    answer, body = asked(server, f"/data/{server.token}/0/broken")
    assert answer.status == 500
    assert b"a file can be read" in body
    assert "not shown: a file can be read" in caplog.text


def test_a_head_has_no_body(server):
    answer, body = asked(server, f"/data/{server.token}/0/abc", "HEAD")
    assert (answer.status, answer.headers["Content-Length"], body) == (200, "3", b"")


@pytest.mark.parametrize("port", ["taken", 70_000])
def test_a_port_that_is_not_free_is_refused(server, port):
    with pytest.raises(ParameterError, match="a port of this machine that is free"):
        PageServer(server.page, server.port if port == "taken" else port)


def test_it_listens_on_this_machine_alone(server):
    assert server._server.socket.getsockname()[0] == "127.0.0.1"


def test_it_ends_at_once_while_a_page_is_open():
    served = PageServer(Page(lambda base: {}, {"set": 1}, {}))
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.request("GET", f"/events/{served.token}")
    answer = connection.getresponse()
    assert json.loads(answer.readline().removeprefix(b"data: "))["s"] == {"set": 1}
    served.close()
    assert answer.read().strip() == b""  # the stream ends
    connection.close()
    with pytest.raises(ConnectionError):
        asked(served, "/")
