"""Nodes without inputs: an image that was opened, values that were given, results in a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from scutoid.arrays import ArraySource
from scutoid.cached import cached_property
from scutoid.errors import IncompleteResult
from scutoid.geometry import Coordinate
from scutoid.steps.compute import Groups
from scutoid.steps.declaration import OutputKind
from scutoid.steps.graph._refs import Node
from scutoid.steps.layout import Framed, PartsGrid


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
        said = (note for note in self.source.spec.notes if note.is_said)
        return tuple(f"image {self.name!r}: {note}" for note in said)

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
    groups: Groups | None = None
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
