"""An object store on the loop-back interface, behind a proxy that counts and makes faults."""

from __future__ import annotations

import functools
import http.client
import http.server
import logging
import threading
import time
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class After:
    """A fault that comes when the server has done what it was asked for."""

    def __init__(self, fault):
        self.fault = fault


class FaultProxy(http.server.ThreadingHTTPServer):
    """Hands requests on to a server, and does what a test tells it.

    ``fault`` takes method and path (with what follows a ``?``) and returns None, or what happens::

        503                        a status
        (403, "AccessDenied")      a status, and the code by which S3 names it
        "drop"                     the connection ends without an answer
        "cut"                      the body ends in its middle
        0.3                        the answer comes so many seconds later
        threading.Event()          the answer comes once it is set
        late(any of these)         the same after the server has done what was asked for
    """

    daemon_threads = True

    def __init__(self, port):
        self.port = port
        self.fault = lambda method, path: None
        self.asked = []
        self.headers = []
        self.n_bytes = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    late = After

    def forget(self):
        self.asked.clear()
        self.headers.clear()
        self.n_bytes = 0

    def fails(self, *faults, of="", method=None):
        """Let the next requests of paths that hold a text fail, one after the other."""
        due = list(faults)

        def fault(asked, path):
            with self.lock:
                if of in path and method in (None, asked) and due:
                    return due.pop(0)
            return None

        self.fault = fault
        return due


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each body waits until its header was received

    def log_message(self, *args):
        pass

    def answer(self):
        proxy = self.server
        n_body = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(n_body)
        with proxy.lock:
            proxy.asked.append((self.command, self.path, self.headers.get("Range")))
            proxy.headers.append(dict(self.headers))
        fault = proxy.fault(self.command, self.path)
        if isinstance(fault, After):
            fault = fault.fault
            answer = self.ask(body)
        else:
            answer = None if fault == "drop" or isinstance(fault, (int, tuple)) else self.ask(body)
        if fault == "drop":
            self.close_connection = True
            self.connection.close()
            return
        if isinstance(fault, float):
            time.sleep(fault)
        if isinstance(fault, threading.Event):
            fault.wait()
        if isinstance(fault, (int, tuple)):
            status, code = fault if isinstance(fault, tuple) else (fault, "SlowDown")
            text = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
            answer = status, {"Content-Type": "application/xml"}, text
        self.give(*answer, is_cut=fault == "cut")

    def ask(self, body):
        """Hand the request on; returns status, headers and body of the answer."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.port)
        upstream.request(self.command, self.path, body, dict(self.headers))
        got = upstream.getresponse()
        answer = got.status, dict(got.getheaders()), got.read()
        upstream.close()
        return answer

    def give(self, status, headers, content, *, is_cut=False):
        dropped = ("transfer-encoding", "connection", "content-length", "date", "server")
        is_head = self.command == "HEAD"
        length = next((v for n, v in headers.items() if n.lower() == "content-length"), None)
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in dropped:
                self.send_header(name, value)
        self.send_header("Content-Length", (is_head and length) or str(len(content)))
        self.end_headers()
        if is_head:
            return
        if is_cut:
            content = content[: len(content) // 2]
            self.close_connection = True
        with self.server.lock:
            self.server.n_bytes += len(content)
        self.wfile.write(content)
        if is_cut:
            self.wfile.flush()
            self.connection.close()

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def handle(self):
        with suppress(ConnectionError, ValueError):  # a client that went, a fault of ours
            super().handle()


@contextmanager
def proxy_of(port):
    """Run a proxy of a server."""
    with FaultProxy(port) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


class Bucket:
    """A bucket of a store that is moto's."""

    def __init__(self, endpoint, proxy, name="bucket"):
        self.endpoint = endpoint
        self.proxy = proxy
        self.name = name
        self.request("PUT", "")

    def request(self, method, key, body=b""):
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc)
        user = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request"
        signed = f"{user}, SignedHeaders=host, Signature=none"  # moto does not look at it
        connection.request(method, f"/{self.name}/{key}", body, {"Authorization": signed})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status < 300, content
        return content

    def put(self, key, content):
        self.request("PUT", key, content)

    def put_folder(self, folder, key):
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(f"{key}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def get(self, key):
        return self.request("GET", key)

    def remove(self, key):
        self.request("DELETE", key)

    def url(self, key):
        return f"s3://{self.name}/{key}"


@contextmanager
def store_of_objects():
    """Run moto; gives its address."""
    from moto import backends
    from moto.moto_api import state_manager  # noqa: F401 - of the package that is asked for
    from moto.server import ThreadedMotoServer

    # It lists the folder of its modules twice a request, and says each: half of what one takes
    if not hasattr(backends.list_of_moto_modules, "cache_info"):
        found = tuple(backends.list_of_moto_modules())
        backends.list_of_moto_modules = functools.cache(lambda: found)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
