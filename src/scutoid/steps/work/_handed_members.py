"""Images of members handed on in memory, from the step that made them to those that read them.

::

    denoise(A01) ── writes A01.tif ──► mask(A01) reads it
           └───────── in memory ──────────┘

A member is on the disk before it is handed on, as a block is; its record may not be there yet, for
the steps of a member are one job of a worker where that can be.  What its reader is told of it is
what the file says: of the first of all images that are described alike the file is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import (
    ArraySource,
    ChannelDisplay,
    ImageSpec,
    Note,
    SourceIdentity,
    open_source,
)
from scutoid.errors import ScutoidError
from scutoid.geometry import Coordinate, Roi
from scutoid.steps.graph import StoredOutputs
from scutoid.steps.layout import Framed
from scutoid.steps.work._handover import MEMBERS

_MOST = 16 * 2**20
"""Bytes of an image that is handed on: a TIFF of so many is read in one piece."""


@dataclass(frozen=True, slots=True)
class MemberHandover:
    """The way of the images of a collection to the steps of a run that read them."""

    name: str
    """Of the collection and the run, unlike all others."""
    readers: Mapping[int, int]
    """By number of the output, how many inputs of steps it is."""

    def put(
        self, member: str, output: int, image: NDArray[Any], spec: ImageSpec, path: Path
    ) -> None:
        """Hand on an image that is stored as a TIFF.

        Parameters
        ----------
        member : str
            Key under which the member is packed.
        output : int
            Which of its outputs.
        image : ndarray
            The voxels that were stored, which nobody else has.
        spec : ImageSpec
            The description that they were stored with.
        path : Path
            The file.
        """
        readers = self.readers.get(output, 0)
        if not readers or image.nbytes > _MOST:
            return
        found = _as_read(spec, (spec.display, spec.notes), _File(str(path)))
        if found is not None:
            about = found, str(path)
            MEMBERS.put((self.name, (member, output)), image, readers=readers, about=about)

    def take(self, member: str, output: int, stored: StoredOutputs) -> StoredOutputs:
        """Return the outputs of a member: one in memory, if it is here, the others as stored."""
        found = MEMBERS.take((self.name, (member, output)))
        if found is None:
            return stored
        image, (spec, path) = found
        return _HandedOutputs(stored, output, _HandedMember(spec, path, [image], stored, output))

    def has(self, member: str, output: int) -> bool:
        """Whether an image of a member is in memory."""
        return (self.name, (member, output)) in MEMBERS

    def close(self) -> None:
        """Forget what nobody has taken in this process."""
        MEMBERS.forget(self.name)


@dataclass(frozen=True, slots=True)
class _File:
    """A file among the arguments of a function whose result does not depend on which it is."""

    path: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _File)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=64)
def _as_read(
    spec: ImageSpec, _beside: tuple[tuple[ChannelDisplay, ...], tuple[Note, ...]], file: _File
) -> ImageSpec | None:
    """Return what a TIFF says of an image that was written as `spec`; None: it is not the same."""
    try:
        source = open_source(file.path)
    except ScutoidError:  # who reads it is told
        return None
    is_whole = source.chunks == spec.shape and source.levels == 1
    is_same = source.spec.dtype == spec.dtype and source.spec.shape == spec.shape
    return source.spec if is_whole and is_same else None


@dataclass(frozen=True, slots=True, eq=False)
class _HandedMember:
    """The image of a member in memory, as it would be read from its file."""

    threadsafe: ClassVar[bool] = True
    levels: ClassVar[int] = 1
    spec: ImageSpec
    """What the file says of it."""
    path: str
    """The file."""
    held: list[NDArray[Any]]
    """Its voxels, until somebody has taken them all."""
    stored: StoredOutputs
    """The member, from which it is read again."""
    output: int
    """Which of its outputs it is."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """All of it."""
        return self.spec.shape

    @property
    def identity(self) -> SourceIdentity:
        """The file."""
        return SourceIdentity("files", (self.path,), detail="level 0")

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region; who reads all gets the very voxels, which then are no more here."""
        try:
            if roi == self.spec.roi:
                return self.held.pop()
            if self.spec.roi.contains(roi):
                return np.array(self.held[0][roi.to_slices()], order="C")
        except IndexError:  # it is taken
            pass
        return self.stored.image(self.output).read(roi)


@dataclass(frozen=True, slots=True, eq=False)
class _HandedOutputs:
    """The outputs of a member of which one is in memory."""

    stored: StoredOutputs
    """All of them."""
    output: int
    """The one that is here."""
    image_here: ArraySource
    """It."""

    @property
    def is_there(self) -> bool:
        """Whether the member is stored."""
        return self.stored.is_there

    def check(self) -> None:
        """Refuse a member that is not complete."""
        self.stored.check()

    def image(self, output: int) -> ArraySource:
        """Return an image."""
        return self.image_here if output == self.output else self.stored.image(output)

    def framed(self, output: int) -> Framed:
        """Describe an image."""
        if output != self.output:
            return self.stored.framed(output)
        spec = self.image_here.spec
        return Framed(spec, Coordinate.full(spec.ndim, 0), tuple(self.image_here.chunks))

    def value(self, output: int) -> Any:
        """Return anything but an image."""
        return self.stored.value(output)
