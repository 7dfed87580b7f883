"""Several users of one store, and stores that cannot be written.

A process without the capabilities of root stands for a second user: to it, files of other owners
are what they are to anybody.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scutoid.durable import beside

OWNER, GROUP = 12345, 23456
PIPELINE = """
import sys
from pathlib import Path
import numpy as np, pandas as pd
import scutoid as sc
from scutoid.errors import StoreError

IMAGE = np.arange(64, dtype="uint8").reshape(8, 8)
FAILS = sys.argv[1:] == ["fails"]

@sc.blockwise(dtype="uint8", block=4, version="1", retries=0)
def copied(image, *, block):
    if FAILS and block.index == 3:
        raise ValueError("told to fail")
    return image

@sc.blockwise(out="parts", block=4, version="1", retries=0)
def parts(image, *, block):
    if FAILS and block.index == 3:
        raise ValueError("told to fail")
    return {"sum": np.array([image.sum()])}

@sc.step(out="table", version="1")
def listed(image, *, n=0):
    return pd.DataFrame({"value": image.ravel() + n})

@sc.step(out="files", version="1")
def written(image, *, folder):
    (folder / "a.raw").write_bytes(image.tobytes())

@sc.blockwise(dtype="uint8", version="1", retries=0)
def member(image, *, key):
    if FAILS and key == "b.npy":
        raise ValueError("told to fail")
    return image

def targets():
    image = sc.open(IMAGE)
    plate = sc.open_folder("plate/*.npy")
    return copied(image), parts(image), listed(image), written(image), member(plate)

def run(*more):
    return sc.run(*targets(), *more, store="store", executor="serial", on_failure="return")

def is_right(run):
    table = run.table("listed").to_pandas()["value"].to_numpy()
    sums = sum(int(part["sum"][0]) for part in run["parts"].read().values())
    images = [run.image("copied").read(), *(one.read() for _, one in run.images("member").items())]
    return (
        all(np.array_equal(image, IMAGE) for image in images)
        and np.array_equal(table, IMAGE.ravel())
        and sums == IMAGE.sum()
        and (run["written"].path / "a.raw").read_bytes() == IMAGE.tobytes()
    )
"""


def drop_rights(umask, groups):
    """Return what makes a new process one of a user without the rights of root."""
    libc = ctypes.CDLL(None, use_errno=True)

    def drop():
        os.umask(umask)
        os.setgroups(groups)
        for capability in (0, 1, 2, 3):  # chown, dac_override, dac_read_search, fowner
            if libc.prctl(24, capability, 0, 0, 0) != 0:
                os._exit(77)

    return drop


@pytest.fixture
def shared(tmp_path):
    """A folder of another user and a group, in which everything gets this group."""
    if os.geteuid() != 0:
        pytest.skip("only root can make files of another user")
    folder = tmp_path / "shared"
    (folder / "plate").mkdir(parents=True)
    for name in "ab":
        image = np.arange(64, dtype="uint8").reshape(8, 8)
        np.save(folder / "plate" / f"{name}.npy", image)
    give_away(folder)
    folder.chmod(0o2775)
    return folder


def give_away(folder):
    """Make another user the owner of everything."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, OWNER, GROUP, follow_symlinks=False)


def as_user(folder, code, *args, umask=0o002):
    """Run code after the pipeline, as a user of the group."""
    if "-m" not in code:
        code = ["-c", f"{PIPELINE}\n{code}"]
    said = subprocess.run(
        [sys.executable, *code, *args],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=drop_rights(umask, [GROUP]),
    )
    if said.returncode == 77:
        pytest.skip("rights cannot be dropped here")
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def state(folder):
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in (folder, *folder.rglob("*"))
    }


def test_two_users_of_a_group_share_a_store(shared):
    as_user(shared, "assert not run().ok", "fails")
    give_away(shared)
    as_user(shared, "done = run(); assert done.ok and is_right(done), done.summary()")
    give_away(shared)
    more = "done = run(listed.options(name='more')(sc.open(IMAGE), n=1))"
    as_user(shared, f"{more}; assert done.ok and done.step('copied').n_cached == 4")
    give_away(shared)
    as_user(shared, "assert sc.Store('store').verify().ok; sc.Store('store').gc(keep_runs=0)")


@pytest.mark.parametrize("umask", [0o002, 0o027, 0o077])
def test_modes_are_those_that_the_umask_gives(shared, umask):
    as_user(shared, "assert run().ok; sc.export(targets()[0], 'out.zarr')", umask=umask)
    for path in (p for top in ("store", "out.zarr") for p in (shared / top).rglob("*")):
        whole = 0o777 if path.is_dir() else 0o666
        assert path.stat().st_mode & 0o777 == whole & ~umask, path


@pytest.mark.parametrize("how", ["folders", "runs"])
def test_a_run_of_complete_results_needs_reading_rights_only(shared, how):
    as_user(shared, "assert run().ok", umask=0o022)
    give_away(shared)
    shared.chmod(0o755 if how == "folders" else 0o2775)
    if how == "runs":  # the folder is the group's, and what another user has made in it is not
        (shared / "store").chmod(0o2775)
    before = state(shared / "store/listed") | state(shared / "store/runs")
    right = (
        "done = run(); assert done.ok and is_right(done); assert done.step('copied').n_cached == 4"
    )
    as_user(shared, right)
    as_user(shared, "assert sc.plan(*targets(), store='store').is_done")
    as_user(shared, "assert sc.Store('store').verify(heal=False).ok")
    as_user(shared, ["-m", "scutoid", "verify", "--store", "store", "--no-heal"])
    refused = """
try:
    run(listed.options(name='more')(sc.open(IMAGE), n=1))
except StoreError as error:
    assert "you may not read or write here: choose another folder" in str(error), error
else:
    raise AssertionError("it was written")
"""
    as_user(shared, refused)
    asked = """
import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    done = sc.run(*targets(), store="store", report=True)
assert done.report is None
assert any("has no report" in str(each.message) for each in told), told
"""
    as_user(shared, asked)
    assert state(shared / "store/listed") | state(shared / "store/runs") == before


def test_what_cannot_be_removed_does_not_count_as_removed(shared):
    for n in (1, 2, 3):
        as_user(shared, f"assert run(listed.options(name='more')(sc.open(IMAGE), n={n})).ok")
    killed = beside(shared / "store" / "table.parquet")
    killed.write_bytes(b"x" * 100)
    give_away(shared)
    for path in (shared / "store", *shared.glob("store/**/")):
        path.chmod(0o755)
    before = state(shared / "store")
    code = """
found = sc.Store('store').gc(dry_run=True)
assert found.nbytes >= 100, found
assert 'would be removed' in str(found), found
done = sc.Store('store').gc()
assert done.removals == () and done.nbytes == 0, done
"""
    as_user(shared, code)
    assert state(shared / "store") == before


def test_verify_says_how_a_store_that_cannot_be_written_is_looked_at(shared):
    as_user(shared, "assert run().ok", umask=0o022)
    give_away(shared)
    shared.chmod(0o755)
    code = """
try:
    sc.Store('store').verify()
except StoreError as error:
    assert '--no-heal' in str(error), error
else:
    raise AssertionError("it was locked")
assert sc.Store('store').verify(heal=False).ok
"""
    as_user(shared, code)


def test_damage_in_a_store_that_cannot_be_written_is_told_and_left(shared):
    as_user(shared, "assert run().ok", umask=0o022)
    (path,) = shared.glob("store/listed/*/table.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    give_away(shared)
    shared.chmod(0o755)
    before = state(shared / "store")
    as_user(shared, "assert not sc.Store('store').verify(heal=False).ok")
    assert state(shared / "store") == before


def test_a_store_that_may_be_read_by_its_owner_alone_is_refused(shared):
    as_user(shared, "assert run().ok", umask=0o077)
    give_away(shared)
    Path(shared).chmod(0o2775)
    code = """
try:
    run()
except StoreError as error:
    assert "may not read or write" in str(error), error
else:
    raise AssertionError("it was read")
"""
    as_user(shared, code)
