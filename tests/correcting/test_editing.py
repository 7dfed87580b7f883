"""A region while it is corrected: actions, undo, and the corrections they come to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.correcting import Corrections
from scutoid.correcting._difference import Frame, difference
from scutoid.correcting._editing import Editing, free_number
from scutoid.correcting._parts import parts_of
from scutoid.errors import ParameterError

LABELS = np.zeros((12, 20), np.uint32)
LABELS[1:5, 1:6] = 3
LABELS[1:5, 6:11] = 5
LABELS[7:11, 2:17] = 8


def editing(labels=LABELS, axes="yx", object_axes="yx", offset=None):
    return Editing(labels, Frame(axes, object_axes, offset or (0,) * labels.ndim))


def numbered_alike(found, expected):
    """Whether two arrays of labels are the same but for the numbers of objects."""
    pairs = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs)


@st.composite
def deeds(draw):
    """What is done in a row: each a name, and numbers that choose objects and voxels."""
    names = st.sampled_from(["stroke", "stroke", "erase", "merge", "delete", "split", "undo"])
    return draw(st.lists(st.tuples(names, st.integers(0, 2**32)), min_size=1, max_size=8))


def do(work, name, seed):
    rng = np.random.default_rng(seed)
    present = [int(n) for n in np.unique(work.shown) if n]
    low = [int(rng.integers(0, n - 1)) for n in work.shown.shape]
    box = tuple(slice(at, at + int(rng.integers(1, 6))) for at in low)
    if name == "erase":
        work.shown[box] = 0
    elif name == "undo":
        work.undo()
    elif name == "merge" and len(present) > 1:
        work.merge(rng.permutation(present)[:2])
    elif name == "delete" and present:
        work.delete(rng.permutation(present)[:1])
    elif name == "split" and present:
        number = int(rng.choice(present))
        at = np.argwhere(work.shown == number)
        if len(at) > 1:
            work.split(number, [at[0].tolist(), at[-1].tolist()])
    else:
        work.shown[box] = rng.choice([*present, work.new_number()])
    work.take_strokes()


@settings(max_examples=60)
@given(done=deeds(), block=st.tuples(st.integers(4, 12), st.integers(4, 20)))
def test_corrections_give_what_was_done(done, block, tmp_path_factory):
    work = editing()
    for name, seed in done:
        do(work, name, seed)
    folder = Corrections.create(tmp_path_factory.mktemp("any") / "a.corrections", "yx")
    for each in work.corrections():
        folder.append(each)
    found = np.asarray(sc.corrected.options(block=block)(sc.open(LABELS), folder))
    assert sc.unapplied(LABELS, folder).to_dict("list")["reason"] == []
    assert numbered_alike(found, work.shown)
    kept = np.isin(work.shown, LABELS)
    np.testing.assert_array_equal(found[kept], work.shown[kept])


@settings(max_examples=30)
@given(done=deeds())
def test_undo_goes_back_to_the_beginning(done):
    work = editing()
    states = [work.shown.copy()]
    for name, seed in done:
        n_before = work.n_actions
        do(work, name, seed)
        if work.n_actions > n_before:
            states.append(work.shown.copy())
        elif work.n_actions < n_before:
            states.pop()
    while len(states) > 1:
        np.testing.assert_array_equal(work.shown, states.pop())
        assert work.undo()
    np.testing.assert_array_equal(work.shown, LABELS)
    assert work.undo() is None
    assert not work.corrections()


def test_strokes_are_corrections_of_their_objects():
    after = LABELS.copy()
    after[1:3, 4:8] = 3  # over a part of 5
    after[9, 2:5] = 0
    after[0, 15:18] = 99
    made = difference(LABELS.copy(), after, Frame("yx", "yx", (0, 0)))
    assert [(c.kind, c.objects, c.new_objects) for c in made] == [
        ("paint", (3, 5), ()),
        ("paint", (), (99,)),
        ("erase", (8,), ()),
    ]
    for each in made:  # objects lie whole in their box, with some margin
        held = np.isin(LABELS, each.objects)
        box = each.box.to_slices()
        outside = held.copy()
        outside[box] = False
        assert not outside.any()


def test_boxes_lie_where_the_region_lies():
    region = sc.Roi((4, 6), (8, 14))
    work = editing(LABELS[region.to_slices()], offset=(4, 6))
    work.delete([8])
    (made,) = work.corrections()
    np.testing.assert_array_equal(made.before, LABELS[made.box.to_slices()])


def test_frames_are_corrected_on_their_own():
    movie = np.stack([LABELS, LABELS])
    work = editing(movie, "tyx", "yx")
    work.merge([3, 5], (slice(1, 2), slice(0, 12), slice(0, 20)))
    work.shown[:, 8, 3] = 0
    expected = movie.copy()
    expected[1][expected[1] == 5] = 3
    expected[:, 8, 3] = 0
    np.testing.assert_array_equal(work.shown, expected)
    assert [(c.kind, c.offset[0], c.before.shape[0]) for c in work.corrections()] == [
        ("merge", 1, 1),
        ("erase", 0, 1),
        ("erase", 1, 1),
    ]
    with pytest.raises(ParameterError, match="an object is that of one image"):
        work.delete([8])


def test_a_split_is_where_parts_are_narrowest():
    mask = np.zeros((20, 40), bool)
    y, x = np.indices(mask.shape)
    mask |= (y - 10) ** 2 + (x - 11) ** 2 < 81
    mask |= (y - 10) ** 2 + (x - 28) ** 2 < 100
    seeds = np.zeros(mask.shape, np.uint64)
    seeds[10, 5], seeds[10, 33] = 7, 2
    large, small = parts_of(mask, seeds)
    np.testing.assert_array_equal(large | small, mask)
    assert large[10, 33]
    assert small[10, 5]
    assert abs(int(np.flatnonzero(small[10]).max()) - 19) <= 1


def test_two_seeds_at_one_thick_place_share_it_by_distance():
    disc = (np.indices((15, 15)) - 7) ** 2
    round_mask = disc.sum(0) < 49
    round_seeds = np.zeros((15, 15), np.uint64)
    round_seeds[7, 4], round_seeds[7, 10] = 5, 6
    left, right = parts_of(round_mask, round_seeds)
    np.testing.assert_array_equal(left | right, round_mask)
    assert left[:, :7].sum() == round_mask[:, :7].sum()
    assert not left[:, 8:].any()


def test_what_hangs_together_with_no_seed_is_in_no_part():
    mask = np.ones((3, 11), bool)
    mask[:, 8] = False
    seeds = np.zeros(mask.shape, np.uint64)
    seeds[1, 1], seeds[1, 6] = 1, 2
    parts = parts_of(mask, seeds)
    assert not sum(part[:, 9:].sum() for part in parts)
    assert sum(part.sum() for part in parts) == 24


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda work: work.merge([3]), r"two or more.*\n.*1 picked"),
        (lambda work: work.merge([3, 4]), "object 4"),
        (lambda work: work.delete([0]), "0 picked"),
        (lambda work: work.split(8, [(8, 3), (1, 1)]), "1 in object 8"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(call, match):
    work = editing()
    with pytest.raises(ParameterError, match=match):
        call(work)
    np.testing.assert_array_equal(work.shown, LABELS)
    assert work.n_actions == 0


def test_numbers_of_new_objects_are_free():
    assert free_number(np.array([0, 4], np.uint8)) == 5
    assert free_number(np.array([0, 1, 255], np.uint8)) == 2
    assert free_number(np.array([2**64 - 1, 1], np.uint64), np.array([2], np.uint64)) == 3
    with pytest.raises(ParameterError, match="all numbers are taken"):
        free_number(np.arange(256, dtype=np.uint8))
