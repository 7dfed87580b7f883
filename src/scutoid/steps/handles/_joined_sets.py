"""Files of a folder that are one image, as those of an OME-TIFF are; and files of several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from scutoid.arrays import FileSet, images_of, sets_among
from scutoid.errors import ParameterError
from scutoid.steps.compute import Groups
from scutoid.steps.graph import FileSeries, MemberFiles
from scutoid.steps.handles._member_files import Members

_COLUMNS = ("series", "name")
"""What is said of each image of a file of several: its number, and its name."""
_SHOWN = 12
_Row: TypeAlias = tuple[str, str, MemberFiles, tuple[int, str]]
"""Of a member: the key of its file, its own, its file, and what is said of it."""


def joined_sets(members: Members, place: str, *, is_named: bool) -> Members:
    """Return members that are an image each: of a set one, of a file of several images each.

    Parameters
    ----------
    members : Members
        A file each.
    place : str
        The pattern or the table.
    is_named : bool
        Whether placeholders or columns say something of each file.

    Raises
    ------
    ParameterError
        If they do so of files of one set, which are one member.
    """
    paths = {key: path for key, path in members.paths.items() if isinstance(path, str)}
    sets = sets_among(tuple(paths.values()))
    if is_named:
        _refuse_shared(paths.values(), sets, place)
    kept = {key: path for key, path in paths.items() if path in sets}
    if any(sets[path].images for path in kept.values()):
        return _with_series(kept, sets, members.groups)
    return replace(members, paths=kept)


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


def _with_series(
    paths: Mapping[str, str], sets: Mapping[str, FileSet], groups: Groups | None
) -> Members:
    rows: list[_Row] = []
    for key, path in paths.items():
        rows += [
            (key, f"{key}/{number}", FileSeries(path, number), (number, name))
            for number, name in sets[path].images
        ] or [(key, key, path, (0, ""))]
    return _series(rows, groups)


def _series(rows: Iterable[_Row], groups: Groups | None) -> Members:
    """Return members by the key of their file, their own, the file, and number and name."""
    files, keys, paths, facts = zip(*rows, strict=True)
    columns = {} if groups is None else groups.of(files)
    columns |= {
        name: [fact[n] for fact in facts] for n, name in enumerate(_COLUMNS) if name not in columns
    }
    return Members(dict(zip(keys, paths, strict=True)), Groups(keys, columns), are_series=True)
