"""The images of a TIFF file, and the one of them that is meant.

::

    OME-XML          an image is an Image element of it: a position, a scene
    other TIFFs      pages of one shape and type; of slide scanners also labels and overviews
    pages written    the stack of them
    one at a time

Smaller versions of a page, masks, labels and overviews are no images on their own where there are
others: they are opened by their number or name alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary
from xml.etree import ElementTree as ET

from scutoid.arrays._ome_companion import has_images
from scutoid.arrays._ome_xml import of_name
from scutoid.arrays._request import SeriesName
from scutoid.errors import MetadataError, ParameterError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

_NUMBERED = re.compile(r"scutoid:(\d+)$")
_BESIDE = 0b101
"""Bits of pages that are a smaller version or a mask of another."""
_MAIN = "Baseline"
"""What tifffile calls the image of a slide, beside its label and overview."""
_ALIKE = ("shaped", "generic", "uniform")
_OF_A_PAGE = frozenset("YXS")
"""Axes of an image that is a page; a page that has others, such as z, is a stack of its own."""
_SHOWN = 12
_STACKS: WeakKeyDictionary[TiffFile, TiffPageSeries] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class TiffImage:
    """An image of a file."""

    number: int
    """Its number in the file."""
    name: str
    """Its name; empty: it has none."""
    said: str
    """Its shape and type, for messages."""
    element: ET.Element | None = None
    """What OME-XML says of it."""


def numbered_xml(text: str | None) -> str | None:
    """Return OME-XML of several images with their numbers in the place of their names.

    Programs leave out images of which they find no page, so that those after it would be counted
    wrongly.  None where there is nothing to number.
    """
    if text is None or not has_images(text.encode()):
        return None
    try:
        root = ET.fromstring(text)  # noqa: S314
    except ET.ParseError:
        return None
    for number, image in enumerate(of_name(root, "Image")):
        image.set("Name", f"scutoid:{number}")
    return ET.tostring(root, encoding="unicode")


def ome_images(root: ET.Element) -> tuple[TiffImage, ...]:
    """Return the images of OME-XML that have planes in TIFFs; if none has, the first."""
    images = []
    for number, element in enumerate(of_name(root, "Image")):
        pixels = next(of_name(element, "Pixels"), None)
        if pixels is not None and next(of_name(pixels, "TiffData"), None) is not None:
            sizes = [pixels.get(f"Size{axis}", "?") for axis in "TCZYX"]
            said = f"tczyx ({', '.join(sizes)}), {pixels.get('Type', '')}"
            images.append(TiffImage(number, element.get("Name") or "", said, element))
    if not images:
        first = next(of_name(root, "Image"), None)
        return () if first is None else (TiffImage(0, first.get("Name") or "", "", first),)
    return tuple(images)


def page_images(file: TiffFile) -> tuple[TiffImage, ...]:
    """Return the images of a TIFF as its pages make them up."""
    return tuple(
        TiffImage(number, each.name or "", f"{each.axes.lower()} {each.shape}, {each.dtype}")
        for number, each in enumerate(file.series)
    )


def series_at(file: TiffFile, number: int | None) -> TiffPageSeries | None:
    """Return the pages of an image; None: there are none.

    Parameters
    ----------
    file : tifffile.TiffFile
        The open file.
    number : int, optional
        Number of the image; None: the stack of pages that were written one at a time.
    """
    if number is None:
        if file not in _STACKS:
            _STACKS[file] = _stacked(file)
        return _STACKS[file]
    if any(each.kind == "ome" for each in file.series) and _NUMBERED.match(file.series[0].name):
        named = f"scutoid:{number}"
        return next((each for each in file.series if each.name == named), None)
    return _named(file.series[number]) if number < len(file.series) else None


def _named(series: TiffPageSeries) -> TiffPageSeries:
    """Return an image without the pages after those that ImageJ names; tifffile has them all."""
    import tifffile

    n_named = math.prod(series.shape) // max(math.prod(series.keyframe.shape), 1)
    if series.kind != "imagej" or len(series.pages) <= max(n_named, 1):
        return series
    pages = [page for page in series.pages[:n_named] if page is not None]
    return tifffile.TiffPageSeries(pages, series.shape, series.dtype, series.axes, kind="imagej")


def _stacked(file: TiffFile) -> TiffPageSeries:
    import tifffile

    pages = _lone_pages(file)
    first = pages[0]
    return tifffile.TiffPageSeries(
        pages, (len(pages), *first.shape), first.dtype, f"Q{first.axes}", kind="stack"
    )


def choose(
    images: Sequence[TiffImage], which: SeriesName | None, file: TiffFile, path: str
) -> tuple[int | None, bool]:
    """Return the number of the image that is meant, and whether it is one of several.

    The number is None for the stack of all pages.

    Parameters
    ----------
    images : sequence of TiffImage
        Those of the file.
    which : int or str, optional
        Number or name that the user gave.
    file : tifffile.TiffFile
        The open file.
    path : str
        For messages.

    Raises
    ------
    MetadataError
        If the user gave none, and there are several.
    ParameterError
        If there is none of this number or name.
    """
    is_by_pages = images[0].element is None
    meant = _main(images, file) if is_by_pages else images
    if which is not None:
        number = _numbered(images, which, path)
        return number, [number] != [each.number for each in meant]
    if len(meant) == 1:
        return meant[0].number, False
    if is_by_pages and _are_lone_pages(file):
        return None, False
    raise MetadataError(
        "which of the images of a file is meant is said, where it has several",
        value=listed(images),
        place=path,
        remedy=f"sc.open(path, series={meant[0].number}) opens one, by its number or name; "
        'sc.open_folder(path) opens each as a member, of many files with series="all"',
    )


def meant_images(images: Sequence[TiffImage], file: TiffFile) -> tuple[tuple[int, str], ...]:
    """Return number and name of each image that may be meant where none is said."""
    if not images or images[0].element is not None:
        return tuple((each.number, each.name) for each in images)
    meant = _main(images, file)
    if len(meant) > 1 and _are_lone_pages(file):
        return ((0, ""),)
    return tuple((each.number, each.name) for each in meant)


def listed(images: Sequence[TiffImage]) -> str:
    """List images for a message."""
    texts = [f"{each.number}: {each.name!r} {each.said}".rstrip() for each in images[:_SHOWN]]
    more = len(images) - len(texts)
    return "; ".join(texts) + (f"; and {more} more" if more else "")


def _numbered(images: Sequence[TiffImage], which: SeriesName, path: str) -> int:
    field = "name" if isinstance(which, str) else "number"
    found = [each.number for each in images if getattr(each, field) == which]
    if len(found) != 1:
        raise ParameterError(
            "series= is the number of an image in its file, or the name of one alone",
            value=f"{which!r}: {'several' if found else 'none'} of {listed(images)}",
            place=path,
            remedy="give one of these numbers",
        )
    return found[0]


def _main(images: Sequence[TiffImage], file: TiffFile) -> Sequence[TiffImage]:
    """Return the images that are no smaller versions, masks, labels or overviews of others."""
    own = [each for each in images if not file.series[each.number].keyframe.subfiletype & _BESIDE]
    named = [each for each in own if each.name == _MAIN]
    return named if len(named) == 1 else own or images


def _are_lone_pages(file: TiffFile) -> bool:
    """Whether all pages were written one at a time, and agree."""
    if any(each.kind not in _ALIKE for each in file.series):
        return False
    pages = _lone_pages(file)
    if len(pages) != sum(len(each.pages) for each in _main_series(file)):
        return False
    return len({(page.shape, page.dtype, page.axes) for page in pages}) == 1


def _main_series(file: TiffFile) -> list[TiffPageSeries]:
    return [file.series[each.number] for each in _main(page_images(file), file)]


def _lone_pages(file: TiffFile) -> list[TiffPage]:
    """Return the pages of images that are a page each, or pages of one kind, in their order."""
    pages: list[Any] = []
    for each in _main_series(file):
        is_page = set(each.axes) <= _OF_A_PAGE and each.shape == each.keyframe.shape
        if each.kind == "generic" or is_page:
            pages += [page for page in each.pages if page is not None]
    return sorted(pages, key=lambda page: page.index)
