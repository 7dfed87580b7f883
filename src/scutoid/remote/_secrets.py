"""Secrets in URLs: refused, for URLs stand in keys, records, stores and errors."""

from __future__ import annotations

import re

from scutoid.errors import ParameterError

_USER = re.compile(r"(?<=://)[^/?#\s'\"]*:[^/?#\s'\"]*(?=@)|(?<=http://|ttps://)[^/?#\s'\"]+(?=@)")
_SIGNED = re.compile(
    r"(?<=[?&;])((?:x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|"
    r"googleaccessid|signature|sig|policy|(?:access[_-]?|auth[_-]?|id[_-]?)?token|api[_-]?key|"
    r"key-pair-id|password|secret)=)[^&;#\s'\"]*",
    re.IGNORECASE,
)


def refuse_secrets(url: str) -> None:
    """Refuse a URL with a user's password or a signature in it.

    Raises
    ------
    ParameterError
        If it has one; it does not show it.
    """
    shown = without_secrets(url)
    if shown != url:
        raise ParameterError(
            "a URL holds no password, no token and no signature, for URLs are written to records",
            value=shown,
            remedy="give credentials as docs/remote.md says, by variables of the environment or "
            "the configuration of fsspec, and the URL without them",
        )


def without_secrets(text: str) -> str:
    """Return a text with dots in the place of what is secret in the URLs in it.

    Examples
    --------
    >>> without_secrets("https://me:word@example.org/a.tif?v=1&X-Amz-Signature=12ab")
    'https://...@example.org/a.tif?v=1&X-Amz-Signature=...'
    """
    if "://" not in text:
        return text
    return _SIGNED.sub(r"\1...", _USER.sub("...", text))
