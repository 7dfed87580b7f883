"""Sums over voxels tell arrays apart that differ, however they lie in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid.kernels import voxel_sums

DTYPES = ["bool", "uint8", "uint16", ">u2", "int32", "uint64", "float16", "float32", "complex64"]
PINNED = ["be4829ecab7c8040", "89285fbbe4e13d00"]


def noise(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2 if dtype == "bool" else 120, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_each_bit_of_each_voxel_counts(dtype, data):
    shape = data.draw(st.sampled_from([(1,), (7,), (3, 5, 11), (41, 43, 47)]))
    image = noise(dtype, shape)
    other = image.copy()
    for _ in range(data.draw(st.integers(1, 3))):
        content = other.reshape(-1).view("uint8")
        place = data.draw(st.integers(0, content.size - 1))
        content[place] ^= 1 << (0 if dtype == "bool" else data.draw(st.integers(0, 7)))
    is_same = image.tobytes() == other.tobytes()
    assert np.array_equal(voxel_sums(image), voxel_sums(other)) == is_same


@given(
    step=st.sampled_from([1 << 7, 1 << 15, 1 << 31, 1 << 63, 1]),
    voxels=st.lists(st.integers(0, 511), min_size=1, max_size=40, unique=True),
)
def test_equal_changes_of_many_voxels_do_not_cancel(step, voxels):
    """Highest bits above all, of which a sum modulo a power of 2 may lose an even number."""
    dtype = np.dtype(f"uint{max(8, 1 << (step.bit_length() - 1).bit_length())}")
    image = noise(dtype, (8, 8, 8))
    other = image.copy()
    other.reshape(-1)[voxels] ^= dtype.type(step)
    assert not np.array_equal(voxel_sums(image), voxel_sums(other))


@given(axes=st.permutations([0, 1, 2]), flips=st.tuples(*[st.sampled_from([1, -1])] * 3))
def test_how_an_array_lies_in_memory_does_not_count(axes, flips):
    image = noise("uint16", (9, 10, 11)).transpose(axes)[tuple(slice(None, None, f) for f in flips)]
    assert np.array_equal(voxel_sums(image), voxel_sums(np.array(image, order="C")))


def test_they_are_the_same_for_ever():
    image = np.arange(70_000, dtype="<u4")
    sums = voxel_sums(image)
    assert sums.shape == (3, 2)
    assert [f"{n:016x}" for n in sums[2]] == PINNED
    assert voxel_sums(np.zeros((0, 3))).shape == (0, 2)


@pytest.mark.parametrize("pieces", [0.5, 7, 8, 9, 17.25])
def test_each_piece_has_the_sums_of_it_alone(pieces):
    image = noise("uint16", (int(pieces * 2**16),))
    alone = [voxel_sums(image[at : at + 2**16]) for at in range(0, image.size, 2**16)]
    assert np.array_equal(voxel_sums(image), np.concatenate(alone))
