"""What a store has to live with: full and read-only disks, wrong clocks, edited inputs and code."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pytest
import tifffile

import scutoid as sc
from scutoid.blocks import Journal
from scutoid.errors import DamagedResult, RunFailed, StoreError
from scutoid.store import Pack

NOISE = np.random.default_rng(0).integers(0, 2**16, (128, 128)).astype("uint16")
"""Takes 32 kB on any disk, for it cannot be compressed."""
KB = 1024


@pytest.fixture
def disk(tmp_path):
    """A disk of 1 MB; where none can be mounted, the test is skipped."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no command `mount`")
    if said.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {said.stderr.strip()}")
    yield folder
    # Readers keep files open for a while: lazily.
    subprocess.run(["umount", "-l", folder], check=True)


class Calls(list):
    """Which blocks, members and steps were called, in order."""

    def n_twice(self):
        return len(self) - len(set(self))


def noisy_pipeline(plate, ran):
    """Results of every kind, each of some 32 kB."""

    @sc.blockwise(dtype="uint16", block=32, version="1", check_halo=False)
    def copy(image, *, block):
        ran.append(("copy", block.index))
        return image + np.uint16(1)

    @sc.blockwise(out="parts", block=32, version="1")
    def kept(image, *, block):
        ran.append(("kept", block.index))
        return {"all": image}

    @sc.step(version="1")
    def flat(image):
        ran.append(("flat", 0))
        return image.ravel()

    @sc.step(out="table", version="1")
    def listed(image):
        ran.append(("listed", 0))
        return pd.DataFrame({"value": image.ravel()})

    @sc.step(out="files", version="1")
    def written(image, *, folder):
        ran.append(("written", 0))
        (folder / "image.raw").write_bytes(image.tobytes())

    @sc.blockwise(dtype="uint16", version="1")
    def turned(image, *, key):
        ran.append(("turned", key))
        return image[::-1]

    noise = sc.open(NOISE)
    copied = copy(noise)
    members = turned(sc.open_folder(plate / "*.tif"))
    return copied, kept(copied), flat(copied), listed(copied), written(copied), members


@pytest.fixture
def plate(tmp_path):
    (tmp_path / "plate").mkdir()
    for n in range(4):
        tifffile.imwrite(tmp_path / "plate" / f"{n}.tif", NOISE[32 * n : 32 * n + 32])
        os.utime(tmp_path / "plate" / f"{n}.tif", (1e9, 1e9))
    return tmp_path / "plate"


def assert_right(store):
    copied = NOISE + np.uint16(1)
    assert np.array_equal(store["copy"].read(), copied)
    parts = store["kept"].read()
    for index, (y, x) in enumerate(np.ndindex(4, 4)):
        assert np.array_equal(parts[index]["all"], copied[32 * y :, 32 * x :][:32, :32])
    assert np.array_equal(store["flat"].get(), copied.ravel())
    assert np.array_equal(store["listed"].to_pandas()["value"], copied.ravel())
    assert (store["written"].path / "image.raw").read_bytes() == copied.tobytes()
    members = store["turned"]
    assert sorted(members) == [f"{n}.tif" for n in range(4)]
    for n in range(4):
        assert np.array_equal(members[f"{n}.tif"].read(), NOISE[32 * n : 32 * n + 32][::-1])


def done(store):
    """What the store has recorded as done: blocks, members and steps."""
    found = set()
    for entry, recipe in sc.Store(store).entries():
        if recipe.kind == "collection":
            pack = Pack(entry.path / "items.pack")
            found |= {(recipe.step, pack.meta(member)["key"]) for member in pack}
        elif recipe.step in ("copy", "kept"):
            blocks = np.flatnonzero(Journal.read(entry.journal)).tolist()
            found |= {(recipe.step, index) for index in blocks}
        elif entry.status == "complete":
            found.add((recipe.step, 0))
    return found


def leave(disk, n_bytes):
    """Fill a disk up to some bytes."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(max(free - n_bytes, 0)))


@pytest.mark.parametrize("free", [0, 8, 24, 40, 60, 90, 130, 170, 210])
def test_a_full_disk_ends_a_run_with_a_remedy_and_it_goes_on_where_it_stopped(disk, plate, free):
    ran = Calls()
    store = disk / "store"
    sc.run(sc.threshold(sc.open(NOISE), level=3), store=store, executor="serial")
    leave(disk, free * KB)
    with pytest.raises((RunFailed, StoreError)) as caught:
        sc.run(*noisy_pipeline(plate, ran), store=store, executor="serial", check_halo=False)
    said = str(caught.value)
    assert str(disk) in said
    assert re.search("free some space|the free space", said)
    assert np.array_equal(sc.Store(store)["threshold"].read(), NOISE > 3)
    before = done(store) - {("threshold", 0)}
    tried = Calls(ran)
    ran.clear()
    (disk / "ballast").unlink()
    assert sc.run(*noisy_pipeline(plate, ran), store=store, executor="serial", check_halo=False).ok
    assert before.isdisjoint(ran)
    assert before <= set(tried)
    assert ran.n_twice() == 0
    assert_right(sc.Store(store))


def test_more_is_kept_the_later_the_disk_is_full(disk, plate):
    leave(disk, 170 * KB)
    with pytest.raises((RunFailed, StoreError)):
        sc.run(*noisy_pipeline(plate, []), store=disk / "store", executor="serial")
    assert len(done(disk / "store")) >= 6


def make_read_only(disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


def test_a_store_that_cannot_be_written_is_read_and_planned(disk, plate):
    sc.run(*noisy_pipeline(plate, []), store=disk / "store", executor="serial")
    make_read_only(disk)
    assert_right(sc.Store(disk / "store"))
    ran = []
    results = noisy_pipeline(plate, ran)
    assert sc.plan(*results, store=disk / "store").is_done
    done = sc.run(*results, store=disk / "store", executor="serial")
    assert done.ok
    assert not done.folder.exists()
    assert np.array_equal(done.image("copy").read(), NOISE + np.uint16(1))
    assert ran == []


def test_a_full_disk_is_enough_for_a_run_of_complete_results(disk, plate):
    sc.run(*noisy_pipeline(plate, []), store=disk / "store", executor="serial")
    leave(disk, 0)
    ran = []
    assert sc.run(*noisy_pipeline(plate, ran), store=disk / "store", executor="serial").ok
    assert ran == []


def test_a_run_into_a_store_that_cannot_be_written_says_so_at_once(disk, plate):
    sc.run(noisy_pipeline(plate, [])[0], store=disk / "store", executor="serial")
    make_read_only(disk)
    ran = []
    with pytest.raises(StoreError, match="read-only: choose another folder") as caught:
        sc.run(*noisy_pipeline(plate, ran), store=disk / "store", executor="serial")
    assert str(disk) in str(caught.value)
    assert ran == []


def test_damage_in_a_store_that_cannot_be_written_is_told(disk, plate):
    sc.run(*noisy_pipeline(plate, []), store=disk / "store", executor="serial")
    (path,) = disk.glob("store/flat/*/value.npy")
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    make_read_only(disk)
    with pytest.raises(DamagedResult):
        sc.Store(disk / "store")["flat"].get()


@sc.step(version="1")
def power(base, *, exponent):
    return int(base[0, 0]) ** exponent


BASE = np.array([[3]], dtype="uint8")


def turn_back(monkeypatch, seconds):
    """Let the clock of this process be wrong from now on."""
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() - seconds)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() - int(seconds * 1e9))


def test_the_result_that_was_made_last_is_the_newest_whatever_the_clock_says(tmp_path, monkeypatch):
    for exponent, seconds in ((2, 0), (3, 86400), (4, 40), (5, -1000)):
        turn_back(monkeypatch, seconds)
        sc.run(power(sc.open(BASE), exponent=exponent), store=tmp_path, executor="serial")
        assert sc.Store(tmp_path)["power"].get() == 3**exponent
    assert [one.get() for one in sc.Store(tmp_path).find("power")] == [243, 81, 27, 9]


def test_results_from_the_future_are_found_and_not_made_again(tmp_path, monkeypatch):
    sc.run(power(sc.open(BASE), exponent=2), store=tmp_path, executor="serial")
    turn_back(monkeypatch, 86400)
    (step,) = sc.plan(power(sc.open(BASE), exponent=2), store=tmp_path).steps
    assert step.status == "cached"
    (step,) = sc.plan(power(sc.open(BASE), exponent=3), store=tmp_path).steps
    assert step.reason == "`exponent` 2 -> 3"


@pytest.mark.parametrize("days", [-3000, -1, 1, 3000])
def test_an_input_that_is_written_anew_is_noticed_whatever_time_it_has(tmp_path, days):
    place = tmp_path / "input.tif"
    found = []
    for value, shift in ((5, 0), (6, days), (7, days)):
        tifffile.imwrite(place, np.full((4, 4), value, "uint8"))
        at = time.time() + shift * 86400
        os.utime(place, (at, at))
        result = power(sc.open(place), exponent=2)
        sc.run(result, store=tmp_path / "store", executor="serial")
        found.append(result.get())
    assert found == [25, 36, 49]


def edit_in_secret(place, content):
    """Change a file in place, and give it back its old time."""
    before = place.stat()
    with place.open("r+b") as file:
        file.write(content)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = place.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
        before.st_size, before.st_mtime_ns, before.st_ino,
    )  # fmt: skip


@sc.step(version="1")
def content(base, *, file):
    return file.read_text()


def read_file(place):
    return content(sc.open(BASE), file=place)


@pytest.fixture
def settled(tmp_path):
    """A file that was written long ago, and a run that has read it."""
    place = tmp_path / "input.txt"
    place.write_text("one")
    os.utime(place, (1e9, 1e9))
    sc.run(read_file(place), store=tmp_path / "store", executor="serial")
    (step,) = sc.plan(read_file(place), store=tmp_path / "store").steps
    assert step.status == "cached"
    return place


def test_an_input_edited_with_its_size_and_time_kept_is_noticed_when_asked(tmp_path, settled):
    edit_in_secret(settled, b"two")
    (step,) = sc.plan(read_file(settled), store=tmp_path / "store", paranoid=True).steps
    assert step.status == "run"
    assert "file" in step.reason
    result = read_file(settled)
    sc.run(result, store=tmp_path / "store", executor="serial", paranoid=True)
    assert result.get() == "two"
    # Now it is known, also to those who do not ask.
    again = read_file(settled)
    sc.run(again, store=tmp_path / "store", executor="serial")
    assert again.get() == "two"


def test_an_input_replaced_with_its_size_and_time_kept_is_noticed_by_its_inode(tmp_path, settled):
    beside = settled.with_name("beside.txt")
    beside.write_text("two")
    os.utime(beside, (1e9, 1e9))
    beside.replace(settled)
    result = read_file(settled)
    sc.run(result, store=tmp_path / "store", executor="serial")
    assert result.get() == "two"


PIPELINE = """
    import os, sys, time
    from pathlib import Path
    import numpy as np
    import scutoid as sc
    import helper

    folder = Path(sys.argv[1])

    @sc.blockwise(dtype="uint16", block=4, check_halo=False)
    def scaled(image, *, gates, block):
        Path(gates, f"begun-{block.index}").write_text(str(os.getpid()))
        while not Path(gates, "go").exists():
            time.sleep(0.01)
        return helper.times(image)

    raw = sc.open(np.ones((4, 16), "uint16"))
    result = scaled(raw, gates=str(folder / "gates"))
    for step in sc.plan(result, store=folder / "store").steps:
        print(step.status, step.reason, sep="|")
    sc.run(result, store=folder / "store", workers=1)
    print(np.unique(result.read()))
    try:
        sc.plan(result, store=folder / "store")
        print("planned again")
    except sc.errors.PipelineError as error:
        print(error.value)
"""


def start(folder):
    (folder / "gates").mkdir(exist_ok=True)
    (folder / "pipeline.py").write_text(textwrap.dedent(PIPELINE))
    return subprocess.Popen(
        [sys.executable, folder / "pipeline.py", folder],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.mark.parametrize("worker", ["lives", "dies"])
def test_a_helper_edited_during_a_run_counts_for_the_next_run(tmp_path, worker, wait_for):
    """A worker that is begun after the edit too runs the code that the key is made of."""
    helper = tmp_path / "helper.py"
    helper.write_text("def times(image):\n    return image * 2\n")
    first = start(tmp_path)
    begun = tmp_path / "gates" / "begun-0"
    wait_for(lambda: begun.exists() and begun.read_text())
    helper.write_text("def times(image):\n    return image * 3\n")
    if worker == "dies":
        os.kill(int(begun.read_text()), signal.SIGKILL)
    (tmp_path / "gates" / "go").touch()
    planned, values, again = first.communicate()[0].splitlines()
    assert planned == "run|first run"
    assert values == "[2]"
    assert "edited since it was loaded" in again
    second = start(tmp_path)
    planned, values, again = second.communicate()[0].splitlines()
    assert planned.startswith("run|")
    assert "helper" in planned
    assert values == "[3]"
    assert again == "planned again"
    found = sc.Store(tmp_path / "store").find("scaled")
    assert [np.unique(one.read()).tolist() for one in found] == [[3], [2]]
