"""A small store with a run that failed, and ways to ask the application and a real server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

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


@contextmanager
def _servers():
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


@pytest.fixture
def served():
    """Starts servers of stores as processes, and ends them."""
    with _servers() as start:
        yield start


@pytest.fixture(scope="module")
def serving():
    """Starts servers that all tests of a module ask."""
    with _servers() as start:
        yield start


LIVE = """
import os, sys, time
from pathlib import Path
import numpy as np
import scutoid as sc

@sc.blockwise(dtype="same")
def gated(image, *, block=sc.injected):
    folder = os.environ["GATES"]
    # a block waits until the file of its number is there
    while not (Path(folder) / str(block.index)).exists():
        time.sleep(0.02)
    if (Path(folder) / "fail").exists():
        raise ValueError("told to fail")
    return image + 1

if __name__ == "__main__":
    raw = sc.open(np.zeros((40, 20), "uint8"), axes="yx", voxel_size=(1, 1))
    after = sc.gaussian(gated(raw), sigma=1)
    sc.run(after, store=sys.argv[1], block=10, workers=2, executor="threads", on_failure="return",
           check_halo=False)
"""


@pytest.fixture
def live(tmp_path):
    """A run in another process, whose blocks go on one by one when they are let."""
    script, gates = tmp_path / "live.py", tmp_path / "gates"
    script.write_text(LIVE)
    gates.mkdir()
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "GATES": str(gates)}
    command = [sys.executable, str(script), str(tmp_path / "results")]
    process = subprocess.Popen(command, env=env)
    yield tmp_path / "results", gates, process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def browser():
    """A browser, which is ended with the module: its event loop would be in the way of others."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser):
    """Opens pages; at the end none has asked another machine, or written an error."""
    contexts, faults = [], []

    def begin(address, *, path="/", width=1280, scheme="light"):
        site = "{0.scheme}://{0.netloc}".format(urlsplit(address))
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on(
            "console",
            lambda told: told.type in ("error", "warning") and faults.append(told.text),
        )
        page.on(
            "request",
            lambda asked: (
                asked.url.startswith(f"{site}/") or faults.append(f"outside: {asked.url}")
            ),
        )
        page.goto(address)
        assert "token" not in page.url
        if path != "/":
            page.goto(f"{site}{path}")
        return page

    yield begin
    for context in contexts:
        context.close()
    assert not faults


def ended(process, number=signal.SIGINT, *, within=60):
    """End a process by a signal, and return its exit code."""
    process.send_signal(number)
    return process.wait(timeout=within)
