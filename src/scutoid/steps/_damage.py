"""Looking through stored results: what is damaged is found, and removed so that it is made anew.

Every check is one that reading makes as well; here all of a result is read.  Nothing is computed:
what was removed counts as never done, so the next run makes it, and it alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scutoid.arrays import damaged_shards
from scutoid.blocks import Journal
from scutoid.errors import ScutoidError, StoreError
from scutoid.steps._losses import JOURNALLED, changed_files, lost_blocks
from scutoid.steps._stored import BLOCKS, ITEM_FOLDER, ITEMS, checksum_of, members_of
from scutoid.store import COMPLETE, RECIPE, Entry, EntryStore, Lock, Pack, Recipe


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

    def run(self) -> list[Damage]:
        """Look at everything."""
        if self.recipe.stands_for is not None:
            return []
        try:
            statuses = Journal.read(self.entry.journal)
        except StoreError as error:
            self._note(self.entry.journal, error.rule)
            statuses = np.zeros(0, dtype=np.uint8)
            if self.heal:
                self.entry.journal.unlink(missing_ok=True)
        journalled = self.recipe.extra.get(JOURNALLED, 0)
        if np.count_nonzero(statuses) < journalled and not self.damages:
            self._note(self.entry.journal, "it does not name all blocks")
        self._files()
        for said in self.recipe.output.get("outputs", ()):
            file = said.get("file", "")
            if said["kind"] == "image" and file.endswith(".zarr"):
                self._zarr(self.entry.path / file)
        if self.recipe.kind == "collection":
            self._members()
        elif (self.entry.path / BLOCKS).exists() or any(statuses):
            self._blocks(statuses)
        if self.heal and self.damages:
            self.entry.distrust()
        if self.heal and self.entry.is_suspect:
            self.entry.trust()
        return self.damages

    def _note(self, place: Path, what: str) -> None:
        self.damages.append(Damage(self.entry.name, self.entry.key, place, what))

    def _files(self) -> None:
        """Files with a digest; metadata of a zarr that is damaged takes the zarr with it."""
        for name in self.entry.verify():
            path = self.entry.path / name
            self._note(path, "its digest differs" if path.exists() else "missing")
            if self.heal:
                path.unlink(missing_ok=True)
                if path.name == "zarr.json":
                    self.entry.journal.unlink(missing_ok=True)

    def _zarr(self, path: Path) -> None:
        bad: list[Path] = []
        with suppress(ScutoidError):  # its metadata, which are named above
            bad = damaged_shards(path)
        for shard in bad:
            self._note(shard, "chunks in it fail their checks")
            if self.heal:
                shard.unlink(missing_ok=True)
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

    def _blocks(self, statuses: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
        """Values of blocks: those that are damaged, and those that the journal names in vain."""
        outputs = self.recipe.output.get("outputs", ())
        if all(said["kind"] == "image" for said in outputs):
            return
        bad = set(self._damaged_payloads(self.entry.path / BLOCKS))
        try:
            names = set(Pack(self.entry.path / BLOCKS))
        except StoreError as error:
            self._note(self.entry.path / BLOCKS, error.rule)
            names = set()
        missing = set(np.flatnonzero(statuses).tolist()) - names
        if missing - bad:
            self._note(self.entry.path / BLOCKS, f"{len(missing - bad)} values are missing")
        gone = sorted(int(name) for name in (missing | bad))
        if self.heal and gone and self.entry.journal.exists():
            Journal.forget(self.entry.journal, np.array(gone, dtype=np.int64))

    def _damaged_payloads(self, path: Path) -> Iterator[str | int]:
        try:
            bad = Pack(path).damaged()
        except StoreError as error:
            self._note(path, error.rule)
            if self.heal:  # the payloads without an index are nothing
                path.with_name(f"{path.name}.index").unlink(missing_ok=True)
            return
        for name in bad:
            self._note(path, f"the value {name!r} fails its check")
        if self.heal and bad:
            with Pack(path, "a") as pack:
                pack.forget(bad)
        yield from bad

    def _members(self) -> None:
        path = self.entry.path / ITEMS
        list(self._damaged_payloads(path))
        gone = []
        with suppress(StoreError):
            pack = Pack(path)
            listed = set(members_of(self.entry).values())
            for member in pack:
                meta = pack.meta(member)
                for output, name in meta["images"].items():
                    image = self.entry.path / ITEM_FOLDER / name
                    if image.exists():
                        is_intact = self._member(image, meta.get("checksums", {}).get(output))
                    else:
                        is_intact = False
                        if member in listed:  # else of an earlier state of the folder
                            self._note(image, "missing")
                    if not is_intact:
                        gone.append(member)
            pack.close()
        if self.heal and gone:
            with Pack(path, "a") as pack:
                pack.forget(gone)

    def _member(self, image: Path, said: object) -> bool:
        """See whether the image of a member is what was written."""
        bad: list[Path] = []
        with suppress(ScutoidError):
            bad = damaged_shards(image) if image.is_dir() else []
        if not bad and (said is None or checksum_of(image) == said):
            return True
        self._note(image, "its checksum differs")
        if self.heal:
            for file in bad or [image]:
                if file.is_file():
                    file.unlink()
        return False


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
    """Whether what is damaged was removed, so that the next run makes it anew."""

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damages

    def __str__(self) -> str:
        lines = [str(damage) for damage in self.damages]
        lines += [f"{name}: not looked at, for it is being made" for name in self.skipped]
        said = f"{self.n_results} results, {self.nbytes / 1e6:.1f} MB: "
        if self.ok:
            return "\n".join([*lines, f"{said}all of it is what was written"])
        what = "removed; run again, and it is made anew" if self.is_healed else "left as it is"
        return "\n".join([*lines, f"{said}{len(self.damages)} damaged, {what}"])


def verify_store(store: EntryStore, *, heal: bool) -> Verification:
    """Look through all results of a store."""
    damages: list[Damage] = []
    skipped: list[str] = []
    n_results = nbytes = 0
    for entry in store.places():
        recipe = entry.recipe
        lock = Lock(entry.path)
        if heal and not lock.acquire():
            skipped.append(f"{entry.name} {entry.path.name}")
            continue
        try:
            n_results += 1
            nbytes += bytes_in(entry.path)
            if recipe is None:
                what = "cannot be read; the result counts as never made"
                damages.append(Damage(entry.name, entry.key, entry.path / RECIPE, what))
            else:
                if entry.is_suspect:
                    path = entry.path / COMPLETE
                    what = "not what was written" if path.exists() else "missing"
                    damages.append(Damage(entry.name, entry.key, path, what))
                damages += Examination(entry, recipe, heal=heal).run()
        finally:
            lock.release()
    return Verification(n_results, nbytes, tuple(damages), tuple(skipped), heal)


def bytes_in(folder: Path) -> int:
    """Bytes of all files below a folder."""
    found = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found += os.stat(os.path.join(root, name), follow_symlinks=False).st_size  # noqa: PTH116, PTH118
    return found
