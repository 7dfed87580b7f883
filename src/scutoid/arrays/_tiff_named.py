"""What the description of a TIFF names: files beside it, and pages that must be there.

A program that reads TIFFs gives zeros for a plane whose file or page is missing, and opens any file
that a description names.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from scutoid.arrays._notes import Note
from scutoid.arrays._ome_xml import of_name
from scutoid.arrays._request import Missing
from scutoid.arrays._tiff_claims import NamedFiles, file_of, is_within, leading_shape, planes_in
from scutoid.errors import SourceError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

_RESTORE = (
    'restore what is missing; or give missing="fill", which takes 0 for the voxels of what was '
    "never recorded"
)


def check_files(root: ET.Element, path: str, *, allow_outside: bool) -> None:
    """Refuse files outside the folder of a TIFF, before any of them is opened.

    Parameters
    ----------
    root : Element
        The OME-XML.
    path : str
        The TIFF.
    allow_outside : bool
        Whether they may lie anywhere.

    Raises
    ------
    SourceError
        If the description names one.
    """
    if allow_outside:
        return
    for uuid in of_name(root.iter(), "UUID"):
        name = uuid.get("FileName")
        if name is not None and not is_beside(name):
            raise outside(name, path)


def is_beside(name: str) -> bool:
    """Whether a name is that of a file in the same folder."""
    return name not in ("", ".", "..") and not set(name) & set("/\\\0")


def outside(name: str, path: str) -> SourceError:
    """Return an error for a file that lies outside the folder of what names it."""
    return SourceError(
        "the files that an image names lie in its own folder",
        value=name,
        place=path,
        remedy="if you trust the image, open it with allow_outside=True",
    )


def check_planes(
    root: ET.Element, image: ET.Element, path: str, files: NamedFiles, missing: Missing
) -> None:
    """See that the files and pages that OME-XML names for an image are there.

    Parameters
    ----------
    root : Element
        The OME-XML.
    image : Element
        The image, in it.
    path : str
        The TIFF.
    files : NamedFiles
        The files that the OME-XML names.
    missing : {"error", "fill"}
        Whether that is an error.  Files that are there are whole in any case.

    Raises
    ------
    SourceError
        If one is missing.
    """
    pixels = next(of_name(image, "Pixels"), None)
    if pixels is None:
        return
    shape = leading_shape(pixels)
    given = list(of_name(pixels, "TiffData"))
    for data in given:
        if not is_within(data, shape):
            continue
        place = file_of(data, path, root)
        if place in files.damaged:
            raise _missing(f"the file {place.name}", files.damaged[place], path)
        if missing == "fill":
            continue
        if place in files.gone:
            raise _missing(f"the file {place.name}", "it is not there", path)
        n_planes = planes_in(data)
        needed = int(data.get("IFD", 0)) + n_planes
        if not n_planes and len(given) == 1:  # all planes of the image
            needed = math.prod(shape.values())
        n_pages = files.n_pages[place]
        if needed > n_pages:
            raise _missing(f"page {needed - 1} of {place.name}", f"it has {n_pages}", path)


def missing_note(series: TiffPageSeries, path: str, missing: Missing) -> tuple[Note, ...]:
    """Return what is to be said of planes that no page was written for.

    Parameters
    ----------
    series : tifffile.TiffPageSeries
        The image.
    path : str
        The file.
    missing : {"error", "fill"}
        Whether that is an error.

    Raises
    ------
    SourceError
        If it is, and there are such planes.
    """
    lacking = [number for number, page in enumerate(series.pages) if page is None]
    if not lacking:
        return ()
    n_lead = len(series.shape) - len(series.keyframe.shape)
    place = np.unravel_index(lacking[0], series.shape[:n_lead]) if n_lead else ()
    axes = series.axes[:n_lead].lower()
    first = ", ".join(f"{axis}={number}" for axis, number in zip(axes, place, strict=True))
    text = f"{len(lacking)} of its {len(series.pages)} planes are missing, the first at {first}"
    if missing == "fill":
        return (Note("missing", f"{text}: their voxels are 0", "restore them if there were any"),)
    raise SourceError(
        "a TIFF has a page for each plane that its description announces",
        value=text,
        place=path,
        remedy=_RESTORE,
    )


def left_out_note(file: TiffFile, series: TiffPageSeries, n_pages: int) -> tuple[Note, ...]:
    """Return what is to be said of pages like those of an image that no description names.

    Parameters
    ----------
    file : tifffile.TiffFile
        The open file.
    series : tifffile.TiffPageSeries
        The image.
    n_pages : int
        Number of pages of the file's chain.
    """
    keyframe = series.keyframe
    if series.kind == "imagej":
        n_named = math.prod(series.shape) // max(math.prod(keyframe.shape), 1)
        named = set(range(n_named))
    elif series.kind == "ome" and len(series.pages) != n_pages:
        pages = [page for each in file.series for page in each.pages if page is not None]
        place = Path(file.filehandle.path).resolve()  # tifffile may have opened it again, by name
        parents = dict.fromkeys(page.parent for page in pages)
        own = {each for each in parents if Path(each.filehandle.path).resolve() == place}
        named = {page.index for page in pages if page.parent in own}
    else:
        return ()
    others = set(range(n_pages)) - named
    if not others:
        return ()
    first = file.pages[min(others)]
    first = first.aspage()
    if (
        first.is_reduced
        or first.is_mask
        or (first.shape, first.dtype) != (keyframe.shape, keyframe.dtype)
    ):
        return ()
    text = f"its description names {len(named)} of its {n_pages} pages: the others are left out"
    return (Note("pages", text, "mend the description if they belong to the image"),)


def check_series(
    file: TiffFile, series: TiffPageSeries, number: int | None, path: str, *, is_named: bool
) -> None:
    """See that an image has the pages that its description promises, in whatever words.

    Parameters
    ----------
    file : tifffile.TiffFile
        The open file.
    series : tifffile.TiffPageSeries
        The image as tifffile takes it; where the description does not fit, it takes less.
    number : int, optional
        Number of the image in the file; None: the stack of all its pages.
    path : str
        The file.
    is_named : bool
        Whether the user says which axes there are, so that the description is not needed.

    Raises
    ------
    SourceError
        If pages are missing.
    """
    if number is None:  # pages that were written one at a time, each with its own description
        return
    found = " x ".join(map(str, series.shape))
    for kind, is_it in (("shaped", file.is_shaped), ("imagej", file.is_imagej)):
        if is_it and series.kind not in (kind, "ome") and not is_named:
            raise _missing("an image of other pages", f"its pages are {found}", path)
    if series.kind == "shaped" and file.shaped_metadata and not is_named:
        said = file.shaped_metadata[number].get("shape", series.shape)
        if math.prod(said) != math.prod(series.shape):
            raise _missing(" x ".join(map(str, said)), f"its pages are {found}", path)
    n_whole = len(series.pages) * math.prod(series.keyframe.shape)
    if series.dataoffset is None and n_whole != math.prod(series.shape):
        raise _missing(found, f"it has {len(series.pages)} pages of {series.keyframe.shape}", path)


def check_is_ome(root: ET.Element, path: str, file: TiffFile) -> None:
    """Refuse an image whose OME-XML names pages, and which could not be read by it.

    Raises
    ------
    SourceError
        If that is so.
    """
    if next(of_name(root.iter(), "TiffData"), None) is not None:
        shapes = dict.fromkeys(str(each.keyframe.shape) for each in file.series)
        raise SourceError(
            "the pages of an OME-TIFF have the shape that its OME-XML says",
            value=f"pages of {', '.join(shapes)}",
            place=path,
            remedy='name the axes of the pages as they are, e.g. sc.open(path, axes="zyx")',
        )


def _missing(named: str, found: str, path: str) -> SourceError:
    return SourceError(
        "a TIFF has all the pages that its description names, in the files that it names",
        value=f"{named} is named, {found}",
        place=path,
        remedy=_RESTORE,
    )
