"""Files of a folder as a collection: a file a member, or several files that are stacked to one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from scutoid import arrays  # whose readers are loaded with the first folder that is opened
from scutoid.cached import cached_property
from scutoid.errors import PipelineError, ScutoidError, SourceError
from scutoid.steps.compute import Groups
from scutoid.steps.declaration import OutputKind
from scutoid.steps.graph._beside import Beside
from scutoid.steps.graph._nodes import Constant, Opened
from scutoid.steps.graph._refs import Node


@dataclass(frozen=True, slots=True)
class FileSeries:
    """One of several images in a file, or in a zarr that is zipped."""

    path: str
    """The file."""
    which: int | str
    """Number of the image in it; or the path of the image in a zip."""


MemberFiles: TypeAlias = str | FileSeries | tuple[str | None, ...]
"""The file of a member; or one of the images in a file; or its files by place, None where there is
none."""
_OF_THE_WHOLE = ("voxel_size", "unit", "time")
"""Options that describe the stacked image, and not each of its files."""
_SAID = {"image": "an array", "table": "a DataFrame", "value": "a value"}


def files_in(files: MemberFiles) -> tuple[str, ...]:
    """Return the files of a member that are there, in order."""
    if isinstance(files, str):
        return (files,)
    if isinstance(files, FileSeries):
        return (files.path,)
    return tuple([path for path in files if path is not None])


def _places(files: MemberFiles) -> tuple[str | None, ...]:
    return files if isinstance(files, tuple) else files_in(files)


@dataclass(frozen=True)
class Opening:
    """How the files of a folder are opened: what a worker gets of it."""

    options: Mapping[str, Any]
    """As `open_source` takes them."""
    reader: Callable[[str], object] | None = None
    """Reads one file; None: as images are opened."""
    kind: OutputKind = "image"
    """What each member is."""
    stacking: arrays.Stacking | None = None
    """How the files of a member are stacked; None: each member is one file."""
    are_series: bool = False
    """Whether some members are images of files that hold several."""

    def __call__(self, files: MemberFiles, name: str | None = None) -> Node:
        """Open a member.

        Raises
        ------
        SourceError
            If it fails.
        PipelineError
            If a reader gives something else than for the first of the files.
        """
        path = files_in(files)[0]
        shown = name or os.path.basename(path)  # noqa: PTH119  # of each of many files
        if isinstance(files, FileSeries):
            return Opened(self.open_series(files), shown)
        if self.stacking is not None and not isinstance(files, str):
            scale = {option: self.options.get(option) for option in _OF_THE_WHOLE}
            return Opened(arrays.open_stack(files, self.stacking, self.open_file, **scale), shown)
        if self.reader is None:
            return Opened(arrays.open_source(path, **self.options), shown)
        value = self._value(path, self.reader)
        if self.kind != "image":
            return Constant(value, shown)
        return Opened(arrays.open_source(value, **self.options), shown)

    def open_file(self, path: str) -> arrays.ArraySource:
        """Open one of the files that are stacked."""
        options = {k: v for k, v in self.options.items() if k not in _OF_THE_WHOLE}
        source = path if self.reader is None else self._value(path, self.reader)
        return arrays.open_source(source, **options)

    def open_series(self, files: FileSeries) -> arrays.ArraySource:
        """Open one of the images of a file."""
        if isinstance(files.which, str):
            return arrays.open_source(f"{files.path}/{files.which}", **self.options)
        return arrays.open_source(files.path, **{**self.options, "series": files.which})

    def _value(self, path: str, reader: Callable[[str], object]) -> object:
        value = call_reader(reader, path)
        check_read(value, path)
        if kind_of(value) != self.kind:
            raise PipelineError(
                "read= returns for every file what it returned for the first, here "
                f"{_SAID[self.kind]}",
                value=type(value).__name__,
                place=path,
                remedy="leave out files of another kind: open_folder(..., select=...)",
            )
        return value


@dataclass(frozen=True, eq=False, repr=False)
class OpenedFolder(Node):
    """Files of a folder; each is opened when it is needed."""

    name: str
    """Name of the folder."""
    paths: Mapping[str, MemberFiles]
    """Where the files of each member are, by key."""
    opening: Opening
    """How they are opened."""
    groups: Groups | None = field(default=None, repr=False)
    """Columns that belong to the keys."""
    reads: Callable[[str], Beside] | None = None
    """Says which other files are read with one."""
    undeclared: tuple[str, ...] = ()
    """Files that the reader opened when it was first called, and that nothing names."""
    are_labels: bool = False
    """Whether its images are labels of others."""
    said: tuple[str, ...] = ()
    """What was warned of when it was opened: files that were left out."""
    states: Mapping[str, Mapping[str, object]] | None = field(default=None, repr=False)
    """What the object held whose method the reader is, when the folder was opened."""

    def is_labels(self, output: int) -> bool:
        """Whether its images hold object numbers."""
        return self.are_labels

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of the members."""
        return tuple(self.paths)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was assumed of the first image, or left out, which stands for the others.

        And how many places of members have no file.
        """
        return (*self.said, *self.filled, *self._notes_of_first())

    @property
    def filled(self) -> tuple[str, ...]:
        """How many places of members have no file, if any."""
        if self.opening.stacking is None:
            return ()
        n_filled = sum(each is None for files in self.paths.values() for each in _places(files))
        if not n_filled:
            return ()
        places = f"{n_filled} places of its members have no file"
        return (f"folder {self.name!r}: {places}; their voxels are 0",)

    def _notes_of_first(self) -> Iterator[str]:
        if self.opening.reader is not None or self.opening.kind != "image":
            return
        with suppress(ScutoidError):  # a file that cannot be opened fails in a run
            first = self.member(self.keys[0])
            yield from (f"folder {self.name!r}, {note}" for note in getattr(first, "notes", ()))

    def channel(self, which: str | int) -> OpenedFolder | None:
        """Return the same folder with the files of one channel alone, as the one place on c.

        None if channels are not stacked of files, or a member has no file of this one.

        Raises
        ------
        PipelineError
            If there is no such channel.
        """
        stacking = self.opening.stacking
        if stacking is None or "c" not in stacking.axes:
            return None
        narrowed, numbers = stacking.channel(which)
        paths = {
            key: tuple([_places(files)[n] for n in numbers]) for key, files in self.paths.items()
        }
        if not all(map(any, paths.values())):
            return None
        return replace(self, paths=paths, opening=replace(self.opening, stacking=narrowed))

    def member(self, key: str) -> Node:
        """Open one member."""
        return self.opening(self.paths[key], key)

    def readings(self, key: str) -> tuple[str, ...]:
        """Return what a key has of how the files of a member are read, besides the options."""
        if not self._has_readings:
            return ()
        return arrays.reading_of("".join(files_in(self.paths[key])[:1]))

    @cached_property
    def _has_readings(self) -> bool:
        """Whether that is something for any member; looked at once, for there are many."""
        if self.opening.reader is not None or self.opening.kind != "image":
            return False
        endings = {
            each[-4:] if isinstance(each, str) else "".join(files_in(each)[:1])[-4:]
            for each in self.paths.values()
        }
        return any(arrays.reading_of(ending) for ending in endings)


def kind_of(value: object) -> OutputKind:
    """Return the kind of a value that was read: an array is an image, a DataFrame a table.

    Examples
    --------
    >>> kind_of(np.zeros(3)), kind_of({"a": 1})
    ('image', 'value')
    """
    if isinstance(value, np.ndarray) and value.ndim:
        return "image"
    return "table" if type(value).__name__ == "DataFrame" else "value"


def call_reader(read: Callable[[str], object], path: str) -> object:
    """Return what the user's reader makes of a file.

    Raises
    ------
    SourceError
        If it fails: it names the file, and what the reader raised is its cause.
    """
    try:
        return read(path)
    except (ScutoidError, MemoryError):
        raise
    except Exception as error:
        raise SourceError(
            "a reader reads each file of its folder",
            value=f"{type(error).__name__}: {error}",
            place=path,
            remedy="restore the file, mend read=, or leave the file out: "
            "open_folder(..., select=...)",
        ) from error


def check_read(value: object, path: str) -> None:
    """Refuse None, which says neither what a file holds nor that it is left out.

    Raises
    ------
    PipelineError
        If the value is None.
    """
    if value is None:
        raise PipelineError(
            "read= returns what its file holds, and never None",
            value="None",
            place=path,
            remedy="leave the file out by open_folder(..., select=...), which gets each path; or "
            "see that the function ends in a return",
        )
