"""Verify stored results: find what is damaged, and remove it so that the next run makes it again.

Every check is one that reading makes as well; here all of a result is read.  Nothing is computed:
what was removed counts as never done, so the next run makes it, and it alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scutoid import remote
from scutoid.arrays import damaged_shards, open_source
from scutoid.blocks import Journal
from scutoid.errors import DamagedResult, MetadataError, ScutoidError, SourceError, StoreError
from scutoid.paths import inside
from scutoid.printable import printed
from scutoid.steps.results._checksums import is_intact
from scutoid.steps.results._member_lists import members_of
from scutoid.steps.results._member_record import FileRecord, MemberRecord
from scutoid.steps.results._members_at_url import item_bytes
from scutoid.steps.results._merging import merge_segments
from scutoid.steps.results._missing_shards import (
    JOURNALLED,
    changed_files,
    lost_blocks,
    shard_bytes,
    zarr_images,
)
from scutoid.steps.results._names import BLOCKS, ITEM_FOLDER, ITEMS
from scutoid.steps.results._notes_file import has_notes, is_notes_file, notes_of
from scutoid.steps.results._record import OutputRecord, ResultRecord, check_recipe
from scutoid.steps.results._shard_notes import misplaced_in
from scutoid.store import (
    COMPLETE,
    RECIPE,
    AnyLock,
    Entry,
    EntryStore,
    Pack,
    Recipe,
    is_left_at_url,
    remove_segments,
    url_of_copy,
)


@dataclass(frozen=True, slots=True)
class Damage:
    """Something in a store that is not what was written."""

    step: str
    """Name of the step."""
    key: str
    """Key of its result."""
    place: Path
    """The file, or the folder of the result."""
    what: str
    """What is wrong with it."""

    @printed
    def __str__(self) -> str:
        return f"{self.step} {self.key[:12]}: {self.place.name}: {self.what}"


class Examination:
    """Reads all of one result, and takes note of what is damaged.

    Parameters
    ----------
    entry : Entry
        Where it is.
    recipe : Recipe
        What it says of itself.
    heal : bool
        Whether what is damaged is removed.
    """

    def __init__(self, entry: Entry, recipe: Recipe, *, heal: bool) -> None:
        self.entry = entry
        self.recipe = recipe
        self.heal = heal
        self.damages: list[Damage] = []
        self.has_notes = True
        """Whether all shards of its images were noted."""

    def run(self) -> list[Damage]:
        """Look at everything.

        Raises
        ------
        StoreError
            If a record is of a later version.
        """
        self._links()
        if self.recipe.stands_for is not None:
            return self.damages
        try:
            record = ResultRecord.of(self.recipe, place=self.entry.path / RECIPE)
        except DamagedResult as error:  # then a plan begins the result again
            self._note(self.entry.path / RECIPE, error.rule)
        else:
            self._look_at(() if record is None else record.outputs)
        if self.heal and self.damages:
            self.entry.distrust()
        if self.heal and self.entry.is_suspect:
            self.entry.trust()
        return self.damages

    def _look_at(self, outputs: Sequence[OutputRecord]) -> None:
        try:
            statuses = Journal.read(self.entry.journal, key=self.entry.key)
        except StoreError as error:
            self._note(self.entry.journal, error.rule)
            statuses = np.zeros(0, dtype=np.uint8)
            if self.heal:
                self.entry.journal.unlink(missing_ok=True)
                remove_segments(self.entry.path)
        journalled = self.recipe.extra.get(JOURNALLED, 0)
        if np.count_nonzero(statuses) < journalled and not self.damages:
            self._note(self.entry.journal, "it does not name all blocks")
        self._files()
        for image in zarr_images(self.entry):
            self.has_notes &= self.entry.status == "partial" or has_notes(self.entry, image.file)
            with suppress(DamagedResult):  # a link, which is named above
                self._zarr(inside(self.entry.path, image.file))
        has_values = any(output.kind != "image" for output in outputs)
        if self.recipe.kind == "collection":
            self._members()
        elif has_values and ((self.entry.path / BLOCKS).exists() or any(statuses)):
            self._blocks(statuses)

    def _note(self, place: Path, what: str) -> None:
        self.damages.append(Damage(self.entry.name, self.entry.key, place, what))

    def _links(self) -> None:
        """Links out of the result: removed before all else, and nothing is removed through one."""
        for link in self.entry.links_out():
            self._note(link, f"a link that leads out of the result, to {link.readlink()}")
            if self.heal:
                link.unlink()

    def _files(self) -> None:
        """Files with a digest.

        Where the metadata of a zarr are damaged, or the notes of its shards, so that nothing tells
        which are its own, all of it is to be made again.
        """
        for name in self.entry.verify():
            path = self.entry.path / name
            self._note(path, "its digest differs" if path.exists() else "missing")
            if self.heal:
                path.unlink(missing_ok=True)
                if path.name == "zarr.json" or is_notes_file(name):
                    self.entry.journal.unlink(missing_ok=True)

    def _zarr(self, path: Path) -> None:
        metadata = path / "zarr.json"
        if metadata.exists() and (reason := _unopened(path)):
            self._note(metadata, reason)
            if self.heal:
                metadata.unlink()
                self.entry.journal.unlink(missing_ok=True)
        bad: list[Path] = []
        with suppress(ScutoidError):  # its metadata, which are named above
            bad = damaged_shards(path)
        for shard in bad:
            self._note(shard, "chunks in it fail their checks")
            if self.heal:
                shard.unlink(missing_ok=True)
        bad += self._misplaced(path, bad)
        lost = lost_blocks(self.entry).get(path.name)
        if lost is not None and len(lost) > len(bad):
            self._note(path, f"{len(lost) - len(bad)} blocks are missing")
        if path.name in changed_files(self.entry) and not bad:
            self._note(path, "shards are missing")
        if not self.heal:
            return
        if lost is not None:
            Journal.forget(self.entry.journal, lost)
        elif bad or path.name in changed_files(self.entry):
            self.entry.journal.unlink(missing_ok=True)  # which blocks are in which is not known

    def _misplaced(self, path: Path, damaged: list[Path]) -> list[Path]:
        """Shards that are sound, and are not those that were written there."""
        bad: list[Path] = []
        with suppress(StoreError):  # notes are a file with a digest, which is named above
            bad = [file for file in misplaced_in(self.entry, path.name) if file not in damaged]
        for shard in bad:
            self._note(shard, "not the shard that was written there")
            if self.heal:
                shard.unlink(missing_ok=True)
        return bad

    def _blocks(self, statuses: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
        """Values of blocks: those that are damaged, and those that the journal names in vain."""
        bad = set(self._damaged_payloads(BLOCKS, self.entry.key))
        missing = set(np.flatnonzero(statuses).tolist()) - set(
            Pack(self.entry.path / BLOCKS, key=self.entry.key)
        )
        if missing - bad:
            self._note(self.entry.path / BLOCKS, f"{len(missing - bad)} values are missing")
        gone = sorted(int(name) for name in (missing | bad))
        if self.heal and gone and self.entry.journal.exists():
            Journal.forget(self.entry.journal, np.array(gone, dtype=np.int64))

    def _damaged_payloads(self, file: str, key: str = "") -> Iterator[str | int]:
        path = self.entry.path / file
        try:
            bad = Pack(path, key=key).damaged()
        except DamagedResult as error:
            self._note(path, error.rule)
            if self.heal:  # the payloads without an index are nothing
                path.with_name(f"{path.name}.index").unlink(missing_ok=True)
            return
        for name in bad:
            self._note(path, f"the value {name!r} fails its check")
        if self.heal and bad:
            with Pack(path, "a", key=key) as pack:
                pack.forget(bad)
        yield from bad

    def _members(self) -> None:
        path = self.entry.path / ITEMS
        bad = set(self._damaged_payloads(ITEMS))
        listed = set(members_of(self.entry).values())
        with Pack(path) as pack:
            missing = listed - bad - set(pack)
            if missing and not self.damages and self.entry.status == "complete":
                self._note(path, f"{len(missing)} members that are listed are missing")
            gone = [name for name in pack if not self._member(pack, name, name in listed)]
        if self.heal and gone:
            with Pack(path, "a") as pack:
                pack.forget(gone)

    def _member(self, pack: Pack, name: str | int, is_listed: bool) -> bool:
        """See whether the files of a member are what was written."""
        try:
            record = MemberRecord.from_dict(pack.meta(name), place=pack.index_path)
        except DamagedResult as error:
            self._note(pack.index_path, error.rule)
            return False
        self.has_notes &= not is_listed or all(each.has_notes for each in record.files.values())
        checked = [self._file(file, is_listed) for file in record.files.values()]
        return all(checked)

    def _file(self, file: FileRecord, is_listed: bool) -> bool:
        """See whether a file or folder of a member is what was written."""
        path = self.entry.path / ITEM_FOLDER / file.name
        try:
            is_there = inside(self.entry.path, f"{ITEM_FOLDER}/{file.name}").exists()
        except DamagedResult:
            return False  # a link, which is named above
        if not is_there:
            if is_listed:  # else of an earlier state of the folder
                self._note(path, "missing")
            return False
        bad: list[Path] = []
        with suppress(ScutoidError):
            bad = damaged_shards(path) if path.is_dir() else []
        if not bad and is_intact(path, file):
            return True
        self._note(path, "its checksum differs")
        if self.heal:
            for damaged in bad or [path]:
                if damaged.is_file():
                    damaged.unlink()
        return False


def _unopened(path: Path) -> str:
    """Why a stored image cannot be opened; nothing if it can."""
    try:
        open_source(str(path))
    except (SourceError, MetadataError) as error:
        return f"{error.rule}: {error.value}"
    return ""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found in a store that was looked through."""

    n_results: int
    """Results that were read."""
    nbytes: int
    """Bytes that they take."""
    damages: tuple[Damage, ...]
    """What is damaged."""
    skipped: tuple[str, ...]
    """Results that another process is making."""
    is_healed: bool
    """Whether what is damaged was removed, so that the next run makes it again."""
    n_without_notes: int = 0
    """Results with images whose shards were not noted, by earlier versions: that each lies in its
    own place is not known of them."""

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damages

    @printed
    def __str__(self) -> str:
        lines = [str(damage) for damage in self.damages]
        lines += [f"{name}: not looked at, for it is being made" for name in self.skipped]
        if self.n_without_notes:
            lines.append(f"without notes of shards: {self.n_without_notes} results")
        looked_at = f"{self.n_results} results, {self.nbytes / 1e6:.1f} MB: "
        if self.ok:
            return "\n".join([*lines, f"{looked_at}all of it is what was written"])
        what = "removed; run again, and it is made again" if self.is_healed else "left as it is"
        return "\n".join([*lines, f"{looked_at}{len(self.damages)} damaged, {what}"])


def verify_store(store: EntryStore, *, heal: bool) -> Verification:
    """Look through all results of a store.

    Raises
    ------
    StoreError
        If a record is of a later version; what was looked through before it is healed.
    """
    damages: list[Damage] = []
    skipped: list[str] = []
    n_results = nbytes = n_without_notes = 0
    for entry in store.places():
        recipe = entry.recipe
        with _held(entry.lock(), heal=heal) as may_look:
            if not may_look:
                skipped.append(f"{entry.name} {entry.path.name}")
                continue
            if heal and recipe is not None:
                with suppress(StoreError):  # what cannot be read is named below
                    merge_segments(entry)
            n_results += 1
            nbytes += own_bytes(entry)
            if recipe is None:
                check_recipe(entry)
                what = "cannot be read; the result counts as never made"
                damages.append(Damage(entry.name, entry.key, entry.path / RECIPE, what))
            else:
                if entry.is_suspect:
                    path = entry.path / COMPLETE
                    what = "not what was written" if path.exists() else "missing"
                    damages.append(Damage(entry.name, entry.key, path, what))
                examination = Examination(entry, recipe, heal=heal)
                damages += examination.run()
                n_without_notes += not examination.has_notes
    return Verification(n_results, nbytes, tuple(damages), tuple(skipped), heal, n_without_notes)


@contextmanager
def _held(lock: AnyLock, *, heal: bool) -> Iterator[bool]:
    """Hold a result that is to be healed; says whether it may be looked at.

    Where it cannot be written, the error says how it is looked at all the same.
    """
    try:  # before it is held: Ctrl-C may come at any time
        yield not heal or _acquired(lock)
    finally:
        lock.release()


def _acquired(lock: AnyLock) -> bool:
    """Whether a result is ours to heal; say how it is looked at where it cannot be written."""
    try:
        return lock.acquire()
    except StoreError as error:
        raise StoreError(
            error.rule,
            value=error.value,
            place=error.place,
            remedy="look without removing damage: verify(heal=False), --no-heal",
        ) from error


def own_bytes(entry: Entry) -> int:
    """Bytes that a result takes, shards at a URL too; not what others put into its folder."""
    if entry.remote is None:
        return sum(map(bytes_in, entry.own()))
    if url_of_copy(entry.path) is not None:
        return sum(map(bytes_in, entry.own())) + shard_bytes(entry) + _bytes_left(entry)
    here = sum(bytes_in(path) for path in entry.own() if path.name != ITEM_FOLDER)
    return here + shard_bytes(entry) + item_bytes(entry)


def _bytes_left(entry: Entry) -> int:
    """Bytes of what a result as a folder has it keeps at a URL, and its notes do not tell.

    Where a server tells no sizes, shards that were not noted are not counted.
    """
    url, recipe = url_of_copy(entry.path), entry.recipe
    if url is None or recipe is None:
        return 0
    sizes = {name: file["bytes"] for name, file in recipe.files.items()}
    found = sum(int(str(size)) for name, size in sizes.items() if is_left_at_url(name))
    for image in zarr_images(entry):
        notes = notes_of(entry, image.file)
        if notes is None or not len(notes):
            found += sum(max(each.size, 0) for each in remote.objects(f"{url}/{image.file}/0/c"))
    items = entry.path / ITEM_FOLDER
    if recipe.kind == "collection":
        there = sum(max(each.size, 0) for each in remote.objects(f"{url}/{ITEM_FOLDER}"))
        found += max(there - bytes_in(items), 0)
    return found


def bytes_in(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; no link is followed."""
    is_one = path.is_symlink() or not path.is_dir()
    files = [str(path)] if is_one else (f"{r}/{n}" for r, _, names in os.walk(path) for n in names)
    found = 0
    for file in files:
        with suppress(OSError):  # a run that is going on has removed it
            found += os.stat(file, follow_symlinks=False).st_size  # noqa: PTH116
    return found
