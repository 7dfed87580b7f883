"""Ranges of labels: every piece once, all pieces of an object together, few rows at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scutoid.ops._partitions import ranges


class Counting(dict):
    """Parts that count how often each is read."""

    def __init__(self, parts):
        super().__init__(parts)
        self.reads = dict.fromkeys(parts, 0)

    def __getitem__(self, index):
        self.reads[index] += 1
        return super().__getitem__(index)


def part(labels, place=()):
    labels = np.unique(np.asarray(labels, np.uint64))
    return {"label": labels, "value": labels * 2, "place": np.array(place, int)}


has_rows = ("label", "value").__contains__


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.lists(st.integers(1, 2**64 - 1), max_size=30)),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 40),
)
@settings(max_examples=100, deadline=None)
def test_every_piece_is_in_one_range_with_all_others_of_its_object(blocks, n_rows) -> None:
    parts = {n: part(labels, (t,)) for n, (t, labels) in enumerate(blocks)}
    seen, last, places = [], (-1, -1), set()
    for found in ranges(parts, has_rows, n_rows):
        labels = [int(label) for piece in found.pieces for label in piece["label"]]
        places.add(found.place[0])
        assert found.top == max((max(part) for _, part in blocks if part), default=0)
        if not labels:
            assert not any(part for t, part in blocks if t == found.place[0])
            continue
        assert all(
            (piece["value"] == piece["label"] * np.uint64(2)).all() for piece in found.pieces
        )
        assert (found.place[0], min(labels)) > last
        last = (found.place[0], max(labels))
        seen += [(found.place[0], label) for label in labels]
    expected = [(t, int(label)) for t, labels in blocks for label in part(labels)["label"]]
    assert sorted(seen) == sorted(expected)
    assert places == {t for t, _ in blocks}


def test_labels_in_raster_order_are_read_about_twice_and_held_a_few_at_a_time() -> None:
    parts = Counting({n: part(np.arange(n * 900, n * 900 + 1000) + 1) for n in range(50)})
    sizes = [
        sum(len(piece["label"]) for piece in found.pieces)
        for found in ranges(parts, has_rows, 5000)
    ]
    assert sum(sizes) == 50_000
    assert max(sizes) < 7000
    assert len(sizes) == 10
    assert sum(parts.reads.values()) < 50 * 2.5


def test_what_fits_at_once_is_read_once() -> None:
    parts = Counting({n: part([n + 1, n + 2]) for n in range(9)})
    (found,) = ranges(parts, has_rows, 100)
    assert len(found.pieces) == 9
    assert set(parts.reads.values()) == {1}
