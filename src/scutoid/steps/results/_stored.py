"""Read the stored results of a step.

::

    step/3f9a1c0b7d42/
        image.ome.zarr, image.tif      an image; image-2 ... where a step has several
        blocks.pack                    parts, tables and values of single blocks
        table.parquet, value.json ...  what a finished step saved
"""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scutoid.arrays import ArraySource
from scutoid.errors import StoreError
from scutoid.geometry import Coordinate
from scutoid.steps.compute import PackedParts
from scutoid.steps.layout import Framed
from scutoid.steps.results._damaged import damaged
from scutoid.steps.results._names import FILES_FOLDER
from scutoid.steps.results._record import ImageRecord, OutputRecord, ResultRecord
from scutoid.store import RECIPE, Entry, Pack, is_left_at_url

if TYPE_CHECKING:
    from scutoid.steps.results._shard_notes import NotedShards
    from scutoid.steps.results._shards_at_url import ShardsAtUrl

_NAMED = 3


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The outputs of one entry."""

    entry: Entry
    """Where they lie."""
    is_finished: bool = False
    """Whether only a complete result is read; else also one that is being made."""

    @property
    def is_there(self) -> bool:
        """Whether the result is complete."""
        return self.entry.status == "complete"

    def check(self) -> None:
        """Refuse a result that was complete and no longer is."""
        if self.is_finished and not self.is_there:
            raise damaged(
                "a stored result is complete when it is read",
                f"it is {self.entry.status}: it was removed, damaged, or is being made again",
                self.entry.path,
            )

    @property
    def outputs(self) -> tuple[OutputRecord, ...]:
        """The record of each output."""
        record = ResultRecord.of(self.entry.recipe, place=self.entry.path / RECIPE)
        if record is None:
            raise StoreError(
                "a result has a recipe that describes its outputs",
                place=str(self.entry.path / RECIPE),
                remedy="run again to compute it",
            )
        return record.outputs

    def _image(self, output: int) -> ImageRecord:
        record = self.outputs[output].image
        if record is None:
            raise damaged("the recipe of an image names its file", "none", self.entry.path / RECIPE)
        return record

    def image(self, output: int) -> ArraySource:
        """Return an image."""
        from scutoid.steps.results._missing_shards import changed_files, lost_blocks
        from scutoid.steps.results._shards_at_url import lacks_shards
        from scutoid.steps.results._stored_image import StoredImage

        self.check()
        path = self.entry.at(self._image(output).file)
        if self.entry.url and is_left_at_url(path.name):  # a file that is read by ranges
            return StoredImage.at(path, url=self.entry.image(path.name))
        if not path.exists() or path.name in changed_files(self.entry):
            raise damaged(
                "a stored image is where it was written, with all that belongs to it",
                "of another size" if path.exists() else "missing",
                path,
            )
        self.entry.check(path.name)
        lost = lost_blocks(self.entry).get(path.name)
        if lost is not None:
            raise damaged(
                "a stored image has all the blocks that its journal names, for what is missing "
                "would be read as zeros",
                f"{len(lost)} missing: block {', '.join(map(str, lost[:3]))}"
                + (", ..." if len(lost) > _NAMED else ""),
                path,
            )
        url = None if self.entry.remote is None else self.entry.image(path.name)
        noted = self._noted(path, url)
        if url is not None and lacks_shards(self.entry, path.name, is_told=noted is not None):
            raise damaged("a stored image has all its shards", "some are missing", path, url)
        return StoredImage.at(path, noted=noted, url=url)

    def _noted(self, path: Path, url: str | None) -> NotedShards | ShardsAtUrl | None:
        """Return the notes of an image's shards, if there are any."""
        from scutoid.steps.results._notes_file import has_notes, notes_file
        from scutoid.steps.results._shard_notes import NotedShards
        from scutoid.steps.results._shards_at_url import ShardsAtUrl

        file, is_whole = notes_file(path.name), has_notes(self.entry, path.name)
        if url is not None and not is_whole and self.is_there:  # of an earlier version
            return ShardsAtUrl.by_journal(path, url, self.entry)
        if not is_whole and (self.is_there or not self.entry.at(file).exists()):
            return None
        if url is not None and not is_whole:  # its journal, not its notes, tells what there is
            return None
        self.entry.check(file)
        if url is not None:
            return ShardsAtUrl.of(path, url, self.entry)
        return NotedShards(path, self.entry, is_whole=is_whole)

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        source = self.image(output)
        offset = Coordinate(*self._image(output).offset)
        return Framed(source.spec, offset, tuple(source.chunks))

    def bytes_to_load(self, output: int) -> int:
        """Return the bytes of what is read whole to load or check an output; nothing is read."""
        record = self.outputs[output]
        if record.image is not None:  # a folder has checksums of its own
            path = self.entry.at(record.image.file)
            return path.stat().st_size if path.is_file() else 0
        name = record.name
        paths = self.entry.path.glob(f"{glob.escape(name)}.*")
        return sum(path.stat().st_size for path in paths if path.is_file())

    def value(self, output: int) -> object:
        """Return anything but an image."""
        self.entry.follow()
        self.check()
        record = self.outputs[output]
        if record.parts is not None:
            pack = Pack(self.entry.at(record.parts.file), key=self.entry.key)
            if self.entry.remote is not None and self.entry.remote.is_elsewhere:
                pack.follow = self.entry.follow
            return PackedParts(record.parts.grid.parts_grid, pack, record.parts.slot)
        if record.kind == "files":
            self.entry.check(FILES_FOLDER)
            return self.entry.at(FILES_FOLDER)
        return self.entry.load(record.name)
