"""Images that are not kept, read after a run that cut their parts in blocks of its own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import ndimage

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


SMOOTH = ndimage.gaussian_filter(np.random.default_rng(5).normal(0, 1, (32, 40)), 0.8) > 0.3
BLOCKS = [BLOCK, 16]


def split(tmp_path, mask, *, keep, executor="serial", blocks=BLOCKS[:1]):
    """Run labels beside objects that are split, of the same labels; warnings are errors."""
    image = sc.open(mask)
    found = sc.label.options(keep=keep)(image)
    objects = sc.split_touching(image, min_distance=1, max_extent=6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for block in blocks:
            sc.run(
                sc.measure(found),
                objects,
                store=tmp_path / f"{executor}-{keep}-{block}",
                executor=executor,
                workers=2,
                block=block,
                report=False,
            )
    return np.asarray(found), np.asarray(objects)


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_what_gets_labels_that_are_not_kept_is_as_of_kept_ones(tmp_path, executor):
    found = split(tmp_path, SMOOTH, keep=False, executor=executor)
    expected = split(tmp_path, SMOOTH, keep=True)
    assert all(map(np.array_equal, found, expected))


def test_a_check_during_a_later_run_computes_labels_in_its_blocks(tmp_path):
    found, _ = split(tmp_path, SMOOTH, keep=False, blocks=BLOCKS)
    assert np.array_equal(found, sc.label(SMOOTH))


def test_a_check_beside_parts_of_an_earlier_run_computes_labels_in_its_blocks(tmp_path):
    labels = sc.label.options(keep=False)(sc.open(SMOOTH))
    run(tmp_path / f"serial-False-{BLOCK}", sc.measure(labels))
    found, _ = split(tmp_path, SMOOTH, keep=False)
    assert np.array_equal(found, sc.label(SMOOTH))
