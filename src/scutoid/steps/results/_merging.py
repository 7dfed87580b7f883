"""Make one of what several writers of a result have recorded, for whoever has it for himself.

What is taken in is on the disk before its segment goes, blocks last: killed at any time, what
remains is taken in again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks import Journal
from scutoid.durable import replacing
from scutoid.errors import DamagedResult
from scutoid.records import RecordLog
from scutoid.segments import limit_of, parts_of, segments_in
from scutoid.steps.results._block_digests import take_in_digests
from scutoid.steps.results._missing_shards import zarr_images
from scutoid.steps.results._names import BLOCKS, ITEMS
from scutoid.steps.results._notes_file import notes_file, open_notes, read_notes
from scutoid.store import Entry, Pack, remove_segments

PackName = str | int
_BATCH_BYTES = 2**26


def merge_segments(entry: Entry) -> bool:
    """Put what several writers have recorded of a result into one; says whether there was any.

    Parameters
    ----------
    entry : Entry
        The result, whose lock is held.

    Raises
    ------
    StoreError
        If a record is damaged, or the store cannot be written.
    """
    segments = segments_in(entry.path)
    if segments:
        _merge_notes(entry)
    for segment in segments:
        _merge_members(entry, segment)
        _merge_blocks(entry, segment)
    remove_segments(entry.path)
    return bool(segments)


def _merge_blocks(entry: Entry, segment: Path) -> None:
    journal = segment / entry.journal.name
    limit = limit_of(segment, journal.name)
    statuses = Journal.read_part(journal, key=entry.key, size=limit)
    if not len(statuses):  # killed before it had begun its journal
        return
    known = Journal.read_part(entry.journal, key=entry.key)
    is_new = statuses != 0
    if len(known):
        is_new &= known == 0
    new: NDArray[np.int64] = np.flatnonzero(is_new)
    if not len(new):
        return
    damaged = _take_in(entry.path / BLOCKS, segment, entry.key, set(new.tolist()).__contains__)
    new = np.setdiff1d(new, np.array(damaged, np.int64))
    take_in_digests(entry, segment, new)
    Journal.take_in(entry.journal, journal, new, statuses[new])


def _merge_members(entry: Entry, segment: Path) -> None:
    if (segment / ITEMS).exists():
        known = Pack(entry.path / ITEMS).places()
        _take_in(entry.path / ITEMS, segment, "", lambda name: name not in known)


def _take_in(
    path: Path, segment: Path, key: str, is_wanted: Callable[[PackName], bool]
) -> list[PackName]:
    """Add payloads of a segment to the pack of a result; return the names of damaged ones."""
    part = Pack(segment / path.name, key=key)
    damaged: list[PackName] = []
    if not part.path.exists():
        return damaged

    def read(names: list[PackName]) -> Iterator[tuple[PackName, Mapping[str, object], bytes]]:
        for name in names:
            try:
                yield name, part.meta(name), part.read(name)
            except DamagedResult:
                damaged.append(name)

    with part, suppress(DamagedResult):  # an index that is another's names nothing
        wanted = filter(is_wanted, part.places(limit_of(segment, part.index_path.name)))
        with Pack(path, "a", key=key) as pack:
            for batch in _batches(part, wanted):
                pack.append_many(read(batch))
    return damaged


def _batches(part: Pack, names: Iterable[PackName]) -> Iterator[list[PackName]]:
    """Yield names of payloads that together are not large."""
    batch: list[PackName] = []
    nbytes = 0
    for name in names:
        batch.append(name)
        nbytes += part.length(name)
        if nbytes > _BATCH_BYTES:
            yield batch
            batch, nbytes = [], 0
    if batch:
        yield batch


def _merge_notes(entry: Entry) -> None:
    """Join the notes of shards; those of which there are different ones are noted as found."""
    for image in zarr_images(entry):
        place = entry.path / notes_file(image.file)
        if not any(part.exists() for part, _ in parts_of(place)[:-1]):
            continue
        joined = np.unique(read_notes(place, entry.key))
        shards = joined[["level", "shard"]]
        _, first, count = np.unique(shards, return_index=True, return_counts=True)
        with open_notes(place, entry.key):
            header = RecordLog.read_header(place)
        with replacing(place) as new, RecordLog.open(new, header) as log:
            log.append(joined[first[count == 1]].tobytes())
