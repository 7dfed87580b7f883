"""Sums of which scores are made: those of images add up to those of one image of all."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scutoid.kernels import Contingency, ObjectPairs, agreement_scores, agreement_sums

THRESHOLDS = (0.3, 0.5, 0.8)
images = hnp.arrays(np.int64, (2, 4, 5), elements=st.integers(0, 3))


def sums_of(labels, truth):
    return agreement_sums(Contingency.of(labels, truth), THRESHOLDS)


def side_by_side(parts):
    """Put images in a row, each with objects of its own."""
    moved = [np.where(part > 0, part + 100 * number, 0) for number, part in enumerate(parts)]
    return np.concatenate(moved, axis=-1)


@given(st.lists(images, min_size=1, max_size=4))
def test_scores_of_added_sums_are_those_of_images_side_by_side(pairs) -> None:
    each = [sums_of(*pair) for pair in pairs]
    added = {name: np.sum([sums[name] for sums in each], axis=0) for name in each[0]}
    of_all = sums_of(*side_by_side(pairs))
    found, expected = agreement_scores(added), agreement_scores(of_all)
    for name, values in expected.items():
        if "score" in name or "quality" in name:  # of equally good pairings any may be taken
            found[name], values = found[name][1:], values[1:]  # noqa: PLW2901
        np.testing.assert_allclose(found[name], values, atol=1e-12, err_msg=name)


@given(images, st.permutations(range(1, 4)))
def test_numbers_of_objects_do_not_matter(pair, names) -> None:
    labels, truth = pair
    renamed = np.array([0, *names]) * 2**40 + np.array([0, 1, 1, 1])
    renamed[0] = 0
    found, expected = sums_of(renamed[labels], truth), sums_of(labels, truth)
    for name, values in expected.items():
        places = slice(1, None) if name == "matched_score" else slice(None)
        np.testing.assert_allclose(found[name][places], values[places], atol=1e-12, err_msg=name)


def test_an_object_that_fits_two_equally_is_matched_once() -> None:
    pairs = ObjectPairs.of(Contingency.of(np.array([1, 1]), np.array([5, 6])))
    assert pairs.iou.tolist() == [0.5, 0.5]
    assert len(pairs.matched(0.5).label) == 1
    assert len(pairs.matched(0.51).label) == 0


def test_more_matches_come_before_better_ones() -> None:
    labels = np.array([1] * 9 + [2] * 3)
    truth = np.array([5] * 6 + [6] * 3 + [5] * 3)
    pairs = ObjectPairs.of(Contingency.of(labels, truth))
    assert pairs.matched(0.5).truth.tolist() == [5]
    found = pairs.matched(0.3)
    assert [*zip(found.label.tolist(), found.truth.tolist(), strict=True)] == [(1, 6), (2, 5)]
