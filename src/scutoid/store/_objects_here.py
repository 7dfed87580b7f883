"""Files of a working folder, fetched from objects of a result at a URL and checked."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from scutoid import remote
from scutoid.errors import DamagedResult
from scutoid.paths import is_inner_name
from scutoid.store._durable import make_folder, write_file
from scutoid.store._manifest import Manifest
from scutoid.store.keys import digest_file


def new_token(after: str = "") -> str:
    """Return a token that comes after earlier ones, and is nobody else's.

    Parameters
    ----------
    after : str, optional
        A token that it comes after, although a clock that made that one may have been ahead.

    Examples
    --------
    >>> new_token() == new_token()
    False
    >>> new_token("ffff00000000-00000000")[:12]
    'ffff00000001'
    """
    number = time.time_ns() // 1_000_000
    if after:
        number = max(number, int(after.partition("-")[0], 16) + 1)
    return f"{number:012x}-{secrets.token_hex(4)}"


def put_here(folder: Path, url: str, name: str, content: bytes) -> None:
    """Write a file of a result into its working folder.

    Raises
    ------
    DamagedResult
        If its name leads out of the folder.
    """
    if not is_inner_name(name):
        raise lost(url, f"a name that leads out of the result: {name!r}")
    make_folder((folder / name).parent)
    write_file(folder / name, content)


def fetch_files(folder: Path, url: str, manifest: Manifest) -> None:
    """Fetch the files of a manifest into a working folder.

    Raises
    ------
    DamagedResult
        If one is missing, or not what was written.
    """
    names = list(manifest.files)
    urls = [f"{url}/{manifest.files[name]['object']}" for name in names]
    for name, place, found in zip(names, urls, remote.at_once(urls, remote.get), strict=True):
        put_here(folder, url, name, checked(found, place))
        if digest_file(folder / name) != manifest.files[name]["sha256"]:
            raise lost(place, "its digest differs")


def checked(content: bytes | None, url: str) -> bytes:
    """Return the content of an object that is to be there.

    Raises
    ------
    DamagedResult
        If it is not.
    """
    if content is None:
        raise lost(url, "missing")
    return content


def lost(url: str, value: str) -> DamagedResult:
    """Return the error of an object that is not there, or not what was written."""
    return DamagedResult(
        "what a manifest or a journal names at a URL is there, as it was written",
        value=value,
        place=url,
        remedy="make it again, by a run with force= and the name of its step, or restore it",
    )
