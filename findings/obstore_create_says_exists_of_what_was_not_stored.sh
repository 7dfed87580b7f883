#!/usr/bin/env bash
# obstore: a conditional create that the server asks to repeat raises AlreadyExistsError, though no object is there.
#
# Versions: obstore 0.12.1 (November 2026).
#
# S3 answers a PUT with `If-None-Match: *` by 412 where the object exists, and by 409 ConditionalRequestConflict where
# another request for the same key was under way; then nothing was stored, and its documentation says to send the request
# again. `obstore.put(..., mode="create")` raises the same AlreadyExistsError for both, after one request, though its
# retries are on. Who takes the error at its word goes on with what the other has written.
#
# Why it matters: locks, and results that are written once, by several workers. The other request may have failed, so that
# nobody holds the lock and the result is not there.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check obstore==0.12.1
cat > "$folder/try.py" <<'PYTHON'
import collections
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

asked = collections.Counter()


class Bucket(BaseHTTPRequestHandler):
    """A bucket without objects, in which each create meets another one."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["If-None-Match"] == "*"
        self.answer(409, b"<Error><Code>ConditionalRequestConflict</Code><Message>conflict</Message></Error>")

    def do_GET(self):
        self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")

    def answer(self, status, body):
        asked[f"{self.command} {status}"] += 1
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *of):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
threading.Thread(target=server.serve_forever, daemon=True).start()
store = S3Store(
    "results",
    endpoint=f"http://127.0.0.1:{server.server_port}",
    region="us-east-1",
    access_key_id="a",
    secret_access_key="b",
    virtual_hosted_style_request=False,
    client_options={"allow_http": True},
)
for what, call in (
    ("create", lambda: obstore.put(store, "lock", b"mine", mode="create")),
    ("read", lambda: obstore.get(store, "lock")),
):
    try:
        call()
    except (BaseError, FileNotFoundError, FileExistsError) as error:
        print(f"{what}: {type(error).__name__}")
print("requests:", dict(asked))
PYTHON
"$folder/env/bin/python" "$folder/try.py" | tee "$folder/said"
diff - "$folder/said" <<'SAID'
create: AlreadyExistsError
read: FileNotFoundError
requests: {'PUT 409': 1, 'GET 404': 1}
SAID
