"""A run compares one block of a new step with the same one computed with a wider halo."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from scipy import ndimage
from skimage import measure

import scutoid as sc
from scutoid.errors import ScutoidWarning
from scutoid.steps.running._comparison import difference

NOISE = np.random.default_rng(0).random((64, 80)).astype(np.float32)


def blurred(image):
    return ndimage.gaussian_filter(image, 2)


def labelled(image):
    return measure.label(image > 0.7).astype(np.int32)


def darker(image):
    return image - image.mean()


def rooted(image):
    return np.sqrt(image)


def random(image):
    return np.random.default_rng().random(image.shape)


def by_fft(image):
    return np.fft.ifft2(np.fft.fft2(image)).real  # what it was, but for rounding


def integral(image):
    padded = np.pad(image.astype(np.float64), ((3, 2), (3, 2)))
    sums = padded.cumsum(0).cumsum(1)
    return (sums[5:, 5:] - sums[:-5, 5:] - sums[5:, :-5] + sums[:-5, :-5]) / 25


def run(target, store, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = sc.run(target, store=store, executor="serial", block=32, **options)
    return done, [str(w.message) for w in caught if w.category is ScutoidWarning]


def made(function, **declared):
    return sc.blockwise(version="1", **declared)(function)


DEPENDENT = {
    "a halo that is too short": (blurred, {"halo": 1}),
    "no halo": (blurred, {}),
    "padded": (blurred, {"halo": 1, "border": "reflect"}),
    "cropped": (blurred, {"halo": 1, "border": "crop"}),
    "labels": (labelled, {}),
    "labels of a wide halo": (labelled, {"halo": 4}),
    "the mean of the block": (darker, {"halo": 4}),
}
SAME = {
    "a halo that is wide enough": (blurred, {"halo": 8}),
    "padded": (blurred, {"halo": 8, "border": "reflect"}),
    "padded by a number": (blurred, {"halo": 8, "border": 0.0}),
    "cropped": (blurred, {"halo": 8, "border": "crop"}),
    "each voxel for itself": (rooted, {}),
    "rounding of an FFT": (by_fft, {"halo": 2}),
    "rounding of an integral image": (integral, {"halo": 3}),
    "meant": (darker, {"check_halo": False}),
    "declared": (darker, {"block_invariant": True}),
}


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "not kept"])
@pytest.mark.parametrize(("function", "declared"), DEPENDENT.values(), ids=DEPENDENT)
def test_a_result_that_depends_on_the_blocks_is_told_once(tmp_path, function, declared, keep):
    step = made(function, **declared)
    result = step.options(keep=keep)(sc.open(NOISE))
    done, said = run(result if keep else sc.threshold(result, level=0.5), tmp_path)
    assert tuple(said) == done.warnings
    assert len(said) == 1
    assert f"step {function.__name__!r}" in said[0]
    assert "differs by up to" in said[0]
    assert json.loads((done.folder / "run.json").read_text())["warnings"] == said
    other = sc.open(NOISE[:50] + 1)
    assert run(step(other), tmp_path)[1] == []  # once a code


@pytest.mark.parametrize(("function", "declared"), SAME.values(), ids=SAME)
def test_a_result_that_does_not_is_not(tmp_path, function, declared):
    assert run(made(function, **declared)(sc.open(NOISE)), tmp_path)[1] == []


def test_a_function_that_differs_from_itself_is_not_deterministic(tmp_path):
    (said,) = run(made(random)(sc.open(NOISE)), tmp_path)[1]
    assert "not deterministic" in said
    assert "halo" not in said


def test_one_block_has_no_neighbours_and_nothing_is_computed_again(tmp_path):
    calls = []

    def counted(image):
        calls.append(image.shape)
        return image

    step = made(counted, dtype="same")
    run(step(sc.open(NOISE[:20, :20])), tmp_path)
    assert calls == [(20, 20)]
    run(step(sc.open(NOISE)), tmp_path)  # of six blocks, one is computed once more
    assert len(calls) == 1 + 6 + 1
    assert calls[-1] > (32, 32)
    run(step(sc.open(NOISE)), tmp_path)
    run(step(sc.open(NOISE + 1)), tmp_path)
    assert len(calls) == 1 + 6 + 1 + 6


def test_a_run_is_told_not_to_compare(tmp_path):
    assert run(made(darker)(sc.open(NOISE)), tmp_path, check_halo=False)[1] == []


def test_a_comparison_that_fails_is_no_failure_of_the_run(tmp_path):
    def picky(image):
        if image.size > 32 * 32:
            raise ValueError("too large")
        return image

    done, said = run(made(picky, dtype="same")(sc.open(NOISE)), tmp_path)
    assert done.ok
    assert said == []


def test_members_that_are_cut_are_compared(tmp_path):
    for n in range(3):
        np.save(tmp_path / f"{n}.npy", NOISE + n)
    images = sc.open_folder(tmp_path / "*.npy")
    (said,) = run(made(blurred, halo=1, block=32)(images), tmp_path / "store")[1]
    assert "'0.npy'" in said


def test_the_step_is_named_and_not_what_reads_it_in_its_blocks(tmp_path):
    short = made(blurred, halo=1).options(keep=False)(sc.open(NOISE))
    (said,) = run(made(rooted)(short), tmp_path)[1]
    assert "'blurred'" in said


FLOATS = np.array([0.0, 1.0, 1000.0])


@pytest.mark.parametrize(
    ("one", "other", "greatest"),
    [
        (FLOATS, FLOATS, None),
        (FLOATS, FLOATS + 1e-4, None),
        (FLOATS, FLOATS + 1e-2, 1e-2),
        (FLOATS.astype(np.float32), (FLOATS + 5e-3).astype(np.float32), None),
        (FLOATS, np.array([np.nan, 1, 1000]), np.nan),
        (FLOATS * np.nan, FLOATS * np.nan, None),
        (np.array([np.inf, 1]), np.array([np.inf, 1]), None),
        (np.array([np.inf, 1]), np.array([1, 1.0]), np.inf),
        (np.array([0, 2**64 - 1], np.uint64), np.array([1, 2**64 - 1], np.uint64), 1),
        (np.array([1, 2], np.uint8), np.array([2, 1], np.uint8), 1),
    ],
)
def test_rounding_is_no_difference_and_integers_are_exact(one, other, greatest):
    found = difference(one, other)
    if greatest is None:
        assert found is None
    else:
        assert found.greatest == pytest.approx(greatest, nan_ok=True)
