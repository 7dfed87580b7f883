"""Zarrs in one zip, named ``.zarr.zip`` or ``.ozx``, as OME-Zarr's RFC-9 has it.

What is inside is named as if the zip were a folder: ``brain.ozx/0``.
"""

from __future__ import annotations

import os
import re
import zipfile
from typing import Any

from scutoid.arrays._endings import ZIP_ENDINGS
from scutoid.arrays._source import stamp_of
from scutoid.errors import SourceError

_INSIDE = re.compile(r"(.*?\.(?:zarr\.zip|ozx))(?:/+(.*))?", re.IGNORECASE | re.DOTALL)
_METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs")


def split_zip(location: str) -> tuple[str, str] | None:
    """Return the path of a zip, and the place inside of it; None: it is not in a zip.

    Parameters
    ----------
    location : str
        A path.
    """
    low = location.lower()  # asked for each region of a zarr that is read
    if ".ozx" not in low and ".zarr.zip" not in low:
        return None
    found = _INSIDE.fullmatch(location)
    if found is None or "://" in location or not os.path.isfile(found[1]):  # noqa: PTH113
        return None
    return found[1], (found[2] or "").rstrip("/")


def is_zip(path: str) -> bool:
    """Whether a path or URL has the ending of a zarr in a zip."""
    return path.lower().endswith(ZIP_ENDINGS)


def root_in(archive: str) -> str:
    """Return the location of the zarr in a zip: of all, or of the one folder that holds all.

    Raises
    ------
    SourceError
        If it is no zip, or holds neither.
    """
    names = _names(archive)
    if any(name in names for name in _METADATA):
        return archive
    tops = {name.partition("/")[0] for name in names}
    top = next(iter(tops), "")
    if len(tops) == 1 and any(f"{top}/{name}" in names for name in _METADATA):
        return f"{archive}/{top}"
    raise SourceError(
        "a zip of a zarr has its metadata (zarr.json, .zgroup, .zarray), or one folder with them",
        value=", ".join(sorted(tops)[:5]) or "nothing is in it",
        place=archive,
        remedy="zip the content of the zarr's folder",
    )


def zarr_at(path: str) -> str | None:
    """Return the location of the zarr that a path names, in a zip too; None: there is none.

    Raises
    ------
    SourceError
        If it is the path of a zip that holds no zarr, or cannot be read.
    """
    if is_zip(path) and os.path.isfile(path):  # noqa: PTH113
        return root_in(path)
    zipped = split_zip(path)
    if zipped is not None:
        archive, inside = zipped
        names = _names(archive)
        return path if any(f"{inside}/{name}" in names for name in _METADATA) else None
    is_there = any(os.path.isfile(f"{path}{os.sep}{name}") for name in _METADATA)  # noqa: PTH113
    return path if is_there else None


def read_in(archive: str, inside: str) -> bytes | None:
    """Return the content of a file in a zip; None: there is none.

    Raises
    ------
    SourceError
        If the zip is damaged.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            return file.read(inside)
    except KeyError:
        return None
    except Exception as error:  # of the zip, and of each way to compress
        raise _damaged(archive, error) from error


def folders_in_zip(archive: str, inside: str) -> list[str]:
    """Return the names of the folders right below a place in a zip."""
    begin = f"{inside}/" if inside else ""
    below = [name.removeprefix(begin) for name in _names(archive) if name.startswith(begin)]
    return sorted({name.partition("/")[0] for name in below if "/" in name})


def kvstore_in(archive: str, inside: str) -> dict[str, Any]:
    """Describe a place in a zip to tensorstore."""
    return {"driver": "zip", "base": {"driver": "file", "path": archive}, "path": f"{inside}/"}


def stamp_in(archive: str) -> tuple[int, ...]:
    """Return the version of a zip, as that of a file of metadata."""
    size, changed, inode, _ = stamp_of(archive)
    return changed, size, inode


def _names(archive: str) -> set[str]:
    try:
        with zipfile.ZipFile(archive) as file:
            return {name for name in file.namelist() if not name.endswith("/")}
    except Exception as error:  # as above
        raise _damaged(archive, error) from error


def _damaged(archive: str, error: Exception) -> SourceError:
    return SourceError(
        "a zarr in a zip can be read",
        value=f"{type(error).__name__}: {error}",
        place=archive,
        remedy="the file is damaged, cut off, or no zip: restore it from its source",
    )
