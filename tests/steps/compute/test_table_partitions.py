"""A step may return its table as an iterator of tables, which are written as they come."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import scutoid as sc
from scutoid.errors import RunFailed, StepError


@sc.step(out="table")
def counted(image, *, size):
    for start in range(0, len(image), size):
        yield pd.DataFrame({"a": range(start, min(start + size, len(image)))})


@sc.step(out="table")
def doubled(table):
    return table * 2


@sc.step(out="table")
def wrong(image):
    yield pd.DataFrame({"a": [len(image)]})
    yield image


@sc.step(out="table")
def none(image):
    yield from []


def rows(n=7):
    return sc.open(np.zeros((n, 2), "uint8"))


def test_it_is_one_table_without_a_run() -> None:
    assert counted(rows(), size=3).to_pandas()["a"].tolist() == list(range(7))


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_it_is_written_in_row_groups_and_read_as_one_table(tmp_path, executor) -> None:
    result = doubled(counted(rows(), size=3))
    sc.run(result, store=tmp_path, executor=executor, workers=1)
    assert result.to_pandas()["a"].tolist() == list(range(0, 14, 2))
    (path,) = tmp_path.glob("counted/*/table.parquet")
    assert pq.ParquetFile(path).metadata.num_row_groups == 3


def loaded():
    return Loan()


class Loan:
    is_open = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_open = False


@sc.step(out="table", setup={"loan": loaded})
def borrowed(image, *, loan):
    for _ in image:
        yield pd.DataFrame({"is_open": [loan.is_open]})


def test_a_set_up_lasts_as_long_as_the_iterator(tmp_path) -> None:
    result = borrowed(rows())
    assert result.to_pandas()["is_open"].all()
    sc.run(result, store=tmp_path, executor="serial")
    assert result.to_pandas()["is_open"].all()


def test_anything_but_tables_is_refused(tmp_path) -> None:
    with pytest.raises(StepError, match="returns a DataFrame"):
        wrong(rows()).to_pandas()
    with pytest.raises(RunFailed, match="returns a DataFrame"):
        sc.run(wrong(rows()), store=tmp_path, executor="serial")
    with pytest.raises(StepError, match="at least one"):
        none(rows()).to_pandas()
