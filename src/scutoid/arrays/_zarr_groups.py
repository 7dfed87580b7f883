"""The images of a zarr that is a collection: a plate, a well, series, labels, elements.

::

    plate.ome.zarr/A/1/0                      a field of a well; its columns are of the plate
    converted.zarr/0, /1                      series, as bioformats2raw writes them
    data.zarr/images/x, data.zarr/labels/y    elements, as spatialdata writes them
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from scutoid.arrays._ome import is_below
from scutoid.arrays._zarr_nodes import (
    Node,
    file_in,
    folders_in,
    names_below,
    read_node,
    read_nodes,
)
from scutoid.errors import MetadataError, SourceError

_LAYOUT = "bioformats2raw.layout"
_Read: TypeAlias = Callable[[Sequence[str]], "list[Node | None]"]
_ELEMENTS = ("images", "labels")


@dataclass(frozen=True, slots=True)
class GroupImage:
    """An image in a zarr."""

    path: str
    """Where it is, below the zarr."""
    columns: Mapping[str, object]
    """What the collection says of it."""
    is_there: bool = True
    """Whether it was found; not: it stands for all fields of a well that is not there."""


def zarr_images(location: str, *, fills: bool = False) -> tuple[GroupImage, ...] | None:
    """Return the images of a zarr that is a collection, in order; None: it is none, or no zarr.

    Parameters
    ----------
    location : str
        Path or URL.
    fills : bool
        Whether wells may be absent, and files that a server refuses are.

    Raises
    ------
    MetadataError
        If its metadata are not valid, or it holds no image.
    SourceError
        If something that it names is not there.
    """
    read = functools.partial(read_nodes, fills=fills)
    (node,) = read([location])
    if node is None or node.is_array:
        return None
    ome = _ome(node)
    if ome.get("multiscales"):
        return None
    try:
        found = tuple(_images(node, ome, read, fills=fills))
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        if isinstance(error, MetadataError):
            raise
        raise MetadataError(
            "the metadata of a plate, a well or a series name what is in it",
            value=f"{type(error).__name__}: {error}",
            place=location,
            remedy="mend the metadata, or open what is in it by a pattern such as "
            f"{location}/*/*/0",
        ) from error
    outside = next((each.path for each in found if not is_below(each.path)), None)
    if outside is not None:
        raise MetadataError(
            "the images that a zarr names lie within it", value=outside, place=location
        )
    return found or None


def names_in_group(location: str, *, fills: bool = False) -> tuple[str, ...]:
    """Return the names of the images whose levels lie in one group, as ``series=`` takes them.

    Parameters
    ----------
    location : str
        Path or URL.
    fills : bool
        Whether files that a server refuses are absent.
    """
    node = read_node(location, fills=fills)
    listed = None if node is None else _ome(node).get("multiscales")
    if not isinstance(listed, list):
        return ()
    return tuple(str(each.get("name") or "") for each in listed if isinstance(each, Mapping))


def is_zarr_at(url: str, *, fills: bool = False) -> bool:
    """Whether a group or an array of a zarr is at a URL.

    Raises
    ------
    SourceError
        If its server does not say so.
    """
    return read_node(url, fills=fills) is not None


def labels_of(location: str, name: str) -> str:
    """Return the path, below an image, of labels that it has.

    Raises
    ------
    SourceError
        If it has none of this name.
    """
    if read_node(f"{location}/labels/{name}") is not None:
        return f"labels/{name}"
    group = read_node(f"{location}/labels")
    there = () if group is None else _ome(group).get("labels") or folders_in(group.location)
    raise SourceError(
        "each image has the labels that are meant",
        value=f"no {name!r}; it has {', '.join(map(str, there)) or 'none'}",
        place=location,
        remedy="name labels that all have, or leave the image out by select=",
    )


def _ome(node: Node) -> Mapping[str, Any]:
    ome = node.attributes.get("ome", node.attributes)
    return ome if isinstance(ome, Mapping) else {}


def _images(
    node: Node, ome: Mapping[str, Any], read: _Read, *, fills: bool
) -> Iterator[GroupImage]:
    if "plate" in ome:
        yield from _of_plate(node, ome["plate"], read, fills=fills)
    elif "well" in ome:
        yield from _of_well(ome["well"], "", {})
    elif _LAYOUT in ome:
        yield from _of_series(node, read)
    elif isinstance(ome.get("labels"), list):
        yield from (GroupImage(str(name), {"name": str(name)}) for name in ome["labels"])
    else:
        yield from _of_elements(node, read)


def _of_plate(
    node: Node, plate: Mapping[str, Any], read: _Read, *, fills: bool
) -> Iterator[GroupImage]:
    names = {axis: [str(item["name"]) for item in plate[axis]] for axis in ("rows", "columns")}
    paths = [str(item["path"]) for item in plate["wells"]]
    wells = read([f"{node.location}/{path}" for path in paths])
    for item, path, well in zip(plate["wells"], paths, wells, strict=True):
        row, _, column = path.partition("/")
        row = names["rows"][item["rowIndex"]] if "rowIndex" in item else row
        column = names["columns"][item["columnIndex"]] if "columnIndex" in item else column
        place = {"row": row, "column": column, "well": well_name(row, column)}
        if well is None and fills:
            yield GroupImage(path, place, is_there=False)
            continue
        if well is None:
            raise SourceError(
                "the wells that a plate lists are there",
                value=path,
                place=node.location,
                remedy='restore it, or leave it out by missing="fill", as after an acquisition '
                "that was stopped",
            )
        yield from _of_well(_ome(well)["well"], f"{path}/", place)


def well_name(row: str, column: str) -> str:
    """Return what a well is called: numbers are kept apart.

    Examples
    --------
    >>> well_name("B", "03"), well_name("2", "11")
    ('B03', '2-11')
    """
    return f"{row}-{column}" if row[-1:].isdigit() else f"{row}{column}"


def _of_well(
    well: Mapping[str, Any], prefix: str, place: Mapping[str, object]
) -> Iterator[GroupImage]:
    has_runs = any("acquisition" in item for item in well["images"])
    for item in well["images"]:
        path = str(item["path"])
        columns: dict[str, object] = {**place, "field": path}
        if has_runs:
            columns["acquisition"] = item.get("acquisition")
        yield GroupImage(f"{prefix}{path}", columns)


def _of_series(node: Node, read: _Read) -> Iterator[GroupImage]:
    (group,) = read([f"{node.location}/OME"])
    paths = () if group is None else _ome(group).get("series") or ()
    if not paths:
        paths = sorted((name for name in names_below(node) if name.isdecimal()), key=int)
    names = _series_names(node.location)
    for number, path in enumerate(paths):
        name = names[number] if number < len(names) else ""
        yield GroupImage(str(path), {"series": number, "name": name})


def _series_names(location: str) -> list[str]:
    """Return the names of series, where OME-XML lies beside them."""
    text = file_in(location, "OME/METADATA.ome.xml")
    if text is None:
        return []
    from xml.etree import ElementTree as ET

    from scutoid.arrays._ome_xml import of_name

    try:
        root = ET.fromstring(text)  # noqa: S314
    except ET.ParseError:
        return []
    return [each.get("Name") or "" for each in of_name(root, "Image")]


def _of_elements(node: Node, read: _Read) -> Iterator[GroupImage]:
    """Yield images that lie in a group, or in its groups of images and labels."""
    names = names_below(node)
    if not names and "://" in node.location:
        raise SourceError(
            "what a group at a URL holds is told by consolidated metadata, or by a listing",
            value="neither",
            place=node.location,
            remedy="consolidate its metadata, by zarr.consolidate_metadata, or open the images by "
            "a table with a column path",
        )
    for name in _images_among(node, names, read):
        yield GroupImage(name, {"name": name})
    for element in _ELEMENTS:
        if element in names:
            inside = [f"{element}/{name}" for name in names_below(node, element)]
            for path in _images_among(node, inside, read):
                name = path.partition("/")[2]
                yield GroupImage(path, {"element": element, "name": name})


def _images_among(node: Node, paths: Sequence[str], read: _Read) -> Iterator[str]:
    """Yield those of some paths below a group where an image is."""
    children = read([f"{node.location}/{path}" for path in paths])
    for path, child in zip(paths, children, strict=True):
        if child is not None and not child.is_array and _ome(child).get("multiscales"):
            yield path
