"""Disks that fill up, become read-only or cannot be read in the midst of a run, for real."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import RunFailed, UnwritableStore

SIDE, BLOCK, WORKERS = 256, 32, 2
NOISE = np.random.default_rng(0).integers(0, 2**16, (SIDE, SIDE)).astype("uint16")
N = (SIDE // BLOCK) ** 2


def mount(*options):
    try:
        said = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no command `mount`")
    if said.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {said.stderr.strip()}")


@pytest.fixture
def disk(tmp_path):
    """A disk with room for about half of the results."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=160k", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


class Calls:
    """Counts calls of any process, outside the store."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def note(self, which):
        with (self.folder / str(which)).open("ab") as file:
            file.write(b"x")

    def total(self):
        return sum(path.stat().st_size for path in self.folder.iterdir())


@pytest.fixture
def calls(tmp_path):
    return Calls(tmp_path / "calls")


@pytest.fixture
def plate(tmp_path):
    folder = tmp_path / "plate"
    folder.mkdir()
    for n, row in enumerate(np.split(NOISE, N)):
        np.save(folder / f"{n:02}.npy", row)
    return folder


def pipeline(kind, calls, plate):
    """A step of 64 blocks or members with results of some 2 kB each, and what it gives."""
    noise = sc.open(NOISE)
    members = sc.open_folder(plate / "*.npy", read=np.load)

    @sc.blockwise(dtype="uint16", block=BLOCK, version="1")
    def image(image, *, block):
        calls.note(block.index)
        return image + np.uint16(1)

    @sc.blockwise(dtype="uint16", block=BLOCK, version="1", storage=sc.Storage(levels=2))
    def pyramid(image, *, block):
        calls.note(block.index)
        return image + np.uint16(1)

    @sc.blockwise(out="parts", block=BLOCK, version="1")
    def parts(image, *, block):
        calls.note(block.index)
        return {"all": image}

    @sc.blockwise(out="table", block=BLOCK, version="1")
    def table(image, *, block):
        calls.note(block.index)
        return pd.DataFrame({"value": image.ravel()})

    @sc.blockwise(dtype="uint16", version="1")
    def members_of_images(image, *, key):
        calls.note(key)
        return image[::-1]

    @sc.step(version="1")
    def members_of_values(image, *, key):
        calls.note(key)
        return image[::-1]

    @sc.step(out="files", version="1")
    def members_of_files(image, *, key, folder):
        calls.note(key)
        np.save(folder / "image.npy", image)  # which says only that a write came short

    steps = {each.__name__: each for each in (image, pyramid, parts, table)}
    if kind in steps:
        return steps[kind](noise)
    of_members = (members_of_images, members_of_values, members_of_files)
    return {each.__name__: each for each in of_members}[kind](members)


def assert_right(kind, result):
    if kind in ("image", "pyramid"):
        np.testing.assert_array_equal(result.read(), NOISE + np.uint16(1))
    elif kind == "parts":
        assert sum(int(part["all"].sum()) for part in result.read().values()) == NOISE.sum()
    elif kind == "table":
        assert result.to_pandas()["value"].sum() == NOISE.sum()
    elif kind == "members_of_files":
        found = [np.load(result[key].path / "image.npy") for key in sorted(result)]
        np.testing.assert_array_equal(np.concatenate(found), NOISE)
    else:
        values = [result[key] for key in sorted(result)]
        found = [one.read() if kind == "members_of_images" else one.get() for one in values]
        np.testing.assert_array_equal(np.concatenate([one[::-1] for one in found]), NOISE)


def n_kept(store):
    """How much of the step is kept: what the next run finds."""
    return max(step.n_done for step in store.steps)


CASES = [
    *((kind, "serial") for kind in ("pyramid", "parts", "members_of_values")),
    *((kind, "threads") for kind in ("image", "members_of_files")),
    *((kind, "processes") for kind in ("image", "table", "members_of_images")),
]


@pytest.mark.parametrize(("kind", "executor"), CASES, ids=map("-".join, CASES))
def test_a_disk_that_fills_up_ends_a_run_at_once_and_nothing_that_fits_is_lost(
    kind, executor, disk, calls, plate
):
    store = disk / "store"
    options = {"store": store, "executor": executor, "workers": WORKERS, "check_halo": False}
    result = pipeline(kind, calls, plate)
    with pytest.raises(UnwritableStore) as caught:
        sc.run(result, **options)
    assert caught.value.place == str(store)
    assert "free some space" in caught.value.remedy
    n_tried = calls.total()
    kept = sc.plan(result, store=store).steps[0].n_done
    assert 0 < kept < N
    returns_values = kind in ("parts", "table", "members_of_values")
    in_flight = N if returns_values else 2 * WORKERS  # values come back a batch at a time
    if kind.startswith("members_of") and executor != "serial":
        in_flight = max(in_flight, N // 2)  # members are handed out in batches
    assert n_tried <= min(kept + in_flight, N)
    subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
    assert sc.run(result, **options).ok
    assert calls.total() == n_tried + N - kept
    assert_right(kind, result)


def test_a_disk_that_becomes_read_only_ends_a_run_at_once(disk, calls):
    @sc.blockwise(dtype="uint16", block=BLOCK, version="1")
    def image(image, *, block):
        calls.note(block.index)
        if block.index == 5:
            (folder,) = (disk / "store" / "image").glob("*/image.ome.zarr")
            mount("--bind", folder, folder)
            mount("-o", "remount,bind,ro", folder)
        return image

    with pytest.raises(UnwritableStore, match="Read-only file system") as caught:
        sc.run(image(sc.open(NOISE)), store=disk / "store", executor="serial", check_halo=False)
    assert caught.value.place == str(disk / "store")
    assert calls.total() == 6


@pytest.mark.parametrize("kind", ["parts", "table", "members_of_values"])
def test_a_quota_that_is_used_up_ends_a_run_at_once(kind, calls, plate, tmp_path, monkeypatch):
    def refuse(descriptor, data, at):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    options = {"store": tmp_path / "store", "executor": "serial", "check_halo": False}
    result = pipeline(kind, calls, plate)
    with monkeypatch.context() as used_up:
        used_up.setattr(os, "pwrite", refuse)  # as packs of values are written
        with pytest.raises(UnwritableStore, match="Disk quota exceeded") as caught:
            sc.run(result, **options)
    assert caught.value.place == str(tmp_path / "store")
    assert "your quota is used up" in caught.value.remedy
    n_tried = calls.total()
    assert n_tried <= N  # none is tried again
    assert sc.run(result, **options).ok
    assert calls.total() == n_tried + N
    assert_right(kind, result)


def test_a_step_that_fails_for_want_of_room_elsewhere_has_failed(disk, calls, plate, tmp_path):
    @sc.step(out="files", version="1", retries=0)
    def files(image, *, key, folder):
        calls.note(key)
        if key == "05.npy":
            (disk / "scratch").write_bytes(bytes(2**20))
        (folder / "key").write_text(key)

    run = sc.run(
        files(sc.open_folder(plate / "*.npy", read=np.load)),
        store=tmp_path / "store",
        executor="serial",
        on_failure="return",
    )
    assert (run.step("files").n_failed, run.step("files").n_done) == (1, N - 1)


def test_workers_begin_where_the_folder_of_temporary_files_is_full(disk, calls, tmp_path, request):
    (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free))
    request.addfinalizer(lambda before=tempfile.tempdir: setattr(tempfile, "tempdir", before))
    tempfile.tempdir = str(disk)

    @sc.blockwise(dtype="uint16", block=BLOCK, version="1")
    def image(image):
        return image

    result = image(sc.open(NOISE))
    assert sc.run(result, store=tmp_path / "store", workers=WORKERS, check_halo=False).ok


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here gives EIO")
@pytest.mark.parametrize("read", [np.load, None])
@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_file_that_cannot_be_read_is_the_failure_of_its_member(executor, read, plate, tmp_path):
    broken = plate / "07.npy"
    broken.unlink()
    broken.symlink_to("/proc/self/mem")  # which gives EIO where nothing is mapped

    @sc.step(version="1")
    def total(image, *, key):
        return int(image.sum())

    @sc.step(version="1")
    def grand(totals):
        return sum(totals.values())

    totals = total(sc.open_folder(plate / "*.npy", read=read))
    options = {"store": tmp_path / "store", "executor": executor, "workers": WORKERS}
    assert sc.plan(totals, store=options["store"]).steps[0].n_blocks == N
    with pytest.raises(RunFailed, match=r"member '07\.npy'(.|\n)*Input/output error"):
        sc.run(totals, **options)
    with pytest.raises(RunFailed):
        sc.run(grand(sc.gather(totals, partial="allow")), on_failure="raise", **options)
    broken.unlink()
    np.save(broken, NOISE[7 * SIDE // N :][: SIDE // N])
    run = sc.run(totals, **options)
    assert run.step("total").n_run == 1
    assert sum(run["total"][key].get() for key in run["total"]) == NOISE.sum()
