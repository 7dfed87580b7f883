"""What the metadata of a TIFF announce, before a library makes room for it or goes through it.

A program that reads TIFFs makes a list of all planes that are announced, and opens each file that
is named, also those of images that nobody asks for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from scutoid.arrays._ome_xml import of_name
from scutoid.arrays._tiff_chain import BrokenChain, count_pages
from scutoid.arrays._tiff_whole import DAMAGED
from scutoid.errors import SourceError
from scutoid.regular import check_regular

if TYPE_CHECKING:
    from tifffile import TiffFile

_FREE = 2**22
"""Planes that are always taken down, some megabytes in a list."""
_TIMES = 16
"""How many planes there may be a page, for planes may be missing, or named twice."""
_ALONG = "ModuloAlong"


class NamedFiles:
    """The files that OME-XML names, each followed once.

    Parameters
    ----------
    path : str
        The TIFF that names them.
    n_pages : int
        Number of its pages.
    """

    def __init__(self, path: str, n_pages: int) -> None:
        self.n_pages = {Path(path): n_pages}
        """Number of pages of each that is whole."""
        self.gone: set[Path] = set()
        """Those that are not there."""
        self.damaged: dict[Path, str] = {}
        """What is wrong with others."""

    def look_at(self, place: Path) -> int:
        """Return the number of pages of a file, as far as they can be followed.

        Raises
        ------
        SourceError
            If it is no file, or its pages go on for ever.
        """
        if place in self.n_pages or place in self.gone or place in self.damaged:
            return self.n_pages.get(place, 0)
        try:
            self.n_pages[place] = count_pages(str(place))
        except FileNotFoundError:
            self.gone.add(place)
        except SourceError:
            raise
        except OSError as error:
            self.damaged[place] = error.strerror or str(error)
        except BrokenChain as error:
            if error.goes_on:
                raise endless(str(place), error) from error
            self.damaged[place] = f"it breaks off: {error}"
            return error.n_whole
        return self.n_pages.get(place, 0)


def endless(path: str, error: BrokenChain) -> SourceError:
    """Return the error of pages that a library would follow for ever."""
    return SourceError(
        "the pages of a TIFF follow each other to an end, and each has its own place in the file",
        value=str(error),
        place=path,
        remedy=DAMAGED,
    )


def check_ome(root: ET.Element, path: str, n_pages: int) -> NamedFiles:
    """See that OME-XML announces about as much as there is.

    Parameters
    ----------
    root : Element
        The OME-XML.
    path : str
        The TIFF.
    n_pages : int
        Number of its pages.

    Returns
    -------
    NamedFiles
        The files that it names.

    Raises
    ------
    ValueError
        If it announces more, or has no numbers where they belong.
    SourceError
        If a file that it names is none, or its pages go on for ever.
    """
    files = NamedFiles(path, n_pages)
    announced = named = n_data = 0
    for pixels in (each for image in of_name(root, "Image") for each in of_name(image, "Pixels")):
        shape = leading_shape(pixels)
        n_planes = math.prod(shape.values())
        most = n_planes
        for data in of_name(pixels, "TiffData"):
            if not is_within(data, shape):
                continue
            n_there = files.look_at(file_of(data, path, root))
            n = planes_in(data) or n_there
            most, named, n_data = max(most, _first(data, shape) + n), named + n, n_data + 1
        announced += most
    there = sum(files.n_pages.values()) + n_data
    _refuse_more(max(announced, named), there, f"of {there - n_data} pages")
    for element in root.iter():
        if element.tag.rpartition("}")[2].startswith(_ALONG):
            _check_steps(element)
    return files


def check_stacks(file: TiffFile) -> None:
    """See that what Micro-Manager writes beside the pages announces about as much as there is.

    Raises
    ------
    ValueError
        If it announces more.
    SourceError
        If a file that it names is none.
    """
    if file.is_mmstack:
        said: Mapping[str, Any] = file.micromanager_metadata or {}
        places = np.asarray(said.get("IndexMap", np.zeros((0, 5)))).reshape(-1, 5)[:, :4]
        summary = said.get("Summary", {})
        names = ("Channels", "Slices", "Frames", "Positions")
        told = [int(summary.get(name, 1)) for name in names]
        _check_places(places, told)
    elif file.is_ndtiff:
        import tifffile

        folder = Path(file.filehandle.dirname)
        entries = list(tifffile.tifffile.read_ndtiff_index(folder / "NDTiff.index"))
        for name in {entry[1] for entry in entries}:
            check_regular(folder / name)
        axes = [[at for at in entry[0].values() if not isinstance(at, str)] for entry in entries]
        if len({len(each) for each in axes}) == 1:
            _check_places(np.array(axes, np.int64))


def _check_places(places: np.ndarray[Any, Any], told: Sequence[int] = ()) -> None:
    """See that places do not lie much farther apart than there are of them."""
    spread = [
        int(column.max()) - min(int(column.min()), 0) + 1 for column in places.T if len(column)
    ]
    sizes = [max(pair) for pair in zip(spread, told, strict=True)] if told and spread else spread
    _refuse_more(math.prod(sizes), len(places), f"of {len(places)} pages")


def _refuse_more(n_planes: int, there: int, said: str) -> None:
    if n_planes > _FREE + _TIMES * there:
        raise ValueError(f"it announces {n_planes} planes, {said}")


def _check_steps(element: ET.Element) -> None:
    """See that an axis is divided in no more steps than there may be planes."""
    if "Start" in element.attrib:
        step = float(element.get("Step", 1))
        n_steps = (float(element.attrib["End"]) + step - float(element.attrib["Start"])) / step
        if not n_steps <= _FREE:
            raise ValueError(f"it divides an axis in {n_steps:g} steps")


def leading_shape(pixels: ET.Element) -> dict[str, int]:
    """Return the number of planes along each axis, the slowest first."""
    channel = next(of_name(pixels, "Channel"), None)
    n_samples = 1 if channel is None else int(channel.get("SamplesPerPixel", 1))
    shape = {a: int(pixels.get(f"Size{a}", 1)) for a in reversed(pixels.get("DimensionOrder", ""))}
    shape = {axis: size for axis, size in shape.items() if axis not in "XY"}
    return {axis: size // n_samples if axis == "C" else size for axis, size in shape.items()}


def is_within(data: ET.Element, shape: Mapping[str, int]) -> bool:
    """Whether a plane is one that the image has; some programs leave others when they cut."""
    return all(int(data.get(f"First{axis}", 0)) < size for axis, size in shape.items())


def planes_in(data: ET.Element) -> int:
    """Return the number of planes that a part of OME-XML names; 0: all pages of the file."""
    given = data.get("PlaneCount") or data.get("NumPlanes") or "1" * ("IFD" in data.attrib)
    return int(given or 0)


def file_of(data: ET.Element, path: str, root: ET.Element) -> Path:
    """Return the file whose pages a part of OME-XML speaks of."""
    own = Path(path)
    uuid = next(of_name(data, "UUID"), None)
    name = None if uuid is None else uuid.get("FileName")
    if uuid is None or name is None or uuid.text == root.get("UUID"):
        return own
    is_own = root.get("UUID") is None and name.lower() == own.name.lower()
    return own if is_own else own.parent / name


def _first(data: ET.Element, shape: Mapping[str, int]) -> int:
    """Return the number of the first plane that a part of OME-XML names."""
    number = 0
    for axis, size in shape.items():
        number = number * size + int(data.get(f"First{axis}", 0))
    return number
