"""Tests that every executor passes, to be subclassed."""

# Tests assert, and their blocks' functions take a block whether they look at it or not.
# ruff: noqa: S101, ARG001

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from scutoid import events
from scutoid.blocks import After, Block, BlockGrid, BlockStatus, BlockTask, Report, run_blocks
from scutoid.errors import ParameterError, RunFailed, RunStopped
from scutoid.executors import find_executor
from scutoid.geometry import Roi
from scutoid.spent import spending

__all__ = ["ExecutorTests", "Recorder"]

Kind = TypeVar("Kind", bound=events.Event)


class Recorder:
    """A listener that keeps all events, and can call something at each.

    Parameters
    ----------
    act : callable, optional
        Called with each event after it has been kept.
    """

    def __init__(self, act: Callable[[events.Event], object] | None = None) -> None:
        self.events: list[events.Event] = []
        self._act = act

    def on_event(self, event: events.Event) -> None:
        """Keep the event."""
        self.events.append(event)
        if self._act is not None:
            self._act(event)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def _grid(n: int, halo: int = 0) -> BlockGrid:
    return BlockGrid(Roi((0,), (n,)), 1, halo=halo)


def _nothing(block: Block) -> None:
    """Do nothing."""


def _note_in(folder: Path, block: Block) -> None:
    """Leave a new file each time that a block runs, also if it runs twice at once."""
    number = 0
    while True:
        try:
            (folder / f"{block.task}-{block.index}-{number}").touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return


def _times_run(folder: Path, task: str, n: int) -> list[int]:
    return [len(list(folder.glob(f"{task}-{index}-*"))) for index in range(n)]


class ExecutorTests:
    """Tests of an executor: subclass it, with a fixture `executor` (a name or an executor).

    Attributes
    ----------
    workers : int
        Number of workers that the tests ask for.

    Examples
    --------
    ::

        class TestMine(ExecutorTests):
            @pytest.fixture
            def executor(self):
                return MyExecutor()
    """

    workers = 2

    def run(self, executor: object, tasks: Sequence[BlockTask], **options: Any) -> Report:
        """Run tasks on the executor under test."""
        return run_blocks(tasks, executor=executor, workers=self.workers, **options)

    def test_every_block_runs_once(self, executor: object, tmp_path: Path) -> None:
        def note(block: Block) -> None:
            _note_in(tmp_path, block)

        report = self.run(executor, [BlockTask("t", note, _grid(50))])
        assert report.ok
        assert report.tasks["t"].n_done == 50
        assert _times_run(tmp_path, "t", 50) == [1] * 50

    def test_blocks_carry_the_regions_of_their_grid(self, executor: object) -> None:
        grid = BlockGrid(Roi((-3, 5), (10, 7)), (4, 3), halo=[(1, 2), 3])
        got: dict[int, object] = {}
        task = BlockTask("t", lambda block: block, grid, collect=got.update)
        self.run(executor, [task])
        assert got == {
            index: Block("t", index, grid.read_roi(index), grid.write_roi(index))
            for index in range(grid.n_blocks)
        }

    def test_time_is_told_by_what_it_was_spent_on(self, executor: object) -> None:
        def write(block: Block) -> None:
            with spending("writing"):
                time.sleep(0.01)

        recorder = Recorder()
        report = self.run(executor, [BlockTask("t", write, _grid(4))], listeners=[recorder])
        spent = report.tasks["t"].spent
        assert spent.writing >= 4 * 0.01
        assert spent.computing > 0
        assert spent.reading == 0
        assert 0 < report.mean_workers <= self.workers
        told = sum(event.spent.writing for event in recorder.of(events.BatchDone))
        assert 4 * 0.01 <= told <= spent.writing + 0.01

    def test_a_block_sees_what_it_waits_for(self, executor: object, tmp_path: Path) -> None:
        def write(block: Block) -> None:
            (tmp_path / f"{block.task}-{block.index}").touch()

        def read(block: Block) -> None:
            for place in range(max(block.read_roi.offset[0], 0), min(block.read_roi.end[0], 40)):
                if not (tmp_path / f"a-{place}").exists():
                    raise FileNotFoundError(place)
            write(block)

        def read_all(block: Block) -> None:
            if len(list(tmp_path.glob("b-*"))) != 40:
                raise FileNotFoundError

        report = self.run(
            executor,
            [
                BlockTask("a", write, _grid(40)),
                BlockTask("b", read, _grid(40, halo=2), after=("a",), retries=0),
                BlockTask("c", read_all, _grid(2), after=(After.all("b", 1),), retries=0),
            ],
        )
        assert report.ok

    def test_tasks_stream(self, executor: object) -> None:
        recorder = Recorder()
        tasks = [
            BlockTask("a", _nothing, _grid(100)),
            BlockTask("b", _nothing, _grid(100), after=("a",)),
        ]
        self.run(executor, tasks, listeners=[recorder])
        order = [event.task for event in recorder.of(events.BatchDone)]
        assert order.index("b") < len(order) - 1 - order[::-1].index("a")

    def test_conflicting_blocks_do_not_meet(self, executor: object, tmp_path: Path) -> None:
        def enter(block: Block) -> None:
            near = range(block.index - 1, block.index + 2)
            if any((tmp_path / f"{index}").exists() for index in near):
                raise FileExistsError(block.index)
            (tmp_path / f"{block.index}").touch()
            (tmp_path / f"{block.index}").unlink()

        task = BlockTask("t", enter, _grid(40, halo=1), conflict=True, retries=0)
        assert self.run(executor, [task]).ok

    def test_a_failure_is_tried_again(self, executor: object, tmp_path: Path) -> None:
        def fail_once(block: Block) -> None:
            _note_in(tmp_path, block)
            if _times_run(tmp_path, "t", 10)[block.index] == 1:
                raise ValueError(f"block {block.index} is not in the mood")

        recorder = Recorder()
        task = BlockTask("t", fail_once, _grid(10), retries=1)
        assert self.run(executor, [task], listeners=[recorder]).ok
        assert _times_run(tmp_path, "t", 10) == [2] * 10
        failed = recorder.of(events.BlockFailed)
        assert len(failed) == 10
        assert all(event.will_retry and event.attempt == 1 for event in failed)

    def test_a_lasting_failure_takes_only_its_dependants_along(self, executor: object) -> None:
        def fail_at_five(block: Block) -> None:
            if block.index == 5:
                raise ValueError("five is not for me")

        tasks = [
            BlockTask("a", fail_at_five, _grid(10), retries=2),
            BlockTask("b", _nothing, _grid(10, halo=1), after=("a",)),
        ]
        report = self.run(executor, tasks, on_failure="return")
        assert not report.ok
        a, b = report.tasks["a"], report.tasks["b"]
        assert (a.n_done, a.n_failed, b.n_done, b.n_orphaned) == (9, 1, 7, 3)
        (failure,) = a.failures
        assert (failure.index, failure.attempt) == (5, 3)
        assert failure.error == "ValueError: five is not for me"
        assert "in fail_at_five" in failure.traceback
        assert failure.write_roi == Roi((5,), (1,))

    def test_failed_blocks_are_an_error_unless_asked_otherwise(self, executor: object) -> None:
        def fail(block: Block) -> None:
            raise ValueError("no")

        task = BlockTask("t", fail, _grid(3), retries=0)
        caught: RunFailed | None = None
        try:
            self.run(executor, [task])
        except RunFailed as error:
            caught = error
        assert caught is not None
        assert isinstance(caught.report, Report)
        assert caught.report.tasks["t"].n_failed == 3
        assert "ValueError: no" in str(caught)

    def test_exits_and_odd_errors_are_failures_too(self, executor: object) -> None:
        class Odd(BaseException):
            def __str__(self) -> str:
                raise RuntimeError

            def __reduce__(self) -> NoReturn:
                raise RuntimeError

        def leave(block: Block) -> None:
            if block.index == 0:
                raise SystemExit(0)
            raise Odd

        task = BlockTask("t", leave, _grid(2), retries=0)
        report = self.run(executor, [task], on_failure="return")
        assert report.tasks["t"].n_failed == 2

    def test_a_run_stops_after_so_many_failures(self, executor: object) -> None:
        def fail(block: Block) -> None:
            raise ValueError("no")

        caught: RunFailed | None = None
        try:
            self.run(executor, [BlockTask("t", fail, _grid(10_000), retries=0)], on_failure=2)
        except RunFailed as error:
            caught = error
        assert caught is not None
        assert isinstance(caught.report, Report)
        assert 2 <= caught.report.tasks["t"].n_failed < 10_000

    def test_values_reach_the_collector_before_the_journal(
        self, executor: object, tmp_path: Path
    ) -> None:
        got: dict[int, object] = {}

        def collect(values: Sequence[tuple[int, object]]) -> None:
            got.update(values)
            if len(got) > 20:
                raise OSError("the disk is full")

        def square(block: Block) -> NDArray[np.int64]:
            return np.full(3, block.index**2)

        task = BlockTask("t", square, _grid(40), collect=collect)
        try:
            self.run(executor, [task], journal=tmp_path)
        except OSError as error:
            assert str(error) == "the disk is full"  # noqa: PT017 - pytest is not needed here
        else:
            raise AssertionError("the error of the collector was lost")
        first = set(got)
        got.clear()
        task = BlockTask("t", square, _grid(40), collect=got.update)
        report = self.run(executor, [task], journal=tmp_path)
        assert report.tasks["t"].n_cached == 40 - len(got)
        assert first | set(got) == set(range(40))
        for index, value in got.items():
            assert np.array_equal(value, np.full(3, index**2))  # type: ignore[arg-type]

    def test_an_empty_block_is_journalled_as_empty(self, executor: object, tmp_path: Path) -> None:
        from scutoid.blocks import Journal

        def odd_only(block: Block) -> object:
            return None if block.index % 2 else BlockStatus.EMPTY

        self.run(executor, [BlockTask("t", odd_only, _grid(6))], journal=tmp_path)
        assert Journal.read(tmp_path / "t.journal").tolist() == [3, 2] * 3

    def test_what_is_journalled_is_not_run_again(self, executor: object, tmp_path: Path) -> None:
        def note(block: Block) -> None:
            _note_in(tmp_path, block)
            if block.index == 3 and not (tmp_path / "well").exists():
                raise ValueError("not yet")

        tasks = [
            BlockTask("a", note, _grid(10), retries=0),
            BlockTask("b", note, _grid(10), after=("a",)),
        ]
        first = self.run(executor, tasks, journal=tmp_path / "j", on_failure="return")
        assert (first.tasks["a"].n_failed, first.tasks["b"].n_orphaned) == (1, 1)
        (tmp_path / "well").touch()
        second = self.run(executor, tasks, journal=tmp_path / "j")
        assert (second.tasks["a"].n_cached, second.tasks["b"].n_cached) == (9, 9)
        third = self.run(executor, tasks, journal=tmp_path / "j")
        assert third.tasks["b"].n_cached == 10
        assert _times_run(tmp_path, "a", 10) == [1, 1, 1, 2, 1, 1, 1, 1, 1, 1]
        assert _times_run(tmp_path, "b", 10) == [1] * 10

    def test_is_done_is_asked_in_the_workers(self, executor: object, tmp_path: Path) -> None:
        def note(block: Block) -> None:
            _note_in(tmp_path, block)

        def is_done(block: Block) -> bool:
            if block.index == 7:
                raise ValueError("cannot tell")
            return block.index < 5

        task = BlockTask("t", note, _grid(10), is_done=is_done, retries=0)
        report = self.run(executor, [task], on_failure="return").tasks["t"]
        assert (report.n_done, report.n_cached, report.n_failed) == (9, 5, 1)
        assert _times_run(tmp_path, "t", 10) == [0] * 5 + [1, 1, 0, 1, 1]

    def test_left_out_blocks_hold_nobody_up(self, executor: object, tmp_path: Path) -> None:
        def note(block: Block) -> None:
            _note_in(tmp_path, block)

        tasks = [
            BlockTask("a", note, _grid(10), where=[Roi((2,), (3,))]),
            BlockTask("b", note, _grid(10, halo=2), after=("a",)),
            BlockTask("c", note, _grid(1), after=(After.all("a", 1),)),
        ]
        report = self.run(executor, tasks)
        assert report.ok
        assert (report.tasks["a"].n_done, report.tasks["a"].n_skipped) == (3, 7)
        assert _times_run(tmp_path, "a", 10) == [0, 0, 1, 1, 1, 0, 0, 0, 0, 0]

    def test_ctrl_c_leaves_a_journal_to_go_on_from(self, executor: object, tmp_path: Path) -> None:
        def interrupt(event: events.Event) -> None:
            if isinstance(event, events.BatchDone):
                raise KeyboardInterrupt

        task = BlockTask("t", _nothing, _grid(1000))
        interrupted = False
        try:
            self.run(executor, [task], journal=tmp_path, listeners=[Recorder(interrupt)])
        except KeyboardInterrupt:
            interrupted = True
        assert interrupted
        report = self.run(executor, [task], journal=tmp_path)
        assert report.ok
        assert 0 < report.tasks["t"].n_cached < 1000

    def test_a_signal_ends_a_run_that_goes_on_from_its_journal(
        self, executor: object, tmp_path: Path
    ) -> None:
        sent: list[events.Event] = []

        def send(event: events.Event) -> None:
            if isinstance(event, events.BatchDone) and not sent:
                sent.append(event)
                signal.raise_signal(signal.SIGTERM)

        task = BlockTask("t", _nothing, _grid(1000))
        report: object = None
        try:
            self.run(executor, [task], journal=tmp_path, listeners=[Recorder(send)])
        except RunStopped as stopped:
            report = stopped.report
        assert isinstance(report, Report)
        assert not report.ok
        n_done = report.tasks["t"].n_done
        assert 0 < n_done < 1000
        assert report.tasks["t"].n_failed == 0
        report = self.run(executor, [task], journal=tmp_path)
        assert report.ok
        assert report.tasks["t"].n_cached == n_done

    def test_a_set_up_is_made_once_a_worker_and_left_at_the_end(
        self, executor: object, tmp_path: Path
    ) -> None:
        class Model:
            def __enter__(self) -> str:
                name = f"{os.getpid()}-{threading.get_ident()}"
                with (tmp_path / f"enter-{name}").open("a") as file:
                    file.write("x")
                return name

            def __exit__(self, *error: object) -> None:
                (tmp_path / f"exit-{os.getpid()}-{threading.get_ident()}").touch()

        def use(block: Block, *, model: str, factor: int) -> None:
            if model != f"{os.getpid()}-{threading.get_ident()}" or factor != 3:
                raise ValueError(model)

        task = BlockTask("t", use, _grid(60), setup={"model": Model, "factor": lambda: 3})
        if not find_executor(executor).handles_setup:
            self._is_refused(executor, task)
            return
        assert self.run(executor, [task]).ok
        entered = sorted(path.name[6:] for path in tmp_path.glob("enter-*"))
        assert entered == sorted(path.name[5:] for path in tmp_path.glob("exit-*"))
        assert 1 <= len(entered) <= self.workers
        assert all(path.read_text() == "x" for path in tmp_path.glob("enter-*"))

    def test_a_set_up_that_fails_is_one_failure(self, executor: object) -> None:
        def load() -> None:
            raise OSError("no such model")

        def use(block: Block, *, model: object) -> None:
            """Never gets here."""

        tasks = [
            BlockTask("t", use, _grid(20), setup={"model": load}, retries=1),
            BlockTask("after", _nothing, _grid(20), after=("t",)),
            BlockTask("other", _nothing, _grid(20)),
        ]
        if not find_executor(executor).handles_setup:
            self._is_refused(executor, tasks[0])
            return
        report = self.run(executor, tasks, on_failure="return")
        t = report.tasks["t"]
        assert (t.n_failed, report.tasks["after"].n_orphaned) == (20, 20)
        assert report.tasks["other"].ok
        (failure,) = t.failures
        assert (failure.index, failure.attempt) == (-1, 2)
        assert failure.error == "OSError: no such model"

    def test_a_time_out_is_refused_or_kept(self, executor: object) -> None:
        task = BlockTask("t", _nothing, _grid(2), timeout=60)
        if find_executor(executor).handles_timeout:
            assert self.run(executor, [task]).ok
        else:
            self._is_refused(executor, task)

    def _is_refused(self, executor: object, task: BlockTask) -> None:
        refused = False
        try:
            self.run(executor, [task])
        except ParameterError:
            refused = True
        assert refused
