"""Verify results as folders have them that lie at URLs: each is copied, and looked through."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from scutoid import remote
from scutoid.arrays import shard_levels
from scutoid.errors import DamagedResult, StoreError
from scutoid.paths import is_inner_name
from scutoid.steps.results._damage import Verification, verify_store
from scutoid.steps.results._member_record import MemberRecord
from scutoid.steps.results._missing_shards import zarr_images
from scutoid.steps.results._names import ITEM_FOLDER, ITEMS
from scutoid.steps.results._notes_file import has_notes, notes_of
from scutoid.store import RECIPE, CopiedResult, Entry, EntryStore, Pack, Recipe, is_left_at_url


def verify_copied(entry: Entry) -> Verification | None:
    """Look through a result at a URL as a folder store is looked through; None: there is none.

    All of it is copied to a temporary folder for that, one result at a time.

    Raises
    ------
    StoreError
        If its store does not answer, a record is of a later version, or nothing tells which shards
        it has: notes of them, or a server that lists folders.
    """
    text = remote.find(f"{entry.url}/{RECIPE}")
    if text is None:
        return None
    with tempfile.TemporaryDirectory(prefix="scutoid-") as folder:
        store = EntryStore(folder)
        step, _, name = entry.url.rpartition("/")
        there = CopiedResult(entry.url, store.path / step.rpartition("/")[2] / name)
        with suppress(DamagedResult):  # a recipe that is none is told of below
            there.fetch(text)
        _copy(there, [each.url.removeprefix(f"{there.url}/") for each in _listed(there.url)])
        if remote.is_http(there.url) and (there.folder / RECIPE).exists():  # few list all
            _copy(there, _named(there, Recipe.from_json(text, place=entry.url)))
        found = verify_store(store, heal=False)
        at = [entry.path / one.place.relative_to(there.folder) for one in found.damages]
        damages = (replace(one, place=place) for one, place in zip(found.damages, at, strict=True))
        return replace(found, damages=tuple(damages))


def _listed(url: str) -> list[remote.Stored]:
    return [each for each in remote.objects(url) if not each.url.endswith("/.attempt")]


def _copy(there: CopiedResult, names: list[str]) -> None:
    def copy(name: str) -> None:
        place = there.folder / name
        if not is_inner_name(name) or place.exists():
            return
        content = remote.find(f"{there.url}/{name}")
        if content is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)

    remote.at_once(names, copy)


def _named(there: CopiedResult, recipe: Recipe) -> list[str]:
    """Return the names of voxels and members that records of a result name."""
    entry = Entry(there.folder, recipe.step, recipe.key, there.url)
    names = [name for name in recipe.files if is_left_at_url(name)]
    for image in zarr_images(entry):
        if has_notes(entry, image.file):
            names += _noted(entry, image.file)
        elif not remote.objects(f"{there.url}/{image.file}/0/c"):
            raise StoreError(
                "a result whose shards were not noted is verified where folders are listed",
                value=f"no folder is listed, and {image.file} has no notes",
                place=there.url,
                remedy="let the server list folders, or copy the store",
            )
    if recipe.kind == "collection":
        names += _of_members(there.folder)
    return names


def _noted(entry: Entry, file: str) -> Iterator[str]:
    notes = notes_of(entry, file)
    for level in shard_levels(entry.path / file):
        own = () if notes is None else notes["shard"][notes["level"] == level.number].tolist()
        for number in own:
            place = "/".join(map(str, level.place_of(number)))
            yield f"{file}/{Path(level.folder).name}/c/{place}"


def _of_members(folder: Path) -> Iterator[str]:
    pack = Pack(folder / ITEMS)
    for name in pack:
        record = MemberRecord.from_dict(pack.meta(name), place=pack.index_path)
        for file in record.files.values():
            for path, _ in file.sizes[1:] or file.sizes:
                yield f"{ITEM_FOLDER}/{path}"
