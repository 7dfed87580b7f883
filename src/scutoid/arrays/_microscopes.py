"""Files of microscopes: which library reads which, and what all have in common.

A library is imported when a file of its own is met, and opens it by metadata; regions are read with
readers that stay open.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import read_chunked
from scutoid.arrays._endings import ENDINGS_OF, OWN_ENDINGS
from scutoid.arrays._guard import check_system, guarded, guarding
from scutoid.arrays._notes import Note
from scutoid.arrays._readers import OpenReaders
from scutoid.arrays._request import Missing, Request, choose_numbered
from scutoid.arrays._scene import Lost, SceneReader
from scutoid.arrays._source import SourceFiles, SourceIdentity, Stamp, owned
from scutoid.arrays._spec import ImageSpec
from scutoid.errors import MetadataError, MissingExtra, ScutoidError, SourceError
from scutoid.geometry import Roi


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of files, and the library that reads it."""

    name: str
    """What it is called."""
    endings: tuple[str, ...]
    """Endings of its files."""
    package: str
    """Name of the library."""
    extra: str
    """The extra that installs it."""
    open_reader: Callable[[str], SceneReader]
    """Opens a file."""

    @property
    def said(self) -> str:
        """A file of it, for messages."""
        if not self.endings:
            return f"a file {self.name}"
        return f"a file of the format {self.name} ({', '.join(self.endings)})"


def _czi(path: str) -> SceneReader:
    from scutoid.arrays._czi import CziReader

    return CziReader(path)


def _nd2(path: str) -> SceneReader:
    from scutoid.arrays._nd2 import Nd2Reader

    return Nd2Reader(path)


def _lif(path: str) -> SceneReader:
    from scutoid.arrays._lif import LifReader

    return LifReader(path)


def _bioio(path: str) -> SceneReader:
    from scutoid.arrays._bioio import BioioReader

    return BioioReader(path)


FORMATS = (
    Format("CZI", ENDINGS_OF["CZI"], "pylibCZIrw", "czi", _czi),
    Format("ND2", ENDINGS_OF["ND2"], "nd2", "nd2", _nd2),
    Format("LIF", ENDINGS_OF["LIF"], "liffile", "lif", _lif),
    *(
        Format(name, ENDINGS_OF[name], "bioio", "bioio", _bioio)
        for name in ("DeltaVision", "Olympus OIB", "ZVI", "Imaris", "SlideBook")
    ),
)
"""The formats that are known by their endings."""
BACKENDS = "scutoid.backends"
"""The group of entry points of packages that read images."""
OTHERS = Format("of another kind", (), "bioio", "bioio", _bioio)
"""Whatever else bioio reads, where it is installed."""
_READERS: OpenReaders[SceneReader] = OpenReaders()


def format_of(path: str) -> Format | None:
    """Return the format of a file by its ending; None: it is not one of these.

    Examples
    --------
    >>> format_of("a/Slide.CZI").name, format_of("a.tif")
    ('CZI', None)
    """
    lowered = path.lower()
    return next((each for each in FORMATS if lowered.endswith(each.endings)), None)


@dataclass(frozen=True, slots=True, eq=False)
class MicroscopeSource:
    """An image in a file of a microscope."""

    spec: ImageSpec
    """Description of the image."""
    chunks: tuple[int, ...]
    """Shape of the voxels that are best read together."""
    files: SourceFiles
    """The file."""
    kind: str
    """Name of its format."""
    number: int
    """Number of the image in it."""
    detail: str
    """What a key has of which image is meant."""
    is_decoded: bool
    """Whether voxels of a chunk are decoded together, and kept for the next read."""
    levels: int = 1
    """1: levels are not read."""

    @property
    def identity(self) -> SourceIdentity:
        """The file."""
        return SourceIdentity("files", self.files.paths, detail=self.detail)

    @guarded
    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        (stamp,) = self.files.stamps_now()
        if not roi.size:
            return np.zeros(tuple(roi.shape), self.spec.dtype)
        if not self.is_decoded:
            return self._read(roi, stamp)
        return read_chunked(
            (self.kind, self.files.paths[0], self.detail, stamp),
            tuple(roi.offset),
            tuple(roi.end),
            self.chunks,
            self.spec.dtype,
            lambda place: self._read(self._chunk(place), stamp),
        )

    def _chunk(self, place: tuple[int, ...]) -> Roi:
        begin = [n * size for n, size in zip(place, self.chunks, strict=True)]
        pairs = zip(begin, self.chunks, self.spec.shape, strict=True)
        return Roi(begin, [min(size, end - start) for start, size, end in pairs])

    def _read(self, roi: Roi, stamp: Stamp) -> NDArray[Any]:
        path = self.files.paths[0]
        kind = next((each for each in FORMATS if each.name == self.kind), OTHERS)
        with _lent(kind, path, stamp) as reader:
            scene = reader.scene(self.number)
            voxels = scene.facts.as_image(scene.read(scene.facts.slices(roi)))
            if voxels.shape != tuple(roi.shape):
                raise _unlike(kind, path, voxels.shape, tuple(roi.shape))
            return owned(voxels, self.spec.dtype)


def open_microscope(path: str, request: Request, kind: Format | None = None) -> MicroscopeSource:
    """Open an image in a file of a microscope; reads metadata only.

    Parameters
    ----------
    path : str
        Absolute path.
    request : Request
        What the user says of it.
    kind : Format, optional
        Its format; by default that of its ending, else whatever bioio reads.

    Raises
    ------
    SourceError
        If it is damaged, or of a kind that is not read.
    MetadataError
        If it has several images and none is chosen, or there is no such level.
    MissingExtra
        If the library that reads it is not installed.
    """
    kind = kind or format_of(path) or OTHERS
    if request.level:
        raise MetadataError(f"{kind.said} is read at level 0", value=request.level, place=path)
    files = SourceFiles.of((path,))
    with _lent(kind, path, files.stamps[0]) as reader:
        images = reader.images()
        if not images:
            raise SourceError(f"{kind.said} holds an image", value="none", place=path)
        number = choose_numbered(images, request.series, path)
        scene = reader.scene(number)
        facts, detail = scene.facts, reader.detail(number)
        notes = _lost_notes(scene.lost(), request.missing, path)
    spec = facts.spec(f"the {kind.name}" if kind.endings else "the file")
    which = (kind.name, number, detail, facts.block is not None)
    return MicroscopeSource(
        spec.replace(notes=(*spec.notes, *notes)), facts.chunks(), files, *which
    )


def _lost_notes(lost: Lost, missing: Missing, path: str) -> tuple[Note, ...]:
    """Refuse a file that lacks planes, or note that their voxels are 0."""
    if not lost.n_lost:
        return ()
    if missing == "error":
        raise SourceError(
            "the planes that a file announces are in it",
            value=str(lost),
            place=path,
            remedy='restore the file; or missing="fill" takes 0 for their voxels',
        )
    return (Note("missing", f"{lost}; their voxels are 0", "restore the file if that is wrong"),)


def open_other(path: str, request: Request) -> MicroscopeSource | None:
    """Open a file by bioio, which no backend has opened; None: it has no plugin for it.

    Raises
    ------
    MissingExtra
        If its ending is one that bioio is known to read, and it is not installed.
    """
    from scutoid.arrays._bioio import is_read

    if format_of(path) is None and not is_read(path):
        return None
    return open_microscope(path, request)


def images_in(path: str) -> tuple[tuple[int, str], ...]:
    """Return number and name of each image in a file of a microscope.

    Raises
    ------
    SourceError
        If it cannot be read.
    MissingExtra
        If the library that reads it is not installed.
    """
    kind = format_of(path) or OTHERS
    try:
        with guarding(path), _lent(kind, path, SourceFiles.of((path,)).stamps[0]) as reader:
            return reader.images()
    except MissingExtra:
        if path.lower().endswith(OWN_ENDINGS) or not _has_backends():
            raise
        return ((0, ""),)  # one of them may read it


def close_readers() -> None:
    """Close the files that are open for the next read."""
    _READERS.close()


@functools.cache
def _has_backends() -> bool:
    """Whether other packages read images."""
    from importlib.metadata import entry_points  # of which readers of TIFFs need none

    return bool(entry_points(group=BACKENDS))


@contextmanager
def _lent(kind: Format, path: str, stamp: Stamp) -> Iterator[SceneReader]:
    """Lend a reader, and say of what goes wrong in it which file it is."""
    try:
        with _READERS.lend(path, stamp, kind.open_reader) as reader:
            yield reader
    except (ScutoidError, MemoryError):  # of these the guard of the image says what they mean
        raise
    except ModuleNotFoundError as error:
        if error.name != kind.package:
            raise _unreadable(kind, path, error) from error
        raise MissingExtra.of(kind.package, extra=kind.extra, reads=kind.said) from error
    except Exception as error:  # each library has errors of its own
        check_system(error, path)
        raise _unreadable(kind, path, error) from error


def _unreadable(kind: Format, path: str, error: BaseException) -> SourceError:
    return SourceError(
        f"{kind.said} can be read by {kind.package}",
        value=f"{type(error).__name__}: {error}",
        place=path,
        remedy="the file is damaged, cut off, or of another kind: restore it from its source, or "
        "export it as OME-TIFF",
    )


def _unlike(
    kind: Format, path: str, got: tuple[int, ...], expected: tuple[int, ...]
) -> SourceError:
    return SourceError(
        f"{kind.package} reads as many voxels as the metadata say",
        value=f"{got} for {expected}",
        place=path,
        remedy="export it as OME-TIFF",
    )
