"""Damaged files of all formats are read or refused; and the tool that shows it sees what it should.

Each format is read in child processes, so that what hangs or ends a process is a failure too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "fuzz"

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="children are limited as Linux does it"
)

STANDINS = """
import os, time
from formats import Format
from scutoid.errors import SourceError

def write(folder):
    (folder / "a").write_bytes(b"good")
    return folder / "a"

def reading(act):
    return lambda path: path.parent.name.endswith("--1") or act()

def refuse():
    raise SourceError("it is good")

FORMATS = {
    "reads": Format(write, reading(lambda: None)),
    "refuses": Format(write, reading(refuse)),
    "raises": Format(write, reading(lambda: {}["nothing"])),
    "allocates": Format(write, reading(lambda: bytearray(2**36))),
    "ends": Format(write, reading(os.abort)),
    "waits": Format(write, reading(lambda: time.sleep(3600))),
    "refuses what is good": Format(write, lambda path: refuse()),
}
"""


def fuzz(*arguments):
    """Run the tool; return its exit code and the lines that it prints."""
    run = subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.stdout, run.stderr
    return run.returncode, run.stdout.splitlines()


@pytest.mark.parametrize(
    ("module", "each"),
    [("images", 100), ("tiffs", 100), ("microscopes", 100), ("values", 100), ("stores", 20)],
)
def test_damaged_files_are_read_or_refused(module, each) -> None:
    code, lines = fuzz(module, "--each", each, "--batch", 100, "--jobs", 2)
    assert code == 0, "\n".join(lines)
    assert lines[-1].endswith(" 0 raw error, 0 hung, 0 ended")


def words_of(standins, *arguments):
    """Return what came of the inputs of each stand-in, and the exit code."""
    code, lines = fuzz(standins, "--each", 6, "--batch", 4, "--show", *arguments)
    said = [line.partition(": ") for line in lines[:-1]]
    return (
        code,
        [
            (name.rpartition(" ")[0], what.split(" -> ")[1].partition(":")[0])
            for name, _, what in said
        ],
        lines[-1],
    )


def test_what_comes_of_each_input_is_told_apart(tmp_path) -> None:
    (tmp_path / "a.py").write_text(STANDINS + 'del FORMATS["waits"]\n')
    code, words, figures = words_of(tmp_path / "a.py")
    assert code == 1
    found = {name: {word for own, word in words if own == name} for name, _ in words}
    assert found == {
        "reads": {"read"},
        "refuses": {"read", "refused"},  # the good file is read
        "raises": {"read", "raw error"},
        "allocates": {"read", "raw error"},
        "ends": {"read", "ended"},
        "refuses what is good": {"raw error", "refused"},
    }
    assert figures == (
        "fuzz: 36 inputs of 6 formats: 6 read, 12 refused, 13 raw error, 0 hung, 6 ended"
    )


def test_what_hangs_is_ended_and_the_others_go_on(tmp_path) -> None:
    (tmp_path / "a.py").write_text(STANDINS + 'FORMATS = {"waits": FORMATS["waits"]}\n')
    code, _, figures = words_of(tmp_path / "a.py", "--seconds", 0.5)
    assert (code, figures) == (
        1,
        "fuzz: 6 inputs of 1 formats: 0 read, 0 refused, 0 raw error, 6 hung, 0 ended",
    )


def test_no_fault_is_no_failure(tmp_path) -> None:
    (tmp_path / "a.py").write_text(STANDINS + 'FORMATS = {"refuses": FORMATS["refuses"]}\n')
    code, _, figures = words_of(tmp_path / "a.py")
    assert (code, figures) == (
        0,
        "fuzz: 6 inputs of 1 formats: 0 read, 6 refused, 0 raw error, 0 hung, 0 ended",
    )


def test_a_seed_makes_the_same_input_each_time(tmp_path) -> None:
    made = []
    for place in (tmp_path / "a", tmp_path / "b"):
        fuzz("npy", "zarr 3", "store", "--seed", 5, "--keep", place)
        files = [path for path in place.rglob("*") if path.is_file() and "store" not in str(path)]
        made.append({str(path.relative_to(place)): path.read_bytes() for path in files})
    assert made[0] == made[1]
    assert len(made[0]) > 3


def test_seeds_differ(tmp_path) -> None:
    for seed in range(3):
        fuzz("npy", "--seed", seed, "--keep", tmp_path / str(seed))
    assert len({path.read_bytes() for path in tmp_path.rglob("*.npy")}) == 3
