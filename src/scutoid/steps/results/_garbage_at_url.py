"""Remove garbage from a store at a URL: what runs that were killed, and attempts that lost, left.

::

    denoise/3f9a1c0b7d42/manifest.json         names the attempt that has won
                         0199c2f4a1b0-.../     it: all but its segments stays
                         0199c2f4ffff-.../     another one: goes
                         an upload left open   goes; its parts are paid for
    denoise/5e07.../     no manifest           the attempt that a run would go on with stays
    cells/77e0.../       a collection          of all attempts stays what its records name
    .../.5e07....lock/   held by nobody for long: goes

Each result is looked at again under its lock, and left alone where another process holds that.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scutoid import remote
from scutoid.errors import DamagedResult
from scutoid.remote import Stored, Upload
from scutoid.steps.results._garbage import Garbage, Removal
from scutoid.steps.results._members_at_url import places_of_members
from scutoid.store import (
    BEGUN,
    MANIFEST,
    RESULT_NAME,
    SEGMENTS,
    SHARES,
    TOKEN,
    Entry,
    Manifest,
    ObjectLock,
    Recipe,
    RemoteResult,
)
from scutoid.texts import parse_json

_PROBE = re.compile(r"\.probe-[0-9a-f]{16}")
_PROBE_S = 3600.0
"""Seconds after which nobody tries any more whether a store can be written."""
_RESULT = re.compile(rf"(?:[^/]+/){{1,2}}{RESULT_NAME.pattern}(?=/)")
_LOCK = re.compile(rf"((?:[^/]+/){{1,2}})\.({RESULT_NAME.pattern})\.lock(?=/)")


@dataclass(slots=True)
class _There:
    """What lies below the URL of a result."""

    objects: list[Stored] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Goes:
    """Objects and uploads that go for one reason."""

    url: str
    why: str
    objects: Sequence[Stored]
    uploads: Sequence[Upload] = ()

    def removal(self) -> Removal:
        return Removal(self.url, sum(each.size for each in self.objects), self.why)

    def remove(self) -> None:
        remote.remove([each.url for each in self.objects])
        for upload in self.uploads:
            remote.abort(upload)


def collect_at_url(url: str, *, dry_run: bool) -> Garbage:
    """Take away what runs have left in a store at a URL; with `dry_run` only say what.

    Raises
    ------
    StoreError
        If the store cannot be listed, or something cannot be removed.
    """
    found = remote.objects(url)
    results: Mapping[str, _There] = _by_result(url, found, remote.uploads(url))
    removals = [one for result in results for one in _collect(result, results[result], dry_run)]
    for each in _old_probes(url, found):
        if not dry_run:
            remote.remove([each.url])
        removals.append(Removal(each.url, each.size, "a trial of whether it can be written"))
    if not dry_run:
        _sweep_locks(url, found)
    n_kept = sum(_manifest_in(result, there) is not None for result, there in results.items())
    return Garbage(tuple(removals), n_kept, dry_run)


def _by_result(
    url: str, objects: Sequence[Stored], uploads: Sequence[Upload]
) -> defaultdict[str, _There]:
    results: defaultdict[str, _There] = defaultdict(_There)
    begin = len(url) + 1
    for each in objects:
        if (name := _RESULT.match(each.url[begin:])) is not None:
            results[f"{url}/{name[0]}"].objects.append(each)
    for upload in uploads:
        if (name := _RESULT.match(upload.url[begin:])) is not None:
            results[f"{url}/{name[0]}"].uploads.append(upload)
    return results


def _collect(result: str, there: _There, dry_run: bool) -> list[Removal]:
    """Collect what a result has that nobody needs; nothing if a process makes it."""
    goes = list(_garbage(result, there))
    lock = ObjectLock(result)
    if not goes:
        return []
    if dry_run:
        return [] if lock.is_held else [each.removal() for each in goes]
    if not lock.acquire():
        return []
    gone = [each for each in goes if each.url.endswith(f"/{SHARES}/")]  # by who has the lock
    try:
        now = _There(remote.objects(result), remote.uploads(result))
        goes = list(_garbage(result, now))
        if not lock.is_mine():  # it was taken over: what is garbage is for another to say
            return []
        for each in goes:
            each.remove()
    finally:
        lock.release()
    return [each.removal() for each in (*gone, *goes)]


def _garbage(result: str, there: _There) -> Iterator[_Goes]:
    """Find what nobody needs of a result that no process makes."""
    begin = len(result) + 1
    attempts: defaultdict[str, list[Stored]] = defaultdict(list)
    for each in there.objects:
        token = each.url[begin:].partition("/")[0]
        if TOKEN.fullmatch(token):
            attempts[token].append(each)
    if there.uploads:
        yield _Goes(result, f"{len(there.uploads)} uploads left open", (), there.uploads)
    try:
        needed = _needed(result, there, attempts)
        named = _named(result) if needed and _has_members(result, there, needed) else None
    except DamagedResult:  # which attempt has won is not known: `verify` says so
        return
    if named is not None:
        yield from _unnamed(result, attempts, named, needed)
        return
    for token, objects in sorted(attempts.items()):
        if token != needed:
            yield _Goes(f"{result}/{token}", "an attempt that nothing goes on with", objects)
    shares = [each for each in there.objects if each.url.startswith(f"{result}/{SHARES}/")]
    if shares:
        yield _Goes(f"{result}/{SHARES}/", "of processes that did shares, and are gone", shares)
    segments = f"{result}/{needed}/{SEGMENTS}/"
    left = [each for each in attempts[needed] if each.url.startswith(segments)]
    if left and _manifest_in(result, there) is not None:
        yield _Goes(segments, "of a result that is complete", left)


def _has_members(result: str, there: _There, token: str) -> bool:
    """Whether a result is a collection, whose attempts go on with files of those before them."""
    manifest = _manifest_in(result, there)
    place = f"{result}/{token}/{BEGUN}" if manifest is None else manifest.url
    content = remote.get(place)
    if content is None:  # it was removed since it was listed
        raise _unknown(place, "missing")
    try:
        recipe = str(parse_json(content)["recipe"])
    except (ValueError, KeyError, TypeError) as error:
        raise _unknown(place, repr(error)) from error
    return Recipe.from_json(recipe, place=place).kind == "collection"


def _unknown(place: str, value: str) -> DamagedResult:
    return DamagedResult("what is needed of a result is known", value=value, place=place)


def _named(result: str) -> frozenset[str]:
    """Return what the records of a collection name, as places below its URL."""
    with tempfile.TemporaryDirectory(prefix="scutoid-") as folder:
        there = RemoteResult(result, Path(folder, result.rpartition("/")[2]))
        there.fetch()
        entry = Entry(there.folder, "", "", result)
        return frozenset(places_of_members(entry) | _named_by_attempt(there))


def _named_by_attempt(there: RemoteResult) -> set[str]:
    """Return what the manifest or the attempt names, as places below the URL; no shards."""
    manifest = there.manifest()
    if manifest is not None:
        found = {str(file["object"]) for file in manifest.files.values()}
        return found | {f"{manifest.token}/{BEGUN}"}
    token, place = there.token, there.place(BEGUN)
    content = remote.get(place)
    if content is None:
        raise _unknown(place, "missing")
    base = parse_json(content).get("base")
    begins = {} if base is None else Manifest.of_bytes(base.encode(), place).files
    found = {str(file["object"]) for file in begins.values()}
    names = remote.names(there.place(SEGMENTS))
    return found | {f"{token}/{BEGUN}", *(f"{token}/{SEGMENTS}/{name}" for name in names)}


def _unnamed(
    result: str,
    attempts: Mapping[str, Sequence[Stored]],
    named: frozenset[str],
    needed: str,
) -> Iterator[_Goes]:
    """Find what no record of a collection names."""
    begin = len(result) + 1
    for token, objects in sorted(attempts.items()):
        gone = [each for each in objects if each.url[begin:] not in named]
        if gone:
            why = "files that no member has" if token == needed else "of an earlier attempt"
            yield _Goes(f"{result}/{token}", why, gone)


def _needed(result: str, there: _There, attempts: Mapping[str, Sequence[Stored]]) -> str:
    """Return the attempt that has won, or that a run would go on with; empty: none."""
    manifest = _manifest_in(result, there)
    content = None if manifest is None else remote.get(manifest.url)
    if manifest is not None and content is not None:
        return Manifest.of_bytes(content, manifest.url).token
    begun = (
        token
        for token, objects in attempts.items()
        if any(each.url == f"{result}/{token}/{BEGUN}" for each in objects)
    )
    return max(begun, default="")


def _manifest_in(result: str, there: _There) -> Stored | None:
    return next((each for each in there.objects if each.url == f"{result}/{MANIFEST}"), None)


def _old_probes(url: str, found: Sequence[Stored]) -> Iterator[Stored]:
    for each in found:
        if _PROBE.fullmatch(each.url[len(url) + 1 :]):
            age = remote.age(each.url)
            if age is not None and age > _PROBE_S:
                yield each


def _sweep_locks(url: str, found: Sequence[Stored]) -> None:
    """Remove locks that nobody holds; the young ones, by this clock, are not asked for."""
    now = time.time()
    locks = {
        f"{url}/{name[1]}{name[2]}"
        for each in found
        if now - each.changed > _PROBE_S
        and (name := _LOCK.match(each.url[len(url) + 1 :])) is not None
    }
    for result in sorted(locks):
        ObjectLock(result).sweep()
