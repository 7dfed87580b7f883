"""One system running blocks that do nothing, as a process: ``engine_work.py SYSTEM KIND BLOCKS``.

Prints a line of JSON: how many blocks there were, and in seconds

    start    from the call to the begin of the first block, as the block's own process saw it
    busy     from there until the driver knows that all are done
    end      from there to the return of the call
    up       from the call to the first worker's being up (scutoid alone tells)

The driver of scutoid, dask and futures says when all are done; daisy's does not, so that its end
counts as busy.

KIND is none (independent blocks), conflict (a halo of one block, neighbours never together), one
(a chain of two tasks, block by block), 27 (the same with a halo of one block), all (one block after
all others, which a counter waits for), whole (one block that reads all others) or resume (a journal
that names all blocks but one).  Grids have three axes; the number of blocks is the nearest cube.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

BEGUN = "BENCHMARK_BEGUN"
"""The environment variable that names the file for the time of the first block."""

_seen = []


def note_begin():
    """Write down the time, unless a block has done so before."""
    with suppress(FileExistsError), Path(os.environ[BEGUN]).open("x") as file:
        file.write(repr(time.time()))


def nothing(_block):
    """Do nothing; the first block of a process sees whether it is the first of all."""
    if not _seen:
        _seen.append(True)
        note_begin()


def nothing_at_all(index):
    """Do nothing, for those who know numbers only, and may send the function with each of them."""
    if index == 0:
        note_begin()


def side_of(n):
    """Blocks along an axis."""
    return round(n ** (1 / 3))


def times(n, called, done, **more):
    """What is printed; called as soon as the call has returned."""
    returned = time.time()
    done = returned if done is None else done
    begun = float(Path(os.environ[BEGUN]).read_text())
    return {
        "n": n,
        "start": begun - called,
        "busy": done - begun,
        "end": returned - done,
        "seconds": returned - called,
        **more,
    }


def scutoid(kind, n, executor):
    """Run by scutoid."""
    from scutoid import events
    from scutoid.blocks import After, BlockGrid, BlockTask, run_blocks
    from scutoid.geometry import Roi
    from scutoid.testing import Recorder

    side = side_of(n)
    total = Roi((0, 0, 0), (side,) * 3)
    plain, haloed = BlockGrid(total, 1), BlockGrid(total, 1, halo=1)
    first = BlockTask("a", nothing, plain)
    tasks = {
        "none": [first],
        "resume": [first],
        "conflict": [BlockTask("a", nothing, haloed, conflict=True)],
        "one": [first, BlockTask("b", nothing, plain, after="a")],
        "27": [first, BlockTask("b", nothing, haloed, after="a")],
        "all": [
            first,
            BlockTask("b", nothing, BlockGrid(Roi((0,), (1,)), 1), after=After.all("a", 3)),
        ],
        "whole": [first, BlockTask("b", nothing, BlockGrid(total, side), after="a")],
    }[kind]
    recorder = Recorder()
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) if kind == "resume" else None
        if journal is not None:
            write_journal(journal / "a.journal", plain)
        called = time.time()
        run_blocks(tasks, workers=2, executor=executor, listeners=[recorder], journal=journal)
        n_blocks = sum(task.grid.n_blocks for task in tasks)
        done = recorder.of(events.BatchDone)[-1].time
        said = times(n_blocks, called, done)
    ups = [event.time - called for event in recorder.of(events.WorkerStarted)]
    return {**said, "up": min(ups, default=0.0)}


def write_journal(path, grid):
    """Name all blocks but the first, a record for each thousand, as a run does."""
    import numpy as np

    from scutoid.blocks import BlockStatus, Journal

    parts = [
        np.arange(start, min(start + 1000, grid.n_blocks))
        for start in range(1, grid.n_blocks, 1000)
    ]
    with Journal.open(path, "a", grid) as journal:
        journal.append(
            [(part, np.full(len(part), BlockStatus.WRITTEN, np.uint8), 1) for part in parts]
        )


def daisy(kind, n):
    """Run by daisy; each of its tasks has two workers of its own."""
    import warnings

    os.chdir(Path(__file__).parent / "scratch")  # it writes its logs there
    warnings.filterwarnings("ignore", "Task.upstream_tasks", DeprecationWarning)

    import daisy as peer

    side = side_of(n)
    halo = 1 if kind in ("conflict", "27") else 0

    def task(name, reach, conflict, upstream):
        write = peer.Roi((0, 0, 0), (1, 1, 1))
        margin = peer.Coordinate((reach,) * 3)
        return peer.Task(
            name,
            total_roi=peer.Roi((0, 0, 0), (side,) * 3).grow(margin, margin),
            read_roi=write.grow(margin, margin),
            write_roi=write,
            process_function=nothing,
            read_write_conflict=conflict,
            fit="shrink",
            max_workers=2,
            upstream_tasks=upstream,
        )

    tasks = [task("a", halo if kind == "conflict" else 0, kind == "conflict", [])]
    if kind in ("one", "27"):
        tasks.append(task("b", halo, conflict=False, upstream=[tasks[0]]))
    called = time.time()
    ok = peer.run_blockwise(tasks, progress=False, block_tracking=False, summary=False)
    assert ok
    return times(side**3 * len(tasks), called, None)


def dask(kind, n):
    """Run by dask distributed, a cluster of two processes made and ended."""
    from distributed import Client, LocalCluster

    assert kind == "none"
    n = side_of(n) ** 3
    called = time.time()
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        client.gather(client.map(nothing_at_all, range(n), pure=False))
        done = time.time()
    return times(n, called, done)


def futures(kind, n):
    """Run by the standard library, in chunks."""
    from concurrent.futures import ProcessPoolExecutor

    assert kind == "none"
    n = side_of(n) ** 3
    called = time.time()
    with ProcessPoolExecutor(2) as pool:
        for _ in pool.map(nothing_at_all, range(n), chunksize=min(1000, n // 8)):
            pass
        done = time.time()
    return times(n, called, done)


def main():
    """Run the system that is asked for, and print what it took."""
    system, kind, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        os.environ[BEGUN] = str(Path(folder) / "begun")
        if system.startswith("scutoid"):
            said = scutoid(kind, n, system.partition("-")[2])
        else:
            said = {"daisy": daisy, "dask": dask, "futures": futures}[system](kind, n)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
