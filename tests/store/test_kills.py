"""kill -9 before each file operation of the store, one after another, and in the middle of writes.

A process forks a child for each operation that a scenario makes; the child is killed by SIGKILL
just before that operation, or when half of what it writes is written.  What is left is read, and
the scenario is begun again, as a resumed run would.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks")

HARNESS = """
import json, os, shutil, signal, sys
from pathlib import Path
import numpy as np
import pandas as pd
import pyarrow.parquet
from scutoid.arrays import ImageSpec, open_source, write_tiff
from scutoid.blocks import Journal
from scutoid.errors import StoreError
from scutoid.geometry import BlockGrid, Roi
from scutoid.records import RecordLog
from scutoid.store import Entry, EntryStore, Fact, HashMemo, Lock, Pack, Recipe

FOLDER = Path(sys.argv[1])
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "os.utime"}


def acknowledge(name):
    with open(FOLDER.with_name("acknowledged"), "a") as file:
        file.write(name + "\\n")


def acknowledged():
    path = FOLDER.with_name("acknowledged")
    return path.read_text().split() if path.exists() else []


class Killer:
    '''Kills this process before its n-th change of a file; writes are cut in half instead.'''

    def __init__(self, n):
        self.n = n
        sys.addaudithook(self.hook)
        for name in ("fsync", "ftruncate"):
            setattr(os, name, self.before(getattr(os, name)))
        os.write = self.halved(os.write)
        os.pwrite = self.halved(os.pwrite)
        Path.write_bytes = self.halved(Path.write_bytes)

    def is_due(self):
        self.n -= 1
        return self.n < 0

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def hook(self, event, args):
        writes = event == "open" and isinstance(args[2], int) and args[2] & (
            os.O_WRONLY | os.O_RDWR | os.O_CREAT
        )
        if (event in CHANGES or writes) and str(FOLDER) in str(args[0]) and self.is_due():
            self.die()

    def before(self, function):
        def call(*args):
            if self.is_due():
                self.die()
            return function(*args)

        return call

    def halved(self, function):
        def call(where, content, *rest):
            if self.is_due():
                function(where, bytes(content)[: len(content) // 2], *rest)
                self.die()
            return function(where, content, *rest)

        return call


def in_child(function, kill_at=None):
    '''Whether it came to its end; anything but that and being killed is told.'''
    child = os.fork()
    if child == 0:
        try:
            if kill_at is not None:
                Killer(kill_at)
            function()
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def kill_everywhere(prepare, scenario, check, check_end):
    n = 0
    while True:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.with_name("acknowledged").unlink(missing_ok=True)
        FOLDER.mkdir()
        in_child(prepare)
        is_over = in_child(scenario, n)
        in_child(check)
        in_child(scenario)
        in_child(check)
        in_child(check_end)
        if is_over:
            break
        n += 1
    print(json.dumps(n))
"""

VALUES = """
KEY = "3f9a1c0b7d42aa"
TABLE = pd.DataFrame({"a": np.arange(500), "b": np.linspace(0, 1, 500)})

def entry():
    return EntryStore(FOLDER / "store").entry("step", KEY)

def make(value):
    one = entry()
    one.begin(Recipe(step="step", key=KEY))
    one.save(value, "value")
    one.save(np.full(5000, value), "value-2")
    one.save(TABLE * value, "table")
    one.commit({"value": value})

def check():
    one = entry()
    if one.status == "complete":
        assert one.verify() == []
        value = one.recipe.extra["value"]
        assert one.load("value") == value
        assert (one.load("value-2") == value).all()
        assert one.load("table").equals(TABLE * value)

def names():
    return sorted(path.name for path in entry().path.iterdir())

def check_end():
    assert entry().status == "complete"
    assert names() == ["COMPLETE", "recipe.json", "table.parquet", "value-2.npy", "value.json"]
"""

SCENARIOS = {
    "first made": """
        def prepare(): pass
        def scenario(): make(1)
        """,
    "continued": """
        def prepare(): make(1)
        def scenario(): make(2)
        """,
    "computed again": """
        def prepare(): make(1)
        def scenario():
            entry().clear()
            make(2)
        """,
    "format changed": """
        def prepare():
            entry().begin(Recipe(step="step", key=KEY))
            entry().save("text", "value-2")
        def scenario(): make(2)
        """,
    "recipe damaged": """
        def prepare():
            make(1)
            (entry().path / "recipe.json").write_bytes(b"{")
        def scenario(): make(2)
        def check_end():
            assert entry().status == "complete"
            asides = [p.name for p in entry().path.parent.iterdir() if ".aside-" in p.name]
            assert asides in ([KEY[:12] + ".aside-1"], [])
        """,
}


def run(tmp_path, *texts):
    script = tmp_path / "scenario.py"
    ending = "kill_everywhere(prepare, scenario, check, check_end)\n"
    script.write_text("".join((HARNESS, *map(textwrap.dedent, texts), ending)))
    done = subprocess.run(
        [sys.executable, script, tmp_path / "folder"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_result_is_complete_and_right_or_not_complete(tmp_path, name):
    assert run(tmp_path, VALUES, SCENARIOS[name]) > 20


def test_a_pack_has_what_was_acknowledged_and_nothing_wrong(tmp_path):
    n_kills = run(
        tmp_path,
        """
        def pack(mode="r"):
            return Pack(FOLDER / "step" / "items.pack", mode)
        def payload(name):
            return name.encode() * 1000
        def prepare(): pass
        def scenario():
            with pack("a") as one:
                for batch in (["a", "b"], ["c"], ["d", "e", "f"]):
                    missing = [name for name in batch if name not in one]
                    one.append_many((name, {"n": name}, payload(name)) for name in missing)
                    for name in missing:
                        acknowledge(name)
        def check():
            one = pack()
            assert set(acknowledged()) <= set(one)
            assert len(acknowledged()) == len(set(acknowledged()))
            for name in one:
                assert one.read(name) == payload(name)
                assert one.meta(name) == {"n": name}
            assert one.damaged() == []
        def check_end():
            assert sorted(pack()) == list("abcdef")
            assert pack().path.stat().st_size == 6000
        """,
    )
    assert n_kills > 10


def test_blocks_are_struck_from_a_journal_all_at_once_or_not_at_all(tmp_path):
    n_kills = run(
        tmp_path,
        """
        GRID = BlockGrid(Roi((0,), (80,)), 8)
        PATH = FOLDER / "journal"
        def record(indices):
            with Journal.open(PATH, "step", GRID) as journal:
                journal.append([(np.array([n]), np.full(1, 2, "u1"), 1) for n in indices])
        def done():
            return np.flatnonzero(Journal.read(PATH)).tolist()
        def prepare():
            record(range(10))
        def scenario():
            if done() == list(range(10)):
                Journal.forget(PATH, np.array([3, 5]))
                acknowledge("struck")
            for n in {3, 5} - set(done()):
                record([n])
        def check():
            whole = set(range(10))
            assert set(done()) in (whole, whole - {3, 5}, whole - {3}, whole - {5})
        def check_end():
            assert done() == list(range(10))
        """,
    )
    assert n_kills > 10


def test_an_image_of_a_member_is_whole_or_not_there(tmp_path):
    n_kills = run(
        tmp_path,
        """
        IMAGE = np.arange(6000, dtype="uint16").reshape(60, 100)
        PATH = FOLDER / "a.tif"
        def prepare(): pass
        def scenario():
            write_tiff(PATH, IMAGE, ImageSpec(IMAGE.shape, IMAGE.dtype, "yx"))
        def check():
            if PATH.exists():
                source = open_source(str(PATH))
                assert (source.read(source.spec.roi) == IMAGE).all()
        def check_end():
            assert PATH.exists()
        """,
    )
    assert n_kills >= 3


def test_a_lock_of_a_killed_process_is_taken_over_and_given_back(tmp_path):
    n_kills = run(
        tmp_path,
        """
        import scutoid.store._lock as lock
        lock.BEAT_SECONDS = 0.0  # a lock file that was never written counts as dead at once
        def mine():
            return Lock(FOLDER / "step" / "3f9a")
        def prepare(): pass
        def scenario():
            import time
            one = mine()
            assert one.wait(240)
            while not one.acquire():  # half written in the same tick of the clock of the files
                time.sleep(0.01)
            one._stop.set()
            acknowledge("held")
            one.release()
        def check(): pass
        def check_end():
            left = sorted(path.name for path in (FOLDER / "step").iterdir())
            assert not mine().path.exists(), left
        """,
    )
    assert n_kills > 3


def test_the_memo_of_inputs_is_right_or_forgotten(tmp_path):
    n_kills = run(
        tmp_path,
        """
        def stamp(n):
            return (n, n, n, n)
        def prepare():
            memo = HashMemo(FOLDER / "memo")
            memo.add("/first", stamp(1), "hash of 1")
            memo.save()
        def scenario():
            memo = HashMemo(FOLDER / "memo")
            for n in range(2, 50):
                memo.add(f"/{n}", stamp(n), f"hash of {n}")
            memo.save()
        def check():
            memo = HashMemo(FOLDER / "memo")
            assert memo.get("/first", stamp(1)) == "hash of 1"
            assert {memo.get(f"/{n}", stamp(n)) == f"hash of {n}" for n in range(2, 50)} in (
                {True}, {False},
            )
            assert memo.get("/2", stamp(3)) is None
        def check_end():
            assert HashMemo(FOLDER / "memo").get("/49", stamp(49)) == "hash of 49"
        """,
    )
    assert n_kills > 1
