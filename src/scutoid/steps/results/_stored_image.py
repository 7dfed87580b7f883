"""An image in a store: what cannot be read of it is damage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scutoid.arrays import WrappedSource, open_source
from scutoid.errors import DamagedResult, MetadataError, SourceError
from scutoid.geometry import Roi
from scutoid.steps.results._member_record import SpecFields, SpecRecord
from scutoid.steps.results._shard_notes import NotedShards
from scutoid.store import distrust_around


@dataclass(frozen=True, slots=True, eq=False)
class StoredImage(WrappedSource):
    """An image in a store: what cannot be read of it is damage."""

    path: Path
    """Its file or folder."""
    noted: NotedShards | None = None
    """The notes of its shards, if there are any."""

    @classmethod
    def at(
        cls, path: Path, spec: SpecRecord | None = None, noted: NotedShards | None = None
    ) -> StoredImage:
        """Open the image at a path.

        Parameters
        ----------
        path : Path
            Its file or folder.
        spec : SpecRecord, optional
            What it is, where its format does not say so.
        noted : NotedShards, optional
            The notes of its shards.

        Raises
        ------
        DamagedResult
            If it cannot be opened.
        """
        metadata: SpecFields = {} if spec is None else spec.to_dict()
        try:
            return cls(open_source(str(path), **metadata), path, noted)
        except (SourceError, MetadataError) as error:
            raise damaged("a stored image can be opened", error.rule, path) from error

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region.

        Raises
        ------
        DamagedResult
            If a chunk fails its checks, or a shard is not the one that was written there.
        """
        misplaced = None if self.noted is None else self.noted.misplaced(roi)
        if misplaced is not None:
            raise damaged(
                "each shard of a stored image is the one that was written there",
                "its size or the checksum of its index differs",
                Path(misplaced),
            )
        try:
            return self.source.read(roi)
        except SourceError as error:
            value = str(getattr(error, "value", "") or error)[:300]
            raise damaged("chunks of a stored image can be read", value, self.path) from error


def damaged(rule: str, value: str, path: Path) -> DamagedResult:
    """Return an error about damage, and mark the result that it is in."""
    distrust_around(path)
    return DamagedResult(
        rule, value=value, place=str(path), remedy="run again: what is damaged is made again"
    )
