"""Workers with a loop of their own: scripts that join, leave, die, hang or never join."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client

import pytest

from scutoid import events
from scutoid.blocks import After, BlockGrid, BlockTask, Journal, connect, run_blocks
from scutoid.errors import ParameterError, WorkerError
from scutoid.executors import ConnectExecutor, Launch
from scutoid.geometry import Roi
from scutoid.testing import ExecutorTests, Recorder


def grid(n):
    return BlockGrid(Roi((0,), (n,)), 1)


def script(folder, name, text):
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return [sys.executable, str(path), str(folder)]


JUST_LOOP = """
    from scutoid.blocks import connect

    with connect() as blocks:
        for block in blocks:
            pass
"""

MARK = """
    import sys
    from pathlib import Path
    from scutoid.blocks import connect

    folder = Path(sys.argv[1])
    with connect() as blocks:
        for block in blocks:
            with (folder / f"{block.task}-{block.index}").open("a") as file:
                file.write(f"{blocks.worker} {block.write_roi.offset[0]} ")
"""


def marks(folder, task, n):
    return [(folder / f"{task}-{index}").read_text().split() for index in range(n)]


class TestConnect(ExecutorTests):
    """Tasks with functions, carried out by workers that join."""

    @pytest.fixture
    def executor(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("workers")
        return ConnectExecutor(launch=[Launch(script(folder, "loop.py", JUST_LOOP), workers=2)])


def test_a_script_takes_blocks_in_a_loop_of_its_own(tmp_path):
    task = BlockTask("t", None, grid(40))
    executor = ConnectExecutor(launch=[Launch(script(tmp_path, "w.py", MARK), workers=2)])
    report = run_blocks(task, executor=executor, workers=2, journal=tmp_path)
    assert report.ok
    order = marks(tmp_path, "t", 40)
    assert [int(offset) for _, offset in order] == list(range(40))
    assert (Journal.read(tmp_path / "t.journal") == 2).all()


def test_workers_that_were_not_started_by_the_run_join_late_and_leave_early(tmp_path):
    """One is there before the run, one comes when it is under way and leaves after ten blocks."""
    file = tmp_path / "run.json"
    first = subprocess.Popen(
        script(
            tmp_path,
            "first.py",
            f"""
            import sys, time
            from pathlib import Path
            from scutoid.blocks import connect

            folder = Path(sys.argv[1])
            with connect({str(file)!r}) as blocks:
                for block in blocks:
                    (folder / f"first-{{block.index}}").touch()
                    # one block is left to the other one, whenever it comes
                    while len(list(folder.glob("first-*"))) > 3 and not (folder / "left").exists():
                        time.sleep(0.01)
            """,
        )
    )
    second = None

    def start_second(event):
        nonlocal second
        if isinstance(event, events.BatchDone) and second is None:
            second = subprocess.Popen(
                script(
                    tmp_path,
                    "second.py",
                    f"""
                    import sys
                    from pathlib import Path
                    from scutoid.blocks import connect

                    folder = Path(sys.argv[1])
                    with connect({str(file)!r}) as blocks:
                        for n, block in enumerate(blocks):
                            if n == 10:
                                break  # the block in hand goes to somebody else
                            (folder / f"second-{{block.index}}").touch()
                    (folder / "left").touch()
                    """,
                )
            )

    recorder = Recorder(start_second)
    task = BlockTask("t", None, grid(60), retries=0)
    report = run_blocks(task, executor=ConnectExecutor(file), workers=2, listeners=[recorder])
    assert report.ok
    assert first.wait(240) == 0
    assert second.wait(240) == 0
    done = [int(path.name.partition("-")[2]) for path in tmp_path.glob("*-*") if path.is_file()]
    assert sorted(done) == list(range(60))
    assert len(list(tmp_path.glob("second-*"))) == 10
    assert [event.reason for event in recorder.of(events.WorkerLost)] == ["left"]
    assert not file.exists()


def test_a_slow_start_holds_nobody_up(tmp_path):
    worker = script(
        tmp_path,
        "w.py",
        """
        import sys, time
        from pathlib import Path
        from scutoid.blocks import connect

        folder = Path(sys.argv[1])
        try:
            (folder / "first").touch(exist_ok=False)
        except FileExistsError:  # the second one loads its model until the first has worked
            while len(list(folder.glob("block-*"))) < 20:
                time.sleep(0.01)
        with connect() as blocks:
            for block in blocks:
                (folder / f"block-{block.index}").touch()
                time.sleep(0.01)
        """,
    )
    task = BlockTask("t", None, grid(100))
    executor = ConnectExecutor(launch=[Launch(worker, workers=2)])
    recorder = Recorder()
    assert run_blocks(task, executor=executor, workers=2, listeners=[recorder]).ok
    assert {event.worker for event in recorder.of(events.BatchDone)} == {0, 1}


@pytest.mark.parametrize("how", ["raise", "failed", "kill", "exit"])
def test_a_block_that_fails_in_the_users_loop_is_tried_again(tmp_path, how):
    worker = script(
        tmp_path,
        "w.py",
        f"""
        import os, signal, sys
        from pathlib import Path
        from scutoid.blocks import connect

        folder = Path(sys.argv[1])
        with connect() as blocks:
            for block in blocks:
                with (folder / f"t-{{block.index}}").open("a") as file:
                    file.write("x ")
                if block.index == 7 and not (folder / "failed").exists():
                    (folder / "failed").touch()
                    error = ValueError("seven is not for me")
                    if {how!r} == "raise":
                        raise error
                    if {how!r} == "failed":
                        blocks.failed(error)
                    if {how!r} == "kill":
                        os.kill(os.getpid(), signal.SIGKILL)
                    if {how!r} == "exit":
                        os._exit(0)
        """,
    )
    executor = ConnectExecutor(launch=[Launch(worker, workers=1)])
    recorder = Recorder()
    task = BlockTask("t", None, grid(20), retries=1)
    logs = tmp_path / "logs"
    assert run_blocks(task, executor=executor, listeners=[recorder], logs=logs).ok
    assert [len(each) for each in marks(tmp_path, "t", 20)] == [1] * 7 + [2] + [1] * 12
    (failed,) = recorder.of(events.BlockFailed)
    assert failed.index == 7
    if how in {"raise", "failed"}:
        assert failed.error == "ValueError: seven is not for me"
    else:
        assert "left without a message" in failed.error
    # an exception goes on its way: the script ends with it, and is started again
    assert ("ValueError" in (logs / "worker-0.log").read_text()) == (how == "raise")
    assert len(recorder.of(events.WorkerStarted)) == (1 if how == "failed" else 2)


def test_a_worker_that_hangs_is_given_up_at_the_time_out(tmp_path):
    worker = script(
        tmp_path,
        "w.py",
        """
        import sys, time
        from pathlib import Path
        from scutoid.blocks import connect

        folder = Path(sys.argv[1])
        with connect() as blocks:
            for block in blocks:
                if block.index == 3 and not (folder / "hung").exists():
                    (folder / "hung").touch()
                    time.sleep(600)
        """,
    )
    executor = ConnectExecutor(launch=[Launch(worker)])
    recorder = Recorder()
    task = BlockTask("t", None, grid(10), timeout=5)
    assert run_blocks(task, executor=executor, listeners=[recorder]).ok
    (failed,) = recorder.of(events.BlockFailed)
    assert (failed.index, failed.error) == (3, "TimeoutError: the block took more than 5 s")


def test_a_worker_that_was_given_up_is_told_so(tmp_path):
    """In this very process: it comes back from its block, and finds that it was too slow."""
    file = tmp_path / "run.json"
    recorder = Recorder()
    finished = threading.Event()

    def run():
        task = BlockTask("t", None, grid(2), timeout=3, retries=1)
        run_blocks(task, executor=ConnectExecutor(file), listeners=[recorder])
        finished.set()

    thread = threading.Thread(target=run)
    thread.start()
    slow = connect(file)
    block = next(slow)
    with connect(file) as quick:
        indices = [other.index for other in quick]
    thread.join(240)
    assert finished.is_set()
    assert sorted(indices) == [0, 1]
    with pytest.raises(WorkerError, match="tells its workers"):
        next(slow)
    slow.leave()
    assert block.index in indices
    assert [event.index for event in recorder.of(events.BlockFailed)] == [block.index]


def test_workers_can_be_for_one_task_each(tmp_path):
    tasks = [
        BlockTask("a", None, grid(20)),
        BlockTask("b", None, grid(20), after="a"),
        BlockTask("sum", lambda block: 3, grid(1), after=After.all("b", 1), collect=print),
    ]
    launch = [
        Launch(script(tmp_path, "a.py", MARK), task="a"),
        Launch(script(tmp_path, "b.py", MARK), workers=2, task="b"),
        Launch(script(tmp_path, "c.py", JUST_LOOP), task="sum"),
    ]
    got = {}
    tasks[2] = BlockTask("sum", lambda _: 3, grid(1), after=After.all("b", 1), collect=got.update)
    assert run_blocks(tasks, executor=ConnectExecutor(launch=launch), workers=4).ok
    assert len({who for who, _ in marks(tmp_path, "a", 20)}) == 1
    assert got == {0: 3}
    a, b = ({who for who, _ in marks(tmp_path, task, 20)} for task in "ab")
    assert not a & b


def test_values_and_empty_blocks_are_reported_from_the_loop(tmp_path):
    worker = script(
        tmp_path,
        "w.py",
        """
        from scutoid.blocks import BlockStatus, connect

        with connect() as blocks:
            for block in blocks:
                blocks.done(BlockStatus.EMPTY if block.index % 2 else block.index**2)
        """,
    )
    got = {}
    task = BlockTask("t", None, grid(6), collect=got.update)
    run_blocks(task, executor=ConnectExecutor(launch=[Launch(worker)]), journal=tmp_path)
    assert got == {0: 0, 2: 4, 4: 16}
    assert Journal.read(tmp_path / "t.journal").tolist() == [2, 3] * 3


def test_who_has_not_the_key_does_not_get_in(tmp_path):
    file = tmp_path / "run.json"
    done = []

    def act(event):
        if isinstance(event, events.RunStarted):
            return
        done.append(event)

    thread = threading.Thread(
        target=lambda: run_blocks(
            BlockTask("t", None, grid(3)), executor=ConnectExecutor(file), listeners=[Recorder(act)]
        )
    )
    thread.start()
    while not file.exists():
        time.sleep(0.01)
    assert file.stat().st_mode & 0o077 == 0
    record = json.loads(file.read_text())
    with pytest.raises(AuthenticationError):
        Client((record["host"], record["port"]), authkey=b"guess")
    assert not done
    with connect(file) as blocks:
        assert len(list(blocks)) == 3
    thread.join(240)
    assert not thread.is_alive()


def test_a_run_that_is_broken_off_ends_the_loop_with_an_error(tmp_path):
    driver = script(
        tmp_path,
        "driver.py",
        """
        import sys
        from pathlib import Path
        from scutoid.blocks import BlockGrid, BlockTask, run_blocks
        from scutoid.executors import ConnectExecutor
        from scutoid.geometry import Roi

        task = BlockTask("t", None, BlockGrid(Roi((0,), (1000,)), 1))
        run_blocks(task, executor=ConnectExecutor(Path(sys.argv[1]) / "run.json"))
        """,
    )
    process = subprocess.Popen(driver)
    blocks = connect(tmp_path / "run.json")
    for block in blocks:
        if block.index == 5:
            break
    process.kill()
    process.wait()
    with pytest.raises(WorkerError, match="tells its workers"):
        list(blocks)
    blocks.leave()


def test_a_run_that_nobody_joins_gives_up_after_its_patience(tmp_path):
    executor = ConnectExecutor(tmp_path / "run.json", patience=0.3)
    with pytest.raises(WorkerError, match="a worker joins within") as caught:
        run_blocks(BlockTask("t", None, grid(3)), executor=executor)
    assert "run.json" in str(caught.value)


def test_a_command_that_never_finishes_a_block_ends_the_run(tmp_path):
    executor = ConnectExecutor(launch=[Launch([sys.executable, "-c", "raise SystemExit(7)"])])
    with pytest.raises(WorkerError, match="exit code 7"):
        run_blocks(BlockTask("t", None, grid(3)), executor=executor, logs=tmp_path)


def test_a_worker_that_finds_no_run_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.delenv("SCUTOID_CONNECTION", raising=False)
    with pytest.raises(WorkerError, match="finds the run") as caught:
        connect(tmp_path / "none.json", patience=0.1)
    assert "none.json" in str(caught.value)
    with pytest.raises(ParameterError, match="connection file"):
        connect()


def test_a_task_that_the_run_does_not_have_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="tasks of the run") as caught:
        run_blocks(
            BlockTask("t", None, grid(3)),
            executor=ConnectExecutor(launch=[Launch(["true"], task="u")]),
        )
    assert "'t'" in str(caught.value)
    file = tmp_path / "run.json"
    thread = threading.Thread(
        target=lambda: run_blocks(BlockTask("t", None, grid(3)), executor=ConnectExecutor(file))
    )
    thread.start()
    with pytest.raises(WorkerError, match="tasks of the run"):
        connect(file, tasks=["u"])
    with connect(file, tasks=["t"]) as blocks:
        assert len(list(blocks)) == 3
    thread.join(240)


def test_a_task_without_a_function_needs_workers_that_connect():
    with pytest.raises(ParameterError, match="loop of their own"):
        run_blocks(BlockTask("t", None, grid(3)), executor="serial")
    with pytest.raises(ParameterError, match="connection file"):
        ConnectExecutor()


DRIVER = """
    import sys
    from pathlib import Path
    from scutoid.blocks import BlockGrid, BlockTask, run_blocks
    from scutoid.executors import ConnectExecutor, Launch
    from scutoid.geometry import Roi

    task = BlockTask("t", None, BlockGrid(Roi((0,), (3,)), 1))
    run_blocks(task, executor=ConnectExecutor(launch=[Launch(sys.argv[2:])]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_was_launched_ends_with_its_driver_and_all_that_it_has_started(
    tmp_path, number, is_alive, wait_for
):
    # It never joins, so no connection tells it that the run is over
    shell = f"sleep 600 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/shell; wait"
    command = [*script(tmp_path, "d.py", DRIVER), "sh", "-c", shell]
    driver = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        names = [tmp_path / "child", tmp_path / "shell"]
        wait_for(lambda: all(name.exists() and name.read_text().strip() for name in names))
        driver.send_signal(number)
        driver.wait()
    finally:
        driver.kill()
        driver.wait()
    wait_for(lambda: not any(is_alive(int(name.read_text())) for name in names))


@pytest.mark.parametrize("program", ["no-such-program", "./no-such-program"])
def test_a_command_that_cannot_be_started_is_refused(program):
    with pytest.raises(WorkerError, match=program):
        run_blocks(
            BlockTask("t", None, grid(3)), executor=ConnectExecutor(launch=[Launch([program])])
        )


def test_no_worker_that_was_launched_outlives_an_interrupted_run(tmp_path):
    worker = script(
        tmp_path,
        "w.py",
        """
        import os, sys, time
        from pathlib import Path
        from scutoid.blocks import connect

        with connect() as blocks:
            (Path(sys.argv[1]) / "pid").write_text(str(os.getpid()))
            for block in blocks:
                time.sleep(600)
        """,
    )

    def interrupt(event):
        if isinstance(event, events.WorkerStarted):
            raise KeyboardInterrupt

    executor = ConnectExecutor(launch=[Launch(worker)])
    with pytest.raises(KeyboardInterrupt):
        run_blocks(
            BlockTask("t", None, grid(3)), executor=executor, listeners=[Recorder(interrupt)]
        )
    if (tmp_path / "pid").exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
