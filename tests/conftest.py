"""What the tests of all folders share."""

from __future__ import annotations

import gc
import http.server
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

# How long an example takes, or is drawn, says nothing on a machine that other work shares
# The same examples each time, so that no change fails by luck; a search for new ones asks for it
settings.register_profile(
    "scutoid",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    derandomize="SCUTOID_NEW_EXAMPLES" not in os.environ,
)
settings.load_profile("scutoid")


os.environ["SCUTOID_REPORT"] = "off"  # of some thousand runs that nobody looks at


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for garbage in none of what is collected: it stays, and is a million objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    """Draw half of the examples that laws ask for; the search for new ones draws them all."""
    if "SCUTOID_NEW_EXAMPLES" in os.environ:
        return
    halved = set()  # one test may be collected with many parameters
    for item in items:
        law = getattr(item, "obj", None)
        if is_hypothesis_test(law) and (law := getattr(law, "__func__", law)) not in halved:
            asked = law._hypothesis_internal_use_settings
            law._hypothesis_internal_use_settings = settings(
                asked, max_examples=asked.max_examples - asked.max_examples // 2
            )
            halved.add(law)


def pytest_xdist_make_scheduler(config, log):
    """Distribute whole files by a scheduler that survives the death of a worker."""
    if config.getvalue("dist") != "loadfile":
        return None
    return module_beside("worker_files").WorkerFiles(config, log)


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Undo that signals are ignored, as in background jobs: what tests start would inherit it.

    Undo too what importing dask-jobqueue, as collecting its tests does, makes of Ctrl-C.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def processes_stay():
    """Have worker processes of `executor="processes"` serve one test after another.

    They stay as those of "auto" do, while they are as new ones would be: to start one takes longer
    than most tests.  `new_processes` is for tests of how they start and end.
    """
    from scutoid.executors._processes import AutoExecutor, ProcessesExecutor

    start = ProcessesExecutor.open
    ProcessesExecutor.open = AutoExecutor.open
    yield start
    ProcessesExecutor.open = start


@pytest.fixture
def new_processes(processes_stay, monkeypatch):
    """Have them start for each run, and end with it, as they do elsewhere."""
    from scutoid.executors._processes import ProcessesExecutor

    monkeypatch.setattr(ProcessesExecutor, "open", processes_stay)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup():
    _name_no_test()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call():
    _name_no_test()
    return (yield)


def _name_no_test():
    """Take the name of the test out of the environment: processes with another one are new."""
    if "PYTEST_CURRENT_TEST" in os.environ:
        os.environ["PYTEST_CURRENT_TEST"] = "a test"


@pytest.fixture(autouse=True)
def temporary_directory():
    """Undo that a test asks, with another TMPDIR, where temporary files are: the answer is kept."""
    before = tempfile.tempdir
    yield
    tempfile.tempdir = before


@pytest.fixture
def is_alive():
    """Tells whether a process runs; one that is dead and not yet buried does not."""

    def tell(pid):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return state not in "ZX"

    return tell


@pytest.fixture(scope="session")
def wait_for():
    """Waits until something holds, as long as a very busy machine may take to come to it."""

    def wait(condition):
        end = time.monotonic() + 240
        while not condition():
            assert time.monotonic() < end, "it never came to that"
            time.sleep(0.01)

    return wait


class Web(http.server.ThreadingHTTPServer):
    """A web server of a folder on the loop-back interface, which does what a test tells it."""

    def __init__(self, folder):
        self.folder = folder
        self.says = ("Last-Modified", "Content-Length")
        self.lists = True
        self.refuses_head = False
        self.refuses_absent = False
        self.failures = {}
        self.asked = []
        self.before = lambda handler: None
        super().__init__(("127.0.0.1", 0), _Page)

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def status_of(self, path):
        """Take one of the failures that are due for a path; None: none is."""
        due = self.failures.get(path, [])
        return due.pop(0) if due else None


class _Page(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer(has_body=False)

    def do_GET(self):
        self.answer(has_body=True)

    def answer(self, *, has_body):
        web, path = self.server, self.path.split("?")[0]
        web.asked.append((self.command, path))
        web.before(self)
        place = web.folder / path.strip("/")
        status = web.status_of(path)
        if status is None and not has_body and web.refuses_head:
            status = 405
        if status is None and not place.is_file() and not (place.is_dir() and web.lists):
            status = 403 if web.refuses_absent else 404
        if status is not None:
            self.send_error(status)
            return
        if place.is_dir():
            names = [f"{p.name}/" if p.is_dir() else p.name for p in place.iterdir()]
            body = "".join(f'<a href="{name}">{name}</a>' for name in names).encode()
            said = {"Content-Type": "text/html"}
        else:
            body, stat = place.read_bytes(), place.stat()
            said = {
                "ETag": f'"{stat.st_mtime_ns:x}-{stat.st_size:x}-{stat.st_ino:x}"',
                "Last-Modified": self.date_time_string(stat.st_mtime),
                "Content-Length": str(len(body)),
            }
            said = {name: said[name] for name in web.says}
            said["Content-Type"] = "application/octet-stream"
        begin = re.match(r"bytes=(\d*)-(\d*)$", self.headers.get("Range", ""))
        if begin:
            first, last = int(begin[1] or 0), int(begin[2] or len(body) - 1)
            if not begin[1]:  # the last bytes
                first, last = max(len(body) - last, 0), len(body) - 1
            last = min(last, len(body) - 1)
            said["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
            body = body[first : last + 1]
            if "Content-Length" in said:
                said["Content-Length"] = str(len(body))
        self.send_response(206 if begin else 200)
        for name, value in said.items():
            self.send_header(name, value)
        self.end_headers()
        if has_body:
            self.wfile.write(body)


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A web server of the folder ``web`` of the test."""
    monkeypatch.setattr("scutoid.remote._tries.PAUSES", (0, 0, 0))
    monkeypatch.setattr(
        "scutoid.remote._files._SETTLED_S", 1e9
    )  # all files are fresh, on slow machines too
    folder = tmp_path / "web"
    folder.mkdir()
    with Web(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def module_beside(name):
    """Return a module of this folder that writes files for tests."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def forks():
    """Run commands in processes that have imported already what they need."""
    process = module_beside("forks").Forks()
    yield process
    process.close()


@pytest.fixture(scope="session")
def ome():
    """Return what writes OME-TIFFs as microscopes do."""
    return module_beside("ome_files")


@pytest.fixture(scope="session")
def microscope():
    """Return what writes ND2 and LIF."""
    return module_beside("microscope_files")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A SLURM of one node, which this process and what it starts talk to."""
    beside = module_beside("batch_system")
    if beside.missing():
        pytest.skip(f"{beside.missing()[0]} is not installed: apt-get install slurm-wlm munge")
    with (
        pytest.MonkeyPatch.context() as patch,
        beside.OneNode(tmp_path_factory.mktemp("slurm") / "one") as node,
    ):
        for name, value in node.environment.items():
            patch.setenv(name, value)
        yield node


@pytest.fixture(scope="session")
def display():
    """Provide a display for windows: an existing one, or an Xvfb of our own."""
    pytest.importorskip("napari", reason="napari is not installed: pip install 'scutoid[napari]'")
    if os.environ.get("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        pytest.skip("no DISPLAY, and Xvfb is not installed: apt-get install xvfb")
    # It takes the first number that is free and writes it to the pipe once it is ready
    reading, writing = os.pipe()
    command = [xvfb, "-displayfd", str(writing), "-screen", "0", "1280x960x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        number = pipe.readline().strip()
    if not number:
        server.wait()
        pytest.skip("Xvfb does not start here")
    os.environ["DISPLAY"] = f":{number}"
    yield os.environ["DISPLAY"]
    del os.environ["DISPLAY"]
    server.terminate()
    server.wait()


@pytest.fixture(scope="session")
def object_store():
    """The address of an object store on the loop-back interface."""
    pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    with module_beside("object_storage").store_of_objects() as endpoint:
        yield endpoint


@contextmanager
def _bucket_of(object_store, monkeypatch):
    beside = module_beside("object_storage")
    from scutoid.remote import _systems

    monkeypatch.setattr("scutoid.remote._tries.PAUSES", (0, 0, 0))
    with beside.proxy_of(int(object_store.rpartition(":")[2])) as proxy:
        said = {"ENDPOINT_URL": proxy.url, "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}
        for name, value in {**said, "DEFAULT_REGION": "us-east-1"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        _systems.forget()
        made = beside.Bucket(object_store, proxy)
        yield made
        _systems.forget()
    beside.Bucket(object_store, None, "moto-api").request("POST", "reset")


@pytest.fixture
def bucket(object_store, monkeypatch):
    """A bucket in an object store, behind a proxy that counts and makes faults."""
    with _bucket_of(object_store, monkeypatch) as made:
        yield made


@pytest.fixture(scope="module")
def bucket_of_module(object_store):
    """One that all tests of a module have in common."""
    with pytest.MonkeyPatch.context() as patch, _bucket_of(object_store, patch) as made:
        yield made
