"""Folders of corrections: append-only, whole or not at all, read by others."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from scutoid.correcting import Correction, Corrections, open_corrections
from scutoid.errors import ParameterError, SourceError
from scutoid.geometry import Roi

BEFORE = np.array([[0, 2**63 + 5, 7]], np.uint64)
AFTER = np.array([[0, 7, 7]], np.uint64)


def made(**given):
    return Correction(
        **{
            "kind": "merge",
            "axes": "yx",
            "offset": (3, 4),
            "before": BEFORE,
            "after": AFTER,
            **given,
        }
    )


def test_what_was_appended_is_read_in_order(tmp_path):
    folder = Corrections.create(tmp_path / "a.corrections", "yx")
    seeds = np.array([[0, 1, 2]], np.uint64)
    folder.append(made(who="Ada", when="2026-11-29T12:00:00Z", why="one", made_on="ab", step="x"))
    folder.append(made(kind="split", seeds=seeds))
    first, second = open_corrections(folder.path)
    assert (first.who, first.when, first.why) == ("Ada", "2026-11-29T12:00:00Z", "one")
    assert (first.made_on, first.step) == ("ab", "x")
    assert (first.kind, first.offset, first.seeds) == ("merge", (3, 4), None)
    np.testing.assert_array_equal(first.before, BEFORE)
    np.testing.assert_array_equal(first.after, AFTER)
    np.testing.assert_array_equal(second.seeds, seeds)
    assert len(folder) == 2


def test_writers_at_once_get_a_number_each(tmp_path):
    folder = Corrections.create(tmp_path / "a.corrections", "yx")
    numbers = []

    def write(who):
        numbers.extend(folder.append(made(who=who)) for _ in range(5))

    threads = [threading.Thread(target=write, args=(name,)) for name in ("Ada", "Eve", "Tom")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 16))
    assert sorted(c.who for c in folder) == ["Ada"] * 5 + ["Eve"] * 5 + ["Tom"] * 5


def test_what_was_not_finished_is_not_read(tmp_path, monkeypatch):
    folder = Corrections.create(tmp_path / "a.corrections", "yx")
    folder.append(made())

    def full(path):
        raise OSError("disk full")

    monkeypatch.setattr("scutoid.correcting._folder.sync_file", full)
    with pytest.raises(OSError, match="disk full"):
        folder.append(made())
    assert len(open_corrections(folder.path)) == 1
    assert sorted(p.name for p in folder.path.iterdir()) == ["000001.zarr", "corrections.json"]


def _lose_a_chunk(place):
    next(path for path in (place / "c").rglob("*") if path.is_file()).unlink()


def _change_attributes(**changes):
    def change(place):
        described = json.loads((place / "zarr.json").read_text())
        described["attributes"].update(changes)
        (place / "zarr.json").write_text(json.dumps(described))

    return change


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (_lose_a_chunk, "not those of its sha256"),
        (_change_attributes(scutoid_correction=2), "it is of version 2"),
        (_change_attributes(kind="guess"), "guess"),
        (_change_attributes(offset=[1]), "begins at 0 or more"),
        (lambda place: (place / "zarr.json").write_text("{"), "a zarr array of version 1"),
    ],
)
def test_a_damaged_correction_is_refused_and_named(tmp_path, damage, match):
    folder = Corrections.create(tmp_path / "a.corrections", "yx")
    folder.append(made())
    damage(folder.path / "000001.zarr")
    with pytest.raises(SourceError, match=match) as refused:
        list(folder)
    assert "000001.zarr" in str(refused.value)


@pytest.mark.parametrize(
    "damage",
    [
        _change_attributes(scutoid_correction=2),
        _change_attributes(offset=None),
        lambda place: (place / "zarr.json").write_text("{"),
        lambda place: (place / "zarr.json").unlink(),
    ],
)
def test_boxes_are_told_by_metadata_or_refused(tmp_path, damage):
    folder = Corrections.create(tmp_path / "a.corrections", "yx")
    folder.append(made())
    assert folder.boxes() == [c.box for c in folder] == [Roi((3, 4), (1, 3))]
    damage(folder.path / "000001.zarr")
    with pytest.raises(SourceError, match="as it was written"):
        folder.boxes()


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"kind": "guess"}, "paint, erase, merge, split, delete"),
        ({"after": BEFORE}, "changes some voxel"),
        ({"after": AFTER.astype(int)}, "uint64"),
        ({"after": AFTER[:, :2]}, "one shape"),
        ({"axes": "zyx"}, "each axis"),
        ({"offset": (-1, 0)}, "begins at 0"),
        ({"kind": "merge", "after": BEFORE + 90}, "a merger gives"),
        ({"kind": "merge", "after": 0 * BEFORE}, "a merger gives"),
        ({"kind": "delete", "after": BEFORE + 90}, "a deletion gives 0"),
    ],
)
def test_what_is_no_correction_is_refused(given, match):
    with pytest.raises(ParameterError, match=match):
        made(**given)


def test_a_folder_is_of_labels_with_the_same_axes(tmp_path):
    folder = Corrections.create(tmp_path / "a.corrections", "tyx")
    assert folder.object_axes == "yx"
    assert Corrections.create(folder.path, "tyx") == folder
    for axes, along in (("zyx", None), ("tyx", "tyx"), ("tyx", "z")):
        with pytest.raises(ParameterError):
            Corrections.create(folder.path, axes, along)
    two = np.stack([BEFORE, BEFORE])
    with pytest.raises(ParameterError, match="one place along axes"):
        folder.append(made(kind="erase", axes="tyx", offset=(0, 0, 0), before=two, after=0 * two))


@pytest.mark.parametrize("other", ["a file", "notes.txt", ".scutoid"])
def test_what_is_there_already_gets_no_corrections(tmp_path, other):
    path = tmp_path / "cells.corrections"
    if other == "a file":
        path.write_text("mine", encoding="utf-8")
    else:
        path.mkdir()
        (path / other).write_text("mine", encoding="utf-8")
    with pytest.raises(ParameterError, match="folder of their own"):
        Corrections.create(path, "yx")


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / ".DS_Store").write_text("", encoding="utf-8")
    assert len(Corrections.create(tmp_path, "yx")) == 0


def test_a_manifest_of_another_version_is_refused(tmp_path):
    folder = Corrections.create(tmp_path / "a.corrections", "yx")
    for text, match in (("{", "is JSON"), ('{"scutoid_corrections": 2}', "version 1")):
        (folder.path / "corrections.json").write_text(text)
        with pytest.raises(SourceError, match=match):
            open_corrections(folder.path)
