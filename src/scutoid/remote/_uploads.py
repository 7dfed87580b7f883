"""Large objects, sent in parts, and uploads that were left open.

Parts lie in the store, unseen and paid for, until their upload is completed or aborted.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scutoid.errors import ScutoidError
from scutoid.remote._s3 import asked, call, is_absent, pages, place_of, prefix_of, trying
from scutoid.remote._tries import code_of

SINGLE = 64 * 2**20
"""Up to so many bytes are sent in one request."""
_PART = 64 * 2**20
_MOST_PARTS = 10_000
_MORE = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
_NO_UPLOAD = "NoSuchUpload"
_MARK = "scutoid-upload"
Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that was begun, and neither completed nor aborted."""

    url: str
    """Of the object that it is to become."""
    id: str
    """What the server calls it."""
    began: float
    """When it was begun, in seconds since 1970 by the clock of the server."""


def uploads(url: str) -> list[Upload]:
    """Return the uploads that are open below a URL, those too of writers that live.

    Raises
    ------
    StoreError
        If they cannot be listed.
    """
    bucket = f"{url.partition('://')[0]}://{place_of(url)[0]}"
    return [
        Upload(f"{bucket}/{found['Key']}", str(found["UploadId"]), found["Initiated"].timestamp())
        for page in pages(url, "list_multipart_uploads", _MORE)
        for found in page.get("Uploads", ())
        if found["Key"].startswith(prefix_of(url))  # some servers list all
    ]


def abort(upload: Upload) -> None:
    """Give an upload up, and remove its parts; one that is over already stays so.

    Raises
    ------
    StoreError
        If it cannot be given up.
    """
    key = place_of(upload.url)[1]

    def once() -> None:
        try:
            asked(upload.url, "abort_multipart_upload", Key=key, UploadId=upload.id)
        except Exception as error:  # of boto, of aiohttp, of the system
            if code_of(error) != _NO_UPLOAD:
                raise

    trying(upload.url, once)


def put_in_parts(url: str, content: Buffer | Path, size: int) -> None:
    """Write a large object in parts; see `put`.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    key = place_of(url)[1]
    mark = secrets.token_hex(16)
    begun = call(url, "create_multipart_upload", Key=key, Metadata={_MARK: mark})
    upload = Upload(url, str(begun["UploadId"]), time.time())
    try:
        tags = [
            call(url, "upload_part", Key=key, UploadId=upload.id, PartNumber=n, Body=part)["ETag"]
            for n, part in enumerate(_parts(content, size), 1)
        ]
        _complete(upload, tags, mark)
    except BaseException:  # Ctrl-C too: parts are paid for
        with suppress(ScutoidError):
            abort(upload)
        raise


def _parts(content: Buffer | Path, size: int) -> Iterator[bytes]:
    step = max(_PART, -(-size // _MOST_PARTS))
    if isinstance(content, Path):
        with content.open("rb") as file:
            while part := file.read(step):
                yield part
        return
    view = memoryview(content).cast("B")
    for begin in range(0, size, step):
        yield bytes(view[begin : begin + step])


def _complete(upload: Upload, tags: Sequence[str], mark: str) -> None:
    """Make one object of all parts; an upload that is gone may have been completed already."""
    key = place_of(upload.url)[1]
    named = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]

    def once() -> None:
        try:
            asked(
                upload.url,
                "complete_multipart_upload",
                Key=key,
                UploadId=upload.id,
                MultipartUpload={"Parts": named},
            )
        except Exception as error:  # of boto, of aiohttp, of the system
            if code_of(error) != _NO_UPLOAD or _mark_at(upload.url) != mark:
                raise

    trying(upload.url, once)


def _mark_at(url: str) -> str | None:
    """Return what the upload of the object at a URL was marked with."""
    try:
        found = asked(url, "head_object", Key=place_of(url)[1])
    except Exception as error:  # of boto, of aiohttp, of the system
        if is_absent(error):
            return None
        raise
    return dict(found["Metadata"]).get(_MARK)
