"""Images of a plate, with their labels and tables, as one OME-Zarr (HCS).

::

    out.ome.zarr/          rows, columns, wells
        A/1/               fields; tables of all of them
            0/             an image
                labels/    names of labels
                    nuclei/
                tables/    tables of this image
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from scutoid.arrays import well_name
from scutoid.errors import IncompleteResult, ParameterError
from scutoid.steps.compute import Groups
from scutoid.steps.handles._collections import Collection, Images, Tables, Values
from scutoid.steps.handles._export_members import remove_member
from scutoid.steps.handles._export_tables import (
    PlateTables,
    check_tables,
    table_of,
    whole_tables,
    write_group,
    write_tables,
    write_tables_of_well,
)
from scutoid.steps.handles._partial import Partial
from scutoid.steps.handles._single import Image

if TYPE_CHECKING:
    import pandas as pd

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
    groups = images.ref.node.groups
    columns = {} if groups is None else groups.of(images.keys)
    places: dict[str, PlatePlace] = {}
    owners: dict[str, str] = {}
    for number, key in enumerate(images.keys):
        said = {name: values[number] for name, values in columns.items()}
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
    if name is None:
        field = str(sum(path.startswith(f"{row}/{column}/") for path in taken))
    else:
        field = str(said[name])
    run = said.get("acquisition")
    return PlatePlace(row, column, field, None if run is None else int(str(run)))


def write_plate(
    images: Images,
    folder: Path,
    labels: Labels,
    tables: PlateTables,
    partial: Partial,
    write: Callable[[Image, Path], None],
) -> None:
    """Write images, their labels and their tables to a new folder.

    An image that was not finished, or whose labels or tables were not, is left out with these, or
    an error, as `partial` says.

    Raises
    ------
    ParameterError
        If images have no places on a plate, or labels or tables do not belong to them.
    """
    places = plate_places(images)
    for name, each in labels.items():
        if not isinstance(each, Images) or not set(images.keys) <= set(each.keys):
            raise ParameterError(
                "labels= of a plate has labels of each of its images, with the same keys",
                value=repr(each),
                place=f"labels {name!r}",
            )
    check_tables(tables, images.keys)
    own = {name: each for name, each in tables.items() if isinstance(each, (Tables, Values))}
    others = [each for each in labels.values() if isinstance(each, Images)]
    lacking = _lacking(images, [*others, *own.values()], partial)
    folder.mkdir()

    def write_one(key: str) -> PlatePlace:
        if key in lacking:
            raise IncompleteResult(
                "labels and tables of an image are there when it is exported", value=key
            )
        target = folder / places[key].path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_image(
                images[key],
                target,
                {name: _member(each, key) for name, each in labels.items()},
                {name: table_of(each, key) for name, each in own.items()},
                write,
            )
        except BaseException:
            remove_member(target, folder)
            raise
        return places[key]

    kept = dict(images.taken(partial).each(write_one))
    _write_groups(folder, list(kept.values()), images.name)
    if own:
        _write_tables_of_wells(folder, list(own), kept, images)
    write_tables(folder, whole_tables(tables))


def _lacking(images: Images, others: Iterable[Collection[Any]], partial: Partial) -> set[str]:
    """Return the keys of images that were finished without what belongs to them.

    Raises
    ------
    IncompleteResult
        If there are some, and `partial` is "error".
    """
    found: set[str] = set()
    for each in others:
        missing = set(each.missing) & set(images.keys)
        if missing:
            each.taken(partial).check()
        found |= missing
    return found


def _write_tables_of_wells(
    folder: Path, names: Sequence[str], kept: Mapping[str, PlatePlace], images: Images
) -> None:
    columns: dict[str, list[object]] = {
        "row": [place.row for place in kept.values()],
        "column": [place.column for place in kept.values()],
        "well": [well_name(place.row, place.column) for place in kept.values()],
        "field": [place.field for place in kept.values()],
    }
    if any(place.acquisition is not None for place in kept.values()):
        columns["acquisition"] = [place.acquisition for place in kept.values()]
    own = images.ref.node.groups
    groups = Groups(tuple(kept), columns)
    groups = groups if own is None else groups.beside(own)
    wells: dict[str, dict[str, str]] = {}
    for key, place in kept.items():
        wells.setdefault(f"{place.row}/{place.column}", {})[key] = place.field
    for well, fields in wells.items():
        write_tables_of_well(folder / well, names, fields, groups)


def _member(labels: Image | Images, key: str) -> Image:
    return labels[key] if isinstance(labels, Images) else labels


def write_image(
    image: Image,
    path: Path,
    labels: Mapping[str, Image],
    tables: Mapping[str, pd.DataFrame],
    write: Callable[[Image, Path], None],
) -> None:
    """Write an image, and its labels and tables within it."""
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
        _write_ome(path / "labels", {"labels": list(labels)})
    write_tables(path, tables, list(labels))


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
    _write_ome(folder, {"plate": plate})
    for row in rows:
        _write_ome(folder / row, {})
    for (row, column), fields in wells.items():
        listed = [
            {"path": place.field}
            | ({} if place.acquisition is None else {"acquisition": place.acquisition})
            for place in fields
        ]
        _write_ome(folder / row / column, {"well": {"version": _VERSION, "images": listed}})


def _write_ome(folder: Path, ome: Mapping[str, object]) -> None:
    write_group(folder, {"ome": {"version": _VERSION, **ome}} if ome else {})
