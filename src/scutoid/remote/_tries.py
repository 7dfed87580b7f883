"""Tries: what passes is tried again a few times, what is waited for is told, the rest is an error.

Kinds of failures, by what a server or its library says::

    absent      404, 410, FileNotFoundError      the caller decides
    passing     408, 429, 5xx, slow-down,        tried again after each of PAUSES
                cut bodies, dropped connections
    others      400, 401, 403, ...               an error at once
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from scutoid.errors import ScutoidError, ScutoidWarning, SourceError, SourceNotFound
from scutoid.remote._secrets import without_secrets
from scutoid.remote._systems import system_of

_CHUNKS = (
    "of a zarr whose server refuses (403) chunks that are not there, as S3 does without the right "
    'to list, give missing="fill"'
)
REFUSED = f"check your right to read it; {_CHUNKS}"
"""What to do about a file that a server refuses."""
PAUSES = (0.1, 0.4, 1.6, 6.4)
"""Seconds before each further try, where a server is at fault or overloaded."""
ABSENT = (404, 410)
FORBIDDEN = (403,)
_UNSAID = (400, 401)
"""What an object store answers to expired credentials; without a name where it sends no body."""
_TOLD_S = 1.0
"""Pauses from here on are told."""
_BUCKETS = ("s3", "s3a", "gs", "gcs")
_PASSING = {
    "ServerDisconnectedError", "ClientPayloadError", "ClientOSError", "ContentLengthError",
    "HTTPClientError", "IncompleteRead", "ResponseParserError", "FSTimeoutError",
}  # fmt: skip
_UNREACHED = {"ClientConnectorError", "EndpointConnectionError"}
"""No server is there, which does not pass within seconds."""
PASSING_CODES = {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable"}
_UNKNOWN_USER = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
    "TokenRefreshRequired",
}  # fmt: skip
_NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"}
_GIVE = {
    "s3": "give credentials that may read it: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "AWS_PROFILE; for data that are open to all, FSSPEC_S3_ANON=true",
    "gs": "give credentials that may read it: GOOGLE_APPLICATION_CREDENTIALS; for data that are "
    "open to all, FSSPEC_GS_TOKEN=anon",
}
T = TypeVar("T")


class _Requests:
    """What this process has asked of servers, as the system counts the bytes that it reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.n = 0

    def note(self) -> None:
        """Count one more."""
        with self._lock:
            self.n += 1


_REQUESTS = _Requests()


def n_requests() -> int:
    """Return how many requests this process has made to servers, each try counted."""
    return _REQUESTS.n


class Failure(Protocol):
    """Makes the error of a URL, of what its server answered in the last of some tries."""

    def __call__(self, url: str, error: object, *, tries: int = 1) -> ScutoidError: ...


class PassingStatus(Exception):
    """A status by which a server says that it is at fault or overloaded."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Cut(Exception):
    """A body that ended before its end."""


def tried(url: str, use: Callable[[], T], failure: Failure | None = None) -> T:
    """Return what comes of asking a server, again a few times where it fails in passing.

    Raises
    ------
    SourceError
        If it fails each time, or what `failure` makes of it: what else is wrong is raised as it is.
    """
    failure = failure or unreadable
    for number, pause in enumerate((*PAUSES, None), 1):
        _REQUESTS.note()
        try:
            return use()
        except Exception as error:  # each kind of server has errors of its own
            if not is_passing(error):
                raise
            if pause is None:
                raise failure(url, error, tries=number) from error
            if pause >= _TOLD_S:
                _tell(url, error, pause, number)
        time.sleep(pause)
    raise AssertionError  # the last try returns or raises


def _tell(url: str, error: Exception, pause: float, number: int) -> None:
    server = "/".join(url.split("/")[:3])
    text = f"{server} fails ({said_by(error)}): it is asked again in {pause:g} s"
    text += f", {number} of {len(PAUSES) + 1} tries are over"
    warnings.warn(text, ScutoidWarning, stacklevel=2)


def tried_system(
    url: str, use: Callable[[Any, str], T], absent: T, unlisted: Sequence[int] = ()
) -> T:
    """Return what a file system makes of a URL, or `absent` where it says that nothing is there.

    So do the statuses `unlisted`, such as those of a server that lists no folders.
    """
    try:
        system, path = system_of(url)
        return tried(url, lambda: use(system, path))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, NotImplementedError):
        return absent
    except ScutoidError:
        raise
    except Exception as error:
        if status_of(error) in (*ABSENT, *unlisted) and not is_of_unknown_user(error):
            return absent
        raise unreadable(url, error) from error


def status_of(error: BaseException) -> int | None:
    """Return the status of HTTP that an error stands for; None: none is known."""
    status = getattr(error, "status", None)
    if status is None:
        status = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status is None:  # errors of GCS
        status = getattr(error, "code", None)
    if isinstance(status, int):
        return status
    return FORBIDDEN[0] if isinstance(error, PermissionError) else None


def code_of(error: BaseException) -> str:
    """Return the name that an object store gives an error."""
    return str(_response(error).get("Error", {}).get("Code", ""))


def _response(error: BaseException) -> Mapping[str, Any]:
    for each in (error, error.__cause__):
        response = getattr(each, "response", None)
        if isinstance(response, Mapping):
            return response
    return {}


def is_of_unknown_user(error: BaseException) -> bool:
    """Whether credentials are wrong or lacking, so that nothing is known of what is asked for."""
    return code_of(error) in _UNKNOWN_USER or type(error).__name__ in _NO_CREDENTIALS


def is_passing_status(status: object) -> bool:
    """Whether a status says that the server is at fault or overloaded."""
    return isinstance(status, int) and (status >= 500 or status in (408, 429))


def is_passing(error: BaseException) -> bool:
    """Whether the same question may be answered a little later."""
    names = {each.__name__ for each in type(error).__mro__}
    if names & _UNREACHED:
        return False
    if isinstance(error, (TimeoutError, ConnectionResetError, PassingStatus, Cut)):
        return True
    is_said = is_passing_status(status_of(error)) or code_of(error) in PASSING_CODES
    return is_said or bool(names & _PASSING)


def said_by(error: object) -> str:
    if isinstance(error, (str, PassingStatus)) or not isinstance(error, BaseException):
        return str(error)
    status = status_of(error)
    said = f"status {status}: " if status is not None else ""
    return without_secrets(f"{said}{type(error).__name__}: {error}")  # of redirects too


def unreadable(url: str, error: object, *, tries: int = 1) -> ScutoidError:
    """Return the error of a URL that cannot be read."""
    if isinstance(error, ScutoidError):
        return error
    value = said_by(error) + (f", in each of {tries} tries" if tries > 1 else "")
    remedy = "check the address, your right to read it, and that its server can be reached"
    if tries > 1:
        remedy = "its server is overloaded or at fault: run it again later; what is done is kept"
    if isinstance(error, BaseException) and is_of_unknown_user(error):
        remedy = _credentials(url)
    elif isinstance(error, BaseException) and _is_in_bucket(url) and status_of(error) in _UNSAID:
        remedy = f"{_credentials(url)}; those that have expired are refused so, too"
    elif f"status {FORBIDDEN[0]}" in value:
        remedy = f"{_credentials(url)}; {_CHUNKS}" if _is_in_bucket(url) else REFUSED
    return SourceError("a URL can be read", value=value, place=url, remedy=remedy)


def not_there(url: str) -> SourceNotFound:
    """Return the error of a file that its server says is absent.

    Raises
    ------
    SourceNotFound
        If its whole bucket is.
    """
    check_bucket(url)
    return SourceNotFound(
        "an input exists", value=url, remedy="check the address, or restore the file"
    )


def check_bucket(url: str) -> None:
    """See that the bucket is there in which nothing was found at a URL.

    Raises
    ------
    SourceNotFound
        If it is not.
    SourceError
        If its server does not say so.
    """
    if not _is_in_bucket(url):
        return
    bucket = "/".join(url.split("/")[:3])
    if tried_system(bucket, lambda system, path: system.info(path), None) is None:
        raise SourceNotFound(
            "the bucket of an input exists",
            value=bucket,
            place=url,
            remedy="check its name, and the endpoint that is asked for it (AWS_ENDPOINT_URL)",
        )


def _is_in_bucket(url: str) -> bool:
    return url.partition("://")[0] in _BUCKETS


def _credentials(url: str) -> str:
    scheme = url.partition("://")[0]
    return _GIVE["s3" if scheme in ("s3", "s3a") else "gs"]
