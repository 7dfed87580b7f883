"""A result in a store at a URL: its attempts, the manifest of the one that has won.

::

    denoise/3f9a1c0b7d42/
        manifest.json                  created once: the result is complete
        0199c2f4a1b0-5d3e8f10/         an attempt
            begun.json                 its recipe, metadata of its images, what it goes on with
            image.ome.zarr/...         shards, by workers
            <writer>/items/...         files of members, by workers
            segments/...               which blocks are done, and what they returned; claims
            table.parquet, ...         small files, written before the manifest is

There is no rename: what lies below a token is seen by nobody before a manifest names it, and never
changes afterwards.  A run that finds an attempt without a manifest goes on with it.  A collection
whose members have changed is gone on with in a new attempt, which begins with the files of the one
before it; files of members stay where they are, and records name them with the token above them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scutoid import remote
from scutoid.errors import DamagedResult
from scutoid.regular import read_regular
from scutoid.store._copied_result import CopiedResult, url_of_copy
from scutoid.store._durable import make_folder, write_file
from scutoid.store._entry_folder import ATTEMPT, COMPLETE, RECIPE, remove_own
from scutoid.store._file_sender import FileSender, is_metadata, small_files, stamps_of_files
from scutoid.store._lock import Lock, one_by_one
from scutoid.store._manifest import BEGUN, MANIFEST, TOKEN, Manifest, fields_of
from scutoid.store._object_lock import holds, taken_over
from scutoid.store._objects_here import checked, fetch_files, new_token, put_here
from scutoid.store._recipe import Recipe
from scutoid.store._segments import SEGMENTS, SegmentWriter, join_segments
from scutoid.store._sharers import segments_that_count
from scutoid.store._shares import remove_segments
from scutoid.store._working import is_elsewhere
from scutoid.store.keys import digest_file
from scutoid.texts import parse_json

_VERSION = 1
_FOLLOWED = threading.Lock()
_BASE = "base"
"""In what an attempt begins with: a manifest of the files of the attempt before it."""
_OWN = "own"
"""In place of names of segments: a run here records in the working folder, too."""
_LOOKS = 3
"""Times that a result is looked at before it counts as damaged: another may publish it just now,
or begin it anew, and remove what was listed."""


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """A result in a store at a URL, and its working folder on this machine."""

    url: str
    """Of the result."""
    folder: Path
    """Its working folder."""

    @property
    def token(self) -> str:
        """The attempt that the working folder is of; empty: of none."""
        return str(self._state().get("token", ""))

    def place(self, name: str) -> str:
        """Return the URL of what the attempt calls by a name."""
        if url_of_copy(self.folder) == self.url:
            return f"{self.url}/{name}"
        return f"{self.url}/{self.token}/{name}"

    def _state(self) -> dict[str, Any]:
        try:
            state = parse_json(read_regular(self.folder / ATTEMPT))
        except (OSError, ValueError):
            return {}
        is_right = isinstance(state, dict) and TOKEN.fullmatch(str(state.get("token")))
        return state if is_right else {}

    def _note(self, token: str, segments: list[str], manifest: bytes = b"") -> None:
        state = {"token": token, "segments": segments, "manifest": manifest.decode()}
        write_file(self.folder / ATTEMPT, json.dumps(state).encode())

    def fetch(self, *, is_held: bool = False) -> bool:
        """Bring the working folder to what is at the URL, unless a process here makes the result.

        Parameters
        ----------
        is_held : bool
            Whether that is this process, which has not begun yet.

        Returns
        -------
        bool
            Whether it was not.

        Raises
        ------
        StoreError
            If the store does not answer; a `DamagedResult` if what it has is not what was written.
        """
        if not is_held and Lock(self.folder).is_held:
            return False
        make_folder(self.folder.parent)
        with one_by_one(self.folder.parent / ".fetched"):
            # Who has begun since has fetched here, after the lock was taken
            if not is_held and Lock(self.folder).is_held:
                return False
            for _ in range(_LOOKS - 1):
                with suppress(DamagedResult):
                    return self._fetch()
            return self._fetch()

    def _fetch(self) -> bool:
        content = remote.find(f"{self.url}/{MANIFEST}")
        if content is not None:
            return self._fetch_complete(content)
        found = remote.names(self.url)
        tokens = sorted(name[:-1] for name in found if TOKEN.fullmatch(name[:-1]))
        for token in reversed(tokens):
            begun = remote.get(f"{self.url}/{token}/{BEGUN}")
            if begun is not None:
                return self._fetch_begun(token, begun)
        if RECIPE in found or not remote.is_writable_kind(self.url):  # few of these list
            recipe = remote.find(f"{self.url}/{RECIPE}")
            if recipe is not None:
                return CopiedResult(self.url, self.folder).fetch(recipe)
        was_there = (self.folder / RECIPE).exists()
        remove_own(self.folder)
        return was_there

    def manifest(self) -> Manifest | None:
        """Return the manifest; None: the result is not complete.

        Raises
        ------
        StoreError
            If its store does not answer; a `DamagedResult` if it is none.
        """
        place = f"{self.url}/{MANIFEST}"
        content = remote.find(place)
        return None if content is None else Manifest.of_bytes(content, place)

    def abandon(self) -> None:
        """Have nobody go on with the attempt: a new one is begun next."""
        if self.token:
            remote.remove([self.place(BEGUN)])

    def forget(self) -> None:
        """Have nothing of the result in the working folder, unless a process here makes it."""
        with one_by_one(self.folder.parent / ".fetched"):
            if not Lock(self.folder).is_held:
                remove_own(self.folder)

    def reject(self) -> None:
        """Withdraw a damaged result, and all attempts: a new one is begun next."""
        self.withdraw()
        begun = [f"{self.url}/{name}{BEGUN}" for name in remote.names(self.url)]
        remote.remove([url for url in begun if TOKEN.fullmatch(url.split("/")[-2])])

    def _fetch_complete(self, content: bytes) -> bool:
        if self._state().get("manifest") == content.decode(errors="replace"):
            with suppress(OSError):
                digest = digest_file(self.folder / RECIPE).encode()
                if read_regular(self.folder / COMPLETE).strip() == digest:
                    return False
        place = f"{self.url}/{MANIFEST}"
        manifest = Manifest.of_bytes(content, place)
        remove_own(self.folder)
        fetch_files(self.folder, self.url, manifest)
        self._note(manifest.token, [], content)
        write_file(self.folder / RECIPE, manifest.recipe.encode())
        write_file(self.folder / COMPLETE, f"{digest_file(self.folder / RECIPE)}\n".encode())
        return True

    def _fetch_begun(self, token: str, begun: bytes) -> bool:
        place = f"{self.url}/{token}"
        names = self._segments_of(token)
        state = self._state()
        is_here = (self.folder / RECIPE).exists() and not (self.folder / COMPLETE).exists()
        known = set(state.get("segments", ()))
        goes_on = is_here and state.get("token") == token and known <= set(names)
        remove_segments(self.folder)  # what of these counts is among the others
        if goes_on and len(known) == len(names):
            return False
        fields = fields_of(begun, f"{place}/{BEGUN}", "scutoid_begun", _VERSION)
        if not goes_on:
            known = set()
            remove_own(self.folder)
            make_folder(self.folder)
            self._fetch_beginning(fields, f"{place}/{BEGUN}")
        urls = [f"{place}/{SEGMENTS}/{name}" for name in names if name not in known]
        found = remote.at_once(urls, remote.get)
        contents = [checked(content, url) for url, content in zip(urls, found, strict=True)]
        key = Recipe.from_json(fields["recipe"], place=f"{place}/{BEGUN}").key
        join_segments(self.folder, key, zip(urls, contents, strict=True))
        self._note(token, names)
        if not goes_on:
            write_file(self.folder / RECIPE, fields["recipe"].encode())
        return True

    def _segments_of(self, token: str) -> list[str]:
        """Return the names of the segments of an attempt that count."""
        folder = f"{self.url}/{token}/{SEGMENTS}"
        return segments_that_count(folder, remote.names(folder))

    def _fetch_beginning(self, fields: Mapping[str, Any], place: str) -> None:
        """Write what an attempt begins with: metadata of images, files of the attempt before it."""
        for name, text in fields["files"].items():
            put_here(self.folder, self.url, name, text.encode())
        if _BASE in fields:
            base = Manifest.of_bytes(fields[_BASE].encode(), place)
            fetch_files(self.folder, self.url, base)

    def begin(self, token: str = "") -> None:
        """Begin an attempt, unless the working folder is of one that is gone on with.

        Parameters
        ----------
        token : str, optional
            Of an attempt that goes on elsewhere: the working folder becomes one of it.
        """
        if token and self.token != token:
            remove_own(self.folder)
            make_folder(self.folder)
            self._note(token, [])
        elif not self.token:
            self._note(new_token(), [])

    @property
    def is_elsewhere(self) -> bool:
        """Whether the working folder is that of a worker on another machine than the run's."""
        return is_elsewhere(self.folder)

    def follow(self) -> None:
        """Bring the folder of a worker elsewhere to what the attempt has so far; nothing is lost.

        Raises
        ------
        StoreError
            As `fetch`.
        """
        with _FOLLOWED:
            content = remote.get(f"{self.url}/{MANIFEST}")
            if content is not None:
                self._fetch_complete(content)
                return
            state, place = self._state(), self.place(SEGMENTS)
            if not (self.folder / RECIPE).exists():
                begun = checked(remote.get(self.place(BEGUN)), self.place(BEGUN))
                fields = fields_of(begun, self.place(BEGUN), "scutoid_begun", _VERSION)
                self._fetch_beginning({**fields, "files": {}}, self.place(BEGUN))
                write_file(self.folder / RECIPE, fields["recipe"].encode())
            names = self._segments_of(self.token)
            known = set(state["segments"])
            urls = [f"{place}/{name}" for name in names if name not in known]
            found = zip(urls, remote.at_once(urls, remote.get), strict=True)
            segments = [(url, checked(segment, url)) for url, segment in found]
            key = Recipe.from_json(read_regular(self.folder / RECIPE)).key
            join_segments(self.folder, key, segments)
            self._note(state["token"], names)

    @contextmanager
    def sending(self, sent: dict[str, str]) -> Iterator[None]:
        """Write files that the body adds or changes below the token; tell their objects."""
        before = stamps_of_files(self.folder)
        yield
        sender = self._sender(self.token)
        for name, stamp in stamps_of_files(self.folder).items():
            if before.get(name) != stamp:
                sent[name] = sender.send(name)

    def _sender(self, token: str) -> FileSender:
        """Return what sends files of an attempt, as a new writer."""
        return FileSender(self.url, self.folder, token, new_token())

    def receive(self, sent: Mapping[str, str]) -> None:
        """Fetch files by their names, from objects below the result."""
        urls = [f"{self.url}/{place}" for place in sent.values()]
        found = remote.at_once(urls, remote.get)
        for name, url, content in zip(sent, urls, found, strict=True):
            put_here(self.folder, self.url, name, checked(content, url))

    def announce(self) -> None:
        """Say at the URL what the attempt makes, so that others can go on with it.

        Raises
        ------
        StoreError
            If another has taken over the lock of the result, or it cannot be written.
        """
        self.refuse_if_taken_over()
        content = {
            "scutoid_begun": _VERSION,
            "recipe": (self.folder / RECIPE).read_text(),
            "files": {
                name: path.read_text()
                for name, path in small_files(self.folder)
                if is_metadata(name)
            },
        }
        # An attempt that is gone on with has one already, which says the same of its images.
        remote.create(self.place(BEGUN), json.dumps(content, indent=1).encode())

    def reopen(self) -> None:
        """Go on with the working folder, which has all that counts, in a new attempt.

        It is then what a run that was stopped has left: the manifest goes, if there is one.

        Raises
        ------
        StoreError
            If another has taken over the lock of the result, or it cannot be written.
        """
        self.refuse_if_taken_over()
        manifest, before = self.manifest(), self.token
        token = new_token(before)
        known = {} if manifest is None else manifest.files
        sender = self._sender(token)
        files = {name: sender.record_unless(name, known) for name, _ in small_files(self.folder)}
        recipe = (self.folder / RECIPE).read_text()
        begun = {
            "scutoid_begun": _VERSION,
            "recipe": recipe,
            "files": {},
            _BASE: Manifest(token, recipe, files).to_bytes().decode(),
        }
        remote.create(f"{self.url}/{token}/{BEGUN}", json.dumps(begun, indent=1).encode())
        self._note(token, [])
        gone = [f"{self.url}/{MANIFEST}"] if manifest is not None else []
        gone += [f"{self.url}/{before}/{BEGUN}"] if before else []
        self.refuse_if_taken_over()  # while files were written
        remote.remove(gone)

    def take(self, without: frozenset[str]) -> None:
        """Bring the working folder to what is at the URL, as a partial result, but for some files.

        Parameters
        ----------
        without : frozenset of str
            Files that are left out, for they are damaged.

        Raises
        ------
        StoreError
            As `fetch`.
        """
        manifest = self.manifest()
        if manifest is None:
            self.restore()
            return
        files = {name: file for name, file in manifest.files.items() if name not in without}
        remove_own(self.folder)
        make_folder(self.folder)
        fetch_files(self.folder, self.url, replace(manifest, files=files))
        self._note(manifest.token, [])
        write_file(self.folder / RECIPE, manifest.recipe.encode())

    def restore(self) -> None:
        """Bring the working folder of a result that this process holds to what is at the URL."""
        remove_own(self.folder)
        self.fetch(is_held=True)

    def segments(self, key: str) -> SegmentWriter:
        """Return what writes segments of the attempt at the result of a key, as a new writer."""
        token = self.token
        self._note(token, [_OWN])
        return SegmentWriter(f"{self.url}/{token}", self.folder, key, new_token())

    def publish(self, recipe: bytes) -> None:
        """Publish the result, which is whole in the working folder, by its manifest.

        If another attempt, or another writer of this one, has published it meanwhile, that holds,
        and the working folder is brought to it; but not if this process has the lock, and that
        attempt was given up: its writer was taken for dead, and its shards may have been removed.

        Raises
        ------
        StoreError
            If another has taken over the lock, and has published nothing, or it cannot be written.
        """
        token = self.token
        sender = self._sender(token)
        names = [name for name, _ in small_files(self.folder)]
        files = {name: sender.record(name) for name in names if not is_metadata(name)}
        taken = taken_over(self.folder)
        if taken is not None:
            if self.manifest() is None:
                raise taken
            self.fetch(is_held=True)
            return
        for name in names:
            if is_metadata(name):  # written over, so by who has the lock alone
                files[name] = sender.record(name)
        content = Manifest(token, recipe.decode(), files).to_bytes()
        if not self._create(content, token):
            self.fetch(is_held=True)
            return
        self._note(token, [], content)
        begin = f"{self.url}/{token}/{SEGMENTS}"
        remote.remove([f"{begin}/{name}" for name in remote.names(begin)])

    def _create(self, manifest: bytes, token: str) -> bool:
        """Create the manifest of an attempt; says whether it was, and no other one holds."""
        place = f"{self.url}/{MANIFEST}"
        if remote.create(place, manifest):
            return True
        there = self.manifest() if holds(self.folder) else None
        if there is None or there.token == token:
            return False
        self.withdraw()
        return remote.create(place, manifest)

    def withdraw(self) -> None:
        """Remove the manifest: the result is gone on with.

        Raises
        ------
        StoreError
            If another has taken over the lock of the result, or it cannot be written.
        """
        self.refuse_if_taken_over()
        remote.remove([f"{self.url}/{MANIFEST}"])

    def clear(self) -> None:
        """Remove the result, and all attempts at it.

        Raises
        ------
        StoreError
            As `withdraw`; nothing is removed then.
        """
        self.withdraw()
        begin = len(self.url) + 1
        found = [each.url for each in remote.objects(self.url)]
        self.refuse_if_taken_over()  # while they were listed
        remote.remove([url for url in found if TOKEN.fullmatch(url[begin:].partition("/")[0])])

    def refuse_if_taken_over(self) -> None:
        """Ask whether the lock is still held, if this process has taken it.

        Raises
        ------
        TakenOver
            If another has it.
        """
        taken = taken_over(self.folder)
        if taken is not None:
            raise taken
