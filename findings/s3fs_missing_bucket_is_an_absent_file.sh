#!/usr/bin/env bash
# s3fs says of a bucket that does not exist what it says of an absent key: FileNotFoundError, exists() False, glob() empty.
#
# Versions: s3fs 2026.9.0, moto 5.2.5 (November 2026).
#
# S3 tells NoSuchBucket from NoSuchKey. exists(), isdir() and glob() drop the difference; cat_file has it in the words of
# its FileNotFoundError and in __cause__ alone. What only falls back on "absent" goes on with a bucket that is misspelt.
#
# Why it matters: optional metadata, chunks that are fill values and results that are not there yet are all "absent", so
# a zarr in a misspelt bucket is an empty one, and a cache in it is never hit.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check s3fs==2026.9.0 "moto[server]==5.2.5"
cd "$folder"
cat > show.py <<'PY'
import s3fs
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
url = "http://127.0.0.1:{}".format(server.get_host_and_port()[1])
s3 = s3fs.S3FileSystem(key="k", secret="s", endpoint_url=url)
s3.mkdir("bucket")
for bucket in ("bucket", "misspelt"):
    try:
        s3.cat_file(f"{bucket}/key")
    except Exception as error:
        cause = type(error.__cause__).__name__ if error.__cause__ else None
        print("seen", bucket, type(error).__name__, cause, s3.exists(f"{bucket}/key"), s3.glob(f"{bucket}/*"))
server.stop()
PY
AWS_DEFAULT_REGION=us-east-1 "$folder/env/bin/python" -W ignore show.py 2> log.txt | grep '^seen' > seen.txt || cat log.txt
cat > expected.txt <<'TXT'
seen bucket FileNotFoundError None False []
seen misspelt FileNotFoundError NoSuchBucket False []
TXT
cat seen.txt
diff expected.txt seen.txt
