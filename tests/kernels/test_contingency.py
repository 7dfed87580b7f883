"""Counts of pairs of labels: of any integers, in any blocks, as counted one by one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scutoid.errors import GeometryError, ParameterError
from scutoid.kernels import Contingency
from scutoid.kernels import _contingency as contingency

TYPES = ["bool", "uint8", "int16", ">u2", "uint32", "int64", "uint64", ">u8"]
shapes = hnp.array_shapes(min_dims=1, max_dims=3, max_side=8)


@st.composite
def pairs_of_images(draw):
    shape = draw(shapes)
    images = []
    for _ in range(2):
        dtype = np.dtype(draw(st.sampled_from(TYPES)))
        most = 1 if dtype.kind == "b" else np.iinfo(dtype).max
        values = st.sampled_from([0, 1, most // 2, most - 1, most])
        images.append(np.array(draw(hnp.arrays(object, shape, elements=values)), dtype))
    return images


def by_hand(labels, truth):
    return Counter(zip(labels.ravel().tolist(), truth.ravel().tolist(), strict=True))


def as_counter(table):
    rows = zip(table.label.tolist(), table.truth.tolist(), strict=True)
    return dict(zip(rows, table.n_voxels.tolist(), strict=True))


@given(pairs_of_images())
def test_pairs_are_counted_as_one_by_one(images) -> None:
    table = Contingency.of(*images)
    assert as_counter(table) == by_hand(*images)
    assert [*zip(table.label, table.truth, strict=True)] == sorted(as_counter(table))
    assert (table.label.dtype, table.n_voxels.dtype) == (np.uint64, np.int64)


@given(pairs_of_images(), st.data())
def test_parts_of_an_image_add_up_to_the_whole(images, data) -> None:
    labels, truth = images
    cuts = sorted(data.draw(st.lists(st.integers(0, len(labels)), max_size=4)))
    parts = zip(np.split(labels, cuts), np.split(truth, cuts), strict=True)
    merged, whole = Contingency.merged(Contingency.of(*part) for part in parts), images
    expected = Contingency.of(*whole)
    for name in ("label", "truth", "n_voxels"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(expected, name))


def test_few_more_rows_are_held_than_the_whole_has(monkeypatch) -> None:
    monkeypatch.setattr(contingency, "_ROWS", 10)
    most = 0

    def joined(tables):
        nonlocal most
        most = max(most, sum(map(len, tables)))
        return own(tables)

    own = Contingency._joined
    monkeypatch.setattr(Contingency, "_joined", joined)
    labels = np.repeat(np.arange(5), 4)
    merged = Contingency.merged(Contingency.of(labels, labels) for _ in range(100))
    assert merged.n_voxels.tolist() == [400] * 5
    assert most <= 20


def test_nothing_has_no_pairs() -> None:
    assert len(Contingency.of(np.zeros((0, 3), int), np.zeros((0, 3), int))) == 0
    assert len(Contingency.merged([])) == 0


@pytest.mark.parametrize("which", [0, 1], ids=["labels", "truth"])
@pytest.mark.parametrize("wrong", [np.array([0, -1]), np.array([0.0, 1.0])], ids=["-1", "float"])
def test_what_is_no_label_is_refused(which, wrong) -> None:
    images = [np.array([0, 1]), np.array([0, 1])]
    images[which] = wrong
    with pytest.raises(ParameterError, match=r"0 or more|integers"):
        Contingency.of(*images)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(GeometryError, match="one shape"):
        Contingency.of(np.zeros((2, 3), int), np.zeros((3, 2), int))
