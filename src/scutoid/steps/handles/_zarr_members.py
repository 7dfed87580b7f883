"""The images of a zarr that is a collection as members: fields of a plate, series, elements."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from scutoid import remote
from scutoid.arrays import (
    GroupImage,
    is_zarr_at,
    labels_of,
    names_in_group,
    split_zip,
    zarr_at,
    zarr_images,
)
from scutoid.errors import ParameterError
from scutoid.steps.compute import Groups
from scutoid.steps.graph import FileSeries, MemberFiles
from scutoid.steps.handles._member_files import Members

_SHOWN = 5
"""Number of things that are named where there are many."""


def images_in_zarr(
    path: str, is_selected: Callable[[str], bool], *, fills: bool = False
) -> Members | None:
    """Return the images of a zarr as members, by their paths below it; None: it is no zarr.

    A zarr that is one image is a member alone, called 0.

    Parameters
    ----------
    path : str
        Path or URL.
    is_selected : function of a path
        Whether an image belongs to the collection.
    fills : bool
        Whether images that it names and that are not there are left out, with a note, and files
        that a server refuses are absent.
    """
    if "://" in path:
        place = path if is_zarr_at(path, fills=fills) else None
    else:
        place = zarr_at(os.path.realpath(path))
    if place is None:
        return None
    images = zarr_images(place, fills=fills)
    if images is None:
        return _in_group(place, names_in_group(place, fills=fills))
    chosen = [each for each in images if is_selected(f"{place}/{each.path}")]
    absent = _absent(place, chosen) if fills else {}
    kept = {each.path: each.columns for each in chosen if each.path not in absent}
    names = dict.fromkeys(name for columns in kept.values() for name in columns)
    columns = {name: [columns.get(name) for columns in kept.values()] for name in names}
    members = _members({key: f"{place}/{key}" for key in kept}, Groups(tuple(kept), columns))
    return replace(members, notes=_notes(absent))


def _absent(place: str, images: Sequence[GroupImage]) -> dict[str, None]:
    """Return the paths of images and wells that are named and not there."""
    places = {f"{place}/{each.path}": each for each in images}
    listed = [each for each, image in places.items() if image.is_there]
    is_at = functools.partial(is_zarr_at, fills=True)
    found = remote.at_once(listed, is_at) if "://" in place else map(zarr_at, listed)
    there = {each for each, is_there in zip(listed, found, strict=True) if is_there}
    return dict.fromkeys(image.path for each, image in places.items() if each not in there)


def _notes(absent: Collection[str]) -> tuple[str, ...]:
    if not absent:
        return ()
    some = ", ".join(itertools.islice(absent, _SHOWN)) + (", ..." if len(absent) > _SHOWN else "")
    images = (
        "of the wells and images that it names one is"
        if len(absent) == 1
        else (f"of the wells and images that it names {len(absent)} are")
    )
    return (f"{images} not there, and left out: {some}",)


def _in_group(place: str, names: Sequence[str]) -> Members:
    """Return the images whose levels lie in one group: mostly one."""
    archive, inside = split_zip(place) or (place, "")
    if len(names) < 2 or inside:
        return _members({"0": place}, Groups(("0",), {"series": [0], "name": [""]}))
    keys = tuple(map(str, range(len(names))))
    files = {key: FileSeries(archive, number) for number, key in enumerate(keys)}
    columns: dict[str, Sequence[object]] = {"series": range(len(names)), "name": names}
    return Members(files, Groups(keys, columns), are_series=True)


def _members(places: Mapping[str, str], groups: Groups | None) -> Members:
    """Return members by the places of their zarrs; what lies in a zip is an image of this file."""
    paths = {key: files_at(place) for key, place in places.items()}
    are_series = any(isinstance(files, FileSeries) for files in paths.values())
    return Members(paths, groups, are_series=are_series)


def files_at(place: str) -> MemberFiles:
    archive, inside = split_zip(place) or (place, "")
    return FileSeries(archive, inside) if inside else archive


def _place_of(files: MemberFiles) -> str | None:
    """Return the place of a member that is a zarr; None: it is none."""
    if isinstance(files, FileSeries) and isinstance(files.which, str):
        return f"{files.path}/{files.which}"
    if not isinstance(files, str):
        return None
    return files if "://" in files else zarr_at(files)


def with_labels(members: Members, name: str) -> Members:
    """Return the labels of members that are zarrs, by their keys.

    Raises
    ------
    SourceError
        If one has no labels of this name.
    ParameterError
        If one is no zarr.
    """
    places: dict[str, str] = {}
    for key, files in members.paths.items():
        place = _place_of(files)
        if place is None:
            raise ParameterError(
                "labels= is for images of OME-Zarr, which have their labels within them",
                value=name,
                place=key,
                remedy="leave it out, or open the labels by a pattern of their own",
            )
        places[key] = place
    paths = list(places.values())
    is_remote = any("://" in place for place in paths)
    find = functools.partial(_labels_at, name=name)
    found = remote.at_once(paths, find) if is_remote else [find(place) for place in paths]
    labels = _members(dict(zip(places, found, strict=True)), members.groups)
    return replace(labels, notes=members.notes)


def _labels_at(place: str, name: str) -> str:
    return f"{place}/{labels_of(place, name)}"
