"""Files of a folder that are one image, as those of an OME-TIFF are; and files of several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from scutoid.arrays import FileSet, images_of, names_in_group, sets_among, zarr_at, zarr_images
from scutoid.errors import ParameterError
from scutoid.steps.compute import Groups
from scutoid.steps.graph import FileSeries, MemberFiles
from scutoid.steps.handles._member_files import Members
from scutoid.steps.handles._zarr_members import files_at

_COLUMNS = ("series", "name")
"""What is said of each image of a file of several: its number, and its name."""
_SHOWN = 12
_Image: TypeAlias = tuple[str, MemberFiles, tuple[int, str]]
"""Of an image in a file: what it is called in it, where it is, and what is said of it."""
_Row: TypeAlias = tuple[str, str, MemberFiles, tuple[int, str]]
"""Of a member: the key of its file, its own, its file, and what is said of it."""


def joined_sets(
    members: Members, place: str, *, is_named: bool, looks_at_all: bool = False
) -> Members:
    """Return members that are an image each: of a set one, of a file of several images each.

    Parameters
    ----------
    members : Members
        A file each.
    place : str
        The pattern or the table.
    is_named : bool
        Whether placeholders or columns say something of each file.
    looks_at_all : bool
        Whether all files are asked for their images, also those that need not hold several.

    Raises
    ------
    SourceError
        If one of these cannot be read.
    ParameterError
        If they do so of files of one set, which are one member.
    """
    paths = {key: path for key, path in members.paths.items() if isinstance(path, str)}
    sets = sets_among(tuple(paths.values()))
    if is_named:
        _refuse_shared(paths.values(), sets, place)
    kept = {key: path for key, path in paths.items() if path in sets}
    images = {key: _numbered(path, sets[path].images) for key, path in kept.items()}
    if looks_at_all:
        found = {key: images[key] or _images_at(path) for key, path in kept.items()}
        images = {key: each if len(each) > 1 else () for key, each in found.items()}
    elif not any(images.values()):
        return replace(members, paths=kept)
    return _with_series(kept, images, members.groups)


def check_places(paths: Sequence[str], place: str) -> None:
    """Refuse to stack files of several images, and files that are one OME-TIFF together.

    Raises
    ------
    ParameterError
        If there are such.
    """
    sets = sets_among(paths)
    _refuse_shared(paths, sets, place)
    path = paths[0]
    images = sets[path].images
    if images:
        listed = "; ".join(f"{number}: {name!r}" for number, name in images[:_SHOWN])
        raise ParameterError(
            "files that are stacked are an image each, or series= says which of them",
            value=f"{path} has {len(images)}: {listed}{'; ...' * (len(images) > _SHOWN)}",
            place=place,
            remedy=f"give series={images[0][0]}, or the number or the name of another",
        )


def _refuse_shared(paths: Iterable[str], sets: Mapping[str, FileSet], place: str) -> None:
    shared = next((path for path in paths if path not in sets), None)
    if shared is not None:
        raise ParameterError(
            "a member is an image: files that are one OME-TIFF together have no columns each, "
            "and are no places of another one",
            value=f"{shared} belongs to another one that matches",
            place=place,
            remedy="name one of its files only, such as by a * for what tells them apart",
        )


def images_in_file(path: str) -> Members | None:
    """Return the images of one file as members; None: it cannot hold several."""
    place = str(Path(path).resolve())
    images = images_of(place)
    if not images:
        return None
    if len(images) == 1:
        return _series([("0", "0", place, (0, images[0][1]))], None)
    rows: list[_Row] = [(str(n), str(n), FileSeries(place, n), (n, name)) for n, name in images]
    return _series(rows, None)


def _numbered(path: str, images: Iterable[tuple[int, str]]) -> tuple[_Image, ...]:
    return tuple((str(n), FileSeries(path, n), (n, name)) for n, name in images)


def _images_at(path: str) -> tuple[_Image, ...]:
    """Return the images of any file, or of a zarr."""
    place = path if "://" in path else zarr_at(path)
    if place is None:
        return _numbered(path, images_of(path))
    images = zarr_images(place)
    if images is None:
        return _numbered(path, enumerate(names_in_group(place)))
    return tuple(
        (each.path, files_at(f"{place}/{each.path}"), (n, str(each.columns.get("name", each.path))))
        for n, each in enumerate(images)
    )


def _with_series(
    paths: Mapping[str, str], images: Mapping[str, Sequence[_Image]], groups: Groups | None
) -> Members:
    rows: list[_Row] = []
    for key, path in paths.items():
        rows += [(key, f"{key}/{own}", file, said) for own, file, said in images[key]] or [
            (key, key, path, (0, ""))
        ]
    return _series(rows, groups)


def _series(rows: Iterable[_Row], groups: Groups | None) -> Members:
    """Return members by the key of their file, their own, the file, and number and name."""
    files, keys, paths, facts = zip(*rows, strict=True)
    columns = {} if groups is None else groups.of(files)
    columns |= {
        name: [fact[n] for fact in facts] for n, name in enumerate(_COLUMNS) if name not in columns
    }
    return Members(dict(zip(keys, paths, strict=True)), Groups(keys, columns), are_series=True)
