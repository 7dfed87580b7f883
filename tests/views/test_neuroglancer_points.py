"""Points as annotations, decoded as their format says."""

from __future__ import annotations

import json
import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.views._neuroglancer_points import Annotations
from scutoid.views._neuroglancer_space import Space

SPACE = Space.of("zyx", (2.0, 0.5, 0.5), ("um",) * 3)


def annotations(positions, table=None, ids=None):
    positions = np.asarray(positions, float).reshape(-1, 3)
    table = pd.DataFrame(index=range(len(positions))) if table is None else pd.DataFrame(table)
    return Annotations(SPACE, positions, table, ids)


def about(points):
    return json.loads(points(("info",)))


def decoded(points, body):
    """Return the positions, values and numbers of a list of annotations."""
    fields = [("position", "<f4", (3,))]
    kinds = {"float32": "<f4", "uint32": "<u4", "int32": "<i4"}
    fields += [(each["id"], kinds[each["type"]]) for each in about(points)["properties"]]
    row = np.dtype(fields)
    (count,) = struct.unpack_from("<Q", body)
    rows = np.frombuffer(body, row, count, 8)
    numbers = np.frombuffer(body, "<u8", count, 8 + count * row.itemsize)
    assert len(body) == 8 + count * (row.itemsize + 8)
    return rows, numbers


@given(st.integers(0, 9), st.integers(0, 20_000), st.sampled_from([(1, 9, 999), (50, 50, 50)]))
def test_each_point_is_in_one_cell_of_one_level(seed, count, extent):
    positions = np.random.default_rng(seed).random((count, 3)) * extent
    points = annotations(positions)
    info = about(points)
    low = np.array(info["lower_bound"])
    seen = []
    for level in info["spatial"]:
        grid, size = np.array(level["grid_shape"]), np.array(level["chunk_size"])
        np.testing.assert_allclose(low + grid * size, info["upper_bound"])
        counts = []
        for cell in np.ndindex(*grid):
            body = points((level["key"], "_".join(map(str, cell))))
            if body is None:
                continue
            rows, numbers = decoded(points, body)
            np.testing.assert_allclose(rows["position"], positions[numbers], rtol=1e-5, atol=1e-4)
            inside = (rows["position"] - low) / size - np.array(cell)
            assert (inside > -1e-3).all()
            assert (inside < 1 + 1e-3).all()
            counts.append(len(numbers))
            seen.extend(numbers.tolist())
        assert max(counts, default=1) == level["limit"] < 8000
    assert sorted(seen) == list(range(count))


def test_many_points_at_one_place_are_all_served():
    points = annotations(np.zeros((9000, 3)))
    levels = about(points)["spatial"]
    counts = [decoded(points, points((each["key"], "0_0_0")))[1] for each in levels]
    assert sum(map(len, counts)) == 9000


def test_points_without_a_position_are_left_out():
    points = annotations([[1, 2, 3], [np.nan, 2, 3]])
    assert decoded(points, points(("0", "0_0_0")))[1].tolist() == [0]


def test_columns_are_properties_with_names_that_the_format_allows():
    table = {
        "mean": [0.5, np.nan],
        "Mean DAPI": [1, 2],
        "mean-DAPI": [-3, 4],
        "2nd": [2**31, 0],
        "kind": ["a", "b"],
        "id": np.array([2**60, 1], "u8"),
    }
    points = annotations([[0, 0, 0], [1, 1, 1]], table)
    found = about(points)["properties"]
    assert [each["id"] for each in found] == [
        "mean",
        "mean_DAPI",
        "mean_DAPI_2",
        "c_2nd",
        "kind",
        "id",
    ]
    assert [each["description"] for each in found] == list(table)
    rows, _ = decoded(points, points(("0", "0_0_0")))
    row = rows[np.argsort(rows["position"][:, 0])]
    assert row["mean"][0] == 0.5
    assert np.isnan(row["mean"][1])
    assert row["mean_DAPI_2"].tolist() == [-3, 4]
    assert row["c_2nd"].tolist() == [2**31, 0]
    named = dict(zip(found[4]["enum_values"], found[4]["enum_labels"], strict=True))
    assert [named[value] for value in row["kind"]] == ["a", "b"]
    # Too large for a number of the format, so it is text
    assert sorted(found[5]["enum_labels"]) == ["1", "1152921504606846976"]


@pytest.mark.parametrize("number", [7, 2**53 + 1, 2**64 - 1])
def test_points_belong_to_their_objects(number):
    table = {"label": np.array([number, 3, number], "u8")}
    points = annotations([[0, 0, 0], [1, 1, 1], [2, 2, 2]], table, "label")
    assert about(points)["relationships"] == [{"id": "segments", "key": "segments"}]
    assert decoded(points, points(("segments", str(number))))[1].tolist() == [0, 2]
    assert decoded(points, points(("segments", "4")))[1].tolist() == []
    one = points(("by_id", "2"))
    assert np.frombuffer(one, "<f4", 3).tolist() == [2, 2, 2]
    assert struct.unpack("<IQ", one[-12:]) == (1, number)


@pytest.mark.parametrize(
    "path", [(), ("by_id", "9"), ("by_id", "x"), ("0", "1_1_1"), ("0", "../info"), ("9", "0_0_0")]
)
def test_there_is_nothing_at_other_paths(path):
    assert annotations([[0, 0, 0]])(path) is None
