"""Numpy and dask arrays as images."""

from __future__ import annotations

import pickle
import threading

import dask.array as da
import numpy as np
import pytest

from scutoid.arrays import open_source
from scutoid.errors import MetadataError, ParameterError
from scutoid.geometry import Roi


@pytest.mark.parametrize("dtype", [bool, "uint8", ">i4", "float16", "float64", "complex64"])
def test_a_numpy_array_is_read_as_it_is(make, assert_reads, dtype):
    array = make((6, 7, 8), np.dtype(dtype).newbyteorder("=")).astype(dtype)
    assert_reads(open_source(array), array)


def test_axes_of_arrays_are_those_of_space():
    assert open_source(np.zeros((2, 3))).spec.axes == "yx"
    assert open_source(np.zeros((2, 3, 4))).spec.axes == "zyx"
    assert open_source(np.zeros((5, 6, 3), "uint8")).spec.axes == "zyx"


def test_more_axes_must_be_named():
    with pytest.raises(MetadataError, match="cannot be guessed"):
        open_source(np.zeros((2, 3, 4, 5)))
    assert open_source(np.zeros((2, 3, 4, 5)), axes="CZYX").spec.axes == "czyx"


def test_a_view_with_strides_is_read(make, assert_reads):
    array = make((9, 10, 11))[::2, ::-1].transpose(2, 0, 1)
    assert_reads(open_source(array), array)


@pytest.mark.parametrize("chunks", [(3, 4, 5), (-1, 3, 2), ((2, 4), (3, 3, 1), (5, 1, 2)), 1])
def test_a_dask_array_is_read_as_it_is(make, assert_reads, chunks):
    array = make((6, 7, 8))
    assert_reads(open_source(da.from_array(array, chunks)), array)


def test_each_chunk_of_a_dask_array_is_computed_once_by_two_threads():
    calls = []

    def block(block_info=None):
        calls.append(block_info[None]["chunk-location"])
        return np.full((4, 4), len(calls), "int64")

    array = da.map_blocks(
        block, chunks=((4, 4, 4), (4, 4)), dtype="int64", meta=np.empty((0, 0), "int64")
    )
    calls.clear()
    source = open_source(array)
    regions = [Roi((n, m), (6, 5)) for n in range(6) for m in range(3)]
    threads = [
        threading.Thread(target=lambda: [source.read(roi) for roi in regions]) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(calls) == [(n, m) for n in range(3) for m in range(2)]


def test_a_dask_array_of_unknown_shape_is_refused():
    array = da.from_array(np.arange(10), 5)
    with pytest.raises(MetadataError, match="compute_chunk_sizes"):
        open_source(array[array > 3])


def test_arrays_travel(make):
    array = make((3, 4))
    for source in (open_source(array), open_source(da.from_array(array, 2))):
        again = pickle.loads(pickle.dumps(source))
        np.testing.assert_array_equal(again.read(again.spec.roi), array)


def test_the_identity_of_a_dask_array_is_its_token():
    array = da.from_array(np.arange(4), 2)
    assert open_source(array).identity.kind == "dask"
    assert open_source(array).identity == open_source(array).identity
    assert open_source(array).identity != open_source(array + 1).identity


@pytest.mark.parametrize("source", [3, None, [[1, 2]], b"path", object()])
def test_other_things_are_refused(source):
    with pytest.raises(ParameterError, match="numpy array"):
        open_source(source)


def test_objects_are_no_voxels():
    with pytest.raises(MetadataError, match="voxels are"):
        open_source(np.array([["a", "b"]]))
