"""What steps need of a Dask worker: which workers do them, and what is refused before work."""

from __future__ import annotations

import numpy as np
import pytest

import scutoid as sc
from scutoid.blocks import BlockGrid, BlockTask, run_blocks
from scutoid.errors import MemoryLimitError, ParameterError, WorkerError
from scutoid.executors._dask_needs import check_memory, lacking_memory, lacking_resources, serves
from scutoid.executors._dask_types import Present
from scutoid.executors._work import Work
from scutoid.geometry import Roi

GB = 10**9


def work(memory=0, **requires):
    return Work("w", lambda item, values: (1, None), list, requires=requires, memory=memory)


def worker(memory=0, **resources):
    return Present("id", "running", None, 1, resources, memory)


@pytest.fixture(scope="module")
def one_worker():
    distributed = pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')
    with distributed.LocalCluster(
        n_workers=1, processes=False, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield cluster


@pytest.mark.parametrize(
    ("works", "there", "served"),
    [
        ([work(), work()], worker(), None),
        ([work(), work(gpu=1)], worker(), {0}),
        ([work(), work(gpu=1)], worker(gpu=2), None),
        ([work(2 * GB), work()], worker(GB), {1}),
        ([work(GB), work()], worker(GB), None),
        ([work(2 * GB), work()], worker(), None),
        ([work(2 * GB, gpu=1), work(gpu=1)], worker(GB, gpu=1), {1}),
    ],
)
def test_a_worker_does_what_it_has_enough_for(works, there, served):
    assert serves(works, there) == served


@pytest.mark.parametrize(
    ("needs", "limits", "lacks"),
    [
        ([0], [GB], False),
        ([GB], [], False),
        ([GB], [GB], False),
        ([GB + 1], [GB], True),
        ([0, GB + 1], [GB], True),
        ([2 * GB], [GB, 3 * GB], False),
        ([2 * GB], [GB, 0], False),
    ],
)
def test_a_block_needs_no_more_memory_than_some_worker_has(needs, limits, lacks):
    works = [work(need) for need in needs]
    if lacks:
        with pytest.raises(MemoryLimitError, match="fits in the memory of one worker"):
            check_memory(works, limits)
    else:
        check_memory(works, limits)
    if limits:
        assert bool(lacking_memory(works, [worker(limit) for limit in limits])) == lacks


def test_resources_that_no_worker_has_are_named():
    works = [work(gpu=2), work(disk=1), work()]
    assert lacking_resources(works, [worker(gpu=1), worker(disk=1)]) == ["gpu=2"]
    assert lacking_resources(works, [worker(gpu=2), worker(disk=1)]) == []


def test_memory_that_no_worker_of_a_cluster_has_is_told_before_work():
    distributed = pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')
    calls = []
    grid = BlockGrid(Roi((0,), (4,)), 1)
    task = BlockTask("large", calls.append, grid, bytes_per_block=10 * GB)
    options = {"n_workers": 1, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(processes=False, memory_limit=4 * GB, **options) as cluster:
        with pytest.raises(MemoryLimitError, match=r"10 GB needed, 4 GB there(.|\n)*'large'"):
            run_blocks(task, executor=cluster)
        assert not calls
        assert run_blocks(task, executor=cluster, memory="20GB").ok  # the user knows better


def test_a_client_that_is_closed_is_refused_before_anything_is_begun(tmp_path):
    distributed = pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')
    options = {"n_workers": 1, "dashboard_address": ":0", "silence_logs": 50}
    with distributed.LocalCluster(processes=False, **options) as cluster:
        client = distributed.Client(cluster, set_as_default=False)
        client.close()
    smooth = sc.gaussian(sc.open(np.zeros((8, 8))), sigma=1)
    with pytest.raises(ParameterError, match="client is connected"):
        sc.run(smooth, store=tmp_path, executor=client)
    assert not list(tmp_path.glob("runs/*"))


def test_a_patience_that_ends_says_what_the_workers_lack(monkeypatch, one_worker):
    monkeypatch.setenv("SCUTOID_DASK_PATIENCE", "1s")
    task = BlockTask("t", lambda block: None, BlockGrid(Roi((0,), (2,)), 1), requires={"gpu": 2})
    with pytest.raises(WorkerError, match=r"none of 1 has gpu=2; start some with --resources"):
        run_blocks(task, executor=one_worker)


@pytest.mark.parametrize("executor", ["dask", "given"])
def test_a_patience_that_is_no_time_is_told_before_anything_begins(
    monkeypatch, request, tmp_path, executor
):
    monkeypatch.setattr("scutoid.executors._dask_cluster.OwnCluster", None)
    cluster = request.getfixturevalue("one_worker") if executor == "given" else executor
    monkeypatch.setenv("SCUTOID_DASK_PATIENCE", "5")
    smooth = sc.gaussian(sc.open(np.zeros((8, 8))), sigma=1)
    with pytest.raises(ParameterError, match="SCUTOID_DASK_PATIENCE"):
        sc.run(smooth, store=tmp_path / "s", executor=cluster)
    assert not list(tmp_path.glob("s/runs/*"))
    with pytest.raises(ParameterError, match="SCUTOID_DASK_PATIENCE"):
        sc.session(executor=cluster)
