"""Segments: what a batch of blocks has added to a result at a URL, in one object each.

::

    <token>/segments/<writer>-00000000    a record file that is written at once
                     <writer>-00000001      header: the key, and the header of each file below
                     <other>-00000000       payload: name of a file, a newline, and what it gets

Put together in the order of their names, they give the journal, the notes of shards and the pack of
the attempt, or the pack of the members of a collection and their list.  Of a block that two writers
have made, what the first returned holds; of a member the last, whose files are its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

from scutoid import remote
from scutoid.errors import DamagedResult, StoreError
from scutoid.records import RecordLog
from scutoid.store._durable import write_file
from scutoid.store._pack import Pack, PackName
from scutoid.texts import parse_json

SEGMENTS = "segments"
"""Folder of the segments of an attempt."""
_VERSION = 1
_PACK = ".pack"
_ITEMS = "items.pack"


class SegmentWriter:
    """Writes the segments of one writer.

    Parameters
    ----------
    url : str
        Of the attempt.
    folder : Path
        Working folder of the result.
    key : str
        Its key.
    writer : str
        Token of the writer.
    """

    def __init__(self, url: str, folder: Path, key: str, writer: str) -> None:
        self._url = url
        self._folder = folder
        self._key = key
        self._writer = writer
        self._n_written = 0

    def write(
        self,
        records: Mapping[str, bytes],
        packed: Mapping[str, Sequence[tuple[int, bytes]]],
        members: Sequence[tuple[str, Mapping[str, object], bytes]] = (),
        whole: Mapping[str, bytes] = MappingProxyType({}),
    ) -> None:
        """Write a segment; it is there for good when this returns.

        Parameters
        ----------
        records : mapping of bytes
            By file of records, a record.
        packed : mapping
            By pack, blocks with what they returned.
        members : sequence
            Keys of members, what is known of each, and what it returned.
        whole : mapping of bytes
            Files that are written anew.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        heads = {name: RecordLog.read_header(self._folder / name).decode() for name in records}
        header = {
            "scutoid": "segment",
            "version": _VERSION,
            "key": self._key,
            "writer": self._writer,
            "number": self._n_written,
            "files": heads,
            **({"whole": list(whole)} if whole else {}),
        }
        payloads = [f"{name}\n".encode() + record for name, record in records.items() if record]
        for name, items in packed.items():
            sizes = json.dumps([[number, len(content)] for number, content in items])
            content = b"".join(content for _, content in items)
            payloads.append(f"{name}\n{sizes}\n".encode() + content)
        if members:
            known = json.dumps([[name, len(content), meta] for name, meta, content in members])
            content = b"".join(content for *_, content in members)
            payloads.append(f"{_ITEMS}\n{known}\n".encode() + content)
        payloads += [f"{name}\n".encode() + content for name, content in whole.items()]
        place = f"{self._url}/{SEGMENTS}/{self._writer}-{self._n_written:08d}"
        self._n_written += 1  # also if it is not known whether this one came to be
        if not remote.create(place, RecordLog.to_bytes(json.dumps(header).encode(), payloads)):
            raise StoreError(
                "a segment is written by its writer alone", value="another is there", place=place
            )


def join_segments(folder: Path, key: str, segments: Iterable[tuple[str, bytes]]) -> None:
    """Put segments together in the working folder of a result, in the order in which they come.

    Raises
    ------
    DamagedResult
        If one is not what was written, or that of another result.
    """
    with ExitStack() as opened:
        logs: dict[str, RecordLog] = {}
        packs: dict[str, Pack] = {}
        for place, content in segments:
            header, payloads = RecordLog.of_bytes(content, place)
            heads, whole = _heads(header, key, place)
            for name, head in heads.items():
                if name not in logs:
                    logs[name] = opened.enter_context(RecordLog.open(folder / name, head.encode()))
            for payload in payloads:
                named, _, rest = payload.partition(b"\n")
                name = named.decode()
                if name in logs:
                    logs[name].append_many((rest,), is_synced=False)
                    continue
                if name in whole:
                    write_file(folder / name, rest)
                    continue
                if name not in packs:
                    own = "" if name == _ITEMS else key  # members have keys of their own
                    packs[name] = opened.enter_context(Pack(folder / name, "a", key=own))
                _add(packs[name], rest, is_first=name != _ITEMS)


def _add(pack: Pack, rest: bytes, *, is_first: bool) -> None:
    """Add payloads to a pack; of one name the first holds, or else the last."""
    sizes, _, content = rest.partition(b"\n")
    at = 0
    items: list[tuple[PackName, Mapping[str, object], bytes]] = []
    for name, size, *meta in parse_json(sizes):
        if not is_first or name not in pack:
            items.append((name, meta[0] if meta else {}, content[at : at + size]))
        at += size
    pack.append_many(items)


def _heads(header: bytes, key: str, place: str) -> tuple[Mapping[str, str], Sequence[str]]:
    """Return the headers of files of records, and the names of files that are written anew."""
    try:
        fields = parse_json(header)
        files: Mapping[str, str] = fields["files"]
        whole: list[str] = [str(name) for name in fields.get("whole", ())]
        said = fields["scutoid"], fields["version"], fields["key"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(place, repr(error)) from error
    names = all("/" not in name and not name.endswith(_PACK) for name in (*files, *whole))
    if said != ("segment", _VERSION, key) or not names:
        raise _damaged(place, str(said))
    return files, whole


def _damaged(place: str, value: str) -> DamagedResult:
    return DamagedResult(
        "a segment is what was written for its result",
        value=value,
        place=place,
        remedy="remove it, and run again: its blocks are done again",
    )
