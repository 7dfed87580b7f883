"""Requests to a store of objects that speaks S3, each tried a few times, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from scutoid.errors import ScutoidError, StoreError, UnwritableStore
from scutoid.remote._secrets import refuse_secrets
from scutoid.remote._systems import system_of
from scutoid.remote._tries import (
    FORBIDDEN,
    PassingStatus,
    code_of,
    is_of_unknown_user,
    said_by,
    status_of,
    tried,
)

_WRITABLE = ("s3", "s3a")
_CONFLICT = 409
"""Another write is under way: nothing was stored, and a little later it may be."""
_NO_BUCKET = "NoSuchBucket"
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "AccountProblem"}
_REFUSED = (401, *FORBIDDEN, 405)
_CREDENTIALS = (
    "give credentials that may list, read, write and delete there: AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; what is done is kept"
)
T = TypeVar("T")


def is_writable_kind(url: str) -> bool:
    """Whether objects can be written at URLs of this kind; see `put`."""
    return url.partition("://")[0] in _WRITABLE


def place_of(url: str) -> tuple[str, str]:
    """Return the bucket and the key of an object.

    Raises
    ------
    StoreError
        If objects are not written at such URLs, or it names no bucket.
    """
    refuse_secrets(url)
    _, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    if not is_writable_kind(url) or "::" in url or not bucket:
        raise StoreError(
            "results are written to folders, and to buckets of stores that speak S3",
            value=url,
            remedy="give s3://bucket/folder, or a folder; other URLs are read",
        )
    return bucket, key


def call(url: str, method: str, **arguments: Any) -> Any:
    """Return what a store answers to one request of S3's, such as ``"put_object"``.

    Raises
    ------
    StoreError
        If it refuses or fails.
    """
    return trying(url, lambda: asked(url, method, **arguments))


def asked(url: str, method: str, **arguments: Any) -> Any:
    """Return what a store answers to one request that is made once; see `trying`."""
    bucket, _ = place_of(url)
    system, _ = system_of(url)
    return system.call_s3(method, Bucket=bucket, **arguments)


def trying(url: str, use: Callable[[], T]) -> T:
    """Return what comes of requests, made again a few times where the store fails in passing.

    Raises
    ------
    StoreError
        If it fails each time, or refuses.
    """

    def once() -> T:
        try:
            return use()
        except Exception as error:  # of boto, of aiohttp, of the system
            if status_of(error) == _CONFLICT:
                raise PassingStatus(_CONFLICT) from error
            raise

    try:
        return tried(url, once, unwritable)
    except ScutoidError:
        raise
    except Exception as error:
        raise unwritable(url, error) from error


def pages(url: str, method: str, more: Mapping[str, str], **arguments: Any) -> Iterator[Any]:
    """Yield the pages of a listing of what is below a URL.

    Parameters
    ----------
    url : str
        The folder.
    method : str
        Of S3's.
    more : dict of str
        By the argument of the request for the next page: what an answer calls it.
    **arguments
        Of each request.
    """
    after: dict[str, Any] = {}
    while True:
        page = call(url, method, Prefix=prefix_of(url), **after, **arguments)
        yield page
        if not page.get("IsTruncated"):
            return
        after = {name: page[answer] for name, answer in more.items() if page.get(answer)}


def prefix_of(url: str) -> str:
    """Return what the keys below a URL begin with; ``results`` is not within ``results2``."""
    key = place_of(url)[1].rstrip("/")
    return f"{key}/" if key else ""


def is_absent(error: BaseException) -> bool:
    """Whether a store says that there is no such object, in a bucket that is there.

    An answer to a request for headers alone does not name the bucket.
    """
    return status_of(error) == 404 and code_of(error) != _NO_BUCKET


def unwritable(url: str, error: object, *, tries: int = 1) -> ScutoidError:
    """Return the error of objects that cannot be written, removed or looked for.

    An `UnwritableStore` if others cannot be either.
    """
    if isinstance(error, ScutoidError):
        return error
    value = said_by(error) + (f", in each of {tries} tries" if tries > 1 else "")
    rule, kind = "objects of a store can be written and read", StoreError
    remedy = "check the address (AWS_ENDPOINT_URL), and that its server can be reached"
    if tries > 1:
        remedy = "its server is overloaded or at fault: run it again later; what is done is kept"
    if isinstance(error, BaseException):
        if code_of(error) == _NO_BUCKET:
            rule, kind = "the bucket of a store exists", UnwritableStore
            remedy = "make it, or check its name and the endpoint that is asked (AWS_ENDPOINT_URL)"
        elif is_of_unknown_user(error) or status_of(error) in _REFUSED:
            kind, remedy = UnwritableStore, _CREDENTIALS
        elif code_of(error) in _FULL:
            kind, remedy = UnwritableStore, "make room, or raise the quota; what is done is kept"
    return kind(rule, value=value, place=url, remedy=remedy)
