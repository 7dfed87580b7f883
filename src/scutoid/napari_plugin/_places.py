"""What of scutoid lies at a path, by a few looks at file names; nothing is read but a mark."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scutoid.regular import read_regular
from scutoid.texts import parse_json

_MARK = ".scutoid"  # as `scutoid.store.MARK`, without importing what reads stores
_RECIPE = "recipe.json"
_RUNS = "runs"
_ZARR = "zarr.json"
_LARGEST = 2**20

Kind = Literal["store", "run", "result", "image"]


@dataclass(frozen=True, slots=True)
class Place:
    """Something that scutoid has written."""

    kind: Kind
    """A store, the folder of a run, of a result, or an OME-Zarr."""
    path: Path
    """Where it lies."""
    store: Path | None = None
    """The store that it lies in; None of an OME-Zarr that lies in none."""


def place_of(path: str | os.PathLike[str]) -> Place | None:
    """Return what a path leads to; None: nothing of scutoid.

    Parameters
    ----------
    path : path
        A folder.

    Returns
    -------
    Place or None
        A file, a URL, and the folder of something else are None.
    """
    folder = Path(path)
    if not folder.is_dir():
        return None
    if (folder / _MARK).is_file():
        return Place("store", folder, folder)
    if folder.parent.name == _RUNS and (folder.parent.parent / _MARK).is_file():
        return Place("run", folder, folder.parent.parent)
    if (folder / _RECIPE).is_file():
        store = _store_above(folder)
        return None if store is None else Place("result", folder, store)
    if (folder / _ZARR).is_file():
        is_stored = (folder.parent / _RECIPE).is_file()
        store = _store_above(folder.parent) if is_stored else None
        if store is not None or _is_ours(folder / _ZARR):
            return Place("image", folder, store)
    return None


def _store_above(result: Path) -> Path | None:
    """Return the store of a result: two folders above it, or three where it is of a stage."""
    parents = result.absolute().parents
    return next((up for up in parents[1:3] if (up / _MARK).is_file()), None)


def _is_ours(metadata: Path) -> bool:
    """Whether scutoid wrote the metadata of a zarr group."""
    try:
        if metadata.stat().st_size > _LARGEST:
            return False
        content = parse_json(read_regular(metadata))
    except (OSError, ValueError):
        return False
    attributes = content.get("attributes") if isinstance(content, dict) else None
    return isinstance(attributes, dict) and "scutoid" in attributes
