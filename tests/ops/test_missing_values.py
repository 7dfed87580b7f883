"""Tables with missing values: refused by name, or what the operation says becomes of them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ParameterError

ATLAS = sc.open(np.array([[1, 1, 7, 7]], "uint32"), voxel_size=1, unit="um")
TREE = pd.DataFrame({"id": [1, 7], "parent_id": [None, 1]})
TYPES = ["int64", "Int64", "UInt8", "float64", "Float64", "object", "int64[pyarrow]"]


def column(values, dtype):
    """Return a column in which None stands for what is missing; int64 has nothing missing."""
    if dtype == "int64":
        return pd.Series([0 if value is None else value for value in values], dtype=dtype)
    return pd.Series(values, dtype=dtype)


def cells(dtype, **columns):
    own = {
        "n_voxels": [4, 8, 9],
        "touches_edge": [False, True, False],
        "y": [0, 0, 0],
        "x": [0, 1, 2],
        "w": [1, 2, 3],
        **columns,
    }
    kinds = {name: "boolean" if name == "touches_edge" else dtype for name in own}
    return pd.DataFrame({name: column(values, kinds[name]) for name, values in own.items()})


def by_region(table, atlas, **options):
    return sc.count_by_region(table, atlas, **options).to_pandas()


CALLS = {
    "count": lambda table: sc.count(table, cell_size=4),
    "estimate_cells": lambda table: sc.estimate_cells(table, cell_size=4)[["n_cells"]],
    "density": lambda table: np.asarray(sc.density(table, like=ATLAS, factors=1, weights="w")),
    "regions": lambda table: by_region(
        table, ATLAS, regions=TREE, weights="w", intensity="n_voxels"
    ),
}


@pytest.mark.parametrize("dtype", [kind for kind in TYPES if kind != "object"])
@pytest.mark.parametrize("name", CALLS)
def test_columns_of_any_type_of_number_count_the_same(name, dtype) -> None:
    found, expected = CALLS[name](cells(dtype)), CALLS[name](cells("int64"))
    pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(expected), check_dtype=False)


@pytest.mark.parametrize("dtype", ["Int64", "UInt8", "float64", "Float64", "int64[pyarrow]"])
@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("count", "n_voxels"),
        ("count", "touches_edge"),
        ("count", "t"),
        ("estimate_cells", "n_voxels"),
        ("estimate_cells", "touches_edge"),
        ("density", "w"),
        ("regions", "w"),
        ("regions", "t"),
    ],
)
def test_what_is_counted_by_and_missing_is_refused_by_name(name, missing, dtype) -> None:
    values = [True, None, False] if missing == "touches_edge" else [1, None, 3]
    with pytest.raises(ParameterError, match="missing") as caught:
        CALLS[name](cells(dtype, **{missing: values}))
    assert missing in str(caught.value)


@pytest.mark.parametrize("dtype", ["Int64", "float64", "Float64", "int64[pyarrow]"])
def test_missing_positions_lie_outside(dtype) -> None:
    table = cells(dtype, x=[0, None, 2])
    with pytest.raises(ParameterError, match="1 of 3 lie outside"):
        sc.density(table, like=ATLAS, factors=1)
    dropped = sc.density(table, like=ATLAS, factors=1, outside="drop")
    assert np.asarray(dropped).tolist() == [[1, 0, 1, 0]]
    regions = by_region(table, ATLAS, regions=TREE).set_index("kind")
    assert regions["n"]["outside"] == 1


@pytest.mark.parametrize("dtype", ["Int64", "float64", "Float64", "int64[pyarrow]"])
def test_a_missing_intensity_makes_the_mean_of_its_region_missing(dtype) -> None:
    table = cells(dtype, n_voxels=[4, None, 9])
    found = by_region(table, ATLAS, regions=TREE, intensity="n_voxels").set_index("id")
    assert np.isnan(found["mean_intensity"][1])
    assert found["mean_intensity"][7] == 9


def test_intensities_that_floats_do_not_hold_are_refused_beside_missing_ones() -> None:
    table = cells("Int64", n_voxels=[2**53 + 1, None, 3])
    with pytest.raises(ParameterError, match=r"2\*\*53"):
        by_region(table, ATLAS, regions=TREE, intensity="n_voxels")


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, ""])
def test_regions_without_acronym_or_name_have_an_empty_one(missing, tmp_path) -> None:
    acronym = pd.Series([missing, "B"], dtype=object)
    table = TREE.assign(acronym=acronym, name=acronym)
    table.to_csv(tmp_path / "tree.csv", index=False)
    nested = {"id": 1, "acronym": missing, "name": missing}
    nested["children"] = [{"id": 7, "acronym": "B", "name": "B"}]
    forms = [table, table.convert_dtypes(), tmp_path / "tree.csv", nested]
    if missing is None:
        (tmp_path / "tree.json").write_text(json.dumps(nested))
        forms.append(tmp_path / "tree.json")
    for regions in forms:
        found = by_region(cells("int64"), ATLAS, regions=regions)
        assert found["acronym"].tolist()[:2] == ["", "B"]
        assert found["name"].tolist()[:2] == ["", "B"]


@pytest.mark.parametrize("level", [[""], ["B"]])
def test_a_level_names_one_region(level) -> None:
    table = pd.DataFrame({"id": [1, 7, 9], "parent_id": [None, 1, 1], "acronym": ["", "B", "B"]})
    with pytest.raises(ParameterError, match="level"):
        by_region(cells("int64"), ATLAS, regions=table, level=level)


def test_ids_that_floats_do_not_tell_apart_are_refused() -> None:
    table = pd.DataFrame({"id": [1.0, 2.0**60], "parent_id": [np.nan, 1.0]})
    with pytest.raises(ParameterError, match="whole number"):
        by_region(cells("int64"), ATLAS, regions=table)
