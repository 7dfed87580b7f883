"""A result as a folder has it that lies at a URL: copied to a bucket, or shown by a web server.

It is only read.  Its working folder gets recipe, journal, packs, tables and metadata of images when
the result is looked up; voxels are read from the URL, and files of members are fetched when they
are asked for (`bring`).  No listing is needed: the recipe names its files, and the rest has names
that are known.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scutoid import remote
from scutoid.paths import is_inner_name
from scutoid.regular import read_regular
from scutoid.store._durable import make_folder, write_file
from scutoid.store._entry_folder import ATTEMPT, COMPLETE, JOURNAL, RECIPE, remove_own
from scutoid.store._recipe import Recipe
from scutoid.texts import parse_json

_SEGMENTS = "segments"
_VOXELS = re.compile(r"image(-\d+)?\.tif")
_BLOCKS = ("blocks.pack.index", "blocks.pack")
_MEMBERS = ("members.json", "accepted.json", "items.pack.index", "items.pack")
_ZARR = ".ome.zarr"
_METADATA = "zarr.json"


def is_left_at_url(name: str) -> bool:
    """Whether a file of a result is read where it lies.

    Examples
    --------
    >>> is_left_at_url("image-2.tif"), is_left_at_url("table.parquet")
    (True, False)
    """
    return _VOXELS.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class CopiedResult:
    """A result as a folder has it at a URL, and its working folder on this machine."""

    url: str
    """Of the result."""
    folder: Path
    """Its working folder."""

    def fetch(self, text: bytes) -> bool:
        """Bring the working folder to what is at the URL; says whether it was not.

        Parameters
        ----------
        text : bytes
            Its recipe.

        Raises
        ------
        StoreError
            If the store does not answer, or the recipe is damaged.
        """
        mark = remote.find(f"{self.url}/{COMPLETE}")
        is_whole = mark is not None and mark.strip() == hashlib.sha256(text).hexdigest().encode()
        recipe = Recipe.from_json(text, place=f"{self.url}/{RECIPE}")
        if is_whole and self._has(text):
            return False
        remove_own(self.folder)
        make_folder(self.folder)
        self._get(self.names(recipe))
        if not is_whole:
            self._get(self._of_writers())
        state = {"copied": self.url}
        write_file(self.folder / ATTEMPT, json.dumps(state).encode())
        write_file(self.folder / RECIPE, text)
        if mark is not None:
            write_file(self.folder / COMPLETE, mark)
        return True

    def _has(self, text: bytes) -> bool:
        try:
            return (
                url_of_copy(self.folder) == self.url
                and read_regular(self.folder / RECIPE) == text
                and (self.folder / COMPLETE).exists()
            )
        except OSError:
            return False

    def names(self, recipe: Recipe) -> list[str]:
        """Return the names of its small files, of which some need not be there."""
        sizes = recipe.extra.get("sizes")
        names = dict.fromkeys(name for name in recipe.files if not is_left_at_url(name))
        names |= dict.fromkeys(sizes if isinstance(sizes, dict) else (JOURNAL, *_BLOCKS))
        if recipe.kind == "collection":
            names |= dict.fromkeys(_MEMBERS)
        for file in _zarrs_of(recipe):
            names |= dict.fromkeys((f"{file.removesuffix(_ZARR)}.shards", f"{file}/{_METADATA}"))
            names |= dict.fromkeys(f"{file}/{name}" for name in self._levels(file, recipe))
        return [name for name in names if is_inner_name(name)]

    def _levels(self, file: str, recipe: Recipe) -> list[str]:
        """Return the metadata of the levels of an image, which a complete result lists."""
        found: list[str] = []
        while f"{file}/{_METADATA}" not in recipe.files:
            name = f"{len(found)}/{_METADATA}"
            if remote.find(f"{self.url}/{file}/{name}") is None:
                break
            found.append(name)
        return found

    def _of_writers(self) -> list[str]:
        """Return what processes that make the result together have recorded, if that is listed."""
        begin = f"{self.url}/{_SEGMENTS}"
        writers = (name for name in remote.names(begin) if name.endswith("/"))
        return [
            f"{_SEGMENTS}/{writer}{name}"
            for writer in writers
            for name in remote.names(f"{begin}/{writer[:-1]}")
            if not name.endswith("/") and not name.startswith(".")
        ]

    def _get(self, names: Sequence[str]) -> None:
        urls = [f"{self.url}/{name}" for name in names]
        for name, content in zip(names, remote.at_once(urls, remote.find), strict=True):
            if content is not None and is_inner_name(name):
                make_folder((self.folder / name).parent)
                write_file(self.folder / name, content)


def url_of_copy(folder: Path) -> str | None:
    """Return the URL of the result whose working folder this is, if it is as folders have it."""
    try:
        state = parse_json(read_regular(folder / ATTEMPT))
    except (OSError, ValueError):
        return None
    found = state.get("copied") if isinstance(state, dict) else None
    return found if isinstance(found, str) else None


def bring(folder: Path, names: Iterable[str]) -> None:
    """Fetch files of a result that lies at a URL as a folder has it, unless they are here.

    Parameters
    ----------
    folder : Path
        Of the result; nothing is done where it is no such working folder.
    names : iterable of str
        Files below it; one that is not at the URL stays absent.

    Raises
    ------
    StoreError
        If the URL does not answer.
    """
    url = url_of_copy(folder)
    if url is None:
        return
    missing = [name for name in names if not (folder / name).exists()]
    CopiedResult(url, folder)._get(missing)  # noqa: SLF001  # of this module


def bring_all(folder: Path, name: str) -> None:
    """Fetch a file of such a result, or all files of a folder in it; see `bring`.

    Raises
    ------
    StoreError
        If the URL does not answer.
    """
    url = url_of_copy(folder)
    if url is None or (folder / name).exists():
        return
    begin = f"{url}/"
    found = [each.url.removeprefix(begin) for each in remote.objects(f"{url}/{name}")]
    # What an image is comes last: without it there is none
    bring(folder, sorted(found or [name], key=lambda one: one.endswith(_METADATA)))


def _zarrs_of(recipe: Recipe) -> list[str]:
    outputs = recipe.output.get("outputs")
    files = (
        (one.get("file") for one in outputs if isinstance(one, dict))
        if isinstance(outputs, list)
        else ()
    )
    return [file for file in files if isinstance(file, str) and file.endswith(_ZARR)]
