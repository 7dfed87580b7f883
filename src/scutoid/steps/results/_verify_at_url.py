"""Verify results at a URL: each object that a manifest or the notes of shards name is read.

An object counts as damaged where its store says that it is absent, or where all of it was read and
is not what was written; a store that does not answer is an error.  What is healed is withdrawn as a
whole: no object is written over, so the next run makes the result in a new attempt.  A collection
goes on without the members that are damaged.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from scutoid import remote
from scutoid.arrays import ShardLevel, is_decodable, shard_levels
from scutoid.errors import DamagedResult
from scutoid.regular import read_regular
from scutoid.steps.results._damage import Damage, Verification
from scutoid.steps.results._members_at_url import MembersAtUrl, heal_members, is_pack
from scutoid.steps.results._missing_shards import zarr_images
from scutoid.steps.results._notes_file import Notes, has_notes, notes_file, read_notes
from scutoid.steps.results._verify_copied import verify_copied
from scutoid.store import RECIPE, Entry, EntryStore, Recipe, RemoteResult, url_of_copy

_METADATA = "zarr.json"
Found = tuple[str, str]
"""A name in a result, and what is wrong with it."""


class ResultAtUrl:
    """Reads all of a complete result at a URL.

    Parameters
    ----------
    url : str
        Of the result.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.nbytes = 0
        self.recipe: Recipe | None = None
        """What it was made of, once it was read."""
        self._members: MembersAtUrl | None = None
        self._files: list[str] = []

    def damages(self) -> list[Found]:
        """Return what is damaged; of a result without a manifest, what keeps it from being read.

        Raises
        ------
        StoreError
            If its store does not answer.
        """
        with tempfile.TemporaryDirectory(prefix="scutoid-") as folder:
            there = RemoteResult(self.url, Path(folder, self.url.rpartition("/")[2]))
            try:
                manifest = there.manifest()
            except DamagedResult as error:
                return [("manifest.json", str(error.value))]
            if manifest is None:
                return self._of_unfinished(there)
            self.recipe = Recipe.from_json(manifest.recipe, place=self.url)
            found = []
            for name, record in manifest.files.items():
                content = remote.get(f"{self.url}/{record['object']}")
                self.nbytes += len(content or b"")
                if content is None:
                    found.append((name, "missing"))
                elif hashlib.sha256(content).hexdigest() != record["sha256"]:
                    found.append((name, "its digest differs"))
            self._files = [name for name, _ in found]
            is_collection = self.recipe.kind == "collection"
            if found and (not is_collection or any(map(is_pack, self._files))):
                return found
            there.take(without=frozenset(self._files))
            entry = Entry(there.folder, self.recipe.step, self.recipe.key, self.url)
            if is_collection:
                return found + self._of_members(entry)
            return [
                each for image in zarr_images(entry) for each in self._shards(entry, image.file)
            ]

    def _of_unfinished(self, there: RemoteResult) -> list[Found]:
        """Return what is damaged of a result that was begun."""
        try:
            there.fetch()
        except DamagedResult as error:
            return [(str(error.place).removeprefix(f"{self.url}/"), str(error.value))]
        if url_of_copy(there.folder) is not None:  # `verify_copied` looks through it
            return []
        try:
            self.recipe = Recipe.from_json(read_regular(there.folder / RECIPE), place=self.url)
        except FileNotFoundError:  # nothing was begun
            return []
        entry = Entry(there.folder, self.recipe.step, self.recipe.key, self.url)
        return self._of_members(entry) if self.recipe.kind == "collection" else []

    def _of_members(self, entry: Entry) -> list[Found]:
        self._members = MembersAtUrl(entry)
        found = self._members.damages()
        self.nbytes += self._members.nbytes
        return found

    def heal(self, folder: Path) -> None:
        """Withdraw what is damaged.

        Parameters
        ----------
        folder : Path
            Working folder of the result, whose lock is held.

        Raises
        ------
        StoreError
            If another has taken over the lock, or the store cannot be written.
        """
        if self._members is None or self.recipe is None:
            RemoteResult(self.url, folder).reject()
        else:
            entry = Entry(folder, self.recipe.step, self.recipe.key, self.url)
            heal_members(entry, self._members.lost, self._files)

    def _shards(self, entry: Entry, file: str) -> Iterator[Found]:
        path = entry.path / file
        if not has_notes(entry, file):
            yield notes_file(file), "missing"
            return
        notes = read_notes(entry.path / notes_file(file), entry.key)
        for level in shard_levels(path):
            yield from self._level(entry.image(file), file, level, notes)

    def _level(self, url: str, file: str, level: ShardLevel, notes: Notes) -> Iterator[Found]:
        name = Path(level.folder).name
        begin = f"{url}/{name}/"
        there = {each.url.removeprefix(f"{begin}c/") for each in remote.objects(f"{begin}c")}
        own = {note[1]: tuple(note) for note in notes[notes["level"] == level.number].tolist()}
        metadata = Path(level.folder, _METADATA).read_text()
        noted = set()
        for number, note in own.items():
            place = level.place_of(number)
            shard = "/".join(map(str, place))
            noted.add(shard)
            content = remote.get(f"{begin}c/{shard}") if shard in there else None
            self.nbytes += len(content or b"")
            if content is None:
                yield f"{file}/{name}/c/{shard}", "missing"
            elif level.note_of(place, content) != note:
                yield f"{file}/{name}/c/{shard}", "it is not the shard that was written there"
            elif not is_decodable(metadata, place, content):
                yield f"{file}/{name}/c/{shard}", "the checksum of a chunk differs"
        for shard in sorted(there - noted):
            yield f"{file}/{name}/c/{shard}", "a shard that no block has written"


def verify_at_url(store: EntryStore, *, heal: bool) -> Verification:
    """Look through all complete results of a store at a URL.

    Raises
    ------
    StoreError
        If the store does not answer, or a record is of a later version.
    """
    damages: list[Damage] = []
    skipped: list[str] = []
    n_results = nbytes = n_without_notes = 0
    for place in store.places_at_url():
        result = ResultAtUrl(f"{store.url}/{place}")
        step, _, name = place.rpartition("/")
        entry = Entry(store.path / place, step, name, result.url)
        with entry.lock().attempt() if heal else nullcontext(True) as may_look:
            if not may_look:
                skipped.append(f"{step} {name}")
                continue
            found = result.damages()
            if result.recipe is None and not found:
                copied = verify_copied(entry)
                if copied is not None:
                    damages += copied.damages
                    n_results += copied.n_results
                    nbytes += copied.nbytes
                    n_without_notes += copied.n_without_notes
                    continue
            n_results += 1
            nbytes += result.nbytes
            known = result.recipe
            who = (step, name) if known is None else (known.step, known.key)
            damages += [Damage(*who, entry.path / file, what) for file, what in found]
            if heal and found:
                result.heal(entry.path)
    return Verification(n_results, nbytes, tuple(damages), tuple(skipped), heal, n_without_notes)
