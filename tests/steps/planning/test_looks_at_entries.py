"""A plan looks at each result once, and asks again before it takes it for whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import scutoid as sc
from scutoid import regular
from scutoid.steps import results
from scutoid.steps.planning import Planner
from scutoid.store import Entry, EntryStore, _entry

RAW = sc.open(np.arange(64, dtype="uint8").reshape(8, 8))


@sc.blockwise(version="1", dtype="same", block_invariant=True)
def brighten(image):
    return image + np.uint8(1)


def test_a_plan_reads_the_recipe_of_a_result_a_few_times_however_much_it_asks(
    tmp_path, monkeypatch
) -> None:
    read = []

    def noting(path):
        read.append(Path(path).name)
        return regular.read_regular(path)

    result = brighten(RAW)
    sc.run(result, store=tmp_path, executor="serial", block=4)
    monkeypatch.setattr(_entry, "read_regular", noting)
    planned = Planner(EntryStore(tmp_path), block=4).plan([result.ref])
    assert [each.status for each in planned] == ["cached"]
    assert read.count("recipe.json") <= 4
    assert read.count("COMPLETE") == 2


def test_what_is_found_damaged_while_it_is_looked_at_is_not_cached(tmp_path, monkeypatch) -> None:
    result = brighten(RAW)
    sc.run(result, store=tmp_path, executor="serial", block=4)

    def losing(entry, look=results.lost_values):
        Entry(entry.path, entry.name, entry.key).distrust()
        return look(entry)

    monkeypatch.setattr(results, "lost_values", losing)
    (each,) = Planner(EntryStore(tmp_path), block=4).plan([result.ref])
    assert each.status == "partial"
