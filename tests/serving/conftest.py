"""A small store with a run that failed, and ways to ask the application and a real server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest

import scutoid as sc

ROOT = Path(__file__).parents[2]


@sc.blockwise(halo=1)
def doubled(image):
    return image * 2


@sc.blockwise
def picky(image, *, block=sc.injected):
    if block.index == 3:
        raise ValueError("too <b>bright</b> & 'bold'")
    return image + 1


@sc.step(out="table")
def many_ids(image):
    ids = np.arange(1000, dtype=np.int64) + 2**60
    areas, names = np.tile([3.5, np.nan], 500), [f"cell {n % 7}" for n in range(1000)]
    return pd.DataFrame({"label": ids[::-1], "area": areas, "name": names})


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


@dataclass
class Asked:
    """Asks an ASGI application as a browser would, with headers that may be left out or wrong."""

    app: object
    access: object
    headers: list = field(default_factory=list)

    def get(self, path, *, method="GET", headers=None, host=None, cookie=None, **query):
        own = list(self.headers if headers is None else headers)
        if host is None:
            host = f"127.0.0.1:{self.access.port}"
        if host:
            own.append(("host", host))
        name = self.access.cookie_name
        cookie = f"{name}={self.access.cookie}" if cookie is None else cookie
        if cookie:
            own.append(("cookie", cookie))
        return asyncio.run(self._ask(path, method, own, urlencode(query, doseq=True)))

    async def _ask(self, path, method, headers, query):
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
            "headers": [(n.lower().encode(), v.encode("latin-1")) for n, v in headers],
        }  # fmt: skip
        await self.app(scope, receive, send)
        start, *rest = sent
        found = {n.decode(): v.decode("latin-1") for n, v in start["headers"]}
        return Answer(start["status"], found, b"".join(one.get("body", b"") for one in rest))


def asked(store):
    """Return the application of a store, to be asked."""
    pytest.importorskip("starlette")
    from scutoid.serving._app import make_app
    from scutoid.serving._guard import Access
    from scutoid.serving._store_view import StoreView
    from scutoid.store import EntryStore

    access = Access(8123)
    app = make_app(StoreView(EntryStore(store)), access, is_stopping=lambda: False)
    return Asked(app, access)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A store with a run: blocks that are done, one that failed, a table with large ids."""
    store = tmp_path_factory.mktemp("finished") / "results"
    noise = np.random.default_rng(0).random((40, 40)).astype("float32")
    raw = sc.open(noise, axes="yx", voxel_size=(1, 1))
    smooth = doubled(raw)
    table = many_ids(smooth)
    labels = sc.label(sc.threshold(smooth, level=1.0))
    sc.run(
        picky(smooth), table, labels, store=store, block=20, on_failure="return",
        executor="serial", check_halo=False,
    )  # fmt: skip
    return store


@pytest.fixture(scope="session")
def run_name(finished):
    (folder,) = (path for path in (finished / "runs").iterdir() if path.is_dir())
    return folder.name


@pytest.fixture
def site(finished):
    return asked(finished)


@pytest.fixture
def served():
    """Starts servers of stores as processes, and ends them."""
    started = []

    def start(store):
        command = [sys.executable, "-m", "scutoid", "serve", "--store", str(store)]
        env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        started.append(process)
        for line in process.stdout:
            found = re.search(r"http://\S+", line)
            if found:
                return process, found[0]
        raise AssertionError("the server has printed no address")

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def ended(process, number=signal.SIGINT, *, within=60):
    """End a process by a signal, and return its exit code."""
    process.send_signal(number)
    return process.wait(timeout=within)
