"""How much memory is free: the least of machine, control groups and limits of the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

import scutoid.free_memory as module
from scutoid.free_memory import free_memory

GB = 2**30

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")


def test_it_is_what_the_machine_has_available() -> None:
    assert 0 < free_memory() < 2**50


@pytest.fixture
def group(tmp_path, monkeypatch):
    """Stands for the control groups of a machine without limits of its own."""
    monkeypatch.setattr(module, "_of_machine", lambda: 100 * GB)
    monkeypatch.setattr(module, "_of_process", lambda: iter(()))
    monkeypatch.setattr(
        module, "_groups", lambda: [(tmp_path / "job", "max", "used"), (tmp_path, "max", "used")]
    )

    def make(name, limit, used, cached, more="", **files):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "max").write_text(f"{limit}\n")
        (folder / "used").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 3\ninactive_file {cached}\n{more}")
        for file, text in files.items():
            (folder / f"memory.{file.replace('_', '.')}").write_text(f"{text}\n")

    return make


def test_a_group_leaves_what_it_does_not_use_and_what_can_be_dropped(group) -> None:
    group("job", 4 * GB, 3 * GB, GB)
    assert free_memory() == 2 * GB


def test_the_group_above_counts_too(group) -> None:
    group("job", 4 * GB, 0, 0)
    group(".", 10 * GB, 9 * GB, 0)
    assert free_memory() == GB


def test_a_group_without_a_limit_is_none(group) -> None:
    group("job", "max", 3 * GB, 0)
    assert free_memory() == 100 * GB


def test_a_group_that_is_over_its_limit_has_none(group) -> None:
    group("job", GB, 2 * GB, 0)
    assert free_memory() == 0


def test_pages_of_files_that_were_read_twice_can_be_dropped_too(group) -> None:
    group("job", 4 * GB, 4 * GB, GB, f"active_file {2 * GB}\n")
    assert free_memory() == 3 * GB


def test_the_first_version_counts_pages_of_the_groups_below_apart(group) -> None:
    group("job", 4 * GB, 4 * GB, 5, f"total_inactive_file {GB}\ntotal_active_file {GB}\n")
    assert free_memory() == 2 * GB


@pytest.mark.parametrize(
    ("most", "taken", "of_machine", "left"),
    [(0, 0, 9, 0), ("max", 3, 9, 9), (4, 1, 9, 3), (4, 1, 2, 2), (4, 5, 9, 0)],
)
def test_what_a_group_may_swap_counts(group, monkeypatch, most, taken, of_machine, left) -> None:
    monkeypatch.setattr(module, "_fields", lambda _: {"SwapFree": of_machine * GB})
    limits = {"swap_max": most if most == "max" else most * GB, "swap_current": taken * GB}
    group("job", 4 * GB, 3 * GB, 0, **limits)
    assert free_memory() == (1 + left) * GB


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_limits_of_the_process_count(limit) -> None:
    code = (
        "import resource, sys\n"
        "from scutoid.free_memory import free_memory\n"
        f"resource.setrlimit(resource.{limit}, (2**30, 2**30))\n"
        "sys.exit(not 0 < free_memory() < 2**30)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_the_process_has_taken_is_not_free() -> None:
    code = (
        "import resource\n"
        "from scutoid.free_memory import free_memory\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))\n"
        "before = free_memory(); held = bytearray(2**28); print(before - free_memory())"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert abs(int(run.stdout) - 2**28) < 2**24
