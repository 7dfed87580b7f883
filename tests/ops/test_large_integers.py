"""Integers of 64 bits: every operation is exact on them, or refuses them beyond 2**53.

A large image is a small one moved by an offset, so the right result is known without float64: that
of the small image, moved alike, unchanged, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

import scutoid as sc
from scutoid.errors import ParameterError, RunFailed

Function = Callable[[Any, Any], Any]
"""Of an image, and of a number moved as its values are."""

OFFSETS = {
    "near 2**53": ("int64", 2**53 - 4),
    "ids of 7.2e17": ("int64", 720_575_940_379_280_000),
    "the end of int64": ("int64", 2**63 - 42),
    "the start of int64": ("int64", -(2**63)),
    "ids of uint64": ("uint64", 720_575_940_379_280_000),
    "beyond int64": ("uint64", 2**63),
    "the end of uint64": ("uint64", 2**64 - 42),
}
SMALL = np.random.default_rng(8).integers(0, 42, (6, 9))
SMALL[0, 0], SMALL[5, 8] = 0, 41


@dataclass(frozen=True)
class Case:
    """An operation, and what an offset of its image does to its result."""

    apply: Function
    moves: bool = False
    """Whether the result is moved as the image is; else it is the same."""
    refuses: bool = False
    """Whether values beyond 2**53 are refused."""
    columns: tuple[str, ...] = ()
    """Of a table, what to look at."""


def labels(image: Any) -> Any:
    """Return labels of the shape of an image."""
    return np.arange(1, 7)[:, None] * np.ones((1, 9), int)


def lowered(image: Any, moved: Any) -> Any:
    return sc.local_maxima(image, h=2, max_extent=9)


def flooded(image: Any, moved: Any) -> Any:
    seeds = np.zeros(SMALL.shape, int)
    seeds[0, 0], seeds[5, 8] = 1, 2
    return sc.watershed(image, seeds, max_extent=9)


def placed(image: Any) -> Any:
    return image if isinstance(image, sc.Image) else sc.open(image, voxel_size=1)


# fmt: off
CASES = {
    "median": Case(lambda a, m: sc.median(a, size=3), moves=True),
    "median of an even size": Case(lambda a, m: sc.median(a, size=(2, 4)), moves=True),
    "white_tophat": Case(lambda a, m: sc.white_tophat(a, radius=1)),
    "threshold at a value": Case(lambda a, m: sc.threshold(a, level=m(20))),
    "threshold at a number of numpy":
        Case(lambda a, m: sc.threshold(a, level=np.asarray(m(20))[()])),
    "threshold at infinity": Case(lambda a, m: sc.threshold(a, level=-np.inf)),
    "threshold at otsu": Case(lambda a, m: sc.threshold(a, level=sc.otsu(a)), refuses=True),
    "threshold at triangle": Case(lambda a, m: sc.threshold(a, level=sc.triangle(a))),
    "threshold at a percentile": Case(lambda a, m: sc.threshold(a, level=sc.percentile(a, q=0))),
    "threshold_local": Case(lambda a, m: sc.threshold_local(a, size=3), refuses=True),
    "threshold_local, mean": Case(
        lambda a, m: sc.threshold_local(a, size=3, method="mean"), refuses=True),
    "threshold_local, median": Case(
        lambda a, m: sc.threshold_local(a, size=3, method="median"), refuses=True),
    "hysteresis": Case(lambda a, m: sc.hysteresis(a, low=m(20), high=m(33))),
    "otsu": Case(lambda a, m: sc.otsu(a), moves=True, refuses=True),
    "li": Case(lambda a, m: sc.li(a), moves=True, refuses=True),
    "triangle": Case(lambda a, m: sc.triangle(a), moves=True),
    "percentile, of a value": Case(lambda a, m: sc.percentile(a, q=100), moves=True),
    "percentile, between values": Case(
        lambda a, m: sc.percentile(a, q=49.9), moves=True, refuses=True),
    "normalize_percentile": Case(lambda a, m: sc.normalize_percentile(a), refuses=True),
    "gaussian": Case(lambda a, m: sc.gaussian(a, sigma=1), moves=True, refuses=True),
    "difference_of_gaussians": Case(
        lambda a, m: sc.difference_of_gaussians(a, low=1), refuses=True),
    "laplacian_of_gaussian": Case(
        lambda a, m: sc.laplacian_of_gaussian(a, sigma=1), refuses=True),
    "subtract_background": Case(
        lambda a, m: sc.subtract_background(a, radius=3, factors=2), refuses=True),
    "estimate_bias": Case(lambda a, m: sc.estimate_bias(a, factors=2), refuses=True),
    "correct_bias": Case(
        lambda a, m: sc.correct_bias(a, np.ones((1, 3, 5)), factors=2), refuses=True),
    "local_maxima": Case(lambda a, m: sc.local_maxima(a)),
    "local_maxima, min_distance": Case(lambda a, m: sc.local_maxima(a, min_distance=3)),
    "local_maxima, h": Case(lowered, refuses=True),
    "watershed": Case(flooded),
    "detect_spots": Case(lambda a, m: sc.detect_spots(a, sigma=1, threshold=1), refuses=True),
    "downsample, mean": Case(lambda a, m: sc.downsample(a, factors=(2, 3)), moves=True),
    "downsample, mode": Case(lambda a, m: sc.downsample(a, factors=2, method="mode"), moves=True),
    "downsample, max": Case(lambda a, m: sc.downsample(a, factors=2, method="max"), moves=True),
    "resample, nearest": Case(
        lambda a, m: sc.resample(placed(a), voxel_size=0.7, order=0), moves=True),
    "resample, linear": Case(
        lambda a, m: sc.resample(placed(a), voxel_size=0.5), moves=True, refuses=True),
    "affine_transform, nearest": Case(
        lambda a, m: sc.affine_transform(a, matrix=[0.5, 0.7], order=0, fill="nearest"),
        moves=True),
    "affine_transform, linear": Case(
        lambda a, m: sc.affine_transform(a, matrix=[0.5, 0.5], fill="nearest"),
        moves=True, refuses=True),
    "scale_nearest": Case(lambda a, m: sc.scale_nearest(a, shape=(4, 13)), moves=True),
    "pad": Case(lambda a, m: sc.pad(a, width=2, fill=m(7)), moves=True),
    "flip": Case(lambda a, m: sc.flip(a, axis="x"), moves=True),
    "transpose": Case(lambda a, m: sc.transpose(a, axes="xy"), moves=True),
    "concatenate": Case(lambda a, m: sc.concatenate([a, a], axis="y"), moves=True),
    "project, max": Case(lambda a, m: sc.project(a, axis="y"), moves=True),
    "project, min": Case(lambda a, m: sc.project(a, axis="y", method="min"), moves=True),
    "project, mean": Case(
        lambda a, m: sc.project(a, axis="y", method="mean"), moves=True, refuses=True),
    "measure, max": Case(
        lambda a, m: sc.measure(labels(a), intensity=a), moves=True, columns=("max", "min")),
    "measure, std": Case(lambda a, m: sc.measure(labels(a), intensity=a), columns=("label", "std")),
    "add": Case(lambda a, m: sc.open(a) + 0, moves=True),
    "subtract": Case(lambda a, m: sc.open(a) - m(0)),
    "floor_divide": Case(lambda a, m: (sc.open(a) - m(0)) // 3),
    "greater": Case(lambda a, m: sc.open(a) > m(20)),
    "equal": Case(lambda a, m: sc.open(a) == m(20)),
    "greater than a float": Case(lambda a, m: sc.open(a) > float(m(20)), refuses=True),
    "multiply by a float": Case(lambda a, m: sc.open(a) * 1.0, moves=True, refuses=True),
    "add another type": Case(lambda a, m: sc.open(a) + np.zeros(a.shape, "int64").astype(
        "int64" if a.dtype == "uint64" else "uint64"), moves=True, refuses=True),
}
LABELS = {
    "label": Case(lambda a, m: sc.label(a)),
    "remove_small": Case(lambda a, m: sc.remove_small(a, min_size=2), moves=True),
    "watershed, seeds": Case(
        lambda a, m: sc.watershed(np.arange(54).reshape(6, 9), a, max_extent=9), moves=True),
    "erosion": Case(lambda a, m: sc.erosion(a, footprint=1)),
    "fill_holes": Case(lambda a, m: sc.fill_holes(a)),
    "distance_transform": Case(lambda a, m: sc.distance_transform(a, max_distance=3)),
    "split_touching": Case(lambda a, m: sc.split_touching(a, min_distance=1, max_extent=9)),
    "local_maxima, labels": Case(lambda a, m: sc.local_maxima(SMALL, a)),
    "measure": Case(lambda a, m: sc.measure(a), moves=True, columns=("label",)),
    "downsample, mode": Case(lambda a, m: sc.downsample(a, factors=2, method="mode"), moves=True),
}
# fmt: on


def applied(case: Case, image: Any, moved: Any, store: Any = None) -> Any:
    """Return the result as an array; by way of a store block by block."""
    with np.errstate(all="ignore"):
        result = case.apply(image if store is None else sc.open(image, voxel_size=1), moved)
        if store is not None:
            sc.run(result, store=store, executor="serial", block=4)
    if isinstance(result, sc.Image):
        return result.read()
    if isinstance(result, (sc.Table, pd.DataFrame)):
        table = result if isinstance(result, pd.DataFrame) else result.to_pandas()
        return np.array([table[name].tolist() for name in case.columns], object)
    return np.asarray(result.get() if isinstance(result, sc.Value) else result)


def integers(values: Any) -> list[int]:
    """Return values as Python's integers, which numpy does not round."""
    flat = np.asarray(values).ravel().tolist()
    assert all(float(value).is_integer() for value in flat)
    return [int(value) for value in flat]


def check(
    case: Case, small: Any, where: str, store: Any = None, *, is_labels: bool = False
) -> None:
    """Compare the result on a moved image with that on the image."""
    kind, offset = OFFSETS[where]

    def moved(number: int) -> int:
        return number + offset if number or not is_labels else 0

    large = np.array([moved(value) for value in small.ravel().tolist()], kind).reshape(small.shape)
    is_beyond = max(abs(int(large.max())), abs(int(large.min()))) > 2**53
    if case.refuses and is_beyond:
        with pytest.raises((ParameterError, RunFailed), match=r"2\*\*53|fit into"):
            applied(case, large, moved, store)
        return
    found = applied(case, large, moved, store)
    expected = applied(case, small.astype(kind), lambda number: number)
    if case.moves:
        assert integers(found) == [moved(value) for value in integers(expected)]
    else:
        np.testing.assert_allclose(found.astype(float), expected.astype(float), 1e-6, 1e-6)


@pytest.mark.parametrize("where", OFFSETS)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:subtract of unsigned")
def test_an_operation_is_exact_on_large_integers_or_refuses_them(name, where) -> None:
    check(CASES[name], SMALL, where)


@pytest.mark.parametrize("where", ["near 2**53", "ids of 7.2e17", "the end of uint64"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:subtract of unsigned")
def test_so_it_is_block_by_block(name, where, tmp_path) -> None:
    check(CASES[name], SMALL, where, tmp_path)


@pytest.mark.parametrize("where", [where for where in OFFSETS if "start" not in where])
@pytest.mark.parametrize("name", LABELS)
def test_labels_keep_their_numbers(name, where, tmp_path) -> None:
    labels = SMALL // 7 * (SMALL % 3 > 0)
    check(LABELS[name], labels, where, is_labels=True)
    check(LABELS[name], labels, where, tmp_path, is_labels=True)


def test_a_constant_image_stays_what_it_is() -> None:
    image = np.full((5, 5), 2**53 + 1)
    assert (sc.median(image, size=3) == image).all()
    assert not sc.threshold(image, level=sc.percentile(image, q=50)).any()


def test_a_difference_that_does_not_fit_is_refused() -> None:
    for kind in ("int8", "int64"):
        ends = np.iinfo(kind)
        image = np.full((5, 5), ends.min, kind)
        image[2, 2] = ends.max
        with pytest.raises(ParameterError, match=f"fits into {kind}"):
            sc.white_tophat(image, radius=1)


WRAPPING: list[tuple[str, int, Any]] = [
    ("int64", 2**63 - 1, lambda a: a + 1),
    ("int64", 2**63 - 1, lambda a: a + a),
    ("int64", -(2**63), lambda a: a - 1),
    ("int64", -(2**63), lambda a: -a),
    ("int64", -(2**63), abs),
    ("int64", -(2**63), lambda a: a // -1),
    ("int64", 2**62, lambda a: a * 2),
    ("int64", 2**40, lambda a: a * a),
    ("int64", 2**32, lambda a: a**2),
    ("int64", 2**62, lambda a: a << 1),
    ("uint64", 2**64 - 1, lambda a: a + 1),
    ("uint64", 2**63, lambda a: 2 * a),
    ("uint64", 2**33, lambda a: a * a),
    ("uint64", 2**63, lambda a: a << 1),
]


@pytest.mark.parametrize(("kind", "value", "apply"), WRAPPING)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_operator_whose_result_does_not_fit_is_refused(kind, value, apply) -> None:
    image = np.array([[0, 3], [value, 1]], kind)
    with pytest.raises(ParameterError, match=f"fits into {kind}") as told:
        apply(sc.open(image)).read()
    assert str(value) in told.value.value
    image[1, 0] = 5
    assert apply(sc.open(image)).read().tolist() == apply(image).tolist()


@pytest.mark.parametrize("kind", ["int64", "uint64"])
def test_a_sum_along_an_axis_fits_or_is_refused(kind) -> None:
    end = int(np.iinfo(kind).max)
    fits = np.array([[end - 1], [1], [0]], kind)
    assert sc.project(fits, axis="y", method="sum").tolist() == [end]
    with pytest.raises(ParameterError, match="fit into"):
        sc.project(fits + np.array([[0], [0], [1]], kind), axis="y", method="sum")
    large = sc.project(sc.open(np.full((200, 1), end // 100, kind)), axis="y", method="sum")
    with pytest.raises(ParameterError, match="fit into"):
        large.read()


def test_a_sum_of_a_users_measure_fits_or_is_refused() -> None:
    ids = np.full((2, 6), 2**62)
    measure = sc.Measure(
        lambda labels, image, index: {"all": np.full(len(index), image.max())},
        merge={"all": "sum"},
    )
    pieces = sc.ops.measure_pieces.options(block=2)(
        sc.open(np.ones((2, 6), int)), sc.open(ids), measures=(measure,)
    )
    with pytest.raises(ParameterError, match="fit into int64"):
        sc.ops.measure_objects(pieces, measures=(measure,)).to_pandas()
