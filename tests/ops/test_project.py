"""Projections equal numpy's on the whole array, slab by slab."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scutoid as sc
from scutoid.errors import ParameterError

METHODS = ["max", "min", "sum", "mean"]


def noise(shape, dtype, seed=0):
    values = np.random.default_rng(seed).random(shape)
    if dtype == "bool":
        return values > 0.5
    top = min(np.iinfo(dtype).max, 2**50) if np.dtype(dtype).kind in "iu" else 1000
    return (values * top).astype(dtype)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["bool", "uint8", "int16", "uint32", "int64", "uint64", "float32", "float64"]),
    st.sampled_from(METHODS),
    st.data(),
)
def test_equals_numpy_for_any_axis_and_block(tmp_path_factory, dtype, method, data):
    ndim = data.draw(st.integers(2, 3))
    axis = data.draw(st.integers(0, ndim - 1))
    shape = [data.draw(st.integers(1, 7)) for _ in range(ndim)]
    shape[axis] = data.draw(st.sampled_from([1, 2, 63, 64, 65, 130, 300]))
    image = noise(shape, dtype)
    result = sc.project(sc.open(image), axis="zyx"[-ndim:][axis], method=method)
    expected = getattr(np, method)(image, axis=axis)
    block = data.draw(st.sampled_from([None, 4]))
    sc.run(result, store=tmp_path_factory.mktemp("s"), executor="serial", block=block)
    found = np.asarray(result)
    assert found.dtype == expected.dtype
    is_exact = method in ("max", "min") or np.dtype(dtype).kind in "biu"
    if is_exact and not (method == "mean" and dtype in ("int64", "uint64")):
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("method", ["sum", "mean"])
def test_sums_of_floats_do_not_depend_on_blocks(method, tmp_path):
    image = noise((200, 9, 11), "float32")
    whole = np.asarray(sc.project(sc.open(image), axis="z", method=method))
    for block in (2, 5, 64):
        result = sc.project(sc.open(image), axis="z", method=method)
        sc.run(result, store=tmp_path / str(block), executor="threads", workers=2, block=block)
        np.testing.assert_array_equal(np.asarray(result), whole)


@pytest.mark.parametrize("axis", "tczyx")
def test_any_axis_goes(axis):
    image = noise((3, 2, 70, 5, 6), "uint16")
    opened = sc.open(image, axes="tczyx", voxel_size=(3, 2, 1), origin=(1, 2, 3))
    found = sc.project(opened, axis=axis)
    kept = "tczyx".replace(axis, "")
    expected = image.max("tczyx".index(axis))
    np.testing.assert_array_equal(
        np.asarray(found), expected.transpose([kept.index(letter) for letter in found.axes])
    )
    assert sorted(found.axes) == sorted(kept)
    sizes = {"z": 3, "y": 2, "x": 1}
    assert found.voxel_size == tuple(sizes[a] for a in found.axes if a in sizes)


def test_no_block_reads_the_whole_of_a_long_axis():
    tall = sc.open(np.zeros((1000, 300, 10), "uint8"))
    step = sc.project(tall, axis="z").ref.node
    while step.name != "project_slabs":
        step = step.inputs[0].node
    block = step.layout.grid.block_shape
    assert block[0] == 1  # slab, of 64 planes
    assert 64 * block[1] * block[2] <= 2**23


def test_missing_numbers_stay_missing():
    image = np.ones((70, 2))
    image[3, 0] = np.nan
    for method in METHODS:
        found = sc.project(image, axis="y", method=method)
        assert np.isnan(found[0])
        assert not np.isnan(found[1])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sc.project(np.ones((3, 3)), axis="z"), "one of its axes"),
        (lambda: sc.project(np.ones((3, 3)), axis="yx"), "one of its axes"),
        (lambda: sc.project(np.ones((3, 3)), axis="y", method="median"), "max, min, sum, mean"),
        (lambda: sc.project(np.ones((0, 3)), axis="y"), "has voxels"),
        (lambda: sc.project(np.ones(3), axis="x"), "keeps one"),
    ],
    ids=["no such axis", "two axes", "unknown method", "empty", "one axis"],
)
def test_what_cannot_be_projected_is_refused(call, said):
    with pytest.raises(ParameterError, match=said):
        call()
