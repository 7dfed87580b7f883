"""An image in a store: what cannot be read of it is damage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scutoid.arrays import UNDECODED, WrappedSource, open_source
from scutoid.errors import MetadataError, SourceError
from scutoid.geometry import Roi
from scutoid.steps.results._damaged import damaged
from scutoid.steps.results._member_record import SpecFields, SpecRecord
from scutoid.steps.results._shard_notes import NotedShards
from scutoid.steps.results._shards_at_url import ShardsAtUrl


@dataclass(frozen=True, slots=True, eq=False)
class StoredImage(WrappedSource):
    """An image in a store: what cannot be read of it is damage."""

    path: Path
    """Its file or folder."""
    noted: NotedShards | ShardsAtUrl | None = None
    """The notes of its shards, if there are any."""
    url: str | None = None
    """Where its shards lie, if only its metadata are at the path."""

    @classmethod
    def at(
        cls,
        path: Path,
        spec: SpecRecord | None = None,
        noted: NotedShards | ShardsAtUrl | None = None,
        *,
        url: str | None = None,
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
        url : str, optional
            Where it lies, if only its metadata are at the path.

        Raises
        ------
        DamagedResult
            If it cannot be opened.
        """
        metadata: SpecFields = {} if spec is None else spec.to_dict()
        try:
            return cls(open_source(str(path) if url is None else url, **metadata), path, noted, url)
        except (SourceError, MetadataError) as error:
            if url is not None and isinstance(error, SourceError):  # its server may be at fault
                raise
            raise damaged("a stored image can be opened", error.rule, path, url) from error

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region.

        Raises
        ------
        DamagedResult
            If a chunk fails its checks, or a shard is not the one that was written there.
        """
        noted = self.noted
        misplaced = noted.misplaced(roi) if isinstance(noted, NotedShards) else None
        if misplaced is not None:
            raise damaged(
                "each shard of a stored image is the one that was written there",
                "its size or the checksum of its index differs",
                Path(misplaced),
            )
        try:
            voxels = self.source.read(roi)
        except SourceError as error:
            if self.url is not None and error.rule != UNDECODED:  # its server may be at fault
                raise
            value = str(getattr(error, "value", "") or error)[:300]
            rule = "chunks of a stored image can be read"
            raise damaged(rule, value, self.path, self.url) from error
        lost = noted.lost(roi, voxels) if isinstance(noted, ShardsAtUrl) else None
        if lost is not None:
            rule = "each shard of a stored image is where it was written"
            raise damaged(rule, "missing", self.path, lost)
        return voxels
