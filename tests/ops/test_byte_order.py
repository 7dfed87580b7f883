"""Arrays in the other byte order, such as those of FITS files, give what those in our own do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import scutoid as sc

OTHER = ">" if sys.byteorder == "little" else "<"
VALUES = np.random.default_rng(0).integers(-500, 500, (10, 12))

# fmt: off
CASES: dict[str, Callable[[Any], Any]] = {
    "gaussian": lambda a: sc.gaussian(a, sigma=1),
    "median": lambda a: sc.median(a, size=3),
    "white_tophat": lambda a: sc.white_tophat(a, radius=1),
    "percentile": lambda a: sc.percentile(a, q=[0, 50, 100]),
    "normalize_percentile": lambda a: sc.normalize_percentile(a, low=1, high=99),
    "otsu": sc.otsu,
    "li": sc.li,
    "triangle": sc.triangle,
    "threshold": lambda a: sc.threshold(a, level=3),
    "threshold_local": lambda a: sc.threshold_local(a, size=3),
    "hysteresis": lambda a: sc.hysteresis(a, low=0, high=20),
    "local_maxima": sc.local_maxima,
    "local_maxima, h": lambda a: sc.local_maxima(a, h=5, max_extent=12),
    "label": lambda a: sc.label(((a > 200) * a).astype(a.dtype.byteorder + "i4"), by_value=True),
    "watershed": lambda a: sc.watershed(a, sc.label(sc.local_maxima(VALUES)), max_extent=12),
    "detect_spots": lambda a: sc.detect_spots(a, sigma=1, threshold=5),
    "measure": lambda a: sc.measure((VALUES > 0).astype(int), intensity=a),
    "project": lambda a: sc.project(a, axis="y", method="sum"),
    "downsample": lambda a: sc.downsample(a, factors=2),
    "affine_transform": lambda a: sc.affine_transform(a, matrix=[0.5, 0.5], fill="nearest"),
    "subtract_background": lambda a: sc.subtract_background(a, radius=3, factors=2),
}
# fmt: on


def plain(result: Any) -> Any:
    if isinstance(result, pd.DataFrame):
        return result.select_dtypes("number").to_numpy(float)
    return np.asarray(result)


@pytest.mark.parametrize("kind", ["i2", "i8", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize("name", CASES)
def test_an_operation_reads_the_values_in_any_byte_order(name: str, kind: str) -> None:
    own = (VALUES + 600 * (kind == "u8")).astype(kind)
    with np.errstate(all="ignore"):
        expected, found = (plain(CASES[name](a)) for a in (own, own.astype(OTHER + kind)))
    np.testing.assert_array_equal(found, expected)


def test_integers_at_the_end_of_64_bits_too() -> None:
    own = np.arange(2**64 - 120, 2**64, dtype="u8").reshape(10, 12)
    other = own.astype(OTHER + "u8")
    assert sc.percentile(other, q=100) == 2**64 - 1
    assert sc.triangle(other) == sc.triangle(own)


@pytest.mark.parametrize("kind", ["blockwise", "reduction"])
def test_a_step_that_is_just_called_gets_what_its_blocks_get(kind: str) -> None:
    def look(image: np.ndarray) -> np.ndarray:
        assert image.dtype.isnative
        return image

    step = sc.blockwise(look) if kind == "blockwise" else sc.reduction(merge=np.maximum)(look)
    assert step(VALUES.astype(OTHER + "i8")).tolist() == VALUES.tolist()
