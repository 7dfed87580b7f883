"""Blocks of an earlier result that are taken over, for they have read the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import ImageWriter, TakenShards
from scutoid.blocks import BlockStatus, Journal
from scutoid.errors import DamagedResult, StoreError
from scutoid.geometry import Roi
from scutoid.steps.results import BLOCKS, BlockDigests, notes_of
from scutoid.store import Entry, Pack, distrust_around


class BlockResult(NamedTuple):
    """What comes of a block, for the driver to keep."""

    payload: bytes | None
    """What it returned, images apart; None: nothing."""
    notes: Sequence[bytes]
    """Of each output, notes of the shards that it wrote."""
    digest: bytes = b""
    """Of what it has read; empty: not known."""
    taken_from: str = ""
    """Key of the result that it was taken from; empty: it was computed."""
    is_empty: bool = False
    """Whether there was nothing to keep of it but its digest."""


class _Opened(NamedTuple):
    """What a process has read of an earlier result."""

    digests: dict[int, bytes]
    statuses: NDArray[np.uint8]
    images: tuple[TakenShards | None, ...]
    pack: Pack | None


class EarlierBlocks:
    """The blocks of an earlier result of the same function, parameters and grid.

    It is opened in each process that takes blocks, when the first one is asked for.  Whatever keeps
    a block from being taken, its removal by somebody else among it, has it computed.

    Parameters
    ----------
    entry : Entry
        The earlier result, complete or not.
    family : str
        Digest of what all blocks have in common.
    files : sequence of str or None
        Of each output, its zarr if it has one.
    has_pack : bool
        Whether blocks return something besides images.
    """

    def __init__(
        self, entry: Entry, family: str, files: Sequence[str | None], *, has_pack: bool
    ) -> None:
        self.entry = entry
        self.family = family
        self.files = tuple(files)
        self.has_pack = has_pack
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    def __reduce__(self) -> tuple[Callable[..., EarlierBlocks], tuple[object, ...]]:
        return _again, (self.entry, self.family, self.files, self.has_pack)

    def take(
        self,
        index: int,
        digest: bytes,
        writers: Sequence[ImageWriter | None],
        regions: Sequence[Roi | None],
    ) -> BlockResult | None:
        """Take a block over.

        Parameters
        ----------
        index : int
            Its number.
        digest : bytes
            Of what it reads.
        writers : sequence of ImageWriter or None
            Of each output, where it goes if it is an image.
        regions : sequence of Roi or None
            Of each of these, the region.

        Returns
        -------
        BlockResult or None
            None where it has read something else, is not there, or is not what was written.
        """
        try:
            return self._take(index, digest, writers, regions)
        except DamagedResult:
            distrust_around(self.entry.path / BLOCKS)
        except (OSError, StoreError):  # somebody has removed it, or the disk refuses
            pass
        return None

    def _take(
        self,
        index: int,
        digest: bytes,
        writers: Sequence[ImageWriter | None],
        regions: Sequence[Roi | None],
    ) -> BlockResult | None:
        opened = self._open()
        if not digest or opened.digests.get(index) != digest:
            return None
        status = opened.statuses[index]
        if status == BlockStatus.EMPTY:
            return BlockResult(None, [b""] * len(writers), digest, self.entry.key, is_empty=True)
        if status != BlockStatus.WRITTEN:
            return None
        payload = None if opened.pack is None else opened.pack.read(index)
        notes = []
        for shards, writer, region in zip(opened.images, writers, regions, strict=True):
            if writer is None or region is None:
                notes.append(b"")
                continue
            given = None if shards is None else shards.give(writer, region)
            if given is None:
                return None
            notes.append(given.tobytes())
        return BlockResult(payload, notes, digest, self.entry.key)

    def _open(self) -> _Opened:
        with self._lock:
            if self._opened is None:
                self._opened = self._read()
            return self._opened

    def _read(self) -> _Opened:
        key, path = self.entry.key, self.entry.path
        known = BlockDigests.of(self.entry)
        is_same = known is not None and known.family == self.family
        digests = known.digests if known is not None and is_same else {}
        statuses = Journal.read(self.entry.journal, key=key)
        digests = {index: digest for index, digest in digests.items() if index < len(statuses)}
        images = tuple(None if file is None else self._shards(path, file) for file in self.files)
        pack = Pack(path / BLOCKS, key=key) if self.has_pack else None
        return _Opened(digests, statuses, images, pack)

    def _shards(self, path: Path, file: str) -> TakenShards | None:
        notes = notes_of(self.entry, file)
        return None if notes is None else TakenShards(path / file, notes)


def _again(entry: Entry, family: str, files: Sequence[str | None], has_pack: bool) -> EarlierBlocks:
    return EarlierBlocks(entry, family, files, has_pack=has_pack)
