"""The images of a zarr that is a collection as members: fields of a plate, series, elements."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from scutoid.arrays import labels_of, zarr_images
from scutoid.errors import ParameterError
from scutoid.steps.compute import Groups
from scutoid.steps.handles._member_files import Members
from scutoid.steps.handles._name_pattern import is_zarr


def images_in_zarr(path: str, is_selected: Callable[[str], bool]) -> Members | None:
    """Return the images of a zarr as members, by their paths below it; None: it is no zarr.

    A zarr that is one image is a member alone, called 0.
    """
    place = os.path.realpath(path)
    if not is_zarr(place):
        return None
    images = zarr_images(place)
    if images is None:
        return Members({"0": place}, Groups(("0",), {"series": [0], "name": [""]}))
    kept = {each.path: each.columns for each in images if is_selected(f"{place}/{each.path}")}
    names = dict.fromkeys(name for columns in kept.values() for name in columns)
    columns = {name: [columns.get(name) for columns in kept.values()] for name in names}
    return Members({key: f"{place}/{key}" for key in kept}, Groups(tuple(kept), columns))


def with_labels(members: Members, name: str) -> Members:
    """Return the labels of members that are zarrs, by their keys.

    Raises
    ------
    SourceError
        If one has no labels of this name.
    ParameterError
        If one is no zarr.
    """
    paths: dict[str, str] = {}
    for key, path in members.paths.items():
        if not isinstance(path, str) or not is_zarr(path):
            raise ParameterError(
                "labels= is for images of OME-Zarr, which have their labels within them",
                value=name,
                place=key,
                remedy="leave it out, or open the labels by a pattern of their own",
            )
        paths[key] = f"{path}/{labels_of(path, name)}"
    return replace(members, paths=paths)
