"""Images that are not kept, read after a run that cut their parts in blocks of its own."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc

SHAPE = (24, 28, 30)
MASK = np.random.default_rng(3).random(SHAPE) > 0.8
BLOCK = 11


@pytest.fixture
def found():
    return sc.label.options(keep=False)(sc.open(MASK))


@pytest.fixture
def numbers():
    return np.asarray(sc.label(sc.open(MASK)))


def run(tmp_path, *results, block=BLOCK):
    sc.run(*results, store=tmp_path, executor="serial", block=block, report=False)


def test_labels_are_those_of_the_run(tmp_path, found, numbers):
    run(tmp_path, sc.measure(found))
    assert np.array_equal(np.asarray(found), numbers)


def test_a_region_of_labels_is_that_of_the_run(tmp_path, found, numbers):
    run(tmp_path, sc.measure(found))
    region = (slice(5, 20), slice(9, 28), slice(1, 13))
    assert np.array_equal(np.asarray(found[region]), numbers[region])


def test_what_is_computed_of_labels_gets_those_of_the_run(tmp_path, found, numbers):
    @sc.blockwise(halo=1, dtype="uint32", block_invariant=True)
    def doubled(image):
        return (image * 2).astype("uint32")

    run(tmp_path, sc.measure(found))
    assert np.array_equal(np.asarray(doubled(found)), numbers * 2)


def test_a_later_run_in_other_blocks_is_gone_by(tmp_path, found, numbers):
    run(tmp_path / "one", sc.measure(found))
    run(tmp_path / "two", sc.measure(found), block=16)
    assert np.array_equal(np.asarray(found), numbers)


def test_labels_of_a_member_are_those_of_the_run(tmp_path, numbers):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", MASK)
    found = sc.label.options(keep=False)(sc.open_folder(tmp_path / "{name}.npy"))
    run(tmp_path / "store", sc.measure(found))
    assert np.array_equal(np.asarray(found["b.npy"]), numbers)
