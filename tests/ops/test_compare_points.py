"""Points beside a reference: one to one within a distance, by place, in one unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

import scutoid as sc
from scutoid.errors import MetadataError, ParameterError

HOW = {"executor": "serial", "workers": 1}


def points(*rows, unit=None, **columns):
    table = pd.DataFrame(list(rows), columns=["y", "x"], dtype=float).assign(**columns)
    if unit:
        table.attrs["unit"] = unit
    return table


@st.composite
def tables(draw, axes):
    rows = draw(st.lists(st.tuples(*[st.integers(0, 20) for _ in axes]), max_size=15))
    table = pd.DataFrame(rows, columns=list(axes)).astype(float)
    return table.assign(t=draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))))


def by_hand(found, truth, axes, within):
    distance = np.linalg.norm(
        found[axes].to_numpy()[:, None] - truth[axes].to_numpy()[None], axis=2
    )
    pairs = linear_sum_assignment(np.where(distance <= within, distance, 1e6))
    near = distance[pairs] <= within
    return near.sum(), distance[pairs][near].sum()


@given(st.sampled_from(["zyx", "yx", "x"]), st.data(), st.sampled_from([1.0, 3.5, 40.0]))
@settings(max_examples=60)
def test_each_time_point_is_an_assignment_of_its_own(axes, data, within) -> None:
    found, truth = data.draw(tables(axes)), data.draw(tables(axes))
    scores = sc.compare_points(found, truth, max_distance=within)
    pairs = sc.match_points(found, truth, max_distance=within)
    times = sorted({*found["t"], *truth["t"]})
    assert scores["t"].tolist() == times
    n_pairs, total = 0, 0.0
    for t, row in zip(times, scores.itertuples(), strict=True):
        own, others = found[found["t"] == t], truth[truth["t"] == t]
        n, length = by_hand(own, others, list(axes), within)
        assert (row.tp, row.fp, row.fn) == (n, len(own) - n, len(others) - n)
        assert row.mean_distance == pytest.approx(length / n if n else np.nan, nan_ok=True)
        assert row.precision == (n / len(own) if len(own) else 0)
        assert row.recall == (n / len(others) if len(others) else 0)
        n_pairs, total = n_pairs + n, total + length
    assert len(pairs) == n_pairs
    assert pairs["point"].is_unique
    assert pairs["truth"].is_unique
    for row in pairs.itertuples():
        one, two = found.iloc[row.point], truth.iloc[row.truth]
        assert one["t"] == two["t"] == row.t
        assert row.distance == pytest.approx(np.linalg.norm(one[list(axes)] - two[list(axes)]))
    of_all = sc.compare_points(found, truth, max_distance=within, total=True)
    assert (of_all["tp"].item(), of_all["n_true"].item()) == (n_pairs, len(truth))
    mean = total / n_pairs if n_pairs else np.nan
    assert of_all["mean_distance"].item() == pytest.approx(mean, nan_ok=True)


@pytest.mark.parametrize("rows", ["neither", "points", "truth"])
def test_tables_without_rows_have_scores_of_0(rows) -> None:
    found, truth = (points((1, 2)) if rows == name else points() for name in ("points", "truth"))
    row = sc.compare_points(found, truth, max_distance=1).iloc[0]
    assert (row["tp"], row["precision"], row["recall"], row["f1"], row["accuracy"]) == (0,) * 5
    assert (row["fp"], row["fn"]) == (rows == "points", rows == "truth")
    assert np.isnan(row["mean_distance"])
    assert sc.match_points(found, truth, max_distance=1).empty


def test_no_point_at_any_time_gives_no_row_and_an_empty_total() -> None:
    none = points().assign(t=np.zeros(0, int))
    assert sc.compare_points(none, none, max_distance=1).empty
    total = sc.compare_points(none, none, max_distance=1, total=True)
    assert total["n_pred"].tolist() == [0]


def test_units_of_the_two_are_brought_together() -> None:
    found, truth = points((0, 2), unit="um"), points((0, 0.003), unit="mm")
    pairs = sc.match_points(found, truth, max_distance=1.5)
    assert pairs["distance"].tolist() == pytest.approx([1.0])
    assert pairs.attrs["unit"] == "um"
    for length in (sc.um(1.5), sc.um(1.5)):
        assert sc.compare_points(truth, found, max_distance=length)["tp"].item() == 1
    assert sc.compare_points(truth, found, max_distance=sc.um(0.5))["tp"].item() == 0
    unsaid = sc.match_points(found, points((0, 3)), max_distance=1)
    assert unsaid.attrs["unit"] == "um"
    assert len(sc.match_points(points((0, 3)), found, max_distance=1)) == 1


SPOTS = points((1, 2), (3, 4), unit="um")
WRONG = {
    "voxels beside um": (MetadataError, lambda f: f(SPOTS, points((1, 2), unit="voxel"), 1)),
    "no length": (MetadataError, lambda f: f(points(unit="um"), points(unit="s"), 1)),
    "length, no unit": (MetadataError, lambda f: f(points((1, 2)), SPOTS, sc.um(3))),
    "length, voxels": (
        MetadataError,
        lambda f: f(points((1, 2), unit="voxel"), points((1, 2)), sc.um(3)),
    ),
    "an axis less": (ParameterError, lambda f: f(SPOTS, SPOTS[["x"]], 1)),
    "no axis": (ParameterError, lambda f: f(SPOTS[[]], SPOTS[[]], 1)),
    "t in one": (ParameterError, lambda f: f(SPOTS.assign(t=0), SPOTS, 1)),
    "t missing": (ParameterError, lambda f: f(SPOTS.assign(t=[0, None]), SPOTS.assign(t=0), 1)),
    "NaN": (ParameterError, lambda f: f(SPOTS, points((1, np.nan)), 1)),
    "infinite": (ParameterError, lambda f: f(points((np.inf, 1)), SPOTS, 1)),
    "text": (ParameterError, lambda f: f(SPOTS, SPOTS.astype(str), 1)),
    "an array": (ParameterError, lambda f: f(SPOTS.to_numpy(), SPOTS, 1)),
    "an image": (ParameterError, lambda f: f(SPOTS, sc.open(np.zeros((3, 3))), 1)),
    **{
        f"distance {value}": (ParameterError, lambda f, value=value: f(SPOTS, SPOTS, value))
        for value in (0, -1, np.nan, np.inf, "far", None, True)
    },
}


@pytest.mark.parametrize("operation", [sc.compare_points, sc.match_points], ids=["scores", "pairs"])
@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_together_is_refused(case, operation) -> None:
    kind, call = WRONG[case]
    with pytest.raises(kind) as caught:
        call(lambda a, b, within: operation(a, b, max_distance=within))
    assert caught.value.rule
    assert caught.value.value is not None
    assert caught.value.place


def spots_of(folder):
    raw = sc.open_folder(
        folder / "*.npy", group=r"(?P<well>\w+)\.npy", axes="tyx", voxel_size=(2, 1), unit="um"
    )
    return sc.detect_spots(raw, sigma=1, threshold=5)


def test_members_have_a_row_each_and_a_total(tmp_path) -> None:
    for well, places in (("A1", [(5, 5), (5, 15)]), ("B2", [(9, 9)])):
        image = np.zeros((2, 16, 20), "float32")
        image[:, *np.transpose(places)] = 100
        np.save(tmp_path / f"{well}.npy", image)
    found = spots_of(tmp_path)
    truth = points((10, 5), (18, 9), (18, 8), (90, 90), t=[0, 1, 1, 1], unit="um")
    each = sc.compare_points(found, truth, max_distance=sc.um(2))
    total = sc.compare_points(found, truth, max_distance=sc.um(2), total=True)
    sc.run(each, total, sc.match_points(found, truth, max_distance=2), store=tmp_path / "s", **HOW)
    table = each.to_pandas()
    assert list(table)[:3] == ["key", "well", "t"]
    assert table["tp"].tolist() == [1, 0, 0, 1]
    assert table["fp"].tolist() == [1, 2, 1, 0]
    row = total.to_pandas()
    assert row[["tp", "fp", "fn"]].to_numpy().tolist() == [[2, 4, 6]]
    assert row.attrs["unit"] == "um"
    pairs = sc.Store(tmp_path / "s").tables("match_points").to_pandas()
    assert pairs["distance"].tolist() == pytest.approx([0, 0], abs=0.2)
    plan = sc.plan(sc.compare_points(found, truth, max_distance=sc.um(2)), store=tmp_path / "s")
    assert {step.status for step in plan} == {"cached"}
