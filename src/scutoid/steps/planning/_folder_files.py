"""The files that each member of a folder is read from: its own, and those beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from scutoid.arrays import is_alone, open_source
from scutoid.errors import ScutoidError
from scutoid.paths import normal
from scutoid.steps.graph import OpenedFolder, paths_beside
from scutoid.store import HashMemo, locations_of

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
        self._own: dict[OpenedFolder, Mapping[str, str]] = {}
        self._beside: dict[OpenedFolder, Mapping[str, tuple[str, ...]]] = {}
        self._digests: dict[OpenedFolder, Mapping[str, tuple[str, ...]]] = {}

    def digests(self, folder: OpenedFolder, key: str) -> tuple[str, ...]:
        """Return the digest of a member's own file, then of those beside it."""
        if folder not in self._digests:
            self._digests[folder] = self._all_digests(folder)
        return self._digests[folder][key]

    def _all_digests(self, folder: OpenedFolder) -> Mapping[str, tuple[str, ...]]:
        own_digests = self._own_digests(folder).items()
        found: dict[str, tuple[str, ...]] = {key: (own,) for key, own in own_digests}
        beside = self._paths_beside(folder)
        listed = list(dict.fromkeys(_joined(beside.values())))
        others = dict(zip(listed, self._all(listed), strict=True))
        for key, paths in beside.items():
            found[key] += tuple(others[path] for path in paths)
        return found

    def paths(self, folder: OpenedFolder, key: str) -> tuple[str, ...]:
        """Return where they are, in the same order."""
        return (normal(folder.paths[key]), *self._paths_beside(folder).get(key, ()))

    def beside_all(self, folder: OpenedFolder) -> frozenset[str]:
        """Return the files that are read beside each of the members."""
        beside = self._paths_beside(folder)
        first, *others = (beside.get(key, ()) for key in folder.paths)
        return frozenset(first).intersection(*others)

    def _paths_beside(self, folder: OpenedFolder) -> Mapping[str, tuple[str, ...]]:
        """Return for each member that is not read from its own file alone the others."""
        if folder not in self._beside:
            found: dict[str, tuple[str, ...]] = {}
            if folder.reader is None:
                self._own_digests(folder)  # what is remembered of a file holds for its content
                found = self._of_images(folder)
            if folder.reads is not None:
                for key, path in folder.paths.items():
                    said = paths_beside(folder.reads, path)
                    found[key] = tuple(dict.fromkeys((*found.get(key, ()), *said)))
            self._beside[folder] = found
        return self._beside[folder]

    def _of_images(self, folder: OpenedFolder) -> dict[str, tuple[str, ...]]:
        """Return the other files of those images that have any, by their keys."""
        found = {}
        for key, path in folder.paths.items():
            if self._is_alone(path):
                continue
            with suppress(
                ScutoidError
            ):  # what cannot be opened fails in the run, which tells of it
                listed = locations_of(open_source(path, **folder.options).identity)
                others = tuple(place for place in listed if place != normal(path))
                if others:
                    found[key] = others
        return found

    def _is_alone(self, path: str) -> bool:
        return is_alone(path) if self._memo is None else self._memo.is_alone(path, is_alone)

    def _own_digests(self, folder: OpenedFolder) -> Mapping[str, str]:
        if folder not in self._own:
            paths = folder.paths
            self._own[folder] = dict(zip(paths, self._all(list(paths.values())), strict=True))
        return self._own[folder]

    def _all(self, paths: Sequence[str]) -> list[str]:
        """Digest files; large ones in threads, for hashing holds no lock."""
        if not _are_large(paths):
            return [self._digest(path) for path in paths]
        step = -(-len(paths) // (_PIECES * _THREADS))
        pieces = [paths[n : n + step] for n in range(0, len(paths), step)]
        with ThreadPoolExecutor(_THREADS) as pool:
            found = pool.map(lambda piece: [self._digest(path) for path in piece], pieces)
            return list(_joined(found))


def _joined(pieces: Iterable[Iterable[str]]) -> Iterable[str]:
    return (item for piece in pieces for item in piece)


def _are_large(paths: Sequence[str]) -> bool:
    """Whether hashing files takes longer than turning to the next, by a few of them."""
    sample = paths[:: len(paths) // _PIECES or 1]
    sizes = [os.stat(path).st_size for path in sample if os.path.isfile(path)]  # noqa: PTH113, PTH116
    return bool(sizes) and sum(sizes) > _LARGE * len(sizes)
