"""Images of a plate, with their labels, as one OME-Zarr (HCS).

::

out.ome.zarr/          rows, columns, wells
A/1/               fields
0/             an image
labels/    names of labels
nuclei/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from scutoid.errors import ParameterError
from scutoid.steps.handles._collections import Images
from scutoid.steps.handles._partial import Partial
from scutoid.steps.handles._single import Image

Labels: TypeAlias = Mapping[str, "Image | Images"]
"""Labels by their names."""
_VERSION = "0.5"
_NAME = re.compile(r"[A-Za-z0-9]+")
_WELL = re.compile(r"([A-Za-z]+)[-_]?([0-9]+)")
_FIELDS = ("field", "site")
_REMEDY = (
    'open the images by a pattern such as "plate/{well}_s{site:d}.tif", whose columns say where '
    "each lies; or export them to a folder, whose name has no ending"
)


@dataclass(frozen=True, slots=True)
class PlatePlace:
    """Where an image lies on a plate."""

    row: str
    """Name of its row."""
    column: str
    """Name of its column."""
    field: str
    """Name of the field within the well."""
    acquisition: int | None = None
    """Number of its acquisition."""

    @property
    def path(self) -> str:
        """Where it is below the plate."""
        return f"{self.row}/{self.column}/{self.field}"


def plate_places(images: Images) -> dict[str, PlatePlace]:
    """Return where each image lies on a plate, by the columns beside the keys.

    Raises
    ------
    ParameterError
        If they have no row and column, and no well such as B03, or two images have one place.
    """
    groups = images.groups
    names = () if groups is None else tuple(map(str, groups.columns))
    places: dict[str, PlatePlace] = {}
    owners: dict[str, str] = {}
    for key in images.keys:
        said = {name: groups.at[key, name] for name in names} if groups is not None else {}
        place = _place(said, key, owners)
        if place.path in owners or not all(map(_NAME.fullmatch, place.path.split("/"))):
            raise ParameterError(
                "each image of a plate has a row, a column and a field of its own, named by "
                "letters and digits",
                value=place.path + (f", as {owners[place.path]}" if place.path in owners else ""),
                place=f"member {key!r} of {images.name!r}",
                remedy=_REMEDY,
            )
        places[key], owners[place.path] = place, key
    return places


def _place(said: Mapping[str, object], key: str, taken: Mapping[str, str]) -> PlatePlace:
    well = _WELL.fullmatch(str(said.get("well", "")))
    if "row" in said and "column" in said:
        row, column = str(said["row"]), str(said["column"])
    elif well is not None:
        row, column = well[1], well[2]
    else:
        raise ParameterError(
            "images of a plate have columns row and column, or a column well with values as B03",
            value=dict(said) or "no columns",
            place=f"member {key!r}",
            remedy=_REMEDY,
        )
    name = next((name for name in _FIELDS if name in said), None)
    n_there = sum(path.startswith(f"{row}/{column}/") for path in taken)
    field = str(n_there) if name is None else str(said[name])
    run = said.get("acquisition")
    return PlatePlace(row, column, field, None if run is None else int(str(run)))


def write_plate(
    images: Images,
    folder: Path,
    labels: Labels,
    partial: Partial,
    write: Callable[[Image, Path], None],
) -> None:
    """Write images, and their labels, to a new folder.

    Raises
    ------
    ParameterError
        If images have no places on a plate, or labels do not belong to them.
    """
    places = plate_places(images)
    for name, each in labels.items():
        if not isinstance(each, Images) or not set(images.keys) <= set(each.keys):
            raise ParameterError(
                "labels= of a plate has labels of each of its images, with the same keys",
                value=repr(each),
                place=f"labels {name!r}",
            )
    folder.mkdir()

    def write_one(key: str) -> PlatePlace:
        target = folder / places[key].path
        target.parent.mkdir(parents=True, exist_ok=True)
        own = {name: _member(each, key) for name, each in labels.items()}
        write_image(images[key], target, own, write)
        return places[key]

    kept = [place for _, place in images.taken(partial).each(write_one)]
    _write_groups(folder, kept, images.name)


def _member(labels: Image | Images, key: str) -> Image:
    return labels[key] if isinstance(labels, Images) else labels


def write_image(
    image: Image, path: Path, labels: Mapping[str, Image], write: Callable[[Image, Path], None]
) -> None:
    """Write an image, and its labels within it."""
    if image.is_labels and labels:
        raise ParameterError(
            "labels lie within the image that they are of", value=repr(image), place="labels="
        )
    write(image, path)
    for name, each in labels.items():
        if not _NAME.fullmatch(name.replace("_", "").replace("-", "")):
            raise ParameterError("names of labels are letters and digits", value=name)
        if not each.is_labels:
            raise ParameterError(
                "labels are object numbers, as scutoid's own steps and labels=True say",
                value=repr(each),
                place=f"labels {name!r}",
            )
        write(each, path / "labels" / name)
    if labels:
        _write_group(path / "labels", {"labels": list(labels)})


def _write_groups(folder: Path, places: list[PlatePlace], name: str) -> None:
    """Write what a plate and its wells say of what is in them."""
    rows = list(dict.fromkeys(place.row for place in places))
    columns = list(dict.fromkeys(place.column for place in places))
    rows.sort(key=lambda text: (len(text), text))
    columns.sort(key=lambda text: (len(text), text))
    wells: dict[tuple[str, str], list[PlatePlace]] = {}
    for place in places:
        wells.setdefault((place.row, place.column), []).append(place)
    runs = sorted({place.acquisition for place in places if place.acquisition is not None})
    plate: dict[str, object] = {
        "version": _VERSION,
        "name": name,
        "rows": [{"name": row} for row in rows],
        "columns": [{"name": column} for column in columns],
        "wells": [
            {
                "path": f"{row}/{column}",
                "rowIndex": rows.index(row),
                "columnIndex": columns.index(column),
            }
            for row, column in wells
        ],
        "field_count": max(map(len, wells.values())),
    }
    if runs:
        plate["acquisitions"] = [{"id": run} for run in runs]
    _write_group(folder, {"plate": plate})
    for row in rows:
        _write_group(folder / row, {})
    for (row, column), fields in wells.items():
        listed = [
            {"path": place.field}
            | ({} if place.acquisition is None else {"acquisition": place.acquisition})
            for place in fields
        ]
        _write_group(folder / row / column, {"well": {"version": _VERSION, "images": listed}})


def _write_group(folder: Path, ome: Mapping[str, object]) -> None:
    attributes = {"ome": {"version": _VERSION, **ome}} if ome else {}
    said = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    (folder / "zarr.json").write_text(json.dumps(said, indent=2))
