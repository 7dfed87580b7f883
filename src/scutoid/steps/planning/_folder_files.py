"""The files that each member of a folder is read from: its own, and those beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from scutoid.paths import normal
from scutoid.steps.graph import OpenedFolder, paths_beside

_THREADS = 4
_PIECES = 16
_LARGE = 2**16


class FolderFiles:
    """Knows these files, and digests each of them once.

    Parameters
    ----------
    digest : callable
        Digests a file, or a folder, by its content.
    """

    def __init__(self, digest: Callable[[str], str]) -> None:
        self._digest = digest
        self._own: dict[OpenedFolder, Mapping[str, str]] = {}
        self._beside: dict[OpenedFolder, Mapping[str, tuple[str, ...]]] = {}
        self._others: dict[OpenedFolder, Mapping[str, str]] = {}

    def digests(self, folder: OpenedFolder, key: str) -> tuple[str, ...]:
        """Return the digest of a member's own file, then of those beside it."""
        if folder not in self._own:
            paths = folder.paths
            self._own[folder] = dict(zip(paths, self._all(list(paths.values())), strict=True))
        beside = self._paths_beside(folder).get(key, ())
        if not beside:
            return (self._own[folder][key],)
        if folder not in self._others:
            listed = list(dict.fromkeys(_joined(self._paths_beside(folder).values())))
            self._others[folder] = dict(zip(listed, self._all(listed), strict=True))
        return (self._own[folder][key], *(self._others[folder][path] for path in beside))

    def paths(self, folder: OpenedFolder, key: str) -> tuple[str, ...]:
        """Return where they are, in the same order."""
        return (normal(folder.paths[key]), *self._paths_beside(folder).get(key, ()))

    def _paths_beside(self, folder: OpenedFolder) -> Mapping[str, tuple[str, ...]]:
        """Return for each member that is not read from its own file alone the others."""
        if folder not in self._beside:
            reads = folder.reads
            found = (
                {}
                if reads is None
                else {key: paths_beside(reads, path) for key, path in folder.paths.items()}
            )
            self._beside[folder] = found
        return self._beside[folder]

    def _all(self, paths: Sequence[str]) -> list[str]:
        """Digest files; large ones in threads, for hashing holds no lock."""
        threads = _THREADS if _are_large(paths) else 1
        step = -(-len(paths) // (_PIECES * threads)) or 1
        pieces = [paths[n : n + step] for n in range(0, len(paths), step)]
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(lambda piece: [self._digest(path) for path in piece], pieces)
            return list(_joined(found))


def _joined(pieces: Iterable[Iterable[str]]) -> Iterable[str]:
    return (item for piece in pieces for item in piece)


def _are_large(paths: Sequence[str]) -> bool:
    """Whether hashing files takes longer than turning to the next, by a few of them."""
    sample = paths[:: len(paths) // _PIECES or 1]
    sizes = [os.stat(path).st_size for path in sample if os.path.isfile(path)]  # noqa: PTH113, PTH116
    return bool(sizes) and sum(sizes) > _LARGE * len(sizes)
