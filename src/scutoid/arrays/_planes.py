"""One file, a TIFF or a picture, and a folder of planes as one volume."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import read_chunked
from scutoid.arrays._endings import (
    COMPANION_ENDINGS,
    MICROSCOPE_ENDINGS,
    OWN_ENDINGS,
    PICTURE_ENDINGS,
    TIFF_ENDINGS,
)
from scutoid.arrays._file_sets import sets_among
from scutoid.arrays._guard import guarded
from scutoid.arrays._microscopes import open_microscope
from scutoid.arrays._notes import Note, unsettled
from scutoid.arrays._numbering import notes_of_names
from scutoid.arrays._pictures import open_picture
from scutoid.arrays._request import Request
from scutoid.arrays._source import ArraySource, SourceIdentity, stamp_of
from scutoid.arrays._spec import ImageSpec, assumed_axes
from scutoid.arrays._tiff_open import open_companion, open_tiff
from scutoid.errors import MetadataError, SourceError
from scutoid.geometry import Roi
from scutoid.paths import broken_link
from scutoid.regular import check_regular, opened_regular

_OWN_ENDINGS = (*TIFF_ENDINGS, *PICTURE_ENDINGS, *COMPANION_ENDINGS, *OWN_ENDINGS)


@dataclass(frozen=True, slots=True, eq=False)
class PlanesSource:
    """Files of equal shape, one a plane; each is decoded about once."""

    threadsafe: ClassVar[bool] = True
    spec: ImageSpec
    """Description of the volume; the first axis runs over the files."""
    paths: tuple[str, ...]
    """A file a plane, in order."""
    levels: int = 1
    """1: no pyramid."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """One plane."""
        return (1, *(max(n, 1) for n in self.spec.shape[1:]))

    @property
    def identity(self) -> SourceIdentity:
        """All files."""
        return SourceIdentity("files", self.paths)

    @guarded
    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        out = np.empty(tuple(roi.shape), self.spec.dtype)
        for row, number in enumerate(range(roi.offset[0], roi.end[0])):
            out[row] = read_chunked(
                ("plane", self.paths[number], stamp_of(self.paths[number])),
                tuple(roi.offset[1:]),
                tuple(roi.end[1:]),
                self.chunks[1:],
                self.spec.dtype,
                lambda _, number=number: self._decode(number),  # type: ignore[misc]
            )
        return out

    def _decode(self, number: int) -> NDArray[Any]:
        path = self.paths[number]
        source = open_file(path)
        _check_agrees(source.spec, path, ImageSpec(self.spec.shape[1:], self.spec.dtype, "yx"))
        return source.read(source.spec.roi)


def _check_agrees(spec: ImageSpec, path: str, first: ImageSpec) -> None:
    if (spec.shape, spec.dtype) != (first.shape, first.dtype):
        raise SourceError(
            "the planes of a volume have one shape and one type",
            value=f"{spec.shape} {spec.dtype}; the first plane has {first.shape} {first.dtype}",
            place=path,
            remedy="move the file out of the folder, or open the folder with sc.open_folder",
        )


def can_open_file(path: str) -> bool:
    """Whether a file is a TIFF, a picture, of a microscope, or the OME-XML of TIFFs.

    Not those that are read by bioio, for other packages may read them.
    """
    return path.lower().endswith(_OWN_ENDINGS) or _is_tiff(path)


def open_file(path: str, request: Request | None = None) -> ArraySource:
    """Open one file: pictures, OME-XML and those of microscopes by their ending, else a TIFF.

    Raises
    ------
    SourceError
        If it is damaged, or none of these.
    MetadataError
        If its axes are unknown, or there is no such level.
    """
    request = request or Request()
    if path.lower().endswith(COMPANION_ENDINGS) and not _is_tiff(path):
        return open_companion(path, request)
    if path.lower().endswith(MICROSCOPE_ENDINGS):
        return open_microscope(path, request)
    if not path.lower().endswith(PICTURE_ENDINGS):
        return open_tiff(path, request)
    if request.level:
        raise MetadataError("a picture has level 0 only", value=request.level, place=path)
    return open_picture(path, axes=request.axes)


def _is_tiff(path: str) -> bool:
    with opened_regular(path) as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_planes(folder: Path, request: Request) -> ArraySource:
    """Open a folder of files as one image: one a plane, or those of one OME-TIFF.

    The files are ordered by name, numbers by value.

    Raises
    ------
    SourceError
        If there are no files, or they differ in shape or type.
    MetadataError
        If a file is more than one plane.
    """
    endings_known = (*TIFF_ENDINGS, *PICTURE_ENDINGS)
    entries = [
        entry
        for entry in os.scandir(folder)
        if entry.name.lower().endswith(endings_known) and not entry.name.startswith(".")
    ]
    for entry in entries:
        if entry.is_symlink() and not Path(entry.path).exists():
            raise broken_link(entry.path)
        if not entry.is_file():
            check_regular(entry.path)
    names = [entry.name for entry in entries]
    endings = {Path(name).suffix.lower() for name in names}
    if len(endings) > 1 and not endings <= set(TIFF_ENDINGS):
        raise SourceError(
            "a folder that is opened as a volume holds planes of one format",
            value=", ".join(sorted(endings)),
            place=str(folder),
            remedy="name a file, a zarr, or a folder of planes",
        )
    if not names:
        raise _no_planes(folder)
    paths = tuple(str(folder / name) for name in natural(names))
    sets = sets_among(paths)
    if any(sets.values()):
        return open_file(_only_set(sets, folder), request)
    axes = request.axes
    first = open_file(paths[0]).spec
    if first.axes != "yx":
        raise MetadataError(
            "each file of a folder that is opened as a volume is one plane",
            value=f"axes {first.axes!r}, shape {first.shape}",
            place=paths[0],
            remedy="use sc.open_folder for a folder of images; as one image, with a pattern and "
            'stack=, such as "t{t:d}.tif" and stack={"t": "t"}',
        )
    for path in paths[1:]:
        _check_agrees(open_file(path).spec, path, first)
    spec = _volume(first, len(paths), axes)
    notes = (*spec.notes, *notes_of_names([Path(path).name for path in paths]))
    return PlanesSource(spec.replace(notes=unsettled(notes, ["axes"] if axes else [])), paths)


def _no_planes(folder: Path) -> SourceError:
    inside = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    remedy = "check the path"
    if inside:
        remedy = f"it holds folders, such as {inside[0]!r}: open one of them, or the files in all "
        remedy += f'by sc.open_folder("{folder.name}/{{folder}}/*.tif")'
    return SourceError(
        "a folder that is opened is a zarr, or holds planes",
        value="neither zarr metadata (zarr.json, .zgroup, .zarray) nor image files",
        place=str(folder),
        remedy=remedy,
    )


def _volume(first: ImageSpec, n_planes: int, axes: str | None) -> ImageSpec:
    """Describe the volume of planes of which the first is given; they have its size of a voxel."""
    assumed = () if axes else (assumed_axes("zyx", is_said=False),)
    plain = ImageSpec((n_planes, *first.shape), first.dtype, axes or "zyx", notes=assumed)
    sizes = first.sizes if plain.axes.endswith(first.axes) else {}
    if not sizes:
        return plain
    lacking = [axis for axis in plain.spatial_axes if axis not in first.axes]
    text = "files that are planes do not say how far apart they are"
    notes = [Note("voxel_size", text, f'give voxel_size={{"{axis}": ...}}') for axis in lacking]
    return plain.replace(
        known_sizes=tuple(sizes.get(axis) for axis in plain.spatial_axes),
        unit=first.unit,
        notes=(*plain.notes, *first.notes, *notes),
    )


def _only_set(sets: Collection[str], folder: Path) -> str:
    """Return the file by which to open a folder of files that are one OME-TIFF."""
    first, *others = sets
    if others:
        raise SourceError(
            "a folder that is opened as one image holds planes, or the files of one OME-TIFF",
            value=f"{len(sets)} images, by {Path(first).name}, {Path(others[0]).name}"
            + (", ..." if others[1:] else ""),
            place=str(folder),
            remedy="name one of them, or use sc.open_folder for a folder of images",
        )
    return first


def natural(names: Iterable[str]) -> list[str]:
    """Sort names, comparing the numbers in them as numbers.

    Examples
    --------
    >>> natural(["z10.tif", "z9.tif", "z010b.tif"])
    ['z9.tif', 'z10.tif', 'z010b.tif']
    """

    def key(name: str) -> tuple[list[tuple[int, int, str]], str]:
        pieces = re.split(r"(\d+)", name)
        return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in pieces], name

    return sorted(names, key=key)
