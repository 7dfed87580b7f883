"""Which block has read what: `blocks.digests`, by which later results take blocks over.

A digest is that of all that a block has read; see `steps/compute/_reads.py`.  What all blocks have
in common is digested as their family, which stands in the header: blocks of one family and one
digest are equal, whatever the keys of their results.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import StoreError
from scutoid.records import RecordLog
from scutoid.segments import limit_of
from scutoid.store import DIGESTS, Entry
from scutoid.texts import parse_json

_VERSION = 1
_KEY_BYTES = 32
_NOWHERE = bytes(_KEY_BYTES)
_ENTRY = np.dtype([("block", "<u8"), ("digest", "V32"), ("taken_from", "V32")])


@dataclass(frozen=True, slots=True, eq=False)
class BlockDigests:
    """What is known of the blocks of a result."""

    family: str
    """Digest of what all its blocks have in common."""
    digests: dict[int, bytes]
    """By number of the block, the digest of what it has read."""
    sources: dict[int, str]
    """By number of a block that was taken over, the key of the result that it was taken from."""

    @classmethod
    def of(cls, entry: Entry) -> Self | None:
        """Read what a result says of its blocks; None where it says nothing that is its own."""
        try:
            header, payloads = RecordLog.read(entry.path / DIGESTS)
            family = _family_in(header, entry.key)
            entries = np.frombuffer(b"".join(payloads), _ENTRY)
        except (StoreError, ValueError):
            return None
        if not family:
            return None
        rows = entries.tolist()
        digests = {block: digest for block, digest, _ in rows}
        sources = {block: source.hex() for block, _, source in rows}
        taken = {block: source for block, source in sources.items() if int(source, 16)}
        return cls(family, digests, taken)

    @staticmethod
    def family_of(entry: Entry) -> str:
        """Read the family of a result, and nothing of its blocks; empty where it says none."""
        try:
            return _family_in(RecordLog.read_header(entry.path / DIGESTS), entry.key)
        except (StoreError, ValueError):
            return ""


def _family_in(header: bytes, key: str) -> str:
    """Return the family that a header names; empty where it is none, or another result's."""
    fields = parse_json(header) if header else {}
    is_own = (
        isinstance(fields, dict)
        and fields.get("scutoid") == "digests"
        and fields.get("version") == _VERSION
        and fields.get("key") == key
        and isinstance(fields.get("family"), str)
    )
    return fields["family"] if is_own else ""


class DigestWriter:
    """Appends what blocks have read to the file of a result.

    Parameters
    ----------
    entry : Entry
        The result.
    family : str
        Digest of what all its blocks have in common.
    folder : Path, optional
        Where they are recorded, if not in the folder of the result.
    """

    def __init__(self, entry: Entry, family: str, folder: Path | None = None) -> None:
        path = (folder or entry.path) / DIGESTS
        fields = {"scutoid": "digests", "version": _VERSION, "key": entry.key, "family": family}
        header = json.dumps(fields, separators=(",", ":")).encode()
        self._log = _opened(path, header)

    def append(self, blocks: Sequence[tuple[int, bytes, str]]) -> None:
        """Append, of each block: its number, its digest, and the key that it was taken from.

        They need not be on the disk before the journal is: a block without a digest is not taken.
        """
        rows = [
            (block, digest, bytes.fromhex(source) if source else _NOWHERE)
            for block, digest, source in blocks
            if digest
        ]
        if rows:
            self._log.append_many((_packed(rows).tobytes(),), is_synced=False)

    def close(self) -> None:
        """Close the file."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def take_in_digests(entry: Entry, segment: Path, blocks: NDArray[np.int64]) -> None:
    """Add what another writer of a result has recorded of some of its blocks.

    A segment without a family of its own has none that count.
    """
    path = segment / DIGESTS
    try:
        header, payloads = RecordLog.read(path, size=limit_of(segment, DIGESTS))
        entries = np.frombuffer(b"".join(payloads), _ENTRY)
    except (StoreError, ValueError):
        return
    rows = entries[np.isin(entries["block"], blocks)]
    if len(rows) and _family_in(header, entry.key):
        with _opened(entry.path / DIGESTS, header) as log:
            log.append(rows.tobytes())


def _packed(rows: Sequence[tuple[int, bytes, bytes]]) -> NDArray[np.void]:
    entries = np.zeros(len(rows), _ENTRY)
    for at, (block, digest, source) in enumerate(rows):
        entries[at] = (block, np.void(digest), np.void(source))
    return entries


def _opened(path: Path, header: bytes) -> RecordLog:
    """Open the file of a result; one that another version or another result has begun goes."""
    try:
        stored, _ = RecordLog.read(path)
    except StoreError:
        stored = b"damaged"
    if stored not in (b"", header):
        path.unlink()
    return RecordLog.open(path, header)
