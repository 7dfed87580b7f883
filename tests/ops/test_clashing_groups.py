"""Groups of a folder that are called like columns of a table are refused before the work."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ParameterError

TREE = pd.DataFrame({"id": [1], "parent_id": [None]})
ATLAS = np.ones((8, 8), "uint8")


def summed(labels, intensity, index):
    return {"weight": np.zeros(len(index))}


TABLES = {
    "measure": lambda i: sc.measure(i),  # noqa: PLW0108 - of one argument
    "measure an intensity": lambda i: sc.measure(i, intensity=i),
    "measure little": lambda i: sc.measure(i, properties=[]),
    "own measure": lambda i: sc.measure(i, measures=sc.Measure(summed, merge={"weight": "sum"})),
    "spots": lambda i: sc.detect_spots(i, sigma=1, threshold=0.5),
    "count": lambda i: sc.count(i),  # noqa: PLW0108
    "count rows": lambda i: sc.count(sc.measure(i)),
    "cells": lambda i: sc.estimate_cells(sc.measure(i)),
    "scores": lambda i: sc.compare(i, i),
    "pairs": lambda i: sc.match_objects(i, i),
    "scores of points": lambda i: sc.compare_points(sc.measure(i), sc.measure(i), max_distance=1),
    "pairs of points": lambda i: sc.match_points(sc.measure(i), sc.measure(i), max_distance=1),
    "by region": lambda i: sc.count_by_region(i, sc.open(ATLAS, voxel_size=1), regions=TREE),
    "hemispheres": lambda i: sc.count_by_region(
        i, sc.open(ATLAS, voxel_size=1), regions=TREE, midplane="x"
    ),
}


def folder(tmp_path, group):
    array = np.zeros((2, 8, 8), "uint8")
    array[:, 2:4, 3:6] = 1
    for name in ("A1", "B2"):
        np.save(tmp_path / f"{name}.npy", array)
    pattern = rf"(?P<{group}>\w+)\.npy" if group else None
    return sc.open_folder(
        tmp_path / "*.npy", group=pattern, axes="tyx", voxel_size=(1, 1), unit="um"
    )


@pytest.mark.parametrize("operation", TABLES.values(), ids=TABLES)
def test_each_column_is_refused_as_the_name_of_a_group(tmp_path, operation):
    found = operation(folder(tmp_path, "well"))
    assert list(found.to_pandas())[:2] == ["key", "well"]
    for column in found["A1.npy"].to_pandas():
        with pytest.raises(ParameterError, match=f"(?s){column}.*rename the column"):
            operation(folder(tmp_path, column))


@pytest.mark.parametrize("name", ["n", "c", "channel", "q_voxel", "scale_factor"])
@pytest.mark.parametrize("operation", TABLES.values(), ids=TABLES)
def test_other_names_are_fine(tmp_path, operation, name):
    if name in operation(folder(tmp_path, None))["A1.npy"].to_pandas():
        return
    found = operation(folder(tmp_path, name)).to_pandas()
    assert found[name].tolist() == [key[:2] for key in found["key"]]


def test_groups_that_are_called_like_positions_of_a_step_are_refused(tmp_path):
    @sc.blockwise(out="table", position=("row", "column"), version="1")
    def brightest(image):
        return pd.DataFrame({"row": [0], "column": [0]})

    assert len(brightest(folder(tmp_path, "well")).to_pandas()) == 4
    with pytest.raises(ParameterError, match=r"(?s)row.*position="):
        brightest(folder(tmp_path, "row"))


@pytest.mark.parametrize("is_index", [False, True])
@pytest.mark.parametrize("column", ["key", "well"])
def test_tables_that_are_read_have_no_columns_of_the_folder(tmp_path, column, is_index):
    for name in ("A1", "B2"):
        (tmp_path / f"{name}.csv").write_text(f"{column},size\n1,2\n")

    def read(path):
        table = pd.read_csv(path)
        return table.set_index(column) if is_index else table

    with pytest.raises(ParameterError, match=column):
        sc.open_folder(tmp_path / "*.csv", read=read, group=r"(?P<well>\w+)\.csv")
