"""Open an image of a TIFF file: find it, see that it is whole, describe it.

Nothing but metadata is read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from scutoid.arrays._endings import COMPANION_ENDINGS
from scutoid.arrays._file_sets import set_of
from scutoid.arrays._guard import check_system
from scutoid.arrays._ome_companion import companion_name, first_tiff, ome_text
from scutoid.arrays._parts import parts_at
from scutoid.arrays._request import DESCRIBED, Request
from scutoid.arrays._source import SourceFiles, stamp_of
from scutoid.arrays._tiff import TiffSource
from scutoid.arrays._tiff_alike import FORMS
from scutoid.arrays._tiff_chain import BrokenChain, count_pages
from scutoid.arrays._tiff_claims import check_ome, check_stacks, endless
from scutoid.arrays._tiff_files import FILES, open_pages
from scutoid.arrays._tiff_images import (
    choose,
    meant_images,
    ome_images,
    page_images,
    series_at,
)
from scutoid.arrays._tiff_layout import SMALL, layout_of
from scutoid.arrays._tiff_metadata import ome_root, read_spec
from scutoid.arrays._tiff_named import (
    check_files,
    check_is_ome,
    check_planes,
    check_series,
    is_beside,
    left_out_note,
    missing_note,
    outside,
)
from scutoid.arrays._tiff_whole import DAMAGED, check_length
from scutoid.arrays._tiff_words import few_words
from scutoid.errors import SIGNS_OF_DAMAGE, MetadataError, ScutoidError, SourceError
from scutoid.regular import check_regular

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries


def open_tiff(path: str, request: Request | None = None) -> TiffSource:
    """Open an image of a TIFF file; reads metadata only.

    Parameters
    ----------
    path : str
        Absolute path.
    request : Request, optional
        What the user says of it.

    Raises
    ------
    SourceError
        If it is no TIFF, truncated, or without all that it names.
    MetadataError
        If its axes are unknown, there is no such level, or it has several images and `request` does
        not say which is meant.
    """
    request = request or Request()
    known = FORMS.opened(path, request)
    if known is not None:
        return known
    with _reporting(path):
        try:
            return _open(path, request, ome=True)
        except _OnlyPixels as pointer:
            return _open(path, request, ome=_companion(pointer.name, path, request))
        except _BrokenOme as broken:
            if not request.given.keys() >= DESCRIBED:
                raise _unfollowed(broken.__cause__, path) from broken
            return _open(path, request, ome=False)


def open_companion(path: str, request: Request) -> TiffSource:
    """Open an image by a file that has nothing but its OME-XML.

    Raises
    ------
    SourceError
        If it names no TIFF, or what it names is not there.
    MetadataError
        As for `open_tiff`.
    """
    with _reporting(path):
        try:
            root = ET.fromstring(ome_text(path))  # noqa: S314
        except ET.ParseError as error:
            raise _unfollowed(error, path) from error
        check_files(root, path, allow_outside=request.allow_outside)
        name = first_tiff(root)
        if name is None:
            raise SourceError(
                "a file of OME-XML names the TIFFs that its planes lie in",
                value="it names none",
                place=path,
                remedy="open the image that it belongs to",
            )
        first = Path(path).parent / name
        check_regular(first)
        if not first.exists():
            raise _not_there(first, path)
        return _open(str(first), request, ome=path)


def tiff_images(path: str) -> tuple[tuple[int, str], ...]:
    """Return number and name of each image of a TIFF, or of a file of OME-XML alone.

    Smaller versions, masks, labels and overviews are left out, and pages that were written one at
    a time are one image.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    found = set_of(path)
    if found.images:
        return found.images
    with _reporting(path):
        if path.lower().endswith(COMPANION_ENDINGS) or found.files:
            return ((0, ""),)
        n_pages = count_pages(path)
        with open_pages(path) as file:
            check_stacks(file)
            root = ome_root(file, ome=True)
            if root is not None:
                check_ome(root, path, n_pages)
            images = ome_images(root) if root is not None else ()
            return meant_images(images or page_images(file), file)


@contextlib.contextmanager
def _reporting(path: str) -> Iterator[None]:
    import tifffile

    try:
        with few_words(path):
            yield
    except ScutoidError:
        raise
    except BrokenChain as error:
        if error.goes_on:
            raise endless(path, error) from error
        raise SourceError(
            "a TIFF has at least one image, and all the pages that it lists",
            value=f"it breaks off after page {max(error.n_whole - 1, 0)}: {error}",
            place=path,
            remedy=DAMAGED,
        ) from error
    except (tifffile.TiffFileError, *SIGNS_OF_DAMAGE) as error:
        check_system(error, path)
        raise SourceError(
            "a TIFF file can be read",
            value=f"{type(error).__name__}: {error}",
            place=path,
            remedy="the file is damaged, cut off, or no TIFF: restore it from its source",
        ) from error


class _BrokenOme(Exception):
    """OME-XML that cannot be followed; its cause says why."""


class _OnlyPixels(Exception):
    """OME-XML that points to another file for all that it says."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _companion(name: str, path: str, request: Request) -> str | bool:
    """Return the file that has the OME-XML of a TIFF which only points to it.

    False: it is not there, and the user says all that is needed.
    """
    if not is_beside(name) and not request.allow_outside:
        raise outside(name, path)
    place = Path(path).parent / name
    check_regular(place)
    if place.is_file():
        return str(place)
    if request.given.keys() >= DESCRIBED:
        return False
    raise _not_there(place, path)


def _not_there(place: Path, path: str) -> SourceError:
    return SourceError(
        "the files that an image names are there",
        value=f"no {place.name}",
        place=path,
        remedy="restore it beside this one; or, if the pixels of a single TIFF are all you need, "
        "open that with axes= and voxel_size=",
    )


def _unfollowed(error: BaseException | None, path: str) -> MetadataError:
    return MetadataError(
        "the OME-XML of a TIFF is well-formed, with numbers where its schema has them, and of no "
        "more planes than there may be",
        value=f"{type(error).__name__}: {error}",
        place=f"the OME-XML of {path}; its pixels may be good",
        remedy="give axes= and voxel_size= to open it without, or mend the OME-XML",
    )


def _open(path: str, request: Request, ome: bool | str) -> TiffSource:
    n_pages = count_pages(path)  # before a library follows them
    stamp = stamp_of(path)
    file = open_pages(path, ome=ome)
    try:
        source = _describe(file, path, n_pages, request, ome)
        # A small file by itself is often read next, whole; what lacks pages may have them by then
        is_alone = source.files.stamps == (stamp,) and not source.spec.notes
        is_kept = is_alone and stamp[0] <= SMALL and parts_at(path) is None
        if is_kept and n_pages == 1 and ome is True:
            FORMS.remember(file, request, source)
    except BaseException:
        file.close()
        raise
    if is_kept:
        FILES.keep(file, path, source.files.stamps, ome=ome)
    else:
        file.close()
    return source


@dataclass(frozen=True, slots=True)
class _Found:
    """An image in a file."""

    pages: TiffPageSeries | None
    """Its pages; None: there are none."""
    number: int | None
    """Its number; None: the stack of all pages."""
    is_one_of: bool
    """Whether the file has others that may be meant."""
    element: ET.Element | None = None
    """What OME-XML says of it."""


def _describe(
    file: TiffFile, path: str, n_pages: int, request: Request, ome: bool | str
) -> TiffSource:
    check_stacks(file)
    found = None if ome is False else _by_ome(file, path, n_pages, request, ome)
    found = found or _by_pages(file, path, request)
    if found.pages is None:
        raise SourceError(
            "a TIFF has at least one image", value="no image", place=path, remedy=DAMAGED
        )
    levels = found.pages.levels
    if not 0 <= request.level < len(levels):
        raise MetadataError(
            f"the pyramid has levels 0 to {len(levels) - 1}", value=request.level, place=path
        )
    series = levels[request.level]
    check_series(file, levels[0], found.number, path, is_named=request.axes is not None)
    notes = missing_note(series, path, request.missing) + left_out_note(file, levels[0], n_pages)
    check_length(series)
    spec = read_spec(file, found.element, series, levels[0], path, request.axes, request.given)
    spec = spec.replace(notes=(*spec.notes, *notes))
    layout = layout_of(series, spec)
    others = _companions(file, series, path, allow_outside=request.allow_outside)
    files = SourceFiles.of((path, *others, *((ome,) if isinstance(ome, str) else ())))
    which = (ome, found.number, found.is_one_of)
    return TiffSource(
        spec, path, layout.chunks_of(spec.shape), layout, files, request.level, len(levels), *which
    )


def _by_ome(
    file: TiffFile, path: str, n_pages: int, request: Request, ome: bool | str
) -> _Found | None:
    """Find the image that is meant by the OME-XML of a file; None: it has none that names any."""
    place = file.filehandle.path
    try:
        root = ome_root(file, ome)
        if root is None:
            return None
        name = companion_name(root)
        if name is not None:
            raise _OnlyPixels(name)
        check_files(root, place, allow_outside=request.allow_outside)
        files = check_ome(root, place, n_pages)
        images = ome_images(root)
        if not images:
            return None
        number, is_one_of = choose(images, request.series, file, path)
        image = next(each.element for each in images if each.number == number)
        if image is not None:
            check_planes(root, image, place, files, request.missing)
        len(file.series)  # takes its numbers, and opens the other files
    except (ScutoidError, BrokenChain):
        raise
    except (SyntaxError, ValueError, KeyError) as error:
        raise _BrokenOme from error
    if not any(each.kind == "ome" for each in file.series):
        if request.axes is None:
            check_is_ome(root, path, file)
        return replace(_by_pages(file, path, request), element=image)
    return _Found(series_at(file, number), number, is_one_of, image)


def _by_pages(file: TiffFile, path: str, request: Request) -> _Found:
    """Find the image that is meant by the pages of a file."""
    images = page_images(file)
    if not images:
        return _Found(None, 0, is_one_of=False)
    number, is_one_of = choose(images, request.series, file, path)
    return _Found(series_at(file, number), number, is_one_of)


def _companions(
    file: TiffFile, series: TiffPageSeries, path: str, *, allow_outside: bool
) -> tuple[str, ...]:
    """Return the other files that hold pages of an image."""
    files = dict.fromkeys(page.parent for page in series.pages if page is not None)
    handles = [each.filehandle for each in files if each is not file]
    for handle in handles:
        if handle.dirname != file.filehandle.dirname and not allow_outside:
            raise outside(handle.path, path)
    return tuple(sorted({handle.path for handle in handles} - {file.filehandle.path}))
