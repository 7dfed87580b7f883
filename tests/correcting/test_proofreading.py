"""Regions one after the other: what is kept, taken back and saved."""

from __future__ import annotations

import getpass
import re

import numpy as np
import pytest

import scutoid as sc
from scutoid.correcting import Correction, Corrections
from scutoid.correcting._proofreading import Proofreading
from scutoid.correcting._region import chosen_region, labels_now
from scutoid.errors import GeometryError, ParameterError

LABELS = np.zeros((12, 40), np.int64)
LABELS[1:5, 1:6] = 3
LABELS[1:5, 6:11] = 5
LABELS[7:11, 2:37] = 2**63 - 1  # no number is left above
LABELS[1:4, 30:35] = 9
LEFT, RIGHT = sc.Roi((0, 0), (12, 16)), sc.Roi((0, 20), (12, 20))


@pytest.fixture
def work(tmp_path):
    folder = Corrections.create(tmp_path / "a.corrections", "yx")
    return Proofreading(sc.open(LABELS, voxel_size=(1, 1), unit="um"), folder, LEFT, who="Ada")


def test_what_is_not_saved_is_kept_when_the_next_region_is_opened(work):
    work.editing.merge([3, 5])
    work.go_to(RIGHT)
    np.testing.assert_array_equal(work.shown, LABELS[:, 20:])
    work.editing.delete([9])
    assert work.n_unsaved == 2
    work.go_to(LEFT)
    expected = np.where(LABELS == 5, 3, np.where(LABELS == 9, 0, LABELS))
    np.testing.assert_array_equal(work.shown, expected[LEFT.to_slices()])
    assert len(work.folder) == 0
    assert work.save("looked at") == 2
    assert work.n_unsaved == 0
    np.testing.assert_array_equal(sc.corrected(LABELS, work.folder), expected)


def test_a_correction_says_who_when_why_and_on_what(tmp_path):
    labels = sc.label(sc.open(np.eye(9) > 0), connectivity=2)
    stored = sc.run(labels, store=tmp_path / "results")["label"]
    folder = Corrections.create(tmp_path / "a.corrections", "yx")
    work = Proofreading(stored, folder, stored.roi)
    work.editing.delete([1])
    work.save("dust")
    (made,) = folder
    assert (made.who, made.why, made.step) == (getpass.getuser(), "dust", "label")
    assert made.made_on == sc.Store(tmp_path / "results")["label"].read_ref.node.stored_key
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made.when)


def test_undo_reaches_back_into_earlier_regions(work):
    work.editing.merge([3, 5])
    work.go_to(RIGHT)
    work.editing.delete([9])
    work.go_to(sc.Roi((0, 0), LABELS.shape))
    assert [work.undo(), work.undo(), work.undo()] == ["delete", "merge", None]
    np.testing.assert_array_equal(work.shown, LABELS)
    assert work.n_unsaved == 0


def test_a_disk_that_is_full_loses_nothing(work, monkeypatch):
    work.editing.merge([3, 5])
    work.editing.delete([3])
    append, calls = Corrections.append, []

    def fail_once(folder, correction):
        calls.append(correction)
        if len(calls) == 2:
            raise OSError("no space left")
        return append(folder, correction)

    monkeypatch.setattr(Corrections, "append", fail_once)
    with pytest.raises(OSError, match="no space"):
        work.save()
    assert (len(work.folder), work.n_unsaved) == (1, 1)
    assert work.save() == 1
    assert [c.kind for c in work.folder] == ["merge", "delete"]


def test_discarding_goes_back_to_what_is_saved(work):
    work.editing.delete([3])
    work.save()
    work.editing.delete([5])
    work.go_to(RIGHT)
    work.editing.delete([9])
    work.discard()
    assert work.n_unsaved == 0
    work.go_to(LEFT)
    np.testing.assert_array_equal(work.shown, np.where(LABELS == 3, 0, LABELS)[LEFT.to_slices()])


def test_a_new_object_keeps_apart_from_those_of_the_next_region(work):
    work.shown[6, 0:3] = work.editing.new_number()  # 1 is free in this region
    LABELS_THERE = LABELS.copy()
    LABELS_THERE[0, 38] = 1
    work.labels = sc.open(LABELS_THERE)
    work.go_to(sc.Roi((0, 0), LABELS.shape))
    assert work.shown[6, 0] not in (0, 1)
    assert work.shown[0, 38] == 1
    work.save()
    found = sc.corrected(LABELS_THERE, work.folder)
    np.testing.assert_array_equal(found, work.shown)


def test_objects_are_split_by_points_in_them(work):
    big = 2**63 - 1
    assert work.leaves_region(big, work.place_at((8, 3)))
    assert work.split_by_points([(8, 3), (8, 13), (2, 2), (0, 0)]) == (big,)
    # The part that may go on outside keeps the number
    assert (work.shown[8, 3], work.shown[8, 13]) == (1, big)
    assert not work.leaves_region(3, work.place_at((2, 2)))
    for points in ([(2, 2)], [], [(0, 0), (0, 1)], [(2, 2), (2, 7)]):
        with pytest.raises(ParameterError, match="two seeds or more"):
            work.split_by_points(points)


def test_the_region_is_what_is_asked_for_or_around_an_object():
    labels = sc.open(np.zeros((3, 200, 900, 1000), np.uint8), axes="tzyx")
    roi = sc.Roi((1, 0, 800, 0), (1, 5, 500, 5))
    assert chosen_region(labels, roi, None) == sc.Roi((1, 0, 800, 0), (1, 5, 100, 5))
    assert chosen_region(labels, None, None) == sc.Roi((1, 68, 194, 244), (1, 64, 512, 512))
    row = {"t": 2, "z_voxel": 3.2, "y_voxel": 890.0, "x_voxel": 500.0, "y": 1.0}
    assert chosen_region(labels, None, row) == sc.Roi((2, 0, 388, 244), (1, 64, 512, 512))
    with pytest.raises(GeometryError, match="lies in the labels"):
        chosen_region(labels, sc.Roi((5, 0, 0, 0), (1, 1, 1, 1)), None)


def test_what_does_not_apply_is_counted(tmp_path, work):
    work.editing.delete([3])
    work.editing.delete([5])
    work.save()
    again = Proofreading(sc.open(LABELS * (LABELS != 5)), work.folder, LEFT)
    assert [each.number for each in again.unapplied] == [1]
    assert not np.isin(again.shown, 3).any()


def test_a_crop_of_labels_is_corrected_where_it_lies():
    crop = sc.open(LABELS).crop(LEFT)
    after = np.zeros((4, 5), np.uint64)
    made = Correction("delete", "yx", (1, 6), LABELS[1:5, 6:11].astype(np.uint64), after)
    far = Correction("delete", "yx", (1, 30), LABELS[1:4, 30:35].astype(np.uint64), after[:3])
    found, unapplied = labels_now(crop, sc.Roi((0, 4), (12, 12)), [made, far], "yx")
    assert not unapplied
    np.testing.assert_array_equal(found, np.where(LABELS == 5, 0, LABELS)[:, 4:16])
