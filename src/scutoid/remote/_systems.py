"""The file systems of URLs, each opened once a process, which remember no listings.

What they do on their own where a server fails is cut to one try: further tries are ours, so that
they are few, and told.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import Any

from scutoid.errors import MissingExtra
from scutoid.remote._secrets import refuse_secrets

_EXTRAS = {"http": "http", "https": "http", "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_CONNECT_S = 10
_SILENCE_S = 60
"""Seconds in which a server sends nothing, after which it is asked again."""


def system_of(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path of the URL in it.

    Raises
    ------
    MissingExtra
        If its package is not installed.
    ParameterError
        If a password or a signature stands in it.
    ValueError
        If nothing is known of such URLs.
    """
    refuse_secrets(url)
    scheme, _, rest = url.partition("://")
    if "::" in url:  # one URL within another
        return _opened(url, scheme)
    system, _ = _of_server(f"{scheme}://{rest.partition('/')[0]}", scheme, os.getpid())
    return system, system._strip_protocol(url)  # noqa: SLF001  # as url_to_fs does


@functools.lru_cache(maxsize=64)
def _of_server(server: str, scheme: str, _process: int) -> tuple[Any, str]:
    return _opened(server, scheme)


def _opened(url: str, scheme: str) -> tuple[Any, str]:
    import fsspec

    try:
        options: dict[str, Any] = {"use_listings_cache": False}
        if scheme in ("http", "https"):
            options["client_kwargs"] = {"timeout": _time_out()}
        system, path = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        raise MissingExtra.of(error.name or scheme, extra=_EXTRAS.get(scheme, scheme)) from error
    if hasattr(system, "config_kwargs"):  # s3fs, which tries 5 times what botocore tries 5 times
        system.retries = 1
        system.max_concurrency = 1  # else it asks for the size of each file first
        system.config_kwargs = {
            "retries": {"max_attempts": 0},
            "connect_timeout": _CONNECT_S,
            "read_timeout": _SILENCE_S,
            **system.config_kwargs,
        }
    return system, path


def _time_out() -> Any:
    """Return a limit of the time in which nothing comes; else all of a file has five minutes."""
    import aiohttp

    return aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)


def forget() -> None:
    """Open file systems again, by the environment as it is then."""
    _of_server.cache_clear()
    fsspec = sys.modules.get("fsspec")
    for each in () if fsspec is None else fsspec.registry.values():
        each.clear_instance_cache()
