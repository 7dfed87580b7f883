"""Nodes without inputs: an image that was opened, values that were given, results in a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from scutoid.arrays import ArraySource, open_source
from scutoid.cached import cached_property
from scutoid.errors import IncompleteResult, PipelineError, ScutoidError, SourceError
from scutoid.geometry import Coordinate
from scutoid.steps.declaration import OutputKind
from scutoid.steps.graph._beside import Beside
from scutoid.steps.graph._refs import Node
from scutoid.steps.layout import Framed, PartsGrid

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Opened(Node):
    """An image that was opened."""

    source: ArraySource
    """What reads it."""
    name: str
    """Name of the file, or of what it was made of."""
    offset: Coordinate | None = None
    """Place of its first voxel in the frame; None: the frame begins with it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed of the image, or left out, for its metadata do not say it."""
        return tuple(f"image {self.name!r}: {note}" for note in self.source.spec.notes)

    def framed(self, output: int) -> Framed:
        """Describe the image."""
        spec = self.source.spec
        offset = Coordinate.full(spec.ndim, 0) if self.offset is None else self.offset
        return Framed(spec, offset, tuple(self.source.chunks))

    def levels(self, output: int) -> int:
        """Number of pyramid levels of the container."""
        return self.source.levels

    def is_labels(self, output: int) -> bool:
        """Whether the file says that it holds object numbers."""
        return bool(getattr(self.source, "is_labels", False))


@dataclass(frozen=True, eq=False, repr=False)
class Constant(Node):
    """A value or table that the user gave."""

    value: object
    """The value."""
    name: str = "constant"
    """What it is called in reports."""


@dataclass(frozen=True, eq=False, repr=False)
class DeferredConstant(Node):
    """A value that a worker loads when it first needs it."""

    name: str
    """What it is called in reports."""
    load: Callable[[], object]
    """Returns the value."""

    @cached_property
    def value(self) -> object:
        """The value."""
        return self.load()


@dataclass(frozen=True, eq=False, repr=False)
class ConstantCollection(Node):
    """A value for each key, such as a column of a user's table."""

    by_key: Mapping[str, object]
    """The values."""
    name: str
    """What it is called in reports."""

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of the values."""
        return tuple(self.by_key)

    def member(self, key: str) -> Constant:
        """Return the value of one key."""
        return Constant(self.by_key[key], f"{self.name}[{key!r}]")


class StoredOutputs(Protocol):
    """The outputs of a result in a store."""

    @property
    def is_there(self) -> bool:
        """Whether the result is complete."""
        ...

    def check(self) -> None:
        """Refuse a result that is not complete."""
        ...

    def image(self, output: int) -> ArraySource:
        """Return an image."""
        ...

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        ...

    def value(self, output: int) -> Any:
        """Return anything but an image."""
        ...


class StoredMembers(Protocol):
    """The outputs of a collection in a store."""

    @property
    def outputs(self) -> tuple[OutputKind, ...]:
        """What the step returns."""
        ...

    @property
    def member_keys(self) -> Mapping[str, str]:
        """Keys of the members, and the key under which each is stored."""
        ...

    def member(self, key: str) -> StoredOutputs | None:
        """Return the outputs of one member, if they are stored under the key that it must have."""
        ...

    def unchecked(self, key: str) -> StoredOutputs:
        """Return the outputs of one member, which may prove not to be there when they are read."""
        ...

    def existing(self, key: str) -> StoredOutputs:
        """Return the outputs of one member.

        Raises
        ------
        DamagedResult
            If they are not there.
        """
        ...


@dataclass(frozen=True, slots=True)
class NotStored:
    """The outputs of a result that a run did not finish: whoever reads them is told so."""

    name: str
    """The step, and the member."""
    place: str
    """Where they would lie."""
    is_there: bool = False
    """Whether the result is complete: it is not."""

    def check(self) -> NoReturn:
        """Refuse to hand it on."""
        raise self._error()

    def image(self, output: int) -> NoReturn:
        """Refuse to read an image."""
        raise self._error()

    def framed(self, output: int) -> NoReturn:
        """Refuse to describe an image."""
        raise self._error()

    def value(self, output: int) -> NoReturn:
        """Refuse to read anything else."""
        raise self._error()

    def _error(self) -> IncompleteResult:
        return IncompleteResult(
            "a result of a run is read once the run has finished it",
            value=f"{self.name!r} is not finished",
            place=self.place,
            remedy="see run.summary(): mend what failed, or make a target of what was not "
            "needed, and use the results of the next run",
        )


@dataclass(frozen=True, eq=False, repr=False)
class FromStore(Node):
    """A result in a store."""

    name: str
    """Name of its step."""
    stored_key: str
    """Its key."""
    stored: StoredOutputs
    """Reads its outputs."""
    kinds: tuple[OutputKind, ...]
    """What each output is."""
    labels: tuple[bool, ...] = ()
    """Of each output whether it holds object numbers; empty: none does."""

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        return self.stored.framed(output)

    def levels(self, output: int) -> int:
        """Number of pyramid levels of an image."""
        return int(self.stored.image(output).levels)

    def is_labels(self, output: int) -> bool:
        """Whether an image holds object numbers."""
        return bool(self.labels and self.labels[output])

    @property
    def parts_grid(self) -> PartsGrid | None:
        """The blocks that its parts belong to."""
        if "parts" not in self.kinds:
            return None
        where: PartsGrid = self.stored.value(self.kinds.index("parts")).where
        return where


@dataclass(frozen=True, eq=False, repr=False)
class CollectionFromStore(Node):
    """The results of a collection in a store."""

    name: str
    """Name of its step."""
    stored_key: str
    """Its key."""
    stored: StoredMembers
    """Finds the members."""
    kinds: tuple[OutputKind, ...]
    """What each output is."""
    labels: tuple[bool, ...] = ()
    """Of each output whether it holds object numbers; empty: none does."""
    groups: pd.DataFrame | None = None
    """Columns that belong to the keys."""
    place: str = ""
    """Where it lies, for errors."""
    unfinished: frozenset[str] | None = None
    """The members that its list names as not finished, which say so when they are read, as all
    others must be there.  None for the result of a run: any that is not there was not finished."""

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of the members."""
        return tuple(self.stored.member_keys)

    def is_labels(self, output: int) -> bool:
        """Whether its images hold object numbers."""
        return bool(self.labels and self.labels[output])

    def member_key(self, key: str) -> str:
        """Return the key under which a member is stored."""
        return self.stored.member_keys[key]

    def member(self, key: str) -> FromStore:
        """Return one member.

        Raises
        ------
        DamagedResult
            If it is not there, although it was finished.
        """
        name = f"{self.name}[{key!r}]"
        stored: StoredOutputs | None = self.stored.member(key)
        if stored is None:
            may_lack = self.unfinished is None or key in self.unfinished
            stored = NotStored(name, self.place) if may_lack else self.stored.existing(key)
        return FromStore(name, self.member_key(key), stored, self.kinds, self.labels)

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys of the members that were not finished, in order."""
        if self.unfinished is not None and not self.unfinished:
            return ()
        return tuple(key for key in self.keys if self.lacks(key))

    def lacks(self, key: str) -> bool:
        """Whether a member was not finished."""
        is_named = self.unfinished is None or key in self.unfinished
        return is_named and self.stored.member(key) is None

    def check_finished(self, key: str) -> None:
        """Refuse to hand on a member that was not finished.

        Raises
        ------
        IncompleteResult
            If it was not.
        """
        if self.unfinished is None or key in self.unfinished:
            self.member(key).stored.check()


@dataclass(frozen=True, eq=False, repr=False)
class OpenedFolder(Node):
    """Files of a folder; each is opened when it is needed."""

    name: str
    """Name of the folder."""
    paths: Mapping[str, str]
    """Where each is, by key."""
    options: Mapping[str, Any]
    """How they are opened."""
    reader: Callable[[str], object] | None = None
    """Reads one file; None: as images are opened."""
    groups: pd.DataFrame | None = field(default=None, repr=False)
    """Columns that belong to the keys."""
    kind: OutputKind = "image"
    """What each is."""
    reads: Callable[[str], Beside] | None = None
    """Says which other files are read with one."""
    undeclared: tuple[str, ...] = ()
    """Files that the reader opened when it was first called, and that nothing names."""

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of the files: paths below the folder."""
        return tuple(self.paths)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was assumed of the first image, or left out, which stands for the others."""
        if self.reader is not None or self.kind != "image":
            return ()
        with suppress(ScutoidError):  # a file that cannot be opened fails in a run
            first = self.member(self.keys[0])
            return tuple(f"folder {self.name!r}, {note}" for note in getattr(first, "notes", ()))
        return ()

    def member(self, key: str) -> Node:
        """Open one member."""
        return open_member(self.paths[key], key, self.options, self.reader, self.kind)


_SAID = {"image": "an array", "table": "a DataFrame", "value": "a value"}


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


def open_member(
    path: str,
    name: str,
    options: Mapping[str, Any],
    read: Callable[[str], object] | None,
    kind: OutputKind,
) -> Node:
    """Open a file of a folder, as `read` does where there is one.

    Raises
    ------
    SourceError
        If it fails.
    PipelineError
        If it gives something else than for the first of the files.
    """
    if read is None:
        return Opened(open_source(path, **options), name)
    value = call_reader(read, path)
    check_read(value, path)
    if kind_of(value) != kind:
        raise PipelineError(
            f"read= returns for every file what it returned for the first, here {_SAID[kind]}",
            value=type(value).__name__,
            place=path,
            remedy="leave out files of another kind: open_folder(..., select=...)",
        )
    return Opened(open_source(value, **options), name) if kind == "image" else Constant(value, name)
