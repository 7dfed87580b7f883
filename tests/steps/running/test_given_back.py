"""Memory that blocks have freed goes back to the system before large ones."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.arrays._zarr_array import drop_chunks, open_tensorstore
from scutoid.kernels import median_filter
from scutoid.steps.work import _blocks


@pytest.mark.parametrize(("voxels", "expected"), [(128, 4), (129, 0)])
def test_before_blocks_that_read_many_voxels(tmp_path, monkeypatch, voxels, expected):
    calls = []
    monkeypatch.setattr(_blocks, "_LARGE", voxels)
    monkeypatch.setattr(_blocks, "give_back_memory", lambda: calls.append(1))
    image = sc.threshold(sc.open(np.ones((16, 16))), level=0).options(block=(8, 16))
    sc.run(image, store=tmp_path, executor="serial")
    assert len(calls) == expected


def test_chunks_that_were_dropped_are_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(_blocks, "_LARGE", 0)
    voxels = np.random.default_rng(0).integers(0, 9, (24, 24), "uint8")
    stored = sc.median(sc.open(voxels), size=1).options(block=8)
    sc.run(stored, store=tmp_path, executor="serial")
    drops = []
    monkeypatch.setattr(_blocks, "drop_chunks", lambda: drop_chunks() or drops.append(opened()))
    filtered = sc.median(sc.Store(tmp_path)["median"], size=3).options(block=8)
    sc.run(filtered, store=tmp_path, executor="serial")
    assert drops == [0] * 18  # before and after what each of nine blocks reads
    np.testing.assert_array_equal(filtered, median_filter(voxels, 3))


def opened():
    return open_tensorstore.cache_info().currsize
