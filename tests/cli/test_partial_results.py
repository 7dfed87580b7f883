"""What the command line says of results that are there in part."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.cli._main import run_command

RAW = np.arange(32 * 32).reshape(32, 32).astype("uint8")


@sc.blockwise(dtype="uint8", block=8, version="1", check_halo=False, retries=0)
def half(image, *, block):
    if block.index >= 6:
        raise ValueError("no more")
    return image


@sc.step(version="1", retries=0)
def bright(image):
    if image.max() == 0:
        raise ValueError("dark")
    return int(image.max())


@pytest.fixture
def store(tmp_path):
    """A store with a part of an image, of a collection, and a whole image."""
    (tmp_path / "plate").mkdir()
    for number in range(3):
        np.save(tmp_path / "plate" / f"{number}.npy", np.full((4, 4), number, "uint8"))
    plate = bright(sc.open_folder(tmp_path / "plate" / "*.npy", axes="yx"))
    smooth = sc.gaussian.options(block=16)(sc.open(RAW), sigma=1)
    results = (half(sc.open(RAW)), plate, smooth)
    sc.run(*results, store=tmp_path / "store", executor="serial", on_failure="return", report=False)
    return tmp_path / "store"


def blocks_of(text):
    """Return what stands below "blocks", by step."""
    lines = [line.split() for line in text.splitlines()]
    return {words[0]: words[5] for words in lines[1:]}


def test_ls_says_how_many_blocks_or_members_are_done(store, capsys):
    assert run_command(["ls", "--store", str(store)]) == 0
    expected = {"half": "6/16", "bright": "2/3", "gaussian": "4"}
    assert blocks_of(capsys.readouterr().out) == expected
    (members,) = store.glob("bright/*/members.json")
    members.unlink()  # as where the run was killed
    assert run_command(["ls", "--store", str(store)]) == 0
    assert blocks_of(capsys.readouterr().out) == expected


def test_a_journal_that_is_damaged_keeps_ls_from_nothing_else(store, capsys):
    (journal,) = store.glob("half/*/journal")
    journal.write_bytes(b"odd")
    assert run_command(["ls", "--store", str(store)]) == 0
    assert blocks_of(capsys.readouterr().out)["half"] == "?/16"


@pytest.mark.parametrize("command", ["export", "view"])
def test_what_takes_a_part_of_a_result_says_how_far_it_is(store, capsys, tmp_path, command):
    to = [str(tmp_path / "out.tif")] if command == "export" else []
    assert run_command([command, "half", *to, "--store", str(store)]) == 1
    assert "6/16 blocks or members are done" in capsys.readouterr().err
    assert run_command(["show", "half", "--store", str(store)]) == 0
    assert "blocks  6/16 of 8 x 8" in capsys.readouterr().out
