"""What blocks add to a result at a URL, kept until it is known that they count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks import Journal
from scutoid.errors import StoreError
from scutoid.steps.results._names import BLOCKS
from scutoid.steps.results._notes_file import notes_file
from scutoid.store import JOURNAL, Entry, SegmentWriter

Success = tuple[NDArray[np.int64], NDArray[np.uint8], int]


class BlockSegments:
    """Writes what blocks returned, their notes and that they are done, a segment a batch.

    Parameters
    ----------
    entry : Entry
        The result, at a URL.
    files : sequence of str or None
        Of each output, its zarr if it has one.
    has_pack : bool
        Whether blocks return something besides images.
    writer : SegmentWriter, optional
        Of a process that does a share; default: a new one, for who makes all of it.

    Raises
    ------
    StoreError
        If the result is not at a URL.
    """

    def __init__(
        self,
        entry: Entry,
        files: Sequence[str | None],
        *,
        has_pack: bool,
        writer: SegmentWriter | None = None,
    ) -> None:
        if entry.remote is None:
            raise StoreError("segments are of a result at a URL", place=str(entry.path))
        self._writer = writer or entry.remote.segments(entry.key)
        self._notes = [None if file is None else notes_file(file) for file in files]
        self._has_pack = has_pack
        self._waiting: dict[int, Any] = {}

    def collect(self, results: Sequence[tuple[int, Any]]) -> None:
        """Keep what blocks have returned until they are recorded."""
        self._waiting.update(results)

    def record(self, batches: Sequence[Success]) -> None:
        """Write what is known of blocks that count."""
        numbers = [int(number) for indices, *_ in batches for number in indices]
        found = [(n, self._waiting.pop(n)) for n in numbers if n in self._waiting]
        records = {JOURNAL: b"".join(map(Journal.entries, batches))}
        for output, name in enumerate(self._notes):
            if name is not None:
                records[name] = b"".join(one.notes[output] for _, one in found)
        packed = [(n, one.payload) for n, one in found if one.payload is not None]
        self._writer.write(records, {BLOCKS: packed} if self._has_pack else {})
