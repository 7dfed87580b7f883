"""The folder of a result: what in it is ours, and may be written, read and removed."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from scutoid.durable import is_beside, sync_folder
from scutoid.store._durable import list_folder
from scutoid.store.formats import FORMATS, installed_formats

RECIPE = "recipe.json"
COMPLETE = "COMPLETE"
JOURNAL = "journal"
DIGESTS = "blocks.digests"
"""Which block has read what; a result is whole without it."""
ATTEMPT = ".attempt"
"""In the working folder of a result at a URL: which attempt it is of."""
_FILES = "files"
_ZARR_METADATA = "zarr.json"

# What an entry is made of; all else in its folder is somebody else's, and is never removed.
_OURS = re.compile(
    r"recipe\.json|COMPLETE|journal|\.attempt|(members|accepted)\.json|items|files|segments"
    r"|(blocks|items)\.pack(\.index)?|blocks\.digests|image(-\d+)?\.(ome\.zarr|tif|shards)"
)
_SAVED = re.compile(r"(?:table|value)(?:-\d+)?(\.[\w.]+)")
_CHECKED_ELSEWHERE = re.compile(
    r"recipe\.json|COMPLETE|journal|items|segments|.*\.pack(\.index)?|blocks\.digests|\..*"
)


def is_ours(name: str) -> bool:
    """Whether a name is one that scutoid gives to a file or folder of a result.

    Examples
    --------
    >>> [is_ours(name) for name in ("value.json", "image-2.ome.zarr", "value.notes.txt")]
    [True, True, False]
    """
    if _OURS.fullmatch(name) or is_beside(name):
        return True
    saved = _SAVED.fullmatch(name)
    if saved is None:
        return False
    kinds = (FORMATS, installed_formats())  # the latter are asked of other packages
    return any(saved[1] == kind.suffix for known in kinds for kind in known.values())


def own_in(folder: Path) -> list[Path]:
    """Return what lies in the folder of a result and is ours."""
    if folder.is_symlink():
        return []
    return [place for place in list_folder(folder) if is_ours(place.name)]


def links_out_of(folder: Path) -> list[Path]:
    """Return links, in the place of what is ours, that lead out of a result's folder."""
    real = f"{os.path.realpath(folder)}/"
    found = []
    for root, folders, names in os.walk(folder):
        is_top = root == str(folder)
        if is_top:
            folders[:] = [name for name in folders if is_ours(name)]
        ours = (n for n in (*folders, *names) if not is_top or is_ours(n))
        paths = (f"{root}/{name}" for name in ours)
        links = (path for path in paths if os.path.islink(path))  # noqa: PTH114
        found += [Path(p) for p in links if not os.path.realpath(p).startswith(real)]
    return found


def drop_links(folder: Path) -> None:
    """Remove links in the place of files of ours, so that nothing is written through one."""
    for place in list_folder(folder):
        if place.is_symlink() and is_ours(place.name):
            place.unlink()


def sweep(folder: Path) -> None:
    """Remove what writers that were killed have left unfinished."""
    for place in list_folder(folder):
        if is_beside(place.name) and place.is_dir():
            shutil.rmtree(place)
        elif is_beside(place.name):
            place.unlink(missing_ok=True)


def unprotected_in(folder: Path) -> Iterator[Path]:
    """Yield the files that have no checksums of their own: not packs, not chunks of a zarr."""
    for place in list_folder(folder):
        if _CHECKED_ELSEWHERE.fullmatch(place.name) or not is_ours(place.name):
            continue
        if place.is_file():
            yield place
            continue
        for root, folders, names in os.walk(place):
            folders.sort()
            # Metadata lies beside "c", never below it, where a large array has its chunks.
            if _ZARR_METADATA in names and place.name != _FILES:
                yield Path(root) / _ZARR_METADATA
                folders[:] = [name for name in folders if name != "c"]
            elif place.name == _FILES:
                yield from (Path(root) / name for name in sorted(names))


def move_aside(folder: Path) -> None:
    """Give the folder of a result that cannot be gone on with another name."""
    for number in itertools.count(1):
        aside = folder.with_name(f"{folder.name}.aside-{number}")
        if not aside.exists():
            folder.rename(aside)
            return


def remove_own(folder: Path) -> None:
    """Remove what is ours; what is not stays, and the folder with it.

    Killed at any time, what remains is never taken for a result.
    """
    if folder.is_symlink():
        folder.unlink()
        return
    if not folder.is_dir():
        return
    for name in (COMPLETE, RECIPE, JOURNAL, ATTEMPT):
        (folder / name).unlink(missing_ok=True)
    sync_folder(folder)
    others = False
    for place in list_folder(folder):
        if not is_ours(place.name):
            others = True
        elif place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
    if not others:
        folder.rmdir()
