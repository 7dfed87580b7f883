"""Corrections on labels: in blocks as on the whole array, after a change upstream, in order."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.correcting import Correction, Corrections
from scutoid.errors import ParameterError, PipelineError, ScutoidWarning, SourceNotFound

LABELS = np.zeros((12, 20), np.uint32)
LABELS[1:5, 1:6] = 3
LABELS[1:5, 6:11] = 5
LABELS[7:11, 2:17] = 8
LABELS[1:4, 14:18] = 9


def correction(kind, labels, change, *, offset=None, shape=None, axes=None, **said):
    """Return a correction of a box, default all of it, by a function that changes it in place."""
    offset = (0,) * labels.ndim if offset is None else offset
    box = sc.Roi(offset, labels.shape if shape is None else shape)
    before = labels[box.to_slices()].astype(np.uint64)
    after = before.copy()
    change(after)
    return Correction(kind, axes or "tzyx"[-labels.ndim :], tuple(offset), before, after, **said)


def merge(labels, into, *others, **where):
    def change(box):
        box[np.isin(box, others)] = into

    return correction("merge", labels, change, **where)


def delete(labels, *ids, **where):
    def change(box):
        box[np.isin(box, ids)] = 0

    return correction("delete", labels, change, **where)


def fill(labels, where, number, *, kind="paint", **box):
    def change(part):
        part[where] = number

    return correction(kind, labels, change, **box)


def folder_of(tmp_path, *corrections, axes="yx", object_axes=None, name="cells.corrections"):
    folder = Corrections.create(tmp_path / name, axes, object_axes)
    for each in corrections:
        folder.append(each)
    return folder


def in_blocks(labels, folder, block, **opened):
    image = sc.open(labels, **opened)
    return np.asarray(sc.corrected.options(block=block)(image, folder))


def test_each_kind_does_what_it_says(tmp_path):
    expected = LABELS.copy()
    expected[LABELS == 5] = 3  # merged
    expected[LABELS == 9] = 0  # deleted
    expected[7:11, 10:17] = 10  # split: the second part is a new object
    expected[7:9, 2:4] = 0  # erased
    expected[5, 1:6] = 3  # painted
    split = LABELS.copy()
    split[LABELS == 5] = 3
    split[LABELS == 9] = 0
    erased = split.copy()
    erased[7:11, 10:17] = 77
    painted = erased.copy()
    painted[7:9, 2:4] = 0
    folder = folder_of(
        tmp_path,
        merge(LABELS, 3, 5),
        delete(LABELS, 9),
        fill(split, np.s_[7:11, 10:17], 77, kind="split"),
        fill(erased, np.s_[7:9, 2:4], 0, kind="erase"),
        fill(painted, np.s_[5, 1:6], 3),
    )
    whole = sc.corrected(LABELS, folder)
    np.testing.assert_array_equal(whole, expected)
    assert whole.dtype == LABELS.dtype
    np.testing.assert_array_equal(in_blocks(LABELS, folder, (5, 7)), expected)
    assert len(sc.unapplied(LABELS, folder)) == 0


@st.composite
def histories(draw):
    """Labels, and corrections each made on what those before it left."""
    shape = draw(st.tuples(st.integers(4, 10), st.integers(4, 12)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    coarse = rng.integers(0, 6, (-(-shape[0] // 3), -(-shape[1] // 3)))
    labels = np.kron(coarse, np.ones((3, 3), int))[: shape[0], : shape[1]]
    dtype = draw(st.sampled_from(["uint8", "int64", "uint64", "uint32"]))
    # Far above what a double holds, and at the end of the type, where no greater number is left
    first = draw(st.sampled_from([0, int(np.iinfo(dtype).max) - 5]))
    labels = np.where(labels > 0, labels.astype(np.uint64) + np.uint64(first), np.uint64(0))
    start = labels.astype(dtype)
    now, made = start.astype(np.uint64), []
    for _ in range(draw(st.integers(0, 6))):
        low = [draw(st.integers(0, n - 2)) for n in shape]
        size = [draw(st.integers(2, n - at)) for n, at in zip(shape, low, strict=True)]
        box = sc.Roi(low, size).to_slices()
        present = [int(n) for n in np.unique(now[box]) if n]
        kind = draw(st.sampled_from(["paint", "erase", "merge", "delete", "split"]))
        after = now[box].copy()
        if kind == "merge" and len(present) > 1:
            after[after == present[-1]] = present[0]
        elif kind == "delete" and present:
            after[after == present[0]] = 0
        elif kind == "erase":
            after[: size[0] // 2] = 0
        elif kind == "split" and present:
            part = after == present[-1]
            part[:, : size[1] // 2] = False
            after[part] = 250
        else:
            kind = "paint"
            after[:2, :2] = draw(st.sampled_from([*present, 250]))
        if np.array_equal(after, now[box]):
            continue
        made.append(Correction(kind, "yx", tuple(low), now[box].copy(), after))
        now[box] = after  # ids within a box differ from those of the result: that is allowed
    return start, made, draw(st.tuples(st.integers(2, 7), st.integers(2, 7)))


@settings(max_examples=60)
@given(history=histories())
def test_blocks_give_what_the_whole_array_gives(history, tmp_path_factory):
    labels, made, block = history
    folder = folder_of(tmp_path_factory.mktemp("any"), *made)
    missing = sc.unapplied(labels, folder)
    with pytest.warns(ScutoidWarning) if len(missing) else nullcontext():
        whole = sc.corrected(labels, folder)
    np.testing.assert_array_equal(in_blocks(labels, folder, block), whole)
    lazy = sc.unapplied(sc.open(labels), folder).to_pandas()
    assert lazy.to_dict("list") == missing.to_dict("list")


def test_objects_are_found_again_whatever_their_numbers(tmp_path):
    folder = folder_of(tmp_path, merge(LABELS, 3, 5), delete(LABELS, 9))
    other = np.zeros_like(LABELS)
    for number, old in enumerate((9, 8, 5, 3), 40):
        other[old == LABELS] = number
    other[1, 1:6] = 0  # and the upper edge of one lies elsewhere now
    expected = np.where(other == 42, 43, np.where(other == 40, 0, other))
    np.testing.assert_array_equal(in_blocks(other, folder, 6), expected)


def test_what_hangs_together_with_a_box_holds_for_the_whole_object(tmp_path):
    seen = {"offset": (1, 8), "shape": (8, 4)}
    folder = folder_of(tmp_path, merge(LABELS, 8, 5, **seen))
    expected = np.where(LABELS == 5, 8, LABELS)
    np.testing.assert_array_equal(in_blocks(LABELS, folder, 5), expected)


def test_a_crop_is_corrected_where_it_lies(tmp_path):
    folder = folder_of(tmp_path, merge(LABELS, 3, 5, offset=(0, 0), shape=(6, 12)))
    crop = sc.open(LABELS).crop(sc.Roi((0, 0), (7, 13)))
    found = np.asarray(sc.corrected.options(block=4)(crop, folder))
    np.testing.assert_array_equal(found, np.where(LABELS == 5, 3, LABELS)[:7, :13])
    beyond = sc.open(LABELS).crop(sc.Roi((2, 4), (7, 13)))
    np.testing.assert_array_equal(sc.corrected(beyond, folder), LABELS[2:9, 4:17])
    assert "do not reach" in sc.unapplied(beyond, folder).to_pandas()["reason"][0]


def test_new_voxels_of_a_split_object_go_to_the_nearest_part(tmp_path):
    folder = folder_of(tmp_path, fill(LABELS, np.s_[7:11, 10:17], 77, kind="split"))
    grown = LABELS.copy()
    grown[11, 2:17] = 8
    expected = grown.copy()
    expected[7:12, 10:17] = 10
    np.testing.assert_array_equal(in_blocks(grown, folder, 7), expected)


GONE = LABELS * (LABELS != 5)
JOINED = np.where(LABELS == 5, 3, LABELS)
SMALLER = LABELS.copy()
SMALLER[1:5, 8:11] = 0


@pytest.mark.parametrize(
    ("labels", "made", "reason"),
    [
        (GONE, merge(LABELS, 3, 5), "object 5 is not there: no object lies where it was"),
        (JOINED, merge(LABELS, 5, 3), "objects 3 and 5 are one now, object 3"),
        (
            SMALLER,
            delete(LABELS, 5),
            "object 5 is not there: object 5 has most of it, overlap 0.40",
        ),
        (LABELS[:6], delete(LABELS, 8), "the labels do not reach as far as its box"),
        (
            LABELS,
            fill(GONE, LABELS == 5, 77),
            "its new object is there already, object 5 (overlap 1.00)",
        ),
    ],
)
def test_what_does_not_apply_is_listed_with_its_reason(tmp_path, labels, made, reason):
    folder = folder_of(tmp_path, made, delete(LABELS[:6], 9))
    with pytest.warns(ScutoidWarning, match="1 of 2 corrections .* correction 1: "):
        left = sc.corrected(labels, folder)
    np.testing.assert_array_equal(left, np.where(labels == 9, 0, labels))  # the other one applies
    table = sc.unapplied(sc.open(labels), folder).to_pandas()
    assert table["number"].tolist() == [1]
    assert reason in table["reason"][0]


def test_the_overlap_that_is_asked_for_can_be_said(tmp_path):
    folder = folder_of(tmp_path, delete(LABELS, 5))
    assert len(sc.unapplied(SMALLER, folder, overlap=0.35)) == 0
    assert len(sc.unapplied(SMALLER, folder, overlap=0.45)) == 1


def test_numbers_of_one_frame_are_not_those_of_another(tmp_path):
    movie = np.stack([LABELS, LABELS[::-1]])
    frame = {"offset": (1, 0, 0), "shape": (1, 12, 20), "axes": "tyx"}
    folder = folder_of(tmp_path, merge(movie, 3, 5, **frame), delete(movie, 9, **frame), axes="tyx")
    expected = movie.copy()
    expected[1] = np.where(movie[1] == 5, 3, np.where(movie[1] == 9, 0, movie[1]))
    np.testing.assert_array_equal(in_blocks(movie, folder, 6, axes="tyx"), expected)
    np.testing.assert_array_equal(sc.corrected(movie, folder), expected)


def test_objects_that_live_on_through_time_are_merged_at_all_times(tmp_path):
    movie = np.stack([LABELS, LABELS[::-1]])
    folder = folder_of(
        tmp_path,
        merge(movie, 3, 5, offset=(0, 0, 0), shape=(1, 12, 20), axes="tyx"),
        axes="tyx",
        object_axes="tyx",
    )
    expected = np.where(movie == 5, 3, movie)
    np.testing.assert_array_equal(in_blocks(movie, folder, 6, axes="tyx"), expected)


def test_objects_of_planes_are_merged_in_their_plane(tmp_path):
    volume = np.stack([LABELS, LABELS])
    folder = folder_of(
        tmp_path,
        merge(volume, 3, 5, offset=(1, 0, 0), shape=(1, 12, 20), axes="zyx"),
        axes="zyx",
        object_axes="yx",
    )
    expected = volume.copy()
    expected[1] = np.where(LABELS == 5, 3, LABELS)
    np.testing.assert_array_equal(in_blocks(volume, folder, 7, axes="zyx"), expected)
    np.testing.assert_array_equal(sc.corrected(volume, folder), expected)


def test_one_more_correction_changes_what_few_blocks_are_given(tmp_path):
    labels = np.kron(np.arange(1, 65).reshape(8, 8), np.ones((4, 4), int))  # an object a block

    def changes():
        result = sc.corrected.options(block=4)(sc.open(labels), folder)
        parts = result.ref.node.inputs[1]
        return sc.Parts(parts).read()

    folder = folder_of(tmp_path, delete(labels, 1, offset=(0, 0), shape=(4, 4)))
    before = changes()
    folder.append(merge(labels, 28, 29, offset=(12, 12), shape=(4, 8)))
    painted = labels.astype(np.uint64)
    folder.append(fill(painted, (0, 0), 900, offset=(20, 20), shape=(4, 4)))
    after = changes()
    differ = [
        index
        for index in before
        if any(
            not np.array_equal(before[index][name], after[index][name]) for name in before[index]
        )
    ]
    assert differ == [28, 45]  # where the object 29 lies, and the painted voxel


def test_one_voxel_runs_one_block(tmp_path):
    cells = np.kron(np.arange(1, 65).reshape(4, 4, 4), np.ones((8, 8, 8), int))
    image = sc.open(cells)

    def blocks_run():
        result = sc.corrected.options(block=8)(image, folder)
        done = sc.run(result, store=tmp_path / "results", progress=False)
        np.testing.assert_array_equal(np.asarray(done["corrected"]), sc.corrected(cells, folder))
        run = {s.name: s.n_blocks - s.n_cached - s.n_taken for s in done.steps}
        assert run["correction_ids"] in (0, 64)
        return run["correction_voxels"], run["corrected"]

    folder = folder_of(tmp_path, axes="zyx")
    cube, pair = {"axes": "zyx", "shape": (8, 8, 8)}, {"axes": "zyx", "shape": (8, 8, 16)}
    folder.append(delete(cells, 1, offset=(0, 0, 0), **cube))
    assert blocks_run() == (64, 64)
    folder.append(fill(cells, (3, 3, 3), 0, kind="erase", offset=(8, 8, 8), **cube))
    assert blocks_run() == (1, 1)
    folder.append(merge(cells, 43, 44, offset=(16, 16, 16), **pair))
    assert blocks_run() == (2, 1)


def test_a_plan_says_that_corrections_changed(tmp_path):
    folder = folder_of(tmp_path, delete(LABELS, 9))
    labels = sc.open(LABELS)
    store = tmp_path / "results"
    sc.run(sc.corrected(labels, folder.path), store=store)
    plan = sc.plan(sc.corrected(labels, folder), store=store)
    assert {step.status for step in plan.steps} == {"cached"}
    folder.append(delete(LABELS, 3))
    plan = sc.plan(sc.corrected(labels, folder.path), store=store)
    why = {step.name: step.why() for step in plan.steps if step.status != "cached"}
    assert "correction_ids" not in why
    assert "input `corrections`" in why["correction_boxes"]
    assert "changed" in why["correction_boxes"]
    done = sc.run(sc.corrected(labels, folder.path), store=store)
    np.testing.assert_array_equal(
        np.asarray(done["corrected"]), np.where(np.isin(LABELS, [3, 9]), 0, LABELS)
    )


def test_a_type_without_a_free_number_is_refused(tmp_path):
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    made = fill(labels, (0, slice(0, 2)), 999)
    folder = folder_of(tmp_path, made)
    with pytest.raises(PipelineError, match="uint8 numbers at most 255 objects"):
        sc.corrected(labels, folder)


@pytest.mark.parametrize(
    ("labels", "options", "match"),
    [
        (LABELS.astype(float), {}, "labels are integers"),
        (sc.open(LABELS, axes="zx"), {}, "axes 'zx'; corrections with 'yx'"),
        (LABELS[0], {}, "corrections with 'yx'"),
        (LABELS, {"overlap": 0}, "overlap is a part"),
        ([LABELS], {}, "corrections are of one image"),
        (-LABELS.astype(int), {}, "0 for the background and positive"),
    ],
)
def test_what_is_no_image_of_labels_is_refused(tmp_path, labels, options, match):
    folder = folder_of(tmp_path, delete(LABELS, 9))
    with pytest.raises(ParameterError, match=match):
        sc.corrected(labels, folder, **options)


def test_a_folder_that_is_not_there_is_named_with_the_remedy(tmp_path):
    with pytest.raises(SourceNotFound, match=r"(?s)none.corrections.*sc.correct\("):
        sc.corrected(LABELS, tmp_path / "none.corrections")
