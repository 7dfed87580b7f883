"""Parts of blocks in a pack: whole, or array by array as they are asked for."""

from __future__ import annotations

import numpy as np
import pytest

from scutoid.errors import DamagedResult
from scutoid.steps.compute import MemoryParts, PackedParts, encode
from scutoid.store import Pack, PackedArrays, bytes_of_arrays

PART = {"first": np.arange(3), "low0": np.zeros((40, 50), "u4"), "high0": np.eye(60, dtype="?")}


@pytest.fixture
def packed(tmp_path):
    with Pack(tmp_path / "blocks", "a", key="k" * 12) as pack:
        pack.append_many([(0, {}, encode([7, PART]))])
    with Pack(tmp_path / "blocks", key="k" * 12) as pack:
        yield PackedParts(None, pack, 1)


def test_arrays_that_are_asked_for_are_those_of_the_part(packed):
    arrays = packed.arrays(0)
    assert list(arrays) == list(packed[0]) == list(PART)
    for name, array in PART.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert "high1" not in arrays


def test_only_what_is_asked_for_is_unpacked(packed, monkeypatch):
    unpacked = []
    unpack = PackedArrays.__getitem__

    def noted(self, name):
        array = unpack(self, name)
        unpacked.append(array.shape)
        return array

    monkeypatch.setattr(PackedArrays, "__getitem__", noted)
    packed.arrays(0)["low0"]
    assert PART["low0"].shape in unpacked
    assert PART["high0"].shape not in unpacked


def test_parts_in_memory_are_all_there():
    assert MemoryParts(None, {0: PART}).arrays(0).keys() == PART.keys()


def test_an_array_that_is_damaged_is_refused_when_it_is_asked_for():
    content = bytearray(bytes_of_arrays({"a": np.arange(3), "b": np.zeros(9000)}))
    content[-5] ^= 255
    arrays = PackedArrays(bytes(content))
    assert arrays["a"].tolist() == [0, 1, 2]
    with pytest.raises(DamagedResult):
        arrays["b"]
    with pytest.raises(KeyError):
        arrays["c"]
