"""Workers know who they are: in functions of a block, in their own loops, and in programs."""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scutoid import blocks
from scutoid.executors import find_executor
from scutoid.integrations import daisy

NAMES = {"task_id", "worker_id", "hostname", "port", "logdir"}


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAISY_CONTEXT", raising=False)
    daisy.set_log_basedir(tmp_path / "daisy_logs")
    daisy.set_tracking_basedir(None)


def line(n):
    roi = daisy.Roi((0,), (1,))
    return {"total_roi": daisy.Roi((0,), (n,)), "read_roi": roi, "write_roi": roi}


def told_to(folder):
    """What each block was told: lines of its number, process and context."""
    rows = [path.read_text().split(" ", 2) for path in folder.glob("told-*")]
    return [(int(block), int(process), daisy.Context.read(text)) for block, process, text in rows]


def wait_for(folder, names, n):
    """Wait until so many files are there: workers that have begun."""
    for _ in range(3000):
        if len(list(folder.glob(names))) >= n:
            break
        threading.Event().wait(0.01)


def note_in(folder):
    """A function of a block that notes what it is told, once two workers are at blocks at once."""

    def note(block):
        number = block.block_id[1]
        context = daisy.Context.from_env()
        (folder / f"at-{context['worker_id']}").touch()
        wait_for(folder, "at-*", 2)
        text = f"{number} {os.getpid()} {context.to_env()}"
        (folder / f"told-{block.task_id}-{number}").write_text(text)

    return note


def assert_distinct(rows, n_blocks, *, n_workers):
    """Each worker has one number, and no two of them the same."""
    assert len(rows) == n_blocks
    pairs = {(process, context["worker_id"]) for _, process, context in rows}
    numbers = [number for _, number in pairs]
    assert len(pairs) == len(set(numbers)) == n_workers
    assert all(set(context) >= NAMES and context["task_id"] == "t" for *_, context in rows)


def test_blocks_in_processes_know_their_worker(tmp_path):
    task = daisy.Task("t", process_function=note_in(tmp_path), num_workers=2, **line(6))
    assert daisy.run_blockwise([task], progress=False)
    rows = told_to(tmp_path)
    assert_distinct(rows, 6, n_workers=2)
    assert {context["hostname"] for *_, context in rows} == {socket.gethostname()}
    assert {context["port"] for *_, context in rows} == {"0"}


def test_a_block_in_this_process_knows_it_and_leaves_the_environment_as_it_was(tmp_path):
    told = []
    task = daisy.Task(
        "t", process_function=lambda b: told.append(daisy.Context.from_env()), **line(3)
    )
    assert daisy.run_blockwise([task], multiprocessing=False)
    assert [context["worker_id"] for context in told] == ["0"] * 3
    assert "DAISY_CONTEXT" not in os.environ
    with pytest.raises(KeyError, match="a worker has a context"):
        daisy.Context.from_env()


def test_blocks_over_dask_know_their_worker(tmp_path):
    pytest.importorskip("distributed", reason="distributed is not installed")
    task = daisy.Task("t", process_function=note_in(tmp_path), num_workers=2, **line(6))
    assert daisy.run_blockwise([task], progress=False, executor="dask")
    assert_distinct(told_to(tmp_path), 6, n_workers=2)


@pytest.mark.parametrize("kind", ["threads", "thread pool", "wide thread pool"])
def test_threads_know_their_worker_and_never_two_at_once_the_same(tmp_path, kind):
    """However many threads a pool has, a worker is at one block at once."""
    busy, lock, seen = set(), threading.Lock(), []

    def note(block):
        number = daisy.Context.from_env()["worker_id"]
        with lock:
            assert number not in busy
            busy.add(number)
        threading.Event().wait(0.002)
        with lock:
            busy.discard(number)
            seen.append(number)

    task = daisy.Task("t", process_function=note, num_workers=2, max_retries=0, **line(60))
    with concurrent.futures.ThreadPoolExecutor(2 if kind == "thread pool" else 8) as pool:
        executor = "threads" if kind == "threads" else pool
        assert daisy.run_blockwise([task], progress=False, executor=executor)
    assert set(seen) == {"0", "1"}
    assert "DAISY_CONTEXT" not in os.environ


def test_programs_that_blocks_start_find_their_own_context_or_none(tmp_path):
    """In threads that share one environment none is better than another worker's."""
    both = threading.Barrier(2)
    show = [sys.executable, "-c", "import os; print(os.environ.get('DAISY_CONTEXT', ''))"]

    def ask():
        found = subprocess.run(show, capture_output=True, text=True, check=True)
        return daisy.Context.read(found.stdout.strip())

    answers = []

    def start(block):
        if len(answers) == 0:
            both.wait(60)
            answers.append((daisy.Context.from_env()["worker_id"], ask()))
            both.wait(60)

    task = daisy.Task("t", process_function=start, num_workers=2, max_retries=0, **line(2))
    assert daisy.run_blockwise([task], progress=False, executor="threads")
    assert [found for _, found in answers] == [{}, {}]
    answers.clear()

    def alone(block):
        answers.append((daisy.Context.from_env(), ask()))

    for options in ({"multiprocessing": False}, {"executor": "threads"}):
        task = daisy.Task("t", process_function=alone, max_retries=0, **line(1))
        assert daisy.run_blockwise([task], progress=False, **options)
    assert len(answers) == 2
    assert all(told == found and found for told, found in answers)


def test_parts_named_by_the_worker_lose_nothing(tmp_path):
    """Workers that took one name each wrote over the other's part."""

    def start():
        with Path(f"part-{daisy.Context.from_env()['worker_id']}").open("w") as part:
            client = daisy.Client()
            while True:
                with client.acquire_block() as block:
                    if block is None:
                        break
                    wait_for(tmp_path, "part-*", 2)
                    part.write(f"{block.block_id[1]}\n")
                    part.flush()

    task = daisy.Task("t", process_function=start, num_workers=2, **line(40))
    assert daisy.run_blockwise([task], progress=False)
    parts = [path.read_text().split() for path in tmp_path.glob("part-*")]
    assert len(parts) == 2
    assert sorted(map(int, itertools.chain(*parts))) == list(range(40))


SCRIPT = """
    import os, sys, time
    from pathlib import Path
    from scutoid.integrations import daisy

    folder, n_programs = Path(sys.argv[1]), int(sys.argv[2])
    client = daisy.Client()
    (folder / f"joined-{client.worker_id}").touch()
    for _ in range(3000):
        if len(list(folder.glob("joined-*"))) >= n_programs:
            break
        time.sleep(0.01)
    assert daisy.Context.from_env() == client.context
    assert (client.context["worker_id"], client.task_id) == (str(client.worker_id), "t")
    assert (client.host, client.port) == (client.context["hostname"], int(client.context["port"]))
    while True:
        with client.acquire_block() as block:
            if block is None:
                break
            text = f"{block.block_id[1]} {os.getpid()} {daisy.Context.from_env().to_env()}"
            (folder / f"told-{block.task_id}-{block.block_id[1]}").write_text(text)
"""


@pytest.mark.parametrize("way", ["environment", "context alone", "two programs"])
def test_programs_of_a_worker_function_join_by_its_context(tmp_path, way):
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    n_programs = 4 if way == "two programs" else 2

    def start(*, context):
        assert context == daisy.Context.from_env()
        (tmp_path / f"start-{context['worker_id']}").touch()
        env = dict(os.environ)
        if way == "context alone":
            env = {k: v for k, v in env.items() if not k.startswith(("SCUTOID", "DAISY"))}
            env["DAISY_CONTEXT"] = context.to_env()
        command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), str(n_programs)]
        for program in [subprocess.Popen(command, env=env) for _ in range(n_programs // 2)]:
            assert program.wait() == 0

    task = daisy.Task("t", process_function=start, num_workers=2, **line(30))
    assert daisy.run_blockwise([task], progress=False)
    assert len(list(tmp_path.glob("start-*"))) == 2
    assert len(list(tmp_path.glob("joined-*"))) == n_programs
    rows = told_to(tmp_path)
    numbers = {process: context["worker_id"] for _, process, context in rows}
    assert len(rows) == 30
    assert len(set(numbers.values())) == len(numbers) >= 2
    assert {int(context["port"]) > 0 for *_, context in rows} == {True}


def test_functions_of_a_block_beside_worker_functions_know_theirs_too(tmp_path):
    def start():
        client = daisy.Client()
        while True:
            with client.acquire_block() as block:
                if block is None:
                    break

    a = daisy.Task("a", process_function=start, **line(3))
    b = daisy.Task("t", process_function=note_in(tmp_path), num_workers=2, **line(4))
    assert daisy.run_blockwise([a, b], progress=False)
    rows = told_to(tmp_path)
    assert_distinct(rows, 4, n_workers=2)
    assert {context["port"] for *_, context in rows} != {"0"}


def test_a_worker_of_a_run_by_hand_has_a_context_once_it_has_joined(tmp_path):
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT).replace(', "t")', ", None)"))
    from scutoid.executors import ConnectExecutor

    executor = ConnectExecutor(tmp_path / "run.json")

    def start():
        """Has a loop of its own."""

    task = daisy.Task("t", process_function=start, **line(5))
    env = os.environ | {"SCUTOID_CONNECTION": str(tmp_path / "run.json")}
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), "1"]
    with subprocess.Popen(command, env=env) as program:
        assert daisy.run_blockwise([task], progress=False, executor=executor)
        assert program.wait() == 0
    assert len(told_to(tmp_path)) == 5


def test_a_client_without_a_run_says_so(monkeypatch):
    monkeypatch.delenv("SCUTOID_CONNECTION", raising=False)
    with pytest.raises(KeyError, match="a worker has a context"):
        daisy.Client()


_texts = st.text(alphabet=":=%/ \n,é+a0", max_size=6)


@given(st.dictionaries(_texts.filter(bool), _texts, max_size=5))
def test_a_context_is_read_back_as_it_was_written(options):
    context = daisy.Context(options)
    text = context.to_env()
    assert daisy.Context.read(text) == context == context.copy()
    assert "\n" not in text or any("\n" in part for pair in options.items() for part in pair)


def test_what_is_told_is_text():
    context = daisy.Context(worker_id=3, logdir=None)
    context["port"] = 80
    assert (context["worker_id"], context["port"], context["logdir"]) == ("3", "80", "None")


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_the_engine_says_which_worker_is_at_a_block(executor, tmp_path):
    from scutoid.executors import current_worker
    from scutoid.geometry import BlockGrid, Roi

    seen = []
    grid = BlockGrid(Roi((0,), (4,)), 1)
    task = blocks.BlockTask("t", lambda b: current_worker(), grid, collect=seen.extend)
    blocks.run_blocks([task], executor=find_executor(executor))
    assert {number for _, number in seen} == {0}
    assert current_worker() is None
