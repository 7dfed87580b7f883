"""Durable record of finished blocks: one record a batch, appended after their data is synced."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._block import BlockStatus
from scutoid.durable import replacing
from scutoid.errors import DamagedResult, StoreError
from scutoid.geometry import BlockGrid
from scutoid.records import RecordLog
from scutoid.segments import parts_of
from scutoid.texts import parse_json

Statuses = NDArray[np.uint8]
_ENTRY = np.dtype([("index", "<u8"), ("attempt", "u1"), ("status", "u1")])


class Journal:
    """One task's journal, open for appending; one process writes it.

    Parameters
    ----------
    log : RecordLog
        The file.
    n_blocks : int
        Number of blocks in the task's grid.

    Examples
    --------
    >>> import tempfile
    >>> from scutoid.geometry import Roi
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "smooth.journal"
    >>> with Journal.open(path, "smooth", BlockGrid(Roi((0,), (10,)), 4)) as journal:
    ...     journal.append([(np.array([2, 0]), np.array([2, 3], dtype="u1"), 1)])
    >>> Journal.read(path).tolist()  # EMPTY, WAITING, WRITTEN
    [3, 0, 2]
    >>> folder.cleanup()
    """

    def __init__(self, log: RecordLog, n_blocks: int) -> None:
        self._log = log
        self.statuses = _statuses(log.payloads, n_blocks, log.path)
        log.payloads = []

    @classmethod
    def open(cls, path: Path, task: str, grid: BlockGrid, *, key: str = "") -> Journal:
        """Open the journal of a task, or begin it; a torn tail is dropped.

        Parameters
        ----------
        path : Path
            The file.
        task : str
            The task's name.
        grid : BlockGrid
            Its blocks.
        key : str, optional
            Identifies what its results depend on.

        Raises
        ------
        StoreError
            If it belongs to another task, grid or key, or cannot be written.
        """
        header = _header(task, grid, key)
        stored, _ = RecordLog.read(path) if path.exists() else (header, [])
        if stored not in (b"", header):
            raise StoreError(
                "a journal is continued only by the task and grid (and key) that it was begun by",
                value=f"{stored.decode(errors='replace')}, not {header.decode()}",
                place=str(path),
                remedy="remove the journal to do all blocks again, or give another folder",
            )
        return cls(RecordLog.open(path, header), grid.n_blocks)

    @staticmethod
    def key_of(path: str | Path) -> str | None:
        """Return the key that a journal was begun with, "" for one without; None without journal.

        Raises
        ------
        StoreError
            If the file is not a journal.
        """
        header, _ = RecordLog.read(path)
        return _told(header, path)[1] if header else None

    @staticmethod
    def read(path: str | Path, *, key: str = "") -> NDArray[np.uint8]:
        """Read a journal, one `BlockStatus` a block; no blocks where there is no journal.

        Segments of other writers beside it count too; of a block in several the first holds.

        Parameters
        ----------
        path : path
            The file.
        key : str, optional
            What its results depend on; a journal that names another key is another result's.

        Returns
        -------
        statuses : ndarray of uint8, shape (n_blocks,)
            WRITTEN, EMPTY or FOUND for finished blocks, else WAITING.

        Raises
        ------
        StoreError
            If the file is not a journal; a `DamagedResult` if it is that of another key.
        """
        parts = parts_of(Path(path))
        read = [(part, Journal.read_part(part, key=key, size=size)) for part, size in parts]
        statuses = read[-1][1]
        for part, found in read[:-1]:
            if not len(statuses):
                statuses = found
            elif len(found):
                _check_equal(len(found), len(statuses), part)
                statuses = np.where(statuses == 0, found, statuses)
        return statuses

    @staticmethod
    def read_part(path: Path, *, key: str = "", size: int = -1) -> NDArray[np.uint8]:
        """Do the same for one file alone, of which `size` bytes count; -1: all."""
        header, payloads = RecordLog.read(path, size=size)
        if not header:
            return np.zeros(0, dtype=np.uint8)
        n_blocks, begun_with = _told(header, path)
        if key and begun_with not in ("", key):
            raise DamagedResult(
                "the journal of a result is its own",
                value=f"that of the key {begun_with}",
                place=str(path),
                remedy="run again: its blocks are done again",
            )
        return _statuses(payloads, n_blocks, path)

    @staticmethod
    def take_in(path: Path, part: Path, indices: NDArray[np.int64], statuses: Statuses) -> None:
        """Add blocks that another writer has recorded in `part`; begin the journal as it has.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        entries = np.empty(len(indices), dtype=_ENTRY)
        entries["index"], entries["status"], entries["attempt"] = indices, statuses, 1
        header = RecordLog.read_header(path) or RecordLog.read_header(part)
        with RecordLog.open(path, header) as log:
            log.append(entries.tobytes())

    @staticmethod
    def forget(path: str | Path, indices: NDArray[np.int64]) -> None:
        """Remove blocks whose results are gone from a journal, in one atomic step.

        Raises
        ------
        StoreError
            If it is not a journal, or cannot be written.
        """
        path = Path(path)
        header, payloads = RecordLog.read(path)
        entries = np.frombuffer(b"".join(payloads), dtype=_ENTRY)
        kept = entries[~np.isin(entries["index"], indices)]
        with replacing(path) as new, RecordLog.open(new, header) as log:
            log.append(kept.tobytes())

    def append(self, batches: list[tuple[NDArray[np.int64], NDArray[np.uint8], int]]) -> None:
        """Record batches of (indices, statuses, attempt); they are on the disk when this returns.

        Raises
        ------
        StoreError
            If they cannot be written.
        """
        self._log.append_many(map(Journal.entries, batches))

    @staticmethod
    def entries(batch: tuple[NDArray[np.int64], NDArray[np.uint8], int]) -> bytes:
        """Return the record of a batch of (indices, statuses, attempt)."""
        indices, statuses, attempt = batch
        entries = np.empty(len(indices), dtype=_ENTRY)
        entries["index"], entries["status"] = indices, statuses
        entries["attempt"] = min(attempt, 255)
        return entries.tobytes()

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


def _header(task: str, grid: BlockGrid, key: str) -> bytes:
    return json.dumps(
        {
            "format": "scutoid journal 1",
            "task": task,
            "n_blocks": grid.n_blocks,
            "offset": list(grid.total.offset),
            "shape": list(grid.total.shape),
            "block_shape": list(grid.block_shape),
            "halo": [list(side) for side in grid.halo],
            "fit": grid.fit,
            **({"key": key} if key else {}),
        }
    ).encode()


def _told(header: bytes, path: str | Path) -> tuple[int, str]:
    """Return how many blocks a header names, and its key; "" where it has none."""
    try:
        fields = parse_json(header)
        return int(fields["n_blocks"]), str(fields.get("key", ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError("a journal's header says how many blocks", place=str(path)) from error


def _check_equal(n_blocks: int, expected: int, path: Path) -> None:
    if n_blocks != expected:
        raise DamagedResult(
            "all who write a result record the same blocks",
            value=f"{n_blocks} blocks, others have {expected}",
            place=str(path),
            remedy="remove the folder of this segment: its blocks are done again",
        )


def _statuses(payloads: list[bytes], n_blocks: int, path: Path) -> NDArray[np.uint8]:
    entries = np.frombuffer(b"".join(payloads), dtype=_ENTRY)
    known = np.isin(entries["status"], (BlockStatus.WRITTEN, BlockStatus.EMPTY, BlockStatus.FOUND))
    if len(entries) and (int(entries["index"].max()) >= n_blocks or not known.all()):
        raise DamagedResult(
            "a journal names only blocks of its grid, and only done ones",
            place=str(path),
            remedy="remove the journal; its blocks are done again",
        )
    statuses = np.zeros(n_blocks, dtype=np.uint8)
    # Where a block is recorded twice, the later record holds.
    statuses[entries["index"].astype(np.int64)] = entries["status"]
    return statuses
