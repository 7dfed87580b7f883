"""Damage in a store: never read as a value, found by verify, made anew by the next run, alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid import events
from scutoid.errors import DamagedResult
from scutoid.testing import Recorder

RAW = np.random.default_rng(0).integers(1, 200, (40, 52)).astype("uint8")


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove(path: Path) -> None:
    path.unlink()


class Counting:
    """A pipeline with each kind of result, that notes in a file what ran."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.ran = folder / "ran.txt"
        members = folder / "members"
        members.mkdir(exist_ok=True)
        for name in "abc":
            np.save(members / f"{name}.npy", RAW[: 10 + ord(name) % 7])
        note = str(self.ran)

        def said(what: object) -> None:
            with Path(note).open("a") as file:
                file.write(f"{what}\n")

        @sc.blockwise(dtype="uint8", block=16, version="1", check_halo=False)
        def copy(image, *, block):
            said(f"copy {block.index}")
            return image

        @sc.blockwise(out="parts", block=16, version="1")
        def sums(image, *, block):
            said(f"sums {block.index}")
            return {"sum": np.array([image.sum()])}

        @sc.step(version="1")
        def joined(parts):
            said("joined")
            return [int(part["sum"][0]) for part in parts.values()]

        @sc.step(out="image", dtype="uint8", version="1")
        def turned(image):
            said("turned")
            return image[::-1]

        @sc.step(version="1")
        def rows(image):
            said("rows")
            return pd.DataFrame({"sum": image.sum(axis=1)})

        @sc.step(out="files", version="1")
        def written(image, *, folder):
            said("written")
            (folder / "sum.txt").write_text(str(image.sum()))

        @sc.blockwise(dtype="uint16", version="1")
        def doubled(image, *, key):
            said(f"doubled {key}")
            return image.astype("uint16") * 2

        @sc.step(version="1")
        def total(image, *, key):
            said(f"total {key}")
            return int(image.sum())

        images = sc.open_folder(str(members / "*.npy"))
        raw = sc.open(RAW)
        copied = copy(raw)
        both = doubled(images)
        self.targets = {
            "copy": copied,
            "sums": sums(raw),
            "joined": joined(sums(raw)),
            "turned": turned(copied),
            "rows": rows(copied),
            "written": written(copied),
            "doubled": both,
            "total": total(both),
        }

    def run(self, **options):
        self.ran.write_text("")
        run = sc.run(self.targets, store=self.store, executor="serial", **options)
        return run, self.ran.read_text().split("\n")[:-1]

    def values(self):
        """All results, read back."""
        opened = sc.Store(self.store)
        return {
            "copy": np.asarray(opened["copy"]),
            "sums": [int(part["sum"][0]) for part in opened["sums"].read().values()],
            "joined": opened["joined"].get(),
            "turned": np.asarray(opened["turned"]),
            "rows": opened["rows"].get()["sum"].to_numpy(),
            "written": (opened["written"].path / "sum.txt").read_text(),
            "doubled": {k: np.asarray(v) for k, v in opened["doubled"].items()},
            "total": opened["total"].to_dict(),
        }


@pytest.fixture
def counting(tmp_path):
    pipeline = Counting(tmp_path)
    pipeline.run()
    return pipeline


def check(values):
    assert np.array_equal(values["copy"], RAW)
    assert sum(values["sums"]) == RAW.sum()
    assert values["joined"] == values["sums"]
    assert np.array_equal(values["turned"], RAW[::-1])
    assert np.array_equal(values["rows"], RAW.sum(axis=1))
    assert values["written"] == str(RAW.sum())
    for name in "abc":
        part = RAW[: 10 + ord(name) % 7]
        assert np.array_equal(values["doubled"][f"{name}.npy"], part.astype("uint16") * 2)
        assert values["total"][f"{name}.npy"] == part.sum() * 2


# What is damaged, and what then runs again: nothing more.
CASES = {
    "copy/*/image.ome.zarr/0/c/1/2": ["copy 6"],
    "turned/*/image.ome.zarr/0/c/*/*": ["turned"],
    "copy/*/image.ome.zarr/0/zarr.json": [f"copy {n}" for n in range(12)],
    "sums/*/blocks.pack": ["sums"],
    "joined/*/value.json": ["joined"],
    "rows/*/value.parquet": ["rows"],
    "written/*/files/sum.txt": ["written"],
    "doubled/*/items/b.npy*.tif": ["doubled b.npy"],
    "total/*/items.pack": ["total"],
    "total/*/members.json": [],
    "doubled/*/COMPLETE": [],
    "copy/*/COMPLETE": [],
    "copy/*/journal": [f"copy {n}" for n in range(12)],
}


def spoil(counting: Counting, pattern: str, how: Callable[[Path], None]) -> Path:
    path = min(counting.store.glob(pattern))
    how(path)
    return path


@pytest.mark.parametrize("how", [flip, cut, remove])
@pytest.mark.parametrize("pattern", CASES)
def test_verify_finds_it_and_the_next_run_makes_that_alone(counting, pattern, how):
    path = spoil(counting, pattern, how)
    opened = sc.Store(counting.store)
    told = opened.verify(heal=False)
    assert not told.ok
    assert str(opened.verify(heal=False)) == str(told)  # it changed nothing
    healed = opened.verify()
    assert path in {damage.place for damage in healed.damages} or how is remove
    assert opened.verify().ok
    _, ran = counting.run()
    expected = CASES[pattern]
    assert set(ran) <= {
        *expected,
        *(f"{e} {n}" for e in expected for n in ("a.npy", "b.npy", "c.npy", *range(12))),
    }
    check(counting.values())
    assert opened.verify().ok


@pytest.mark.parametrize("how", [flip, cut, remove])
@pytest.mark.parametrize("pattern", CASES)
def test_it_is_never_read_as_a_value_and_a_run_after_the_reading_heals_it(counting, pattern, how):
    spoil(counting, pattern, how)
    for _ in range(2):  # results are read apart from one another: one may be damaged
        try:
            check(counting.values())
        except (DamagedResult, sc.errors.StoreError):
            continue
    counting.run()
    check(counting.values())


@pytest.mark.parametrize(("how", "is_met"), [(flip, True), (cut, False)])  # a plan sees sizes
def test_a_run_that_meets_damage_heals_it_on_the_way(counting, how, is_met):
    spoil(counting, "copy/*/image.ome.zarr/0/c/1/2", how)
    recorder = Recorder()
    run, ran = counting.run(force=["rows"], listeners=[recorder])
    assert run.ok
    assert "copy 6" in ran
    assert not {f"copy {n}" for n in range(12)} - {"copy 6"} & set(ran)
    assert [found.task for found in recorder.of(events.DamageFound)] == ["copy"] * is_met
    check(counting.values())


def test_an_intact_store_is_said_to_be(counting):
    found = sc.Store(counting.store).verify()
    assert found.ok
    assert found.n_results == 8
    assert "all of it is what was written" in str(found)
    assert counting.run()[1] == []
