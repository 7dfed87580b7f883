"""Damage to a store: bits flipped, files cut and lost; never a wrong value, and healed by a run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.errors import DamagedResult
from scutoid.store import Lock

RAW = np.random.default_rng(0).integers(1, 200, (24, 32)).astype("uint8")
PLATE = {f"{n}.tif": RAW[: 16 + n] + np.uint8(n) for n in range(3)}

# What can be damaged: where it lies, and whose results depend on it.
FILES = {
    "recipe of blocks": "double/*/recipe.json",
    "recipe of a step": "total/*/recipe.json",
    "recipe of a collection": "count/*/recipe.json",
    "mark of blocks": "double/*/COMPLETE",
    "mark of parts": "sums/*/COMPLETE",
    "mark of a step": "total/*/COMPLETE",
    "mark of a collection": "triple/*/COMPLETE",
    "journal": "double/*/journal",
    "shard": "double/*/image.ome.zarr/0/c/*/*",
    "metadata of an array": "double/*/image.ome.zarr/0/zarr.json",
    "metadata of a group": "double/*/image.ome.zarr/zarr.json",
    "shard of a step": "flipped/*/image.ome.zarr/0/c/*/*",
    "metadata of a step": "flipped/*/image.ome.zarr/0/zarr.json",
    "image in one file": "plain/*/image.tif",
    "parts": "sums/*/blocks.pack",
    "index of parts": "sums/*/blocks.pack.index",
    "journal of parts": "sums/*/journal",
    "blocks of a table": "bright/*/blocks.pack",
    "table": "bright/*/table.parquet",
    "value": "total/*/value.json",
    "array": "profile/*/value.npy",
    "file of a step": "note/*/files/note.txt",
    "image of a member": "triple/*/items/*.tif",
    "index of members": "triple/*/items.pack.index",
    "values of members": "count/*/items.pack",
    "index of values of members": "count/*/items.pack.index",
    "list of members": "count/*/members.json",
    "tables of members": "rows/*/items.pack",
    "joined table of members": "rows/*/table.parquet",
    "memo of inputs": ".input-hashes",
    "mark of the store": ".scutoid",
}


def pipeline(plate):
    """Every kind of result; the helpers of the steps are not in their keys, for they have one."""

    @sc.blockwise(dtype="uint16", block=8, version="1")
    def double(image):
        return image.astype("uint16") * 2

    @sc.blockwise(dtype="uint16", block=8, version="1", storage=sc.Storage(format="tiff"))
    def plain(image):
        return image.astype("uint16") * 2

    @sc.blockwise(out="parts", block=8, version="1")
    def sums(image):
        return {"sum": np.array([image.sum(dtype="int64")])}

    @sc.blockwise(out="table", block=8, version="1")
    def bright(image):
        return pd.DataFrame({"value": image[image > 380].astype("int64")})

    @sc.step(version="1")
    def total(image):
        return {"sum": int(image.sum()), "name": "whole"}

    @sc.step(version="1")
    def profile(image):
        return np.repeat(image.astype("float64").mean(0), 64)

    @sc.step(out="image", version="1")
    def flipped(image):
        return image[::-1].copy()

    @sc.step(out="files", version="1")
    def note(image, *, folder):
        (folder / "note.txt").write_text(f"the sum is {image.sum()}\n")

    @sc.blockwise(dtype="uint16", version="1")
    def triple(image):
        return image.astype("uint16") * 3

    @sc.step(version="1")
    def count(image, *, key):
        return {"n": int((image > 300).sum()), "key": key}

    @sc.step(out="table", version="1")
    def rows(image):
        return pd.DataFrame({"row": np.arange(len(image)), "mean": image.mean(1)})

    raw = sc.open(RAW, voxel_size=(2.0, 2.0), unit="um")
    twice = double(raw)
    thrice = triple(sc.open_folder(plate / "*.tif"))
    return {
        "double": twice,
        "sums": sums(twice),
        "bright": bright(twice),
        "total": total(twice),
        "profile": profile(twice),
        "flipped": flipped(twice),
        "plain": plain(raw),
        "note": note(twice),
        "triple": thrice,
        "count": count(thrice),
        "rows": rows(thrice),
    }


def true_results():
    twice = RAW.astype("uint16") * 2
    thrice = {key: image.astype("uint16") * 3 for key, image in PLATE.items()}
    blocks = [twice[y : y + 8, x : x + 8] for y in range(0, 24, 8) for x in range(0, 32, 8)]
    values = np.concatenate([part[part > 380] for part in blocks]).astype("int64")
    return {
        "double": (twice, (2.0, 2.0), "um"),
        "sums": {n: {"sum": np.array([p.sum(dtype="int64")])} for n, p in enumerate(blocks)},
        "bright": pd.DataFrame({"value": values}),
        "total": {"sum": int(twice.sum()), "name": "whole"},
        "profile": np.repeat(twice.astype("float64").mean(0), 64),
        "flipped": (twice[::-1], (2.0, 2.0), "um"),
        "plain": (twice, (2.0, 2.0), "um"),
        "note": {"note.txt": f"the sum is {twice.sum()}\n"},
        "triple": {key: (image, None, None) for key, image in thrice.items()},
        "count": {key: {"n": int((i > 300).sum()), "key": key} for key, i in thrice.items()},
        "rows": {
            key: pd.DataFrame({"row": np.arange(len(i)), "mean": i.mean(1)})
            for key, i in thrice.items()
        },
    }


TRUE = true_results()


def plain(result):
    """A result as plain data."""
    if hasattr(result, "keys"):
        return {key: plain(member) for key, member in result.items()}
    if result.kind == "image":
        return np.asarray(result), result.voxel_size, result.unit
    if result.kind == "table":
        return result.to_pandas()
    if result.kind == "parts":
        return {index: dict(part) for index, part in result.read().items()}
    if result.kind == "files":
        return {path.name: path.read_text() for path in result.path.iterdir()}
    return result.get()


def same(found, true):
    if isinstance(true, dict):
        return found.keys() == true.keys() and all(same(found[key], true[key]) for key in true)
    if isinstance(true, tuple):
        return len(found) == len(true) and all(map(same, found, true))
    if isinstance(true, pd.DataFrame):
        return true.equals(found)
    if isinstance(true, np.ndarray):
        return found.dtype == true.dtype and np.array_equal(found, true)
    return type(found) is type(true) and found == true


@dataclass
class Place:
    """A copy of a store with all its results, and the inputs they were made of."""

    store: Path
    plate: Path

    def run(self, *names, **options):
        results = pipeline(self.plate)
        targets = [results[name] for name in names or results]
        return sc.run(*targets, store=self.store, executor="serial", **options)

    def read(self):
        """What reading everything gives: by step "right", "damaged" or "absent"."""
        store = sc.Store(self.store)
        found = dict.fromkeys(TRUE, "absent")
        for name in store.names():
            try:
                value = plain(store[name])
            except DamagedResult:
                found[name] = "damaged"
                continue
            if name in ("triple", "count", "rows"):  # those members that are left
                assert value.keys() <= TRUE[name].keys()
                assert same(value, {key: TRUE[name][key] for key in value}), name
                found[name] = "right" if len(value) == len(PLATE) else "damaged"
            else:
                assert same(value, TRUE[name]), name
                found[name] = "right"
        return found

    def is_right(self):
        return set(self.read().values()) == {"right"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store with all results, undamaged."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "plate").mkdir()
    for key, image in PLATE.items():
        tifffile.imwrite(folder / "plate" / key, image)
        os.utime(folder / "plate" / key, (1e9, 1e9))  # long ago, so that their hashes are kept
    place = Place(folder / "store", folder / "plate")
    place.run()
    assert place.is_right()
    return place


@pytest.fixture
def place(whole, tmp_path):
    """A copy that a test may damage."""
    shutil.copytree(whole.store, tmp_path / "store")
    return Place(tmp_path / "store", whole.plate)


def flip(path, rng):
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


def flip_front(path, rng):
    """Where files say what they are."""
    content = bytearray(path.read_bytes())
    content[rng.integers(min(len(content), 8))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


def cut(path, rng):
    os.truncate(path, rng.integers(path.stat().st_size))


def lose(path, rng):
    path.unlink()


DAMAGES = {"flipped": flip, "flipped in front": flip_front, "cut": cut, "lost": lose}
SEEDS = range(int(os.environ.get("SCUTOID_DAMAGES", "1")))
"""How often each kind of file is damaged in each way: more in the soak."""


def damaged(place, kind, how, seed=0):
    """Damage a file of a kind; the same in each run of the tests."""
    rng = np.random.default_rng(zlib.crc32(f"{kind} {how} {seed}".encode()))
    files = sorted(place.store.glob(FILES[kind]))
    assert files, kind
    path = files[rng.integers(len(files))]
    DAMAGES[how](path, rng)
    return path


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", FILES)
def test_damage_is_never_returned_and_mended_by_a_run(place, kind, how, seed):
    path = damaged(place, kind, how, seed)
    place.read()  # no value that is not right, no error but of damage
    assert place.run().ok
    assert place.is_right(), path
    assert place.run().ok
    assert all(step.n_cached == step.n_blocks for step in place.run().steps)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", ["flipped", "lost"])
@pytest.mark.parametrize("kind", FILES)
def test_damage_is_found_and_mended_without_reading_a_result(place, kind, how, seed):
    path = damaged(place, kind, how, seed)
    sc.Store(place.store).verify()
    assert place.run().ok
    assert place.is_right(), path


FOLDERS = (
    "double/*/image.ome.zarr", "double/*/image.ome.zarr/0", "flipped/*/image.ome.zarr",
    "flipped/*/image.ome.zarr/0/c", "flipped/*/image.ome.zarr/0/c/0", "note/*/files",
    "triple/*/items", "triple/*", "sums/*", "total",
)  # fmt: skip


@pytest.mark.parametrize("like", FOLDERS)
def test_a_lost_folder_is_noticed_and_made_anew(place, like):
    (folder,) = place.store.glob(like)
    shutil.rmtree(folder)
    assert place.read()[like.partition("/")[0]] in ("damaged", "absent")
    assert place.run().ok
    assert place.is_right()


@pytest.mark.parametrize("seed", [*SEEDS, "another"])
def test_much_damage_at_once_is_mended_too(place, seed):
    for kind in FILES:
        damaged(place, kind, "flipped", seed)
    if zlib.crc32(f"{seed}".encode()) % 2:
        place.read()
    for _ in range(3):  # a run mends what it meets, and reading finds the rest
        place.run(on_failure="return")
        if place.is_right():
            break
    assert place.is_right()


def test_a_whole_store_has_no_damage(place):
    found = sc.Store(place.store).verify()
    assert found.ok
    assert place.is_right()


READERS = {
    "shard": ("sums", "bright", "total", "profile", "flipped", "note"),
    "metadata of an array": ("sums", "bright", "total", "profile", "flipped", "note"),
    "metadata of a group": ("sums", "bright", "total", "profile", "flipped", "note"),
    "image of a member": ("count", "rows"),
    "index of members": ("count", "rows"),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("kind", READERS)
def test_a_run_that_reads_what_is_damaged_gives_no_wrong_result(place, kind, how, seed):
    for name in READERS[kind]:
        shutil.rmtree(place.store / name)
    damaged(place, kind, how, seed)
    place.run(on_failure="return")
    assert set(place.read().values()) <= {"right", "damaged", "absent"}
    assert place.run().ok
    assert place.is_right()


HOLD = """
import os, sys
from pathlib import Path
from scutoid.store import Lock
assert Lock(Path(sys.argv[1])).acquire()
os._exit(0)
"""


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_lock_of_a_dead_process_holds_nobody_up(place, how):
    (recipe,) = place.store.glob("total/*/recipe.json")
    lock = Lock(recipe.parent)
    subprocess.run([sys.executable, "-c", HOLD, recipe.parent], check=True)
    content = lock.path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(5 if how == "lost" else 50):
        lock.path.write_bytes(content)
        DAMAGES[how](lock.path, rng)
        if lock.path.exists():  # nobody has touched it for an hour, or the clock was set back
            hour = 3600 if lock.owner else rng.choice([3600, -3600])
            os.utime(lock.path, (time.time() - hour,) * 2)
        assert lock.wait(0), lock.path.read_bytes()
    shutil.rmtree(recipe.parent)
    assert place.run().ok
    assert place.is_right()
    assert not list(place.store.glob("total/.*.lock*"))


@pytest.mark.parametrize("file", ["blocks.pack", "blocks.pack.index", "journal", "recipe.json"])
@pytest.mark.parametrize("how", DAMAGES)
def test_damage_in_a_result_that_was_never_complete_is_mended(tmp_path, how, file):
    is_ready = []

    def last(merged):
        if not is_ready:
            raise ValueError("not yet")
        return int(merged["sum"])

    @sc.reduction(
        merge=lambda a, b: {"sum": a["sum"] + b["sum"]}, finish=last, version="1", block=8
    )
    def summed(image):
        return {"sum": np.array(image.sum(dtype="int64"))}

    result = summed.options(retries=0)(sc.open(RAW))
    run = sc.run(result, store=tmp_path, executor="serial", on_failure="return")
    assert run.step("summed").n_done == 12
    assert not run.ok
    (path,) = tmp_path.glob(f"summed/*/{file}")
    DAMAGES[how](path, np.random.default_rng(3))
    is_ready.append(True)
    for _ in range(2):
        if sc.run(result, store=tmp_path, executor="serial", on_failure="return").ok:
            break
    assert sc.Store(tmp_path)["summed"].get() == int(RAW.sum())
