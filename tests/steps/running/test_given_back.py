"""Memory that blocks have freed goes back to the system before large ones."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.steps.work import _blocks


@pytest.mark.parametrize(("voxels", "expected"), [(128, 2), (129, 0)])
def test_before_blocks_that_read_many_voxels(tmp_path, monkeypatch, voxels, expected):
    calls = []
    monkeypatch.setattr(_blocks, "_LARGE", voxels)
    monkeypatch.setattr(_blocks, "give_back_memory", lambda: calls.append(1))
    image = sc.threshold(sc.open(np.ones((16, 16))), level=0).options(block=(8, 16))
    sc.run(image, store=tmp_path, executor="serial")
    assert len(calls) == expected
