"""Objects of a store: written whole, created by one writer, read and listed as they are now.

Nothing here is answered from memory: each question is asked of the server.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from scutoid.errors import StoreError
from scutoid.remote._s3 import (
    asked,
    call,
    is_absent,
    pages,
    place_of,
    prefix_of,
    trying,
    unwritable,
)
from scutoid.remote._systems import system_of
from scutoid.remote._tries import PASSING_CODES, PassingStatus, status_of
from scutoid.remote._uploads import SINGLE, Buffer, put_in_parts

_REFUSES_CREATE = 412
_REMOVED_AT_ONCE = 1000
_MORE_OBJECTS = {"ContinuationToken": "NextContinuationToken"}


@dataclass(frozen=True, slots=True)
class Stored:
    """An object, as a listing tells of it."""

    url: str
    """Where it is."""
    size: int
    """In bytes."""
    tag: str
    """Its ETag: another one after each change."""
    changed: float
    """When it was written, in seconds since 1970 by the clock of the server, in whole ones."""


def put(url: str, content: Buffer | Path) -> None:
    """Write an object over what is there; readers see all of it or none.

    Parameters
    ----------
    url : str
        Of the object: ``s3://bucket/key``.
    content : bytes, bytearray, memoryview or Path
        Its content, or the file that holds it. More than 64 MiB are sent in parts; an upload that
        fails is given up, one whose process dies is left open (`uploads`).

    Raises
    ------
    StoreError
        If it cannot be written; an `UnwritableStore` if others cannot be either.
    """
    _, key = place_of(url)
    size = content.stat().st_size if isinstance(content, Path) else memoryview(content).nbytes
    if size > SINGLE:
        put_in_parts(url, content, size)
        return
    body = content.read_bytes() if isinstance(content, Path) else bytes(content)
    call(url, "put_object", Key=key, Body=body)


def create(url: str, content: Buffer) -> bool:
    """Write an object where there is none, and say whether it is this one that is there.

    Of several that create an object, one does. An answer that was lost is made up for: where it is
    not certain whose object is there, it is read, and is this one if its content is. So each writer
    gives content of its own, such as one with a token.

    Parameters
    ----------
    url : str
        Of the object.
    content : bytes, bytearray or memoryview
        Its content, that no other writer gives. It is sent in one request: up to 5 GB.

    Returns
    -------
    bool
        Whether the object that is there is this one; False: it is another's, and stays.

    Raises
    ------
    StoreError
        If the server does not say so.
    """
    _, key = place_of(url)
    body = bytes(content)
    is_doubtful = False

    def once() -> bool:
        nonlocal is_doubtful
        if is_doubtful:
            there = _read(url)
            if there is not None:
                return there == body
        is_doubtful = True
        try:
            asked(url, "put_object", Key=key, Body=body, IfNoneMatch="*")
        except Exception as error:  # of boto, of aiohttp, of the system
            if not _is_refused(error):
                raise
            there = _read(url)
            if there is None:  # removed since, or of a write that failed
                raise PassingStatus(_REFUSES_CREATE) from error
            return there == body
        return True

    return trying(url, once)


def get(url: str) -> bytes | None:
    """Return the content of an object; None: its store says that there is none.

    Raises
    ------
    StoreError
        If it does not say so: a status 403, 5xx, a bucket that is not there.
    """
    place_of(url)
    return trying(url, lambda: _read(url))


def age(url: str) -> float | None:
    """Return the seconds since an object was written, by its server's clock; None: there is none.

    Raises
    ------
    StoreError
        If its server does not say so, or not what time it is.
    """
    key = place_of(url)[1]

    def once() -> float | None:
        try:
            found = asked(url, "head_object", Key=key)
        except Exception as error:  # of boto, of aiohttp, of the system
            if is_absent(error):
                return None
            raise
        now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        return float((now - found["LastModified"]).total_seconds())

    return trying(url, once)


def objects(url: str) -> list[Stored]:
    """Return all objects below a URL, at any depth, in the order of their names.

    Raises
    ------
    StoreError
        If they cannot be listed.
    """
    bucket = f"{url.partition('://')[0]}://{place_of(url)[0]}"
    return [
        Stored(
            f"{bucket}/{found['Key']}",
            int(found["Size"]),
            str(found["ETag"]),
            found["LastModified"].timestamp(),
        )
        for page in pages(url, "list_objects_v2", _MORE_OBJECTS)
        for found in page.get("Contents", ())
    ]


def names(url: str) -> list[str]:
    """Return what is right below a URL: names of objects, and of folders with a ``/`` at the end.

    Raises
    ------
    StoreError
        If it cannot be listed.
    """
    begin = len(prefix_of(url))
    found = []
    for page in pages(url, "list_objects_v2", _MORE_OBJECTS, Delimiter="/"):
        found += [each["Key"][begin:] for each in page.get("Contents", ())]
        found += [each["Prefix"][begin:] for each in page.get("CommonPrefixes", ())]
    return sorted(name for name in found if name)


def remove(urls: Sequence[str]) -> None:
    """Remove objects of one bucket, those too that are not there.

    Raises
    ------
    StoreError
        If one of them cannot be removed; the others are.
    """
    for first in range(0, len(urls), _REMOVED_AT_ONCE):
        part = urls[first : first + _REMOVED_AT_ONCE]
        if len(part) == 1:
            call(part[0], "delete_object", Key=place_of(part[0])[1])
        else:
            _remove_at_once(part)


def check_writable(url: str) -> None:
    """See that a store can be written below a URL, before work starts: four small requests.

    Its bucket is there, the credentials have the right to write, read and delete, and the server
    refuses to create what is there: locks and results need that.

    Raises
    ------
    StoreError
        If one of these does not hold.
    """
    probe = f"{url.rstrip('/')}/.probe-{secrets.token_hex(8)}"
    try:
        if create(probe, b"first") and create(probe, b"second"):
            raise StoreError(
                "the server of a store refuses to create an object that is there",
                value="it wrote over it (If-None-Match is not known to it)",
                place=url,
                remedy="use a server or gateway that knows conditional writes, or a folder",
            )
    finally:
        remove([probe])


def _read(url: str) -> bytes | None:
    system, path = system_of(url)
    try:
        return bytes(system.cat_file(path))
    except Exception as error:  # of boto, of aiohttp, of the system
        if is_absent(error):
            return None
        raise


def _is_refused(error: BaseException) -> bool:
    """Whether a server says that the object to be created is there."""
    return isinstance(error, FileExistsError) or status_of(error) == _REFUSES_CREATE


def _remove_at_once(urls: Sequence[str]) -> None:
    keys = {place_of(url)[1]: url for url in urls}
    asked_for = {"Objects": [{"Key": key} for key in keys], "Quiet": True}

    def once() -> None:
        answer = asked(urls[0], "delete_objects", Delete=asked_for)
        failed = answer.get("Errors", ())  # in an answer that is a success as a whole
        if any(each.get("Code") in PASSING_CODES for each in failed):
            raise PassingStatus(503)
        for each in failed:
            raise unwritable(keys[each["Key"]], f"{each.get('Code')}: {each.get('Message')}")

    trying(urls[0], once)
