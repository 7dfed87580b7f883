"""The dtype of an operation's images is known without a call, and is what a call gives."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest

import scutoid as sc
from scutoid.steps.handles import Step

REAL = [
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
]
RULED = {
    "gaussian": {"sigma": 1},
    "difference_of_gaussians": {"low": 1},
    "laplacian_of_gaussian": {"sigma": 1},
}


def steps_of_operations():
    modules = [
        importlib.import_module(f"{sc.ops.__name__}.{found.name}")
        for found in pkgutil.iter_modules(sc.ops.__path__)
    ]
    found = [item for module in modules for item in vars(module).values()]
    return [item.spec for item in found if isinstance(item, Step)]


def test_no_operation_is_called_to_know_the_dtype_of_its_images() -> None:
    images = [spec for spec in steps_of_operations() if "image" in spec.outputs]
    assert len(images) > len(RULED)
    ruled = {spec.name for spec in images if spec.dtype_rule is not None}
    declared = {spec.name for spec in images if None not in spec.dtypes}
    assert ruled == set(RULED)
    assert ruled | declared == {spec.name for spec in images}


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("name", RULED)
def test_a_rule_gives_the_dtype_that_a_call_gives(name, dtype) -> None:
    image, step, parameters = np.zeros((9, 9), dtype), getattr(sc, name), RULED[name]
    assert step(sc.open(image), **parameters).dtype == step(image, **parameters).dtype
