#!/usr/bin/env bash
# s3fs cat_file of an object that is replaced meanwhile returns bytes of both versions, without an error.
#
# Versions: s3fs 2026.9.0, moto 5.2.5 (November 2026).
#
# cat_file asks for the size of an object first (HEAD). Above a block (50 MB by default, here 100 bytes) it then asks
# for ranges, several at once, and puts what comes into one buffer. No range names the version that the size was of
# (If-Match with its ETag), and the ETags of the answers are not compared. With max_concurrency=1 it is one GET.
#
# Why it matters: an object of S3 is replaced whole, so a reader that gets all of it is taken to get one version. A table
# or a stack of 60 MB that another job renews can be half of each, of the right length, and nothing tells.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check s3fs==2026.9.0 "moto[server]==5.2.5"
cd "$folder"
cat > show.py <<'PY'
import threading

import s3fs
from moto.server import ThreadedMotoServer
from werkzeug.serving import WSGIRequestHandler

one_at_a_time, named, answer = threading.Lock(), [], WSGIRequestHandler.run_wsgi


def replaced_after_the_first_range(request):
    if "Range" not in request.headers:
        return answer(request)
    with one_at_a_time:
        named.append(request.headers.get("If-Match"))
        answer(request)
        if len(named) == 1:
            writer.pipe_file("bucket/object", b"2" * 1000)


WSGIRequestHandler.run_wsgi = replaced_after_the_first_range
WSGIRequestHandler.log_request = lambda *_: None
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
url = "http://127.0.0.1:{}".format(server.get_host_and_port()[1])
options = {"key": "k", "secret": "s", "endpoint_url": url, "skip_instance_cache": True}
reader, writer = (s3fs.S3FileSystem(**options) for _ in range(2))
reader.mkdir("bucket")
for ranges in ({"chunksize": 100}, {"chunksize": 100, "max_concurrency": 1}):
    writer.pipe_file("bucket/object", b"1" * 1000)
    named.clear()
    content = reader.cat_file("bucket/object", **ranges)
    old, new = content.count(b"1"), content.count(b"2")
    print(ranges, "old bytes", old, "new bytes", new, "ranges", len(named), "with If-Match", len(named) - named.count(None))
server.stop()
PY
AWS_DEFAULT_REGION=us-east-1 "$folder/env/bin/python" -W ignore show.py 2> log.txt | grep '^{' > seen.txt || cat log.txt
cat > expected.txt <<'TXT'
{'chunksize': 100} old bytes 100 new bytes 900 ranges 10 with If-Match 0
{'chunksize': 100, 'max_concurrency': 1} old bytes 1000 new bytes 0 ranges 0 with If-Match 0
TXT
cat seen.txt
diff expected.txt seen.txt
