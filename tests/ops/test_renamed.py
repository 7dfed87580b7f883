"""Old names of parameters are refused by name, with the new one."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError

IMAGE = np.ones((8, 8))
LABELS = np.ones((8, 8), int)


@pytest.mark.parametrize(
    ("call", "old", "new"),
    [
        (lambda: sc.subtract_background(IMAGE, radius=3, factor=2), "factor", "factors="),
        (lambda: sc.estimate_bias(IMAGE, factor=2), "factor", "factors="),
        (lambda: sc.correct_bias(IMAGE, np.ones((1, 4, 4)), factor=2), "factor", "factors="),
        (lambda: sc.pyramid(sc.open(IMAGE), levels=2, method="max"), "method", "downsampling="),
        (lambda: sc.affine_transform(IMAGE, matrix=[1, 1], cval=0), "cval", "fill="),
        (lambda: sc.affine_transform(IMAGE, matrix=[1, 1], mode="nearest"), "mode", "fill="),
        (lambda: sc.count(LABELS, size=3), "size", "cell_size="),
        (lambda: sc.estimate_cells(sc.measure(LABELS), size=3), "size", "cell_size="),
        (lambda: sc.estimate_cells(cells=sc.measure(LABELS)), "cells", "objects="),
        (lambda: sc.count.options(name="n")(sc.open(LABELS), size=3), "size", "cell_size="),
    ],
)
def test_an_old_name_is_refused_with_the_new_one(call, old, new) -> None:
    with pytest.raises(ParameterError, match=f"`{old}=`.*{new}"):
        call()


@pytest.mark.parametrize("op", [sc.erosion, sc.dilation, sc.opening, sc.closing])
def test_border_value_is_refused_with_border(op) -> None:
    with pytest.raises(ParameterError, match="`border_value=` is `border=` now"):
        op(IMAGE > 0, footprint=1, border_value=True)


def test_signatures_and_options_are_kept() -> None:
    assert list(inspect.signature(sc.count).parameters)[:2] == ["objects", "cell_size"]
    assert sc.pyramid.options(name="levels")(sc.open(IMAGE), levels=2).name == "levels"
