"""Hash inputs: files by content, zarrs by metadata and listing, arrays by content."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from scutoid.arrays import ImageSpec, SourceIdentity
from scutoid.errors import SourceError, SourceNotFound, StoreError
from scutoid.paths import normal
from scutoid.records import RecordLog
from scutoid.regular import check_regular
from scutoid.store.keys._arrays import encode_values
from scutoid.store.keys._files import digest_file
from scutoid.store.keys._seen import SETTLED_NS, Seen, Stamp, stamp_of_status
from scutoid.store.keys._tagged import tagged
from scutoid.texts import parse_json

if TYPE_CHECKING:
    from scutoid.remote import Ranged

_ATTEMPTS = 3
_METADATA = {"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"}
_ATTRIBUTES = ("zarr.json", ".zattrs")
_HEADER = b'{"scutoid":"input hashes","version":3}'


_N_COLUMNS = 7
_Row = tuple[int, int, int, int, str, bool | None, str | None]
"""The stamp of a file, its hash, whether an image is read from it alone, and the names of changes
in the reading of metadata that concern it, with commas between; None: not known."""


class HashMemo:
    """Hashes of files, remembered by size, time of change and inode.

    It only saves reading: without it, or if it is damaged, files are read again.

    Parameters
    ----------
    path : path
        File of the memo; it is made when the first hash is added.
    is_trusted : bool
        Whether what it remembers is used; else all files are read again.
    """

    def __init__(self, path: str | os.PathLike[str], *, is_trusted: bool = True) -> None:
        self.path = Path(path)
        self.is_trusted = is_trusted
        """Whether files that it remembers are not read again."""
        self.seen = Seen()
        """How the inputs were that have entered keys with this memo."""
        self._known: dict[str, _Row] | None = None
        self._new: dict[str, _Row] = {}
        self._lock = threading.Lock()

    def get(self, path: str, stamp: Stamp) -> str | None:
        """Return the hash of a file that has not changed since."""
        with self._lock:
            if self._known is None:
                self._known = self._load() if self.is_trusted else {}
            known = self._known.get(path)
        return known[4] if known is not None and known[:4] == stamp else None

    def add(self, path: str, stamp: Stamp, digest: str) -> None:
        """Remember a hash; `save` writes it down."""
        self._set(path, (*stamp, digest, None, None))

    def looked_at(
        self, path: str, look: Callable[[str], tuple[bool, tuple[str, ...]]]
    ) -> tuple[bool, str]:
        """Return whether an image is read from one file alone, and what of it is read otherwise.

        Parameters
        ----------
        path : str
            The file, or the folder of a zarr; it has entered a key, and is looked at once.
        look : callable
            Finds out.

        Returns
        -------
        bool
            Whether it is alone.
        str
            Names of changes in the reading of metadata that concern it, with commas between.
        """
        name, row = path, self._row(path)
        if row is None:  # a zarr is looked at once for each content of what has its attributes
            for file in _ATTRIBUTES:
                name = f"{path}{os.sep}{file}"
                row = self._row(name)
                if row is not None:
                    break
        if row is not None and row[5] is not None and row[6] is not None:
            return row[5], row[6]
        is_alone, readings = look(path)
        found = is_alone, ",".join(readings)
        if row is not None:
            self._set(name, (*row[:5], *found))
        return found

    def _row(self, path: str) -> _Row | None:
        with self._lock:
            return self._new.get(path) or (None if self._known is None else self._known.get(path))

    def _set(self, path: str, row: _Row) -> None:
        with self._lock:
            self._new[path] = row
            if self._known is not None:
                self._known[path] = row

    def changed(self, locations: Iterable[str]) -> str | None:
        """Return the first file or URL that is not as it was when its key was made; None: none.

        Parameters
        ----------
        locations : iterable of str
            What entered keys, as `locations_of` and `HashMemo.seen` name it.
        """
        for location in locations:
            found = self.seen.changed(location, digest_file)
            if found is not None:
                return found
        return None

    def save(self) -> None:
        """Write down what is new; a store that cannot be written keeps no memo."""
        with self._lock:
            if not self._new:
                return
            # By columns: a tenth of a second for 100,000 files, where rows take half of one.
            text = json.dumps([list(self._new), *map(list, zip(*self._new.values(), strict=True))])
            self._new.clear()
        try:
            self._append(text.encode())
        except (StoreError, OSError):
            # It may be damaged: begin it again, or do without where nothing can be written.
            with suppress(StoreError, OSError):
                self.path.unlink()
                self._append(text.encode())

    def _append(self, record: bytes) -> None:
        with RecordLog.open(self.path, _HEADER) as log:
            log.append(record)

    def _load(self) -> dict[str, _Row]:
        rows_by_path: dict[str, _Row] = {}
        try:
            header, payloads = RecordLog.read(self.path)
            for payload in payloads if header == _HEADER else ():
                paths, *columns = parse_json(payload)
                while len(columns) < _N_COLUMNS:  # of versions that did not know these
                    columns.append([None] * len(paths))
                rows_by_path.update(zip(paths, zip(*columns, strict=True), strict=True))
        except (StoreError, ValueError, TypeError):
            return {}
        return rows_by_path


def key_of_path(path: str | os.PathLike[str], memo: HashMemo | None = None) -> str:
    """Return the key of a file by its content, or of a folder by its members.

    Raises
    ------
    SourceNotFound, SourceError
        If it does not exist or cannot be read.
    """
    place = normal(path)
    try:
        status = os.stat(place)  # noqa: PTH116
        if stat.S_ISDIR(status.st_mode):
            return _key_of_folder(place, memo)
        if not stat.S_ISREG(status.st_mode):
            check_regular(place)
        return _key_of_file(place, stamp_of_status(status), memo)
    except FileNotFoundError as error:
        if isinstance(error, SourceNotFound):
            raise
        raise SourceNotFound(
            "an input exists", value=place, remedy="check the path, or restore the file"
        ) from error
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            "an input can be read", value=error.strerror or str(error), place=place
        ) from error


def encode_path(path: PurePath, memo: HashMemo | None = None) -> bytes:
    """Encode a file or folder by its content, as a value that enters a key."""
    if memo is not None:
        memo.seen.given.append(normal(path))
    return tagged("path", key_of_path(path, memo).encode())


def _key_of_folder(place: str, memo: HashMemo | None) -> str:
    folder = Path(place)
    listed = _members(folder)
    if memo is not None:
        memo.seen.folder(place, [normal(file) for _, file in listed], lambda: _files_in(folder))
    return _joined("folder", (f"{name}={key_of_path(file, memo)}" for name, file in listed))


def _files_in(folder: Path) -> list[str]:
    return [normal(file) for _, file in _members(folder)]


def _members(folder: Path) -> list[tuple[str, Path]]:
    """List the files below a folder by their names within it; links to folders are followed."""
    members = []
    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        folder_status = Path(root).stat()
        if (folder_status.st_dev, folder_status.st_ino) in seen:  # a link back up
            folders.clear()
            continue
        folders.sort()  # so that of two links to one folder the same is followed in every run
        seen.add((folder_status.st_dev, folder_status.st_ino))
        files = [Path(root) / name for name in names]
        there = [file for file in files if file.is_file()]
        if len(there) < len(files):
            for file in files:
                check_regular(file)
        members += [(file.relative_to(folder).as_posix(), file) for file in there]
    return sorted(members)


def _key_of_file(path: str, stamp: Stamp, memo: HashMemo | None) -> str:
    for _ in range(_ATTEMPTS):
        known = memo.get(path, stamp) if memo is not None else None
        if memo is not None and known is not None:
            memo.seen.file(path, stamp)
            return known
        digest = digest_file(path)
        before, stamp = stamp, stamp_of_status(os.stat(path))  # noqa: PTH116
        if before == stamp:
            # A file changed just now may change again within the same tick of its clock.
            is_settled = time.time_ns() - stamp[1] > SETTLED_NS
            if memo is not None:
                memo.seen.file(path, stamp, None if is_settled else digest)
            if memo is not None and is_settled:
                memo.add(path, stamp, digest)
            return digest
    raise SourceError(
        "an input does not change while it is read",
        value="it was written to during each attempt",
        place=path,
        remedy="wait until it is complete",
    )


def key_of_source(identity: SourceIdentity, spec: ImageSpec, memo: HashMemo | None = None) -> str:
    """Return the key of an opened image: its content, and its metadata.

    Parameters
    ----------
    identity : SourceIdentity
        Where the voxels are.
    spec : ImageSpec
        Axes, voxel size, unit and origin count as well, and what else is known of the place of its
        voxels.
    memo : HashMemo, optional
        Remembers hashes of files.
    """
    said: list[object] = [
        spec.axes,
        list(spec.shape),
        spec.dtype.str,
        spec.voxel_size,
        spec.unit,
        spec.origin,
        list(spec.channels),
    ]
    if spec.known_sizes is not None:  # added only where it is there, so that other keys stay
        said.append({"known sizes": spec.known_sizes})
    if spec.time is not None:
        said.append({"time": spec.time.to_list()})
    metadata = json.dumps(said)
    return _joined("source", [identity.detail, metadata, _content(identity, memo)])


def _content(identity: SourceIdentity, memo: HashMemo | None) -> str:
    if identity.array is not None:
        content = encode_values(np.asarray(identity.array))
        return hashlib.sha256(content).hexdigest()
    if identity.kind == "files":
        if identity.remote:
            _see_copies(identity, memo)
        if identity.parts:
            return _joined("files", (_key_of_parts(each, memo) for each in identity.parts))
        return _joined("files", (key_of_path(path, memo) for path in identity.locations))
    from scutoid.arrays import check_identity

    check_identity(identity)
    if identity.kind == "zarr":
        folder = Path(identity.locations[0])
        if identity.mode == "content":
            return key_of_path(folder, memo)
        listed = list(_listing(folder, memo))
        if memo is not None:
            state = hash(tuple(listed))
            memo.seen.state(identity.locations[0], state, lambda: hash(tuple(_listing(folder))))
        return _joined("listing", (part for part, _ in listed))
    if identity.kind == "url":
        is_read = identity.mode == "content"
        keys = (
            _key_of_url(url, memo, by_content=is_read, fills=identity.fills)
            for url in identity.locations
        )
        return _joined("url", keys)
    return _joined(identity.kind, (*identity.locations, identity.detail))


def locations_of(identity: SourceIdentity) -> tuple[str, ...]:
    """Return the paths and URLs whose content enters the key of a source."""
    if identity.kind == "files":
        copied = (file.url for file in identity.remote)
        copies = () if identity.parts else identity.locations
        return (*(normal(path) for path in copies), *copied)
    if identity.kind == "zarr" and identity.mode == "content":
        return (normal(identity.locations[0]),)
    return identity.locations if identity.kind in ("zarr", "url") else ()


def _key_of_url(
    location: str, memo: HashMemo | None, *, by_content: bool, fills: bool = False
) -> str:
    from scutoid.store.keys._remote import remote_state

    state = remote_state(
        location,
        by_content=by_content,
        recall=lambda url, tag: None if memo is None else memo.get(url, _stamp_of_tag(tag)),
        remember=lambda url, tag, digest: (
            None if memo is None else memo.add(url, _stamp_of_tag(tag), digest)
        ),
        fills=fills,
    )
    if memo is not None:
        memo.seen.remote(location, state.is_unchanged)
    tag = "remote content" if by_content else "remote"
    return _joined(tag, state.parts(by_content=by_content))


def _see_copies(identity: SourceIdentity, memo: HashMemo | None) -> None:
    from scutoid.store.keys._remote import check_copies

    check_copies(identity, reads=memo is not None and not memo.is_trusted)
    if memo is not None:
        for file in identity.remote:
            memo.seen.remote(file.url, file.is_unchanged)


def _key_of_parts(ranged: Ranged, memo: HashMemo | None) -> str:
    """Return the key of a file at a URL by its content, as that of a copy of it."""
    stamp = _stamp_of_tag(ranged.file.tag)
    known = None if memo is None else memo.get(ranged.file.url, stamp)
    if known is not None:
        return known
    digest = ranged.digest()
    if memo is not None:
        memo.add(ranged.file.url, stamp, digest)
    return digest


def _stamp_of_tag(tag: str) -> Stamp:
    """Return a stamp that stands for what a server says of a file."""
    digest = hashlib.sha256(tag.encode("utf-8", "surrogateescape")).digest()
    first, second, third, fourth = memoryview(digest).cast("q")
    return first, second, third, fourth


def _listing(
    folder: Path, memo: HashMemo | None = None, inside: str = ""
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield metadata by content, and chunks by name, size and time.

    And for a second look the inode and the time of status change, which no user sets.
    """
    with os.scandir(folder) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    for entry in entries:
        name = f"{inside}{entry.name}"
        if entry.is_dir():
            yield from _listing(Path(entry.path), memo, f"{name}/")
        elif entry.name in _METADATA:
            yield f"{name}={key_of_path(entry.path, memo)}", ()
        elif not entry.name.endswith("__lock"):  # left by a writer of ours that was killed
            status = entry.stat()
            stamp = (status.st_ino, status.st_ctime_ns)
            yield f"{name}={status.st_size},{status.st_mtime_ns}", stamp


def _joined(tag: str, parts: Iterable[object]) -> str:
    digest = hashlib.sha256(tag.encode())
    for part in parts:
        content = str(part).encode("utf-8", "surrogateescape")
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()
