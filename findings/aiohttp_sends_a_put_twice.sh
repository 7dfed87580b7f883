#!/usr/bin/env bash
# aiohttp sends a PUT a second time by itself if the connection drops before the answer, also the first on a new connection.
#
# Versions: aiohttp 3.14.5 (November 2026).
#
# So do GET, HEAD, OPTIONS, TRACE and DELETE; POST and PATCH raise ServerDisconnectedError. A conditional PUT ("store this if
# there is nothing yet", If-None-Match: *) is no idempotent request: where the server had stored it before the
# connection dropped, the second is refused with 412, and the caller is told that another one won.
#
# Why it matters: locks and commits in object storage are such PUTs, and s3fs and gcsfs send them by aiohttp. The winner
# takes itself for the loser unless it looks whose object it is.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5
cd "$folder"
cat > show.py <<'PY'
import asyncio

import aiohttp

stored, asked = [], []


async def serve(reader, writer):
    """A store of one object; the first answer is lost."""
    head = await reader.readuntil(b"\r\n\r\n")
    asked.append(head.split()[0].decode())
    code = b"412 Precondition Failed" if stored else b"200 OK"
    stored.append(head)
    if len(asked) > 1:
        writer.write(b"HTTP/1.1 " + code + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = "http://127.0.0.1:{}/lock".format(server.sockets[0].getsockname()[1])
    for method in ("PUT", "POST"):
        stored.clear(), asked.clear()
        async with aiohttp.ClientSession() as session:
            try:
                async with session.request(method, url, headers={"If-None-Match": "*"}) as answer:
                    print(method, "answer", answer.status, "requests", asked)
            except aiohttp.ClientError as error:
                print(method, type(error).__name__, "requests", asked)


asyncio.run(main())
PY
"$folder/env/bin/python" show.py > seen.txt
cat > expected.txt <<'TXT'
PUT answer 412 requests ['PUT', 'PUT']
POST ServerDisconnectedError requests ['POST']
TXT
cat seen.txt
diff expected.txt seen.txt
