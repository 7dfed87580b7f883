"""Dask arrays as inputs: computed in the cluster, and read from it where they were persisted."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import RunFailed, SourceError

distributed = pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')
da = pytest.importorskip("dask.array")

RAW = np.arange(256.0).reshape(16, 16)


@sc.blockwise(halo=4, dtype="float64", block=8)
def smooth(image):
    from scipy import ndimage

    return ndimage.gaussian_filter(image, 1)


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(silence_logs=50, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def noted(folder, array):
    """Add 1 to an array, and note in files which processes compute its chunks."""

    def note(block):
        Path(folder, f"{os.getpid()}-{os.urandom(8).hex()}").touch()
        return block + 1

    return array.map_blocks(note, dtype=float, meta=array._meta)


def pids(folder):
    return [int(path.name.partition("-")[0]) for path in folder.iterdir()]


def run(array, store, **options):
    return np.asarray(sc.run(smooth(sc.open(array)), store=store, workers=2, **options)["smooth"])


def expected(array):
    return np.asarray(smooth(sc.open(array)))


def test_nothing_of_it_is_computed_in_the_driver(client, tmp_path):
    (tmp_path / "notes").mkdir()
    array = noted(tmp_path / "notes", da.from_array(RAW, chunks=8))
    found = run(array, tmp_path / "store", executor=client)
    np.testing.assert_array_equal(found, expected(RAW + 1))
    assert len(pids(tmp_path / "notes")) >= 4
    assert os.getpid() not in pids(tmp_path / "notes")


@pytest.mark.parametrize("executor", ["cluster", "threads"])
@pytest.mark.parametrize("more", [lambda array: array, lambda array: array[2:] * 2])
def test_what_was_persisted_is_read_and_not_computed_again(client, tmp_path, executor, more):
    (tmp_path / "notes").mkdir()
    array = client.persist(noted(tmp_path / "notes", da.from_array(RAW + len(executor), chunks=8)))
    where = client if executor == "cluster" else executor
    found = run(more(array), tmp_path / "store", executor=where)
    np.testing.assert_array_equal(found, expected(more(RAW + len(executor) + 1)))
    assert len(pids(tmp_path / "notes")) == 4


def test_a_default_client_computes_for_this_process(client, tmp_path):
    (tmp_path / "notes").mkdir()
    array = noted(tmp_path / "notes", da.from_array(RAW, chunks=16))
    with client.as_current():
        np.testing.assert_array_equal(sc.open(array).read(), RAW + 1)
    assert os.getpid() not in pids(tmp_path / "notes")


def test_other_processes_and_clusters_are_refused(client, tmp_path):
    array = client.persist(da.from_array(RAW + 7, chunks=8) + 1)
    rule = "persisted in a cluster of Dask is read where that cluster is"
    with pytest.raises(RunFailed, match=rule):
        run(array, tmp_path / "a", executor="processes")
    with (
        distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address=":0", silence_logs=50
        ) as other,
        pytest.raises(RunFailed, match=rule),
    ):
        run(array, tmp_path / "b", executor=other)


def test_parts_that_failed_or_are_gone_are_told_before_a_block_runs(client, tmp_path):
    def fail(block):
        raise ZeroDivisionError("no")

    ones = da.ones((8, 8), chunks=8)
    failed = client.persist(ones.map_blocks(fail, dtype=float, meta=ones._meta))
    with pytest.raises(SourceError, match=r"error: no[\s\S]*persist it again"):
        run(failed, tmp_path / "a", executor=client)
    gone = client.persist(ones + 3)
    client.cancel(gone)
    with pytest.raises(SourceError, match="cancelled"):
        run(gone, tmp_path / "b", executor=client)
