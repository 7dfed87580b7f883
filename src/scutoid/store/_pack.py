"""Pack many small results into one file: the values of blocks, or the members of a collection.

::

    values.pack         payload | payload | payload | ...        appended, synced first
    values.pack.index   RecordLog: [[name, offset, length, crc32, meta], ...], synced second

The index gets one record a call.  A payload without an index entry does not exist; so a kill at any
instant loses the last call at most.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from scutoid.durable import sync_folder
from scutoid.errors import DamagedResult, ParameterError, StoreError
from scutoid.records import RecordLog
from scutoid.regular import open_regular, opened_regular
from scutoid.segments import limit_of, segments_in
from scutoid.store._durable import make_folder, storing
from scutoid.texts import parse_json

PackName = str | int
_HEADER = {"scutoid": "pack", "version": 1}


@dataclass(frozen=True, slots=True)
class _Place:
    offset: int
    length: int
    crc: int
    meta: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _PlaceElsewhere(_Place):
    part: Path
    """The pack of another writer that has it."""


class Pack:
    """An append-only file of named payloads.

    Parameters
    ----------
    path : path-like
        The payload file; its index lies beside it.
    mode : {"r", "a"}
        "r" reads, in any number of processes and threads; "a" also appends, in one process.
    key : str, optional
        Key of the result that it belongs to.  In a pack that names another no payload is found;
        those of earlier versions name none.

    Notes
    -----
    A pack that is pickled is opened again for reading.  A later payload of the same name replaces
    the earlier.  One that reads has what lies in the segments of other writers beside it, too.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Pack(Path(folder.name) / "values.pack", "a") as pack:
    ...     pack.append_many([(0, {"rows": 2}, b"first"), ("A/01.tif", {}, b"second")])
    ...     pack.read(0), pack.meta(0), len(pack)
    (b'first', {'rows': 2}, 2)
    >>> folder.cleanup()
    """

    def __init__(
        self, path: str | os.PathLike[str], mode: Literal["r", "a"] = "r", *, key: str = ""
    ) -> None:
        if mode not in ("r", "a"):
            raise ParameterError('a pack is opened with "r" or "a"', value=mode)
        self.path = Path(path)
        self.key = key
        self.index_path = self.path.with_name(self.path.name + ".index")
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._set_aside: list[int] = []
        self.follow: Callable[[], None] | None = None
        """Called where a payload is missing: brings what others have appended elsewhere."""
        self._log: RecordLog | None = None
        self._places: dict[PackName, _Place] | None = None
        self._damage: DamagedResult | None = None
        self._cut_off: set[PackName] = set()
        self._segments: list[Path] = []
        self._used = 0
        self._index_inode = 0
        self._index_end = 0
        self._end = 0
        if mode == "a":
            self._open_for_append()

    def _open_for_append(self) -> None:
        make_folder(self.path.parent)
        try:
            header, _ = RecordLog.read(self.index_path)
            self._check(header)
        except DamagedResult:
            self.index_path.unlink()
            header = b""
        log = RecordLog.open(self.index_path, header or _header(self.key))
        try:
            with storing(self.path):
                is_new = not self.path.exists()
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
                self._descriptor = descriptor
                if is_new:
                    sync_folder(self.path.parent)
                size = os.fstat(descriptor).st_size
                self._places = self._parse(log.payloads, {})
                if size > self._used:
                    os.ftruncate(descriptor, self._used)  # payloads without an entry in the index
                # Past what the index says is there, even if it was cut off: no range is used twice.
                self._end = self._used
                self._drop_cut_off(size)
        except BaseException:
            log.close()
            self.close()
            raise
        self._log = log

    def _parse(
        self, payloads: Iterable[bytes], places: dict[PackName, _Place]
    ) -> dict[PackName, _Place]:
        """Add what records of the index say to `places`."""
        last: _Place | None = None
        try:
            joined = b"[" + b",".join(payloads) + b"]"  # read at once: there may be 100,000
            for records in parse_json(joined):
                for name, offset, length, crc, meta in records:
                    if length < 0:
                        places.pop(name, None)
                    else:
                        places[name] = last = _Place(offset, length, crc, meta)
        except (ValueError, TypeError) as error:
            raise StoreError(
                "the index of a pack is what scutoid wrote",
                value=str(error),
                place=str(self.index_path),
                remedy="remove the file; the results in it are computed again",
            ) from error
        if last is not None:  # payloads lie in the order in which they were added
            self._used = last.offset + last.length
        return places

    def _drop_cut_off(self, size: int) -> None:
        """Forget payloads that the file is too short for: what is gone of them is made again."""
        if self._places and size < self._used:
            ends = {name: place.offset + place.length for name, place in self._places.items()}
            gone = {name for name, end in ends.items() if end > size}
            self._places = {n: p for n, p in self._places.items() if n not in gone}
            self._cut_off |= gone

    def append_many(self, items: Iterable[tuple[PackName, Mapping[str, object], bytes]]) -> None:
        """Add payloads; all are on the disk when this returns.

        Parameters
        ----------
        items : iterable of (name, meta, payload)
            Name (text or int), what to know without reading the payload (plain JSON), and the
            payload itself.

        Raises
        ------
        StoreError
            If they cannot be written; none of them is then in the pack.
        """
        if self._log is None or self._descriptor is None or self._places is None:
            raise StoreError(
                "a pack that is open for appending takes payloads",
                place=str(self.path),
                remedy='open it with Pack(path, "a")',
            )
        entries: list[tuple[PackName, int, int, int, Mapping[str, object]]] = []
        payloads = []
        end = self._end
        for name, meta, payload in items:
            if isinstance(name, bool) or not isinstance(name, (str, int)):
                raise ParameterError("names in a pack are text or int", value=name)
            entries.append((name, end, len(payload), zlib.crc32(payload), dict(meta)))
            payloads.append(payload)
            end += len(payload)
        if not entries:
            return
        record = json.dumps(entries, separators=(",", ":")).encode()
        with storing(self.path):
            rest = memoryview(b"".join(payloads))
            at = self._end
            while rest:
                written = os.pwrite(self._descriptor, rest, at)
                rest, at = rest[written:], at + written
            os.fsync(self._descriptor)
        self._log.append(record)
        self._end = end
        with self._lock:
            for name, offset, length, crc, meta in entries:
                self._places[name] = _Place(offset, length, crc, meta)

    def refresh(self) -> None:
        """Read what another process has appended since the index was read, and only that."""
        if self._log is not None:
            return
        with self._lock:
            is_shared = self._segments or segments_in(self.path.parent)
            if self._places is None or is_shared or self._is_index_new():
                self._load()
                return
            payloads, self._index_end = RecordLog.read_on(self.index_path, self._index_end)
            self._parse(payloads, self._places)
            self._drop_cut_off(_size(self.path))

    def _is_index_new(self) -> bool:
        """Whether the index is not the one that was read: the result was begun again."""
        try:
            status = self.index_path.stat()
        except OSError:
            return True
        return status.st_ino != self._index_inode or status.st_size < self._index_end

    def _load(self) -> dict[PackName, _Place]:
        if self._descriptor is not None and self._log is None:
            self._set_aside.append(self._descriptor)  # a thread may be reading from it
            self._descriptor = None
        others = self._others()  # first, for the index gets what they have before they go
        with suppress(OSError):
            self._index_inode = self.index_path.stat().st_ino
        self._damage, self._cut_off, self._used = None, set(), 0
        try:
            header, payloads, end = RecordLog.read_to_end(self.index_path)
            self._check(header)
        except DamagedResult as error:  # no payload is then in the pack
            payloads, end, self._damage = [], 0, error
        self._places, self._index_end = self._parse(payloads, {}), end
        self._drop_cut_off(_size(self.path))
        if others:
            self._places = {**others, **self._places}
        return self._places

    def _others(self) -> dict[PackName, _Place]:
        """Return what other writers have, each in a pack of its own; the first of them holds."""
        found: dict[PackName, _Place] = {}
        self._segments = segments_in(self.path.parent)
        for segment in self._segments:
            part = Pack(segment / self.path.name, key=self.key)
            with suppress(DamagedResult):  # no payload of it is then in the pack
                for name, at in part.places(limit_of(segment, part.index_path.name)).items():
                    place = _PlaceElsewhere(at.offset, at.length, at.crc, at.meta, part.path)
                    found.setdefault(name, place)
        return found

    def places(self, size: int = -1) -> dict[PackName, _Place]:
        """Return where payloads lie in this file alone, of whose index `size` bytes count."""
        header, payloads = RecordLog.read(self.index_path, size=size)
        self._check(header)
        self._places = self._parse(payloads, {})
        self._drop_cut_off(_size(self.path))
        return self._places

    def _check(self, header: bytes) -> None:
        """Refuse an index that is none, or that of another result."""
        if header in (b"", _header(""), _header(self.key)):
            return
        try:
            fields = parse_json(header)
            is_index = {**_HEADER, "key": fields["key"]} == fields
        except (ValueError, KeyError, TypeError):
            is_index = False
        text = header[:200].decode(errors="replace")
        if not is_index:
            raise StoreError(
                "the index of a pack is what scutoid wrote", value=text, place=str(self.index_path)
            )
        if self.key:
            raise DamagedResult(
                "a pack in the folder of a result is its own",
                value=text,
                place=str(self.index_path),
                remedy=f"run again to compute those of the key {self.key}",
            )

    def _known(self) -> dict[PackName, _Place]:
        if self._places is None:
            with self._lock:
                return self._load()
        return self._places

    def _place(self, name: PackName) -> _Place:
        place = self._known().get(name)
        if place is None:
            if self.follow is not None:
                self.follow()
            self.refresh()
            place = self._known().get(name)
        if place is None:
            raise DamagedResult(
                "a pack gives the payloads that it holds",
                value=name if isinstance(name, str) else repr(name),
                place=str(self.path),
                remedy="run again: what is missing is made",
            )
        return place

    def __contains__(self, name: object) -> bool:
        return name in self._known()

    def __len__(self) -> int:
        return len(self._known())

    def __iter__(self) -> Iterator[PackName]:
        return iter(tuple(self._known()))

    def meta(self, name: PackName) -> Mapping[str, object]:
        """Return the metadata that a payload was appended with."""
        return self._place(name).meta

    def find(self, name: PackName) -> Mapping[str, object] | None:
        """Return the metadata of a payload; None if there is none of that name."""
        place = self._known().get(name)
        return None if place is None else place.meta

    def length(self, name: PackName) -> int:
        """Return the bytes of one payload, which is not read."""
        return self._place(name).length

    def read(self, name: PackName) -> bytes:
        """Return one payload, checked.

        Raises
        ------
        DamagedResult
            If it is not what was appended, or there is none of that name.
        """
        place = self._place(name)
        try:
            return self._read_at(place, name)
        except DamagedResult:
            self.refresh()  # it was put with the rest meanwhile, or all of it was fetched anew
            if self._place(name) == place:
                raise
            return self._read_at(self._place(name), name)

    def _read_at(self, place: _Place, name: PackName) -> bytes:
        part = place.part if isinstance(place, _PlaceElsewhere) else None
        try:
            with ExitStack() as stack:
                if part is None:
                    file = self._reading()
                else:
                    file = stack.enter_context(opened_regular(part)).fileno()
                payload = _read_range(file, place.offset, place.length)
            problem = "" if zlib.crc32(payload) == place.crc else "its checksum differs"
        except OSError as error:
            problem, payload = str(error), b""
        if problem or len(payload) != place.length:
            raise DamagedResult(
                "a stored result is what was written",
                value=problem,
                place=f"{part or self.path}, {name!r}",
                remedy="run again to compute it",
            )
        return payload

    def forget(self, names: Iterable[PackName]) -> None:
        """Strike payloads from the index, for they are damaged; the pack is open for appending."""
        struck: list[tuple[PackName, int, int, int, dict[str, object]]]
        struck = [(name, 0, -1, 0, {}) for name in names]
        if struck and self._log is not None and self._places is not None:
            self._log.append(json.dumps(struck, separators=(",", ":")).encode())
            for name, *_ in struck:
                self._places.pop(name, None)

    def _reading(self) -> int:
        with self._lock:
            if self._descriptor is None:
                self._descriptor = open_regular(self.path)
            return self._descriptor

    def damaged(self) -> list[PackName]:
        """Return the names of the payloads that fail their checks or are cut off; reads it all.

        Raises
        ------
        DamagedResult
            If the index is damaged.
        """
        bad: list[PackName] = []
        for name in self:
            try:
                self.read(name)
            except DamagedResult:
                bad.append(name)
        if self._damage is not None:
            raise self._damage
        return [*bad, *(self._cut_off - self._known().keys())]

    def close(self) -> None:
        """Close the files; a pack for reading opens them again when it is used."""
        with self._lock:
            if self._log is not None:
                self._log.close()
                self._log = None
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            while self._set_aside:
                os.close(self._set_aside.pop())

    def __reduce__(self) -> tuple[Callable[..., Pack], tuple[Path]]:
        return partial(type(self), key=self.key), (self.path,)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            self.close()


def _header(key: str) -> bytes:
    fields = {**_HEADER, "key": key} if key else _HEADER
    return json.dumps(fields, separators=(",", ":")).encode()


def _read_range(file: int, offset: int, length: int) -> bytes:
    """Read bytes of an open file; fewer where it ends.  A single call gives at most 2 GiB."""
    content = os.pread(file, length, offset)
    while len(content) < length:
        more = os.pread(file, length - len(content), offset + len(content))
        if not more:
            break
        content += more
    return content


def _size(path: Path) -> int:
    """Bytes of a file; 0 where there is none.  Opened: a network file system looks again then."""
    try:
        with opened_regular(path) as file:
            return os.fstat(file.fileno()).st_size
    except OSError:
        return 0
