"""Inputs that are costly to look at: blocks that came back between two looks are taken back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import RunFailed
from scutoid.steps.running import _watch

N_ROWS = 6
ROWS = np.arange(N_ROWS * 5).reshape(N_ROWS, 5)
EXECUTORS = pytest.mark.parametrize("executor", ["serial", "processes"])


@pytest.fixture(autouse=True)
def _looks_are_rare(monkeypatch):
    """Let a look cost so much that the next one is at the end."""
    monkeypatch.setattr(_watch, "_SHARE", 1e-9)


def swap(new, old):
    """Put a file in the place of another, once; both are named so that they do not count."""
    new, old = (Path(text.replace("|", "/")) for text in (new, old))
    if new.exists():
        new.replace(old)


def texts(*paths):
    return tuple(str(path).replace("/", "|") for path in paths)


@sc.blockwise(block=(1, 5), dtype="same", retries=0, check_halo=False)
def copied(image, *, swapped):
    if image.max() == ROWS[2].max():
        swap(*swapped)
    return image


@sc.step(retries=0)
def total(image, *, path, swapped):
    if image.max() == ROWS[2].max():
        swap(*swapped)
    return int(image.max()) + int(np.load(path).max())


@EXECUTORS
def test_blocks_since_the_last_look_are_computed_again(tmp_path, executor) -> None:
    old, new, store = tmp_path / "old.npy", tmp_path / "new.npy", tmp_path / "store"
    np.save(old, ROWS)
    np.save(new, ROWS + 100)
    result = copied(sc.open(old), swapped=texts(new, old))
    run = sc.run(result, store=store, executor=executor, workers=1, on_failure="return")
    step = run.step("copied")
    assert not run.ok
    assert "stays as it was" in step.failures[-1].error
    assert step.n_done + step.n_failed == N_ROWS
    assert not list(store.glob("*/*/COMPLETE"))
    np.save(old, ROWS)
    again = copied(sc.open(old), swapped=texts(new, old))
    assert sc.plan(again, store=store)["copied"].n_done == step.n_done
    done = sc.run(again, store=store, executor=executor, workers=1)
    np.testing.assert_array_equal(done["copied"].read(), ROWS)


@EXECUTORS
def test_members_since_the_last_look_are_computed_again(tmp_path, executor) -> None:
    given, new, store = tmp_path / "given.npy", tmp_path / "new.npy", tmp_path / "store"
    np.save(given, ROWS * 0 + 1000)
    np.save(new, ROWS * 0 + 2000)
    plate = tmp_path / "plate"
    plate.mkdir()
    for number, row in enumerate(ROWS):
        np.save(plate / f"{number}.npy", row[None])

    def of_members():
        return total(sc.open_folder(plate / "*.npy"), path=given, swapped=texts(new, given))

    with pytest.raises(RunFailed, match="stays as it was"):
        sc.run(of_members(), store=store, executor=executor, workers=1)
    np.save(given, ROWS * 0 + 1000)
    result = of_members()
    sc.run(result, store=store, executor=executor, workers=1)
    found = [result[f"{number}.npy"].get() for number in range(N_ROWS)]
    assert found == [int(row.max()) + 1000 for row in ROWS]
