"""The server as a process: it listens at the loopback address, and ends at once."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scutoid.errors import MissingExtra, ParameterError, StoreError
from scutoid.serving import serve

from .conftest import ROOT, ended


@pytest.fixture(autouse=True)
def _needed():
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")


def entered(address):
    """Return a connection and the headers that open the page, as a browser gets them."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=60)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 303
    return connection, {"cookie": answer.headers["set-cookie"].split(";")[0]}


def told(connection, headers, path):
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -15)])
def test_signals_end_it_at_once_while_a_page_is_open(served, finished, run_name, number, code):
    process, address = served(finished)
    connection, headers = entered(address)
    connection.request("GET", f"/api/stream?run={run_name}", headers=headers)
    answer = connection.getresponse()
    line = answer.readline()
    assert json.loads(line.removeprefix(b"data: "))["state"] == "failed"
    idle, _ = entered(address)
    assert ended(process, number) == code
    idle.close()
    connection.close()


def test_the_address_is_that_of_this_machine_alone(served, finished):
    process, address = served(finished)
    port = urlsplit(address).port
    listening = []
    for line in Path(f"/proc/{process.pid}/net/tcp").read_text().splitlines():
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port:
            listening.append(fields[1].split(":")[0])
    assert listening == ["0100007F"]


def test_pages_and_their_parts_are_there(served, finished, run_name):
    _, address = served(finished)
    connection, headers = entered(address)
    for path in (
        "/",
        f"/run/{run_name}",
        "/static/main.js",
        "/static/style.css",
        "/static/icon.svg",
    ):
        status, body = told(connection, headers, path)
        assert (status, bool(body)) == (200, True)
    assert told(connection, {}, "/")[0] == 403
    connection.close()


def test_several_pages_are_answered_at_once(served, finished, run_name):
    _, address = served(finished)
    connection, headers = entered(address)
    streams = []
    for _ in range(6):
        other, _ = entered(address)
        other.request("GET", f"/api/stream?run={run_name}", headers=headers)
        streams.append((other, other.getresponse()))
    found = []

    def ask():
        own = http.client.HTTPConnection("127.0.0.1", urlsplit(address).port, timeout=60)
        found.append(told(own, headers, f"/api/run?run={run_name}")[0])
        own.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 8
    for other, answer in streams:
        assert answer.readline().startswith(b"data: ")
        other.close()
    connection.close()


def test_a_port_that_is_taken_is_an_error_with_the_remedy(finished):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ParameterError, match="is free") as caught:
            serve(finished, port=taken.getsockname()[1])
    assert "0 for one that is free" in str(caught.value)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_is_a_number_of_ports(finished, port):
    with pytest.raises(ParameterError, match="from 0 to 65535"):
        serve(finished, port=port)


def test_a_store_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="exists"):
        serve(tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_a_missing_package_names_its_extra(finished, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtra, match="uvicorn") as caught:
        serve(finished)
    assert "scutoid[web]" in str(caught.value)


def test_scutoid_and_its_commands_do_not_import_the_server():
    code = (
        "import sys, scutoid, scutoid.cli._commands, scutoid.cli._running; "
        "print(sorted({'starlette', 'uvicorn', 'scutoid.serving'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"
