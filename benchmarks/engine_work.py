"""One system running blocks that do nothing, as a process: ``engine_work.py SYSTEM KIND BLOCKS``.

Prints a line of JSON: how many blocks there were, the seconds from the call to its return, and,
where it can be seen, when the workers were up and when the first block was done.

KIND is none (independent blocks), conflict (a halo of one block, neighbours never together), one
(a chain of two tasks, block by block), 27 (the same with a halo of one block), all (one block after
all others) or resume (a journal that names all blocks but one).  Grids have three axes.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path


def nothing(block):
    """Do nothing."""


def nothing_at_all(index):
    """Do nothing, for those who know numbers only."""


def side_of(n):
    return round(n ** (1 / 3))


def scutoid(kind, n, executor):
    import numpy as np

    from scutoid import events
    from scutoid.blocks import After, BlockGrid, BlockStatus, BlockTask, Journal, run_blocks
    from scutoid.geometry import Roi
    from scutoid.testing import Recorder

    total = Roi((0, 0, 0), (side_of(n),) * 3)
    plain, haloed = BlockGrid(total, 1), BlockGrid(total, 1, halo=1)
    whole = BlockGrid(Roi((0,), (1,)), 1)
    first = BlockTask("a", nothing, plain)
    tasks = {
        "none": [first],
        "resume": [first],
        "conflict": [BlockTask("a", nothing, haloed, conflict=True)],
        "one": [first, BlockTask("b", nothing, plain, after="a")],
        "27": [first, BlockTask("b", nothing, haloed, after="a")],
        "all": [first, BlockTask("b", nothing, whole, after=After.all("a", 3))],
    }[kind]
    folder = None
    if kind == "resume":
        folder = Path(tempfile.mkdtemp())
        with Journal.open(folder / "a.journal", "a", plain) as journal:
            for start in range(1, plain.n_blocks, 1000):
                some = np.arange(start, min(start + 1000, plain.n_blocks))
                journal.append([(some, np.full(len(some), BlockStatus.WRITTEN, np.uint8), 1)])
    recorder = Recorder()
    started = time.time()
    run_blocks(tasks, workers=2, executor=executor, listeners=[recorder], journal=folder)
    seconds = time.time() - started
    if folder is not None:
        shutil.rmtree(folder)
    up = min(event.time for event in recorder.of(events.WorkerStarted))
    done = recorder.of(events.BatchDone)[0].time
    n_blocks = sum(task.grid.n_blocks for task in tasks)
    return {"n": n_blocks, "seconds": seconds, "up": up - started, "first": done - up}


def daisy(kind, n):
    os.chdir(Path(__file__).parent / "scratch")  # it writes its logs there

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
    started = time.time()
    ok = peer.run_blockwise(tasks, progress=False, block_tracking=False, summary=False)
    assert ok
    return {"n": side**3 * len(tasks), "seconds": time.time() - started}


def dask(kind, n):
    from distributed import Client, LocalCluster

    assert kind == "none"
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        started = time.time()
        client.gather(client.map(nothing_at_all, range(n), pure=False))
        return {"n": n, "seconds": time.time() - started}


def futures(kind, n):
    from concurrent.futures import ProcessPoolExecutor

    assert kind == "none"
    started = time.time()
    with ProcessPoolExecutor(2) as pool:
        for _ in pool.map(nothing_at_all, range(n), chunksize=1000):
            pass
    return {"n": n, "seconds": time.time() - started}


def main():
    system, kind, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if system.startswith("scutoid"):
        said = scutoid(kind, n, system.partition("-")[2])
    else:
        said = {"daisy": daisy, "dask": dask, "futures": futures}[system](kind, n)
    print(json.dumps(said))


if __name__ == "__main__":
    main()
