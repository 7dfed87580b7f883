"""Sets of files that are one OME-TIFF, each of which opens all of it; and files of many images.

Which files belong together, and how many images they are, is told from their OME-XML, before any
is opened as an image.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from scutoid.arrays._endings import COMPANION_ENDINGS, MICROSCOPE_ENDINGS, TIFF_ENDINGS
from scutoid.arrays._ome_companion import companion_name, has_images, ome_text
from scutoid.arrays._tiff_chain import BrokenChain, first_tags
from scutoid.errors import MissingExtra, ScutoidError, SourceNotFound

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

_DESCRIPTION = 270
_SIGNS = (b"FileName", b"BinaryOnly")
_SAMPLE = 8
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class FileSet:
    """What the OME-XML of a file says of the files and the images that it belongs to."""

    files: frozenset[str] = frozenset()
    """All files that are read with it, it too; none: it is alone."""
    images: tuple[tuple[int, str], ...] = ()
    """Number and name of each image, where there are several."""

    def __bool__(self) -> bool:
        return bool(self.files or self.images)


_ALONE = FileSet()


def sets_among(paths: Sequence[str]) -> dict[str, FileSet]:
    """Return the files that open something each, in order, each with its set.

    Parameters
    ----------
    paths : sequence of str
        Absolute paths.  Files called .ome, as those of sets are, are looked at, and those of
        microscopes; and all TIFFs, if among some of them there is one of a set.
    """
    looked_at = _worth_a_look(paths)
    if not looked_at:
        return dict.fromkeys(paths, _ALONE)
    found: dict[str, FileSet] = {}
    taken: set[str] = set()
    seen: dict[str, FileSet | ScutoidError] = {}
    for number, path in enumerate(paths):
        if path in taken:
            continue
        if path in looked_at and path not in seen:
            if "://" in path:
                ahead = (each for each in islice(paths, number, None) if each not in taken)
                seen |= _looks(each for each in ahead if each in looked_at)
            else:
                seen[path] = set_of(path)
        item = seen.get(path, _ALONE)
        found[path] = item if isinstance(item, FileSet) else _ALONE  # it fails when it is opened
        taken |= found[path].files
    for path, item in seen.items():
        if isinstance(item, ScutoidError) and path in taken:  # the first of a set is its member
            raise item
    return {path: item for path, item in found.items() if item.files or path not in taken}


def _looks(paths: Iterable[str]) -> dict[str, FileSet | ScutoidError]:
    """Look at the next files at URLs at once."""
    from scutoid.remote import at_once

    urls = tuple(islice((path for path in paths if "://" in path), _AT_ONCE))
    return dict(zip(urls, at_once(urls, _set_or_error), strict=True))


def _set_or_error(path: str) -> FileSet | ScutoidError:
    try:
        return set_of(path)
    except ScutoidError as error:
        if "://" not in path:
            raise
        return error


def _worth_a_look(paths: Sequence[str]) -> frozenset[str]:
    named = [path for path in paths if _is_named(path[path.rfind(os.sep) :].lower())]
    plain = [path for path in paths if path.lower().endswith(TIFF_ENDINGS)]
    sample = plain[:: len(plain) // _SAMPLE or 1]
    return frozenset(named + plain if any(map(_is_of_set, sample)) else named)


def _is_of_set(path: str) -> bool:
    found = _set_or_error(path)
    return isinstance(found, FileSet) and bool(found)


def _is_named(name: str) -> bool:
    return ".ome" in name or name.endswith(MICROSCOPE_ENDINGS)


def set_of(path: str) -> FileSet:
    """Return the set that a file belongs to, and the images that it has.

    By its OME-XML, or by the library that reads files of its microscope.

    Parameters
    ----------
    path : str
        Absolute path.  What cannot be read is alone.

    Raises
    ------
    MissingExtra
        If that library is not installed.
    """
    try:
        if path.lower().endswith(MICROSCOPE_ENDINGS):
            from scutoid.arrays._microscopes import images_in

            images = () if "://" in path else images_in(path)
            return FileSet(images=images if len(images) > 1 else ())
        root = _root(path)
        if root is None:
            return _ALONE
        from xml.etree import ElementTree as ET

        from scutoid.arrays._ome_xml import of_name
        from scutoid.arrays._tiff_images import ome_images
        from scutoid.arrays._tiff_named import is_beside

        files = {path}
        folder = os.path.dirname(path)  # noqa: PTH120  # for each of many files
        companion = companion_name(root)
        if companion is not None:
            if not is_beside(companion):
                return _ALONE
            files.add(f"{folder}{os.sep}{companion}")
            root = ET.fromstring(ome_text(f"{folder}{os.sep}{companion}"))  # noqa: S314
    except MissingExtra:
        raise
    except (OSError, SyntaxError, BrokenChain, ScutoidError) as error:  # no XML is bad syntax
        is_there = isinstance(error, ScutoidError) and not isinstance(error, SourceNotFound)
        if "://" in path and is_there:  # its server fails: of what it belongs to nothing is known
            raise
        return _ALONE
    names = (uuid.get("FileName") or "" for uuid in of_name(root.iter(), "UUID"))
    files |= {f"{folder}{os.sep}{name}" for name in set(names) if is_beside(name)}
    images = tuple((each.number, each.name) for each in ome_images(root))
    if "://" in path:  # of which images a file at a URL has, is said when it is opened
        images = ()
    return FileSet(frozenset(files if len(files) > 1 else ()), images if len(images) > 1 else ())


def named_beside(path: str) -> set[str]:
    """Return the names of files beside one that its OME-XML names, or of the one that has that.

    Its own may be among them.
    """
    root = _root_if_read(path)
    if root is None:
        return set()
    from scutoid.arrays._ome_xml import of_name
    from scutoid.arrays._tiff_named import is_beside

    companion = companion_name(root)
    names = [uuid.get("FileName") or "" for uuid in of_name(root.iter(), "UUID")]
    return {name for name in (names if companion is None else [companion]) if is_beside(name)}


def names_other_files(path: str) -> bool:
    """Whether the OME-XML of a file names any but the file itself."""
    root = _root_if_read(path)
    if root is None:
        return False
    from scutoid.arrays._ome_xml import of_name

    own, uuid = os.path.basename(path).lower(), root.get("UUID")  # noqa: PTH119
    return companion_name(root) is not None or any(
        each.text != uuid and (uuid is not None or (each.get("FileName") or "").lower() != own)
        for each in of_name(root.iter(), "UUID")
    )


def _root_if_read(path: str) -> ET.Element | None:
    """Return the OME-XML of a file; None: it has none, or who opens it says what is wrong."""
    try:
        return _root(path)
    except (OSError, SyntaxError, BrokenChain):
        return None


def _root(path: str) -> ET.Element | None:
    """Return the OME-XML of a file that may be one of several; None: it is not."""
    if path.lower().endswith(COMPANION_ENDINGS):
        from scutoid.arrays._parts import content_at

        content: bytes = content_at(path)
    elif os.path.isdir(path):  # noqa: PTH112  # for each of many files
        return None
    else:
        content = (first_tags(path, (_DESCRIPTION,)) or {}).get(_DESCRIPTION, b"")
    if not any(sign in content for sign in _SIGNS) and not has_images(content):
        return None
    from xml.etree import ElementTree as ET

    return ET.fromstring(content.rstrip(b"\0"))  # noqa: S314
