"""The files that a pattern finds, and those that it leaves out though they look like them."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

from scutoid.arrays import may_be_image
from scutoid.errors import ParameterError, SourceError
from scutoid.paths import broken_link
from scutoid.regular import check_regular, kind_of_other
from scutoid.steps.handles._name_part import Literal
from scutoid.steps.handles._name_pattern import NamePattern, is_zarr
from scutoid.steps.handles._natural import natural

_IN_ZARR = re.compile(r"\.zarr/")
_SHOWN = 3
_LEAVE_OUT = "leave them out by select="


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """What a pattern's glob finds, by the path below its root, with absolute paths."""

    paths: dict[str, str] = field(default_factory=dict)
    """Files, and folders that are zarrs; not in order."""
    broken: dict[str, str] = field(default_factory=dict)
    """Links that lead to nothing, and what is no file: named pipes, sockets, devices."""
    other_case: dict[str, str] = field(default_factory=dict)
    """Files beside these that match but for upper and lower case."""
    closed: tuple[str, ...] = ()
    """Folders in which the pattern looks, and that the user may not read."""

    def selected(self, select: Callable[[str], bool] | None) -> FoundFiles:
        """Return those that belong to the collection."""
        if select is None:
            return self
        paths, broken, other_case = (
            {key: path for key, path in kind.items() if select(path)}
            for kind in (self.paths, self.broken, self.other_case)
        )
        return FoundFiles(paths, broken, other_case, self.closed)

    def refuse_broken(self, keys: Collection[str]) -> None:
        """Refuse links to nothing among keys, and what is no file.

        Raises
        ------
        SourceNotFound, SourceError
            If there is one.
        """
        for key in sorted(keys):
            check_regular(self.broken[key])
        if keys:
            raise broken_link(self.broken[min(keys)], n_more=len(keys) - 1, remedy=_LEAVE_OUT)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out: by upper and lower case, and by rights."""
        said = []
        if self.other_case:
            said.append(
                "left out, for they match but for upper and lower case: "
                f"{_named(self.other_case)}; write for example *.[tT][iI][fF], or {_LEAVE_OUT}"
            )
        if self.closed:
            said.append(
                f"left out, for you may not read these folders: {_named(self.closed)}; change "
                "their rights if there are files of yours in them"
            )
        return tuple(said)


def find_files(pattern: NamePattern) -> FoundFiles:
    """Return what a pattern's glob finds.

    Folders count where they are zarrs, and within a zarr its groups and arrays alone.  A link to
    one of the folders in which it lies is not followed.
    """
    # Plain strings: of 100,000 files, Path objects would take several seconds.
    place = os.path.realpath(pattern.root)
    globbed = glob.iglob(pattern.glob, root_dir=place, recursive=True)  # noqa: PTH207
    folders = _Folders(place)
    found = FoundFiles()
    for name in dict.fromkeys(name.replace(os.sep, "/") for name in globbed):
        folder, _, own = name.rpartition("/")
        path = f"{place}{os.sep}{name}"
        if _IN_ZARR.search(f"{place}/{folder}/"):
            if is_zarr(path):
                found.paths[name] = path
            continue
        listing = folders.listing(folder)
        if own in listing.files or (name.endswith(".zarr") and listing.is_there):
            found.paths[name] = path
        elif own in listing.broken:
            found.broken[name] = path
    found.other_case.update(_of_other_case(pattern, folders))
    return replace(found, closed=tuple(dict.fromkeys(_closed(pattern, place))))


def _closed(pattern: NamePattern, place: str) -> Iterator[str]:
    """Yield folders that glob passes over in silence, for it may not read them."""
    parts = pattern.glob.split("/")
    for n in range(1, len(parts)):
        folders = glob.iglob(  # noqa: PTH207  # as above
            "/".join([*parts[:n], ""]), root_dir=place, recursive=True
        )
        for folder in folders:
            if not os.access(f"{place}{os.sep}{folder}", os.R_OK | os.X_OK):
                yield folder.rstrip("/")


@dataclass(frozen=True, slots=True)
class _Listing:
    """The names of what lies in a folder."""

    files: frozenset[str] = frozenset()
    """Files, and links to files."""
    broken: frozenset[str] = frozenset()
    """Links to nothing, named pipes, sockets and devices."""
    is_there: bool = True
    """Whether the folder is one of its own; else it is one above it, by a link."""


class _Folders:
    """The folders below a place, each of which is listed once."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.listings: dict[str, _Listing] = {}
        self._real: dict[str, str | None] = {"": place}

    def listing(self, folder: str) -> _Listing:
        """Return what lies in a folder below the place."""
        found = self.listings.get(folder)
        if found is None:
            is_there = self._place_of(folder) is not None
            path = f"{self.place}{os.sep}{folder}"
            found = self.listings[folder] = _listed(path) if is_there else _Listing(is_there=False)
        return found

    def _place_of(self, folder: str) -> str | None:
        """Return where a folder is; None: a link leads to a folder above it, and goes round."""
        if folder not in self._real:
            above, _, own = folder.rpartition("/")
            outer, path = self._place_of(above), f"{self.place}{os.sep}{folder}"
            if outer is not None and os.path.islink(path):  # noqa: PTH114
                real = os.path.realpath(path)
                goes_round = f"{outer}{os.sep}".startswith(f"{real.rstrip(os.sep)}{os.sep}")
                self._real[folder] = None if goes_round else real
            else:
                self._real[folder] = None if outer is None else f"{outer}{os.sep}{own}"
        return self._real[folder]


def _listed(folder: str) -> _Listing:
    files, broken = set(), set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_file(entry):
                files.add(entry.name)
            elif not _is_dir(entry) and (not entry.is_symlink() or _leads_nowhere(entry.path)):
                broken.add(entry.name)
    return _Listing(frozenset(files), frozenset(broken))


def _leads_nowhere(path: str) -> bool:
    """Whether a link leads to nothing, or to what is no file."""
    return not os.path.exists(path) or kind_of_other(path) is not None  # noqa: PTH110


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def _of_other_case(pattern: NamePattern, folders: _Folders) -> Iterator[tuple[str, str]]:
    """Yield files that match but for the case of their ending, in folders where some match."""
    last = pattern.parts[-1]
    ending = last.tokens[-1]
    if last.is_fixed or not isinstance(ending, Literal) or ending.text.swapcase() == ending.text:
        return
    text, low, size = ending.text, ending.text.lower(), len(ending.text)
    matches = re.compile(fnmatch.translate(last.glob), re.IGNORECASE).match
    for folder, listing in folders.listings.items():
        for name in listing.files:
            is_other = name[-size:] != text and name[-size:].lower() == low
            if is_other and name[0] != "." and matches(name):
                if not _is_matched(pattern, f"{folder}/{name[:-size]}{text}".lstrip("/")):
                    continue
                key = f"{folder}/{name}" if folder else name
                yield key, f"{folders.place}{os.sep}{key}"


def _is_matched(pattern: NamePattern, name: str) -> bool:
    try:
        return pattern.match(name) is not None
    except ParameterError:  # in two ways
        return True


def without_others(paths: Mapping[str, str], place: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the files that may be images, and what is to be said of the others.

    Raises
    ------
    SourceError
        If there is none.
    """
    others = {key: path for key, path in paths.items() if not may_be_image(path)}
    if not others:
        return dict(paths), ()
    if len(others) == len(paths):
        _refuse_all(others, place)
    note = (
        f"left out, for they are no images: {_named(others)}; {_LEAVE_OUT}, or read them by read="
    )
    return {key: path for key, path in paths.items() if key not in others}, (note,)


def _refuse_all(paths: Mapping[str, str], place: str) -> NoReturn:
    raise SourceError(
        "files that a pattern matches are images, and end as such or are TIFFs",
        value=f"{_n_files(paths)} of other kinds: {_named(paths)}",
        place=place,
        remedy="convert them, or give read=, a function that returns the array of a file",
    )


def _n_files(keys: Collection[str]) -> str:
    return "1 file" if len(keys) == 1 else f"{len(keys)} files"


def _named(keys: Collection[str]) -> str:
    """Name the first of some files."""
    more = f", and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(sorted(keys, key=natural)[:_SHOWN]) + more
