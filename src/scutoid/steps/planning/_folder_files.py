"""The files that each member of a folder is read from: its own, and those beside it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import cast

from scutoid import arrays
from scutoid.errors import ScutoidError, SourceError
from scutoid.paths import normal
from scutoid.steps.graph import FileSeries, OpenedFolder, files_in, paths_beside
from scutoid.store import HashMemo, key_of_source, locations_of

_THREADS = 4
_PIECES = 16
_LARGE = 2**16


class FolderFiles:
    """Knows these files, and digests each of them once.

    Parameters
    ----------
    digest : callable
        Digests a file, or a folder, by its content.
    memo : HashMemo, optional
        Remembers which images are read from one file alone.
    """

    def __init__(self, digest: Callable[[str], str], memo: HashMemo | None = None) -> None:
        self._digest = digest
        self._memo = memo
        self._remote: dict[str, tuple[str, ...]] = {}
        self._own: dict[OpenedFolder, Mapping[str, str]] = {}
        self._stacked: dict[str, str] = {}
        self._readings: dict[OpenedFolder, dict[str, tuple[str, ...]]] = {}
        self._beside: dict[OpenedFolder, Mapping[str, tuple[str, ...]]] = {}
        self._digests: dict[OpenedFolder, Mapping[str, tuple[str, ...]]] = {}

    def digests(self, folder: OpenedFolder, key: str) -> tuple[str, ...]:
        """Return the digest of a member's own file or files, then of each of those beside."""
        if folder not in self._digests:
            self._digests[folder] = self._all_digests(folder)
        return self._digests[folder][key]

    def _all_digests(self, folder: OpenedFolder) -> Mapping[str, tuple[str, ...]]:
        own_digests = self._own_digests(folder).items()
        found: dict[str, tuple[str, ...]] = {key: (own,) for key, own in own_digests}
        beside = self._paths_beside(folder)
        listed = list(dict.fromkeys(_joined(beside.values())))
        others = dict(zip(listed, self._all(folder, listed), strict=True))
        for key, paths in beside.items():
            found[key] += tuple(others[path] for path in paths)
        return found

    def readings(self, folder: OpenedFolder) -> Mapping[str, tuple[str, ...]]:
        """Return of which members metadata are read otherwise than when keys began, and what.

        What the user says of all members is not read, and does not count.
        """
        if folder not in self._readings:
            self._paths_beside(folder)
        return self._readings.setdefault(folder, {})

    def paths(self, folder: OpenedFolder, key: str) -> tuple[str, ...]:
        """Return where they are, in the same order."""
        files = files_in(folder.paths[key])
        if self._remote:
            files = tuple(place for path in files for place in self._remote.get(path, (path,)))
        own = (path if "://" in path else normal(path) for path in files)
        return (*own, *self._paths_beside(folder).get(key, ()))

    def named(self, folder: OpenedFolder, key: str) -> tuple[tuple[str, str], ...]:
        """Return the files that a member is stacked of, with their digests; none of others."""
        if folder.opening.stacking is None:
            return ()
        self._own_digests(folder)
        return tuple((path, self._stacked[path]) for path in files_in(folder.paths[key]))

    def beside_all(self, folder: OpenedFolder) -> frozenset[str]:
        """Return the files that are read beside each of the members."""
        beside = self._paths_beside(folder)
        first, *others = (beside.get(key, ()) for key in folder.paths)
        return frozenset(first).intersection(*others)

    def _paths_beside(self, folder: OpenedFolder) -> Mapping[str, tuple[str, ...]]:
        """Return for each member that is not read from its own file alone the others."""
        if folder not in self._beside:
            found: dict[str, tuple[str, ...]] = {}
            if folder.opening.reader is None:
                self._own_digests(folder)  # what is remembered of a file holds for its content
                found = self._of_images(folder)
            if folder.reads is not None:
                for key, path in _each_file(folder):
                    said = paths_beside(folder.reads, path)
                    found[key] = tuple(dict.fromkeys((*found.get(key, ()), *said)))
            self._beside[folder] = found
        return self._beside[folder]

    def _of_images(self, folder: OpenedFolder) -> dict[str, tuple[str, ...]]:
        """Return the other files of those images that have any, by their keys."""
        found: dict[str, tuple[str, ...]] = {}
        readings = self._readings.setdefault(folder, {})
        given = arrays.given_readings(folder.opening.options)
        for key, path in _each_file(folder):
            if "://" in path:
                continue
            is_alone, changed = self._looked_at(path)
            if changed and folder.paths[key] is path:
                readings[key] = tuple(name for name in changed.split(",") if name not in given)
            if is_alone:
                continue
            others: tuple[str, ...] = ()
            with suppress(
                ScutoidError
            ):  # what cannot be opened fails in the run, which tells of it
                files = folder.paths[key]
                source = (
                    folder.opening.open_series(files)
                    if isinstance(files, FileSeries)
                    else folder.opening.open_file(path)
                )
                listed = locations_of(source.identity)
                others = tuple(place for place in listed if place != normal(path))
            if others:
                _refuse_twice(folder, path, others)
                found[key] = (*found.get(key, ()), *others)
        return found

    def _looked_at(self, path: str) -> tuple[bool, str]:
        if self._memo is not None:
            return self._memo.looked_at(path, arrays.look_at)
        is_alone, readings = arrays.look_at(path)
        return is_alone, ",".join(readings)

    def _own_digests(self, folder: OpenedFolder) -> Mapping[str, str]:
        if folder not in self._own:
            listed = [path for _, path in _each_file(folder)]
            if folder.opening.are_series:
                self._own[folder] = self._of_series(folder, listed)
            elif folder.opening.stacking is None:
                self._own[folder] = dict(zip(folder.paths, self._all(folder, listed), strict=True))
            else:
                new = [path for path in dict.fromkeys(listed) if path not in self._stacked]
                self._stacked |= zip(new, self._all(folder, new), strict=True)
                self._own[folder] = self._of_stacks(folder)
        return self._own[folder]

    def _of_series(self, folder: OpenedFolder, listed: Sequence[str]) -> dict[str, str]:
        """Digest each member that is an image of a file of several: the file, and which it is."""
        paths = tuple(dict.fromkeys(listed))
        known = dict(zip(paths, self._all(folder, paths), strict=True))
        return {
            key: known[files]
            if isinstance(files, str)
            else hashlib.sha256(f"series {which}\0{known[path]}".encode()).hexdigest()
            for (key, files), path in zip(folder.paths.items(), listed, strict=True)
            for which in [getattr(files, "which", None)]
        }

    def _of_stacks(self, folder: OpenedFolder) -> dict[str, str]:
        """Digest each member that is stacked of files: these, in their places."""
        stacking = folder.opening.stacking
        begin = "" if stacking is None else repr((stacking.axes, stacking.shape, stacking.channels))
        known: dict[str | None, str] = {None: "none"}
        known.update(self._stacked)
        return {
            key: hashlib.sha256(
                "\0".join(
                    (begin, *map(known.__getitem__, files if isinstance(files, tuple) else ()))
                ).encode()
            ).hexdigest()
            for key, files in folder.paths.items()
        }

    def _all(self, folder: OpenedFolder, paths: Sequence[str]) -> list[str]:
        """Digest files of a folder, those at URLs as images at URLs."""
        urls = [path for path in paths if "://" in path]
        if not urls:
            return self._all_here(paths)
        from scutoid.remote import at_once

        found = dict(zip(urls, at_once(urls, partial(self._of_url, folder)), strict=True))
        here = [path for path in paths if path not in found]
        found |= zip(here, self._all_here(here), strict=True)
        return [found[path] for path in paths]

    def _of_url(self, folder: OpenedFolder, url: str) -> str:
        """Digest an image at a URL by what its server says of its files, and by its metadata."""
        source = folder.opening.open_file(url)
        self._remote[url] = locations_of(source.identity)
        return key_of_source(source.identity, source.spec, self._memo)

    def _all_here(self, paths: Sequence[str]) -> list[str]:
        """Digest files of this machine; large ones in threads, for hashing holds no lock."""
        if not _are_large(paths):
            return [self._digest(path) for path in paths]
        step = -(-len(paths) // (_PIECES * _THREADS))
        pieces = [paths[n : n + step] for n in range(0, len(paths), step)]
        with ThreadPoolExecutor(_THREADS) as pool:
            found = pool.map(lambda piece: [self._digest(path) for path in piece], pieces)
            return list(_joined(found))


def _each_file(folder: OpenedFolder) -> Iterable[tuple[str, str]]:
    """Go through the files, each with the key of its member."""
    opening = folder.opening
    if opening.stacking is None and not opening.are_series:  # of 100,000 members
        return cast("Iterable[tuple[str, str]]", folder.paths.items())
    return ((key, path) for key, files in folder.paths.items() for path in files_in(files))


def _refuse_twice(folder: OpenedFolder, path: str, others: Iterable[str]) -> None:
    """Refuse members that are one image: each would count all of it."""
    if folder.opening.stacking is not None or folder.opening.are_series:
        return
    own = {normal(each): key for key, each in _each_file(folder)}
    other = next((place for place in others if place in own), None)
    if other is not None:
        raise SourceError(
            "an image of several files is one member of a folder",
            value=f"{other} is a file of the same image",
            place=path,
            remedy="leave one of them out: open_folder(..., select=...), or call files of sets "
            ".ome.tif, which are looked at when the folder is opened",
        )


def _joined(pieces: Iterable[Iterable[str]]) -> Iterable[str]:
    return (item for piece in pieces for item in piece)


def _are_large(paths: Sequence[str]) -> bool:
    """Whether hashing files takes longer than turning to the next, by a few of them."""
    sample = paths[:: len(paths) // _PIECES or 1]
    sizes = [os.stat(path).st_size for path in sample if os.path.isfile(path)]  # noqa: PTH113, PTH116
    return bool(sizes) and sum(sizes) > _LARGE * len(sizes)
