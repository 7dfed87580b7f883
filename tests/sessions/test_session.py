"""What runs share, from the begin of a session to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ParameterError, PipelineError, RunFailed, ScutoidWarning, WorkerError

RAW = np.arange(64.0).reshape(8, 8)


def half(image):
    sys.stdout.write("a block\n")
    return image / 2


def picky(image):
    if image.max() > 50:
        raise ValueError("too bright")
    return image


def step(function):
    return sc.blockwise(dtype="float64", block=4, version="1", check_halo=False)(function)


@pytest.fixture
def short():
    """A folder whose path is short enough for sockets below a folder below it."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="s-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def distributed():
    return pytest.importorskip("distributed", reason='needs pip install "scutoid[dask]"')


def test_runs_and_plans_take_the_options_of_the_session(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with sc.session(store="results", executor="serial", workers=1) as session:
        monkeypatch.chdir("/")  # a session knows its store by now
        result = step(half)(sc.open(RAW))
        assert session.plan(result).steps[0].n_done == 0
        assert session.run(result).ok
        assert session.plan(result).steps[0].n_done == 4
        assert session.run(result, store=tmp_path / "other").store == tmp_path / "other"
    assert session.store == tmp_path / "results"
    np.testing.assert_array_equal(np.asarray(sc.Store(session.store)["half"]), RAW / 2)


def test_a_run_without_a_store_is_refused_with_where_to_say_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with sc.session(executor="serial") as session:
        assert session.store is None
        for call in (session.run, session.plan):
            with pytest.raises(ParameterError, match=r'store="results"[\s\S]*session'):
                call(step(half)(sc.open(RAW)))
        assert session.run(step(half)(sc.open(RAW)), store="results").ok
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_a_session_ends_once_and_runs_nothing_then(tmp_path):
    session = sc.session(store=tmp_path, executor="serial")
    assert repr(session) == f"Session(open, store={tmp_path}, executor='serial')"
    session.close()
    session.close()
    for again in (lambda: session.run, lambda: session.plan, session.__enter__):
        with pytest.raises(PipelineError, match=r"until it is closed[\s\S]*begin another one"):
            again()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executor": "proceses"}, "one of"),
        ({"workers": 0}, "1 worker or more"),
        ({"workers": 2.5}, "1 worker or more"),
        ({"workers": "4"}, "1 worker or more"),
        ({"store": ""}, "a folder is given by its path"),
        ({"store": 5}, "a folder is given by its path"),
        ({"logs": b"logs"}, "a folder is given by its path"),
        ({"logs": "s3://bucket/logs"}, "a folder of this machine"),
        ({"temporary_directory": "s3://bucket/tmp"}, "a folder of this machine"),
        ({"temporary_directory": "/proc/none"}, "temporary directory can be written"),
        ({"logs": "/proc/none"}, "a folder of logs can be written"),
    ],
)
def test_what_is_wrong_is_said_at_once_and_leaves_nothing(options, message, tmp_path, short):
    before = sys.stdout, tempfile.tempdir, dict(os.environ)
    with pytest.raises(ParameterError, match=message):
        sc.session(**({"logs": tmp_path, "temporary_directory": short} | options))
    assert (sys.stdout, tempfile.tempdir, dict(os.environ)) == before
    assert not list(short.iterdir())


@pytest.mark.parametrize("n", [2, 3])
def test_sessions_that_are_closed_in_the_order_in_which_they_began_leave_nothing(
    tmp_path, short, n
):
    before = sys.stdout, sys.stderr, tempfile.tempdir, dict(os.environ)
    opened = [
        sc.session(executor="serial", logs=tmp_path / str(k), temporary_directory=short)
        for k in range(n)
    ]
    for session in opened:
        session.close()
        if session is not opened[-1]:
            assert Path(tempfile.gettempdir()).is_dir()
            sys.stdout.write("goes on\n")
    assert (sys.stdout, sys.stderr, tempfile.tempdir, dict(os.environ)) == before
    assert "goes on" not in (tmp_path / "0" / "stdout.log").read_text()
    assert "goes on" in (tmp_path / str(n - 1) / "stdout.log").read_text()
    assert list(short.iterdir()) == []


def test_the_error_that_ends_it_stands_in_the_log(tmp_path, short):
    before = sys.stderr

    def fail():
        with sc.session(logs=tmp_path, temporary_directory=short, executor="serial"):
            sys.stdout.write("before\n")
            raise ZeroDivisionError("division by zero")

    with pytest.raises(ZeroDivisionError):
        fail()
    assert sys.stderr is before
    assert "ZeroDivisionError: division by zero" in (tmp_path / "stderr.log").read_text()
    assert "before" in (tmp_path / "stdout.log").read_text()
    assert list(short.iterdir()) == []


def test_a_warning_of_a_run_names_the_line_of_its_caller(tmp_path):
    @sc.blockwise(dtype="float64", block=4, check_halo=False)
    def random(image):
        return image + np.random.default_rng().random(image.shape)

    with sc.session(store=tmp_path, executor="serial") as session:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", ScutoidWarning)
            session.run(random(sc.open(RAW)))
        assert {Path(each.filename).name for each in said} == {Path(__file__).name}


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_tracebacks_lie_in_the_folder_of_the_run(executor, tmp_path):
    with (
        sc.session(store=tmp_path, executor=executor, workers=1) as session,
        pytest.raises(RunFailed) as failed,
    ):
        session.run(step(picky)(sc.open(RAW)))
    logs = failed.value.run.folder / "logs"
    assert f"all tracebacks, and what workers printed: {logs}" in str(failed.value)
    said = (logs / "failures.log").read_text()
    assert said.startswith("picky, block 2")
    assert said.count("raise ValueError") == 1  # the same of two blocks, once
    assert "block 3" in said
    sc.Store(tmp_path).gc(older_than=0)
    assert not failed.value.run.folder.exists()


SCRIPT = """
import os, sys, tempfile, time
from pathlib import Path
import numpy as np
import scutoid as sc

@sc.blockwise(dtype="float64", block=4, version="1", check_halo=False)
def slow(image, *, place, block):
    Path(place, f"begun-{block.index}").touch()
    time.sleep(0.05)
    while block.index and not Path(place, "go").exists():
        time.sleep(0.01)
    return image

place = sys.argv[1]
Path(place, f"script-{os.getpid()}").touch()
with sc.session(store=place + "/store", executor=sys.argv[2], workers=2,
                temporary_directory=sys.argv[3], logs=place + "/logs") as session:
    print("worker" if session.client is None else session.client.status, flush=True)
    session.run(slow(sc.open(np.zeros((8, 8))), place=place))
"""


@pytest.mark.parametrize("executor", ["processes", "dask"])
def test_a_signal_closes_all_and_the_script_needs_no_guard(
    executor, tmp_path, short, wait_for, request
):
    if executor == "dask":
        request.getfixturevalue("distributed")
    script = tmp_path / "cells.py"
    script.write_text(SCRIPT)
    started = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), executor, str(short)],
        env=os.environ | {"SCUTOID_GRACE": "1s"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: (tmp_path / "begun-1").exists() or started.poll() is not None)
    started.send_signal(signal.SIGTERM)
    out, err = started.communicate()
    assert started.returncode == 143, err
    assert len(list(tmp_path.glob("script-*"))) == 1
    assert list(short.iterdir()) == []
    assert "RunStopped" in (tmp_path / "logs" / "stderr.log").read_text()
    assert out.strip() in (tmp_path / "logs" / "stdout.log").read_text()
    wait_for(lambda: not _processes_that_name(tmp_path))


def _processes_that_name(folder):
    """Return the numbers of processes whose command has a folder in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(process.name)
    return found


@pytest.mark.parametrize("keeps", [False, True])
def test_a_cluster_that_does_not_start_names_a_log_that_is_there(
    distributed, tmp_path, monkeypatch, keeps
):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho no Dask here >&2\nexit 7\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    logs = tmp_path / "logs" if keeps else None
    with pytest.raises(WorkerError, match="exit code 7: no Dask here") as caught:
        sc.session(executor="dask", workers=1, logs=logs)
    if keeps:
        assert "no Dask here" in Path(caught.value.place).read_text()
    else:
        assert caught.value.place is None
        assert "logs=" in caught.value.remedy


def test_a_cluster_serves_several_runs_and_ends(distributed, tmp_path, short, is_alive, wait_for):
    config = pytest.importorskip("dask.config")
    array = pytest.importorskip("dask.array")
    before = set(threading.enumerate())
    with sc.session(
        store=tmp_path / "store",
        executor="dask",
        workers=2,
        temporary_directory=short,
        logs=tmp_path / "logs",
    ) as session:
        session.client.wait_for_workers(2)
        workers = session.client.run(os.getpid)
        assert len({*workers.values()} - {os.getpid()}) == 2
        runs = [
            session.run(step(function)(sc.open(RAW)), on_failure="return")
            for function in (half, picky)
        ]
        assert session.client.run(os.getpid) == workers
        where = session.client.run(tempfile.gettempdir)
        assert {Path(folder).parent.parent for folder in where.values()} == {short}
        pids = array.zeros(2, chunks=1).map_blocks(lambda x: x + os.getpid(), dtype=float)
        assert {*pids.compute()} <= {*workers.values()}
    assert list(short.iterdir()) == []
    said = ["".join(p.read_text() for p in run.folder.glob("logs/*worker*")) for run in runs]
    assert said[0].count("a block") == 4
    assert "a block" not in said[1]
    assert "too bright" in (runs[1].folder / "logs" / "failures.log").read_text()
    whole = "".join(p.read_text() for p in (tmp_path / "logs").glob("*worker*"))
    assert whole.count("a block") == 4
    wait_for(lambda: not any(map(is_alive, workers.values())))  # killed, and maybe not gone yet
    assert config.get("scheduler", None) is None
    assert not [t.name for t in set(threading.enumerate()) - before if "loop" in t.name.lower()]


def test_a_client_that_is_given_goes_on(distributed, tmp_path):
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(silence_logs=50, processes=False, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.run(_complain, "before")
        with sc.session(store=tmp_path, executor=client) as session:
            assert session.client is client
            run = session.run(complaining(sc.open(RAW)))
        assert client.submit(sum, [1, 2]).result() == 3
    lines = (run.folder / "logs" / "dask-worker-0.log").read_text()
    assert lines.startswith("inproc://")
    assert lines.count("block") == 4
    assert "before" not in lines


def _complain(text):
    import logging

    logging.getLogger("distributed.worker").warning(text)


@sc.blockwise(dtype="float64", block=4, version="1", check_halo=False)
def complaining(image, *, block):
    _complain(f"block {block.index}")
    return image
