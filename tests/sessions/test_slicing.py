"""A viewer that opens after a session has this process's threads for its slices."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

import scutoid as sc

pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')
layers = pytest.importorskip("napari.layers", reason="napari is not installed")

MEETING = threading.Barrier(2)
"""Passed by two chunks that are computed at once, in threads of one process."""


def shown_of(array):
    """Return the slice that a new layer of napari computes."""
    layer = layers.Image(array, contrast_limits=(0, 1), rgb=False, multiscale=False)
    return np.asarray(layer._slice.image.view)


def test_slices_are_computed_by_several_threads_here_once_the_session_is_closed(tmp_path):
    config = pytest.importorskip("dask.config")
    raw = np.random.default_rng(0).random((3, 64, 64))
    smooth = sc.gaussian.options(block=(3, 32, 32))(sc.open(raw), sigma=1)
    session = sc.session(store=tmp_path, executor="dask", workers=1)
    try:
        array = session.run(smooth)["gaussian"].to_dask().rechunk((3, 32, 32))
        busy = array.map_blocks(lambda block: block * 0 + os.getpid(), dtype=float)
        (pid,) = np.unique(shown_of(busy))
        assert pid != os.getpid()  # it waits for the workers, as any computation of Dask does
    finally:
        session.close()

    def met(block):
        MEETING.wait(timeout=60)
        return block

    with config.set(num_workers=2):
        shown = shown_of(array.map_blocks(met, dtype=float, meta=array._meta))
    np.testing.assert_array_equal(shown, np.asarray(smooth)[0])
