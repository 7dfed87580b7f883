"""Entries: what survives a kill, a full disk, a flipped bit, and what is never removed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from scutoid.errors import DamagedResult, ParameterError, StoreError
from scutoid.store import Entry, EntryStore, Fact, Recipe, SeenEntry

KEY = "3f9a1c0b7d42" + "0" * 52


def recipe(key=KEY, **facts):
    return Recipe(step="denoise", key=key, **facts)


@pytest.fixture
def entry(tmp_path) -> Entry:
    return EntryStore(tmp_path / "results").entry("denoise", KEY)


@pytest.fixture
def complete(entry) -> Entry:
    entry.begin(recipe().stamped())
    entry.save({"level": 3}, "value")
    entry.save(pd.DataFrame({"a": [1, 2]}), "table")
    entry.commit({"seconds": 1.5})
    return entry


def test_an_entry_goes_from_absent_to_partial_to_complete(entry):
    assert entry.status == "absent"
    assert not entry.path.exists()
    entry.begin(recipe())
    assert entry.status == "partial"
    entry.save(1, "value")
    assert entry.status == "partial"
    entry.commit({"seconds": 2.0, "note": "x"})
    assert entry.status == "complete"
    assert entry.recipe.seconds == 2.0
    assert entry.recipe.extra == {"note": "x", "completed": True}
    assert set(entry.recipe.files) == {"value.json"}


def test_it_lies_under_the_name_and_twelve_digits(entry):
    assert entry.path.parts[-3:] == ("results", "denoise", "3f9a1c0b7d42")


def test_what_one_look_has_found_is_kept_and_the_entry_sees_what_others_do(complete):
    seen, before = SeenEntry.of(complete), complete.recipe
    of_another = recipe(block=(4, 4)).to_json()
    write = ["sh", "-c", 'printf %s "$1" > new && mv new recipe.json', "sh", of_another]
    subprocess.run(write, cwd=complete.path, check=True)
    assert (complete.status, complete.recipe.block) == ("partial", (4, 4))
    assert (seen.status, seen.recipe, seen.is_suspect) == ("complete", before, False)
    subprocess.run(["rm", "recipe.json"], cwd=complete.path, check=True)
    assert (complete.status, seen.status) == ("absent", "complete")
    assert SeenEntry.of(complete).status == "absent"


def test_what_is_distrusted_by_a_look_is_marked_as_it_is_by_now(complete):
    seen = SeenEntry.of(complete)
    complete.begin(recipe().stamped())
    now = complete.recipe
    seen.distrust()
    assert complete.recipe.extra == {"suspect": True}
    assert complete.recipe.created == now.created != seen.recipe.created


def test_begin_again_continues_what_is_there(entry):
    entry.begin(recipe(block=(8, 8)))
    entry.save(1, "value")
    entry.begin(recipe(block=(16, 16)))
    assert entry.recipe.block == (8, 8)
    assert entry.load("value") == 1


def test_begin_on_a_complete_entry_makes_it_partial_again(complete):
    complete.begin(recipe())
    assert complete.status == "partial"


def test_what_a_kill_left_without_a_recipe_is_removed(entry):
    entry.path.mkdir(parents=True)
    (entry.path / "blocks.pack").write_bytes(b"left")
    (entry.path / "journal").write_bytes(b"left")
    (entry.path / ".recipe.1-1.new.json").write_bytes(b"{")
    entry.begin(recipe())
    assert [path.name for path in entry.path.iterdir()] == ["recipe.json"]


def test_a_result_of_another_key_is_moved_aside(entry):
    other = Entry(entry.path, "denoise", KEY[:12] + "f" * 52)
    other.begin(recipe(other.key))
    other.save("other", "value")
    other.commit()
    assert entry.status == "absent"
    entry.begin(recipe())
    assert entry.status == "partial"
    (aside,) = entry.path.parent.glob("*.aside-*")
    assert Entry(aside, "denoise", other.key).load("value") == "other"


def test_a_recipe_that_cannot_be_read_is_moved_aside_and_not_listed(complete):
    (complete.path / "recipe.json").write_text("{")
    assert complete.status == "absent"
    complete.begin(recipe())
    assert complete.status == "partial"
    store = EntryStore(complete.path.parent.parent)
    assert [one.path for one, _ in store.entries()] == [complete.path]


def test_clear_leaves_what_scutoid_did_not_make(complete):
    note = complete.path / "my notes.txt"
    note.write_text("keep")
    (complete.path / "figures").mkdir()
    complete.clear()
    assert sorted(path.name for path in complete.path.iterdir()) == ["figures", "my notes.txt"]
    complete.begin(recipe())
    complete.clear()
    assert note.read_text() == "keep"


def test_clear_removes_an_entry_of_its_own_whole(complete):
    (complete.path / "image.ome.zarr" / "0").mkdir(parents=True)
    (complete.path / "items.pack").write_bytes(b"")
    (complete.path / "items.pack.index").write_bytes(b"")
    complete.clear()
    assert not complete.path.exists()
    complete.clear()


def test_clear_does_not_follow_links(complete, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("keep")
    (complete.path / "image.ome.zarr").symlink_to(outside)
    complete.clear()
    assert (outside / "precious").exists()


@pytest.mark.parametrize("name", ["value.json", "table.parquet"])
def test_any_flipped_bit_of_a_value_is_noticed(complete, name):
    path = complete.path / name
    content = path.read_bytes()
    for at in range(0, len(content), max(1, len(content) // 40)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        with pytest.raises(DamagedResult):
            complete.load(name.partition(".")[0])
        assert complete.verify() == [name]
    path.write_bytes(content)
    assert complete.verify() == []


def test_any_flipped_bit_of_the_recipe_makes_the_entry_incomplete(complete):
    path = complete.path / "recipe.json"
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert complete.status != "complete"


@pytest.mark.parametrize("damage", ["truncate", "remove"])
def test_a_truncated_or_missing_value_is_noticed(complete, damage):
    path = complete.path / "value.json"
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DamagedResult, match="stored value"):
        complete.load("value")
    assert complete.verify() == ["value.json"]


def test_digests_cover_images_metadata_and_written_files_but_not_chunks(entry):
    entry.begin(recipe())
    for name in ("image.tif", "files/a/b.txt", "items/A.tif", "blocks.pack", "mine.txt"):
        (entry.path / name).parent.mkdir(parents=True, exist_ok=True)
        (entry.path / name).write_bytes(b"x")
    for name in ("zarr.json", "0/zarr.json", "0/c/0/0"):
        (entry.path / "image.ome.zarr" / name).parent.mkdir(parents=True, exist_ok=True)
        (entry.path / "image.ome.zarr" / name).write_bytes(b"x")
    entry.commit()
    assert set(entry.recipe.files) == {
        "image.tif",
        "files/a/b.txt",
        "image.ome.zarr/zarr.json",
        "image.ome.zarr/0/zarr.json",
    }


def test_saving_another_type_replaces_the_value(entry):
    entry.begin(recipe())
    entry.save(1, "value")
    entry.save(np.zeros((50, 50)), "value")
    assert (entry.path / "value.npy").is_file()
    assert entry.load("value").shape == (50, 50)


def test_commit_needs_a_recipe(entry):
    with pytest.raises(StoreError, match="begun before"):
        entry.commit()


def test_a_value_without_a_format_is_refused_and_the_old_one_stays(complete):
    with pytest.raises(ParameterError, match="returns tables, arrays"):
        complete.save(object(), "value")
    assert complete.load("value") == {"level": 3}


KILLED = """
import os, sys
from scutoid.store import EntryStore, Recipe
import scutoid.store._durable as durable
entry = EntryStore(sys.argv[1]).entry("denoise", "k" * 64)
count = 0
stop = int(sys.argv[2])
def counted(function):
    def wrapper(*args, **kwargs):
        global count
        count += 1
        if count == stop:
            os.kill(os.getpid(), 9)
        return function(*args, **kwargs)
    return wrapper
for name in ("fsync", "open", "replace", "rename", "unlink", "mkdir"):
    setattr(os, name, counted(getattr(os, name)))
entry.begin(Recipe(step="denoise", key=entry.key))
entry.save(list(range(1000)), "value")
entry.commit({"seconds": 1})
print("done")
"""


@pytest.mark.parametrize("stop", range(1, 41, 3))
def test_killed_at_any_system_call_the_result_is_absent_partial_or_whole(tmp_path, stop):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(tmp_path / "results"), str(stop)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    store = EntryStore(tmp_path / "results")
    entry = store.entry("denoise", "k" * 64)
    assert not entry.is_suspect
    if entry.status == "complete":
        assert entry.load("value") == list(range(1000))
    else:
        assert done.returncode == -signal.SIGKILL
    entry.begin(Recipe(step="denoise", key=entry.key))
    entry.save(list(range(1000)), "value")
    entry.commit()
    assert entry.status == "complete"
    assert entry.load("value") == list(range(1000))


def test_a_commit_that_fails_at_any_system_call_is_no_damage(tmp_path, monkeypatch):
    """An earlier result of the step can be read until this one is whole."""
    calls = ("fsync", "replace", "rename", "link", "open")
    real = {name: getattr(os, name) for name in calls}
    for stop in range(1, 30):
        entry = EntryStore(tmp_path / str(stop)).entry("denoise", KEY)
        entry.begin(recipe())
        entry.save(5, "value")
        count = iter(range(1, 1000))

        def failing(name, count=count, stop=stop):
            def call(*arguments, **options):
                if next(count) == stop:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                return real[name](*arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for name in calls:
                patch.setattr(os, name, failing(name))
            try:
                entry.commit()
                failed = False
            except StoreError:
                failed = True
        assert not entry.is_suspect, stop
        assert failed or entry.status == "complete"
    assert not failed


def mount(path, options):
    """Mount a small disk in memory; skip where that is not allowed."""
    path.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if done.returncode:
        pytest.skip("mounting a small disk is not allowed here")


@pytest.fixture
def small_disk(tmp_path):
    path = tmp_path / "disk"
    mount(path, "size=512k")
    yield path
    subprocess.run(["umount", str(path)], check=True)


NOISE = np.random.default_rng(0).random((300, 300))


@pytest.mark.parametrize(
    "value", [NOISE, pd.DataFrame(NOISE).add_prefix("c"), NOISE.ravel().tolist()], ids=type
)
def test_a_full_disk_is_a_clear_error_and_what_was_complete_stays(small_disk, value):
    store = EntryStore(small_disk / "results")
    first = store.entry("first", KEY)
    first.begin(recipe())
    first.save("kept", "value")
    first.commit()
    second = store.entry("second", KEY)
    second.begin(recipe())
    with pytest.raises(StoreError, match="disk is full"):
        second.save(value, "value")
    assert not list(second.path.glob("value.*"))
    assert not [path for path in second.path.iterdir() if ".new" in path.name]
    assert first.load("value") == "kept"
    assert second.status == "partial"
    second.save("fits", "value")
    second.commit()
    assert second.load("value") == "fits"


def test_a_disk_too_full_even_to_begin_is_a_clear_error(small_disk):
    store = EntryStore(small_disk / "results")
    store.check_writable()
    with pytest.raises(OSError, match="No space"):
        (small_disk / "filler").write_bytes(b"x" * 2**20)
    with pytest.raises(StoreError, match="disk is full"):
        store.check_writable()
    with pytest.raises(StoreError, match="disk is full"):
        store.entry("denoise", KEY).begin(recipe(parameters={"a": Fact("d", "t" * 5000)}))
    assert store.entry("denoise", KEY).status == "absent"


def test_a_read_only_store_is_read_and_not_written(tmp_path):
    path = tmp_path / "disk"
    mount(path, "size=512k")
    try:
        store = EntryStore(path / "results")
        entry = store.entry("denoise", KEY)
        entry.begin(recipe())
        entry.save(5, "value")
        entry.commit()
        subprocess.run(["mount", "-o", "remount,ro", str(path)], check=True)
        assert entry.status == "complete"
        assert entry.load("value") == 5
        for act in (
            store.check_writable,
            entry.clear,
            lambda: entry.begin(recipe()),
            lambda: entry.save(6, "value"),
            lambda: store.entry("other", KEY).begin(recipe()),
        ):
            with pytest.raises(StoreError, match="read-only"):
                act()
        assert entry.load("value") == 5
    finally:
        subprocess.run(["umount", str(path)], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not hold for root")
def test_a_folder_without_permission_is_a_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="may not write"):
        EntryStore(tmp_path / "results").check_writable()
