"""Keys of inputs at URLs, by what their servers say or by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scutoid.arrays import SourceIdentity, files_of_array, outdated
from scutoid.errors import SourceError, SourceNotFound
from scutoid.remote import RemoteFile, Said, ask, is_http, listed, read_all
from scutoid.store.keys._files import digest_file

_ATTEMPTS = 3
Remember = Callable[[str, str, str], None]
Recall = Callable[[str, str], "str | None"]


@dataclass(frozen=True, slots=True)
class RemoteState:
    """The files of an input at a URL, as they were when its key was made."""

    location: str
    """URL of the file or folder."""
    said: dict[str, str]
    """What the server said of each file that is there, by its URL."""
    digests: dict[str, str]
    """SHA-256 of the content of the files that were read for the key."""
    unsure: tuple[str, ...]
    """Those of which the server does not say each change."""
    fills: bool = False
    """Whether files that are refused are absent."""

    def parts(self, *, by_content: bool) -> Iterable[str]:
        """Yield what of it enters a key."""
        for url, tag in sorted(self.said.items()):
            if by_content:
                yield f"{url.removeprefix(self.location)}={self.digests[url]}"
            else:
                yield f"{url}={tag},{self.digests.get(url, '')}"

    def is_unchanged(self) -> bool:
        """Whether it is as it was: one request a file, and the content of those that are unsure."""
        now = _said(self.location, fills=self.fills)
        if {url: each.tag for url, each in now.items()} != self.said:
            return False
        digests = read_all(self.unsure, _digest)
        return all(self.digests[u] == d for u, d in zip(self.unsure, digests, strict=True))


def remote_state(
    location: str, *, by_content: bool, recall: Recall, remember: Remember, fills: bool = False
) -> RemoteState:
    """Look at a file or folder at a URL.

    Parameters
    ----------
    location : str
        Its URL.
    by_content : bool
        Whether all files are read; else those alone of which the server does not say each change.
    recall : callable
        Returns the digest of a URL with this tag, or None.
    remember : callable
        Takes a URL, its tag and its digest.
    fills : bool
        Whether files that are refused are absent.

    Raises
    ------
    SourceNotFound, SourceError
        If it is absent, out of reach, or changes while it is read.
    """
    for _ in range(_ATTEMPTS):
        said = _said(location, fills=fills)
        if not said:
            raise SourceNotFound("an input exists", value=location, remedy="check the address")
        tags = {url: each.tag for url, each in said.items()}
        unsure = tuple(url for url, each in said.items() if not each.tells_changes)
        wanted = list(said) if by_content else list(unsure)
        digests: dict[str, str] = {}
        for url in set(wanted) - set(unsure):
            known = recall(url, tags[url])
            if known is not None:
                digests[url] = known
        missing = [url for url in wanted if url not in digests]
        digests.update(zip(missing, read_all(missing, _digest), strict=True))
        state = RemoteState(location, tags, digests, unsure, fills)
        if not missing or state.is_unchanged():
            for url in set(missing) - set(unsure):
                remember(url, tags[url], digests[url])
            return state
    raise SourceError(
        "an input does not change while it is read",
        value="it was written to during each attempt",
        place=location,
        remedy="wait until it is complete",
    )


def check_copies(identity: SourceIdentity, *, reads: bool) -> None:
    """Raise a `SourceError` unless the files at URLs are those that were copied on opening.

    Parameters
    ----------
    identity : SourceIdentity
        Of copies.
    reads : bool
        Whether the content is compared as well, whatever the server says.
    """
    for file, path in zip(identity.remote, identity.locations, strict=False):
        known = digest_file(Path(path)) if reads and not identity.parts else file.digest
        if not RemoteFile(file.url, file.tag, known).is_unchanged():
            raise outdated(file.url)


def _said(location: str, *, fills: bool) -> dict[str, Said]:
    """Return what is said of each file of an input that is there.

    By HTTP the files of an array are those that its metadata name, for few servers list folders;
    a listing says neither tags nor times.
    """
    found = {} if is_http(location) else listed(location)
    if not found:
        names = files_of_array(location, fills=fills)
        base = location.rstrip("/")
        urls = [f"{base}/{name}" for name in names] if names else []
        if not names and is_http(location):
            urls = [url for url in listed(location) if not url.endswith("/")]
        found = {url: Said("") for url in urls or [location]}
    silent = [url for url, each in found.items() if not each.tag]
    return _with(found, silent, ask(silent, refused_is_absent=fills) if silent else [])


def _with(
    found: dict[str, Said], urls: Sequence[str], said: Sequence[Said | None]
) -> dict[str, Said]:
    now: dict[str, Said | None] = {**found, **dict(zip(urls, said, strict=True))}
    return {url: each for url, each in sorted(now.items()) if each is not None}


def _digest(content: bytes | None) -> str:
    return hashlib.sha256(b"" if content is None else content).hexdigest()
