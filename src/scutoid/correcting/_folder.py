"""A folder of corrections: a zarr array each, written whole or not at all, never changed.

::

    cells.corrections/
      corrections.json     axes, and along which of them an object goes on
      000001.zarr/         voxels before and after; attributes say kind, place, who, when and why
      000002.zarr/
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scutoid.correcting._correction import Correction, Ids
from scutoid.durable import beside, replacing, sync_file, sync_folder
from scutoid.errors import ParameterError, SourceError, SourceNotFound
from scutoid.geometry import Roi
from scutoid.regular import read_regular
from scutoid.store import MARK
from scutoid.texts import parse_json

MANIFEST = "corrections.json"
VERSION = 1
_NUMBERED = re.compile(r"(\d{6,})\.zarr")
_TEXTS = ("who", "when", "why", "made_on", "step")


@dataclass(frozen=True, slots=True)
class Corrections:
    """A folder of corrections, in the order in which they were made.

    Examples
    --------
    >>> import tempfile
    >>> folder = Corrections.create(Path(tempfile.mkdtemp()) / "cells.corrections", "yx")
    >>> before = np.array([[0, 4, 4]], np.uint64)
    >>> folder.append(Correction("delete", "yx", (0, 0), before, 0 * before, who="Ada"))
    1
    >>> [(c.kind, c.objects, c.who) for c in folder]
    [('delete', (4,), 'Ada')]
    """

    path: Path
    """The folder."""
    axes: str
    """Axes of the labels."""
    object_axes: str
    """Axes along which an object goes on; at each place along the others numbers are others'."""

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], axes: str, object_axes: str | None = None
    ) -> Corrections:
        """Make a folder for corrections of labels with these axes, or open the one that is there.

        Parameters
        ----------
        path : path
            The folder, such as ``cells.corrections``.
        axes : str
            Axes of the labels.
        object_axes : str, optional
            Axes along which an object goes on; default: the spatial ones.

        Raises
        ------
        ParameterError
            If the folder has corrections of labels with other axes, or something else.
        """
        folder = Path(path)
        along = "".join(a for a in axes if a in "zyx") if object_axes is None else object_axes
        if not set(along) <= set(axes) or not along:
            raise ParameterError(
                "objects go on along axes of the labels",
                value=f"{along!r} of {axes!r}",
                place=str(folder),
            )
        made = cls(folder, axes, "".join(axis for axis in axes if axis in along))
        if (folder / MANIFEST).exists():
            found = open_corrections(folder)
            found.check_axes(axes)
            if object_axes is not None and found.object_axes != made.object_axes:
                raise ParameterError(
                    "corrections of one folder are of objects along the same axes",
                    value=f"{made.object_axes!r}; the folder has {found.object_axes!r}",
                    place=str(folder),
                    remedy="give another folder",
                )
            return found
        if _has_others(folder):
            raise ParameterError(
                "corrections have a folder of their own, new or empty",
                value=f"{folder}, which is a file or has other things",
                place="corrections=",
                remedy="name another, such as cells.corrections",
            )
        folder.mkdir(parents=True, exist_ok=True)
        manifest = {
            "scutoid_corrections": VERSION,
            "axes": made.axes,
            "object_axes": made.object_axes,
        }
        with replacing(folder / MANIFEST) as new:
            new.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        return made

    def check_axes(self, axes: str) -> None:
        """Refuse labels with other axes.

        Raises
        ------
        ParameterError
            If they have.
        """
        if axes != self.axes:
            raise ParameterError(
                "corrections fit labels with the axes of those that they were made on",
                value=f"labels with axes {axes!r}; corrections with {self.axes!r}",
                place=str(self.path),
                remedy="transpose the labels first: sc.transpose(labels, axes=...)",
            )

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the corrections, in order."""
        names = (entry.name for entry in self.path.iterdir())
        return tuple(sorted(int(m[1]) for name in names if (m := _NUMBERED.fullmatch(name))))

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Correction]:
        return (self.read(number) for number in self.numbers)

    def read(self, number: int) -> Correction:
        """Read one.

        Raises
        ------
        SourceError
            If it is damaged, or of a version that is not known.
        """
        return _read(self._place(number), self.axes)

    def boxes(self) -> list[Roi]:
        """Return the boxes of all, in order; no voxels are read.

        Raises
        ------
        SourceError
            If one is damaged.
        """
        return [_box_of(self._place(number)) for number in self.numbers]

    def append(self, correction: Correction) -> int:
        """Write one more, whole or not at all; return its number.

        Raises
        ------
        ParameterError
            If it has other axes, or is of several images: at places along axes that no object
            goes along.
        OSError
            If it cannot be written.
        """
        self.check_axes(correction.axes)
        lengths = dict(zip(self.axes, correction.before.shape, strict=True))
        across = {a: n for a, n in lengths.items() if a not in self.object_axes and n != 1}
        if across:
            raise ParameterError(
                "a correction is of one place along axes that no object goes along",
                value=f"{across}; objects go along {self.object_axes!r}",
                place=str(self.path),
            )
        new = beside(self._place(0))
        try:
            _write(new, correction)
            number = (self.numbers or (0,))[-1] + 1
            while not _renamed(new, self._place(number)):  # another process was first
                number += 1
        finally:
            shutil.rmtree(new, ignore_errors=True)
        sync_folder(self.path)
        return number

    def _place(self, number: int) -> Path:
        return self.path / f"{number:06}.zarr"


def open_corrections(path: str | os.PathLike[str]) -> Corrections:
    """Open a folder of corrections, to read them or to give them to `corrected`.

    Parameters
    ----------
    path : path
        The folder.

    Returns
    -------
    Corrections
        Each is read when it is asked for.

    Raises
    ------
    SourceNotFound
        If there is none.
    SourceError
        If it is no folder of corrections, or of a version that is not known.
    """
    folder = Path(path)
    try:
        manifest = parse_json(read_regular(folder / MANIFEST).decode())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceNotFound(
            f"a folder of corrections has a {MANIFEST}",
            value=str(folder),
            remedy="sc.correct(labels, corrections=...) makes one with the first correction",
        ) from error
    except (OSError, ValueError) as error:
        raise SourceError(
            f"the {MANIFEST} of corrections is JSON", value=str(error), place=str(folder)
        ) from error
    fields = manifest if isinstance(manifest, dict) else {}
    axes, along = fields.get("axes"), fields.get("object_axes")
    is_known = fields.get("scutoid_corrections") == VERSION
    if not is_known or not isinstance(axes, str) or not isinstance(along, str):
        raise SourceError(
            f"corrections are of version {VERSION} and name axes and object_axes",
            value=json.dumps(manifest)[:200],
            place=str(folder / MANIFEST),
            remedy="use a version of scutoid that knows them",
        )
    return Corrections(folder, axes, along)


def _has_others(folder: Path) -> bool:
    """Whether something lies at a path but an empty folder; what a viewer of files left is none."""
    if not folder.is_dir():
        return folder.exists()
    return any(entry.name == MARK or entry.name[0] != "." for entry in folder.iterdir())


def _write(path: Path, correction: Correction) -> None:
    """Write the array of a correction, and wait until it is on the disk."""
    import zarr

    planes = {"before": correction.before, "after": correction.after}
    if correction.seeds is not None:
        planes["seeds"] = correction.seeds
    voxels = np.stack(list(planes.values()))
    zarr.create_array(
        store=str(path),
        data=voxels,
        chunks=voxels.shape,
        dimension_names=["plane", *correction.axes],
        attributes={
            "scutoid_correction": VERSION,
            "kind": correction.kind,
            "planes": list(planes),
            "offset": list(correction.offset),
            **{name: getattr(correction, name) for name in _TEXTS},
            "sha256": _digest(voxels),
        },
    )
    for root, _, names in os.walk(path, topdown=False):
        for name in names:
            sync_file(Path(root) / name)
        sync_folder(Path(root))


def _renamed(new: Path, place: Path) -> bool:
    """Rename a folder, unless the place is taken."""
    try:
        new.rename(place)
    except OSError:
        if place.exists():
            return False
        raise
    return True


def _read(path: Path, axes: str) -> Correction:
    import zarr

    try:
        return _parsed(zarr.open_array(str(path), mode="r"), axes)
    except Exception as error:  # whatever readers of zarr raise of damaged files
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> SourceError:
    return SourceError(
        f"a correction is a zarr array of version {VERSION}, as it was written",
        value=f"{type(error).__name__}: {error}",
        place=str(path),
        remedy="restore it from a copy, or remove it: those after it may not apply without it",
    )


def _known(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes of an array, if it is of a version that is known."""
    version = said.get("scutoid_correction")
    if version != VERSION:
        raise ValueError(f"it is of version {version}")
    return said


def _box_of(path: Path) -> Roi:
    """Return the box of a correction from its metadata, without zarr, which takes far longer."""
    try:
        described = parse_json(read_regular(path / "zarr.json"))
        return Roi(_known(described["attributes"])["offset"], described["shape"][1:])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _damaged(path, error) from error


def _parsed(array: Any, axes: str) -> Correction:
    """Make a correction of the attributes and the voxels of its array."""
    said = _known(dict(array.attrs))
    ids = np.asarray(array[...]).astype(np.uint64, copy=False)
    if _digest(ids) != said["sha256"]:
        raise ValueError("the voxels are not those of its sha256")
    planes: dict[str, Ids] = dict(zip(said["planes"], ids, strict=True))
    return Correction(
        said["kind"],
        axes,
        tuple(map(int, said["offset"])),
        planes["before"],
        planes["after"],
        planes.get("seeds"),
        **{name: str(said[name]) for name in _TEXTS},
    )


def _digest(voxels: Ids) -> str:
    return hashlib.sha256(np.ascontiguousarray(voxels, "<u8").tobytes()).hexdigest()
