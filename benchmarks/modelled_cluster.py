"""A modelled cluster: the whole driver, and workers that exist in virtual time alone.

    python benchmarks/modelled_cluster.py [--quick]

The driver is that of any run: scheduler, dispatcher, batches, journal, log of events.  Workers
carry out nothing: a block takes virtual time, 1% of the jobs lose their worker with a block that is
charged, and 1% are preempted, after which another worker joins.  While the driver computes, virtual
time goes on with the real one, so that a driver that is too slow lets workers wait.  The driver's
time is that of its processor, without the model.  Each case runs in a process of its own, once.

A plot is drawn by matplotlib of ``benchmarks/scratch/peers``, or of this Python.  ``--quick`` is a
smoke run that leaves RESULTS.md alone.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import math
import resource
import sys
import tempfile
import time
from pathlib import Path

from harness import WORK, report, run

PEERS = WORK / "peers" / "bin" / "python"
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made there
"""Where journals lie, so that what is measured is no disk's."""
LOSS = PREEMPTION = 0.01
JOINING = 5.0
"""Virtual seconds until another worker joins."""


class Modelled:
    """An executor whose workers carry out nothing, in virtual time."""

    handles_timeout = False
    handles_setup = True

    def __init__(self, seconds):
        self.seconds = seconds
        self.pool = None

    def open(self, works, workers, *, logs=None):
        """Begin a new virtual time."""
        del works, logs
        self.pool = ModelledPool(workers, self.seconds)
        return self.pool


class ModelledPool:
    """Workers of one memory each, with two jobs at most."""

    depth = 2
    is_one_memory = False

    def __init__(self, workers, seconds):
        import numpy as np

        from scutoid.executors import MOST_ITEMS

        self.most_items = MOST_ITEMS
        self._rng = np.random.default_rng(0)
        self._draws = iter(())
        self._seconds = seconds
        self._numbers = itertools.count()
        self._order = itertools.count()
        self._agenda = []
        self._held = {}
        self._free_at = {}
        self.now = self.busy = self.inside = 0.0
        self.n_jobs = self.n_lost = self.n_preempted = 0
        self._left_at = time.perf_counter()
        for _ in range(workers):
            self._join(0.0)

    def submit(self, worker, job):
        """Have a job end, or be lost, at a later time."""
        entered = time.process_time()
        self.n_jobs += 1
        lasts = self._seconds * len(job.indices) * (0.5 + self._draw())
        begins = max(self.now, self._free_at[worker])
        chance = self._draw()
        what = "lost" if chance < LOSS else "left" if chance < LOSS + PREEMPTION else "done"
        if what != "done":
            lasts *= self._draw()
        self._held[worker][job.number] = job
        self._free_at[worker] = begins + lasts
        self.busy += lasts
        self._later(begins + lasts, what, worker, job)
        self.inside += time.process_time() - entered

    def wait(self, timeout):
        """Go on to the next message; those that came while the driver computed come with it."""
        entered = time.process_time()
        self.now += time.perf_counter() - self._left_at  # what the driver has computed
        if self._agenda and self._agenda[0][0] > self.now:
            self.now = min(self._agenda[0][0], self.now + timeout)
        messages = []
        while self._agenda and self._agenda[0][0] <= self.now:
            _, _, what, worker, job = heapq.heappop(self._agenda)
            messages += self._message(what, worker, job)
        self._left_at = time.perf_counter()
        self.inside += time.process_time() - entered
        return messages

    def stop(self, *, grace):
        """Do nothing: nothing is left."""
        del grace

    def _message(self, what, worker, job):
        import numpy as np

        from scutoid.executors import ItemFailure, Joined, Lost, Outcome

        if what == "join":
            self._held[worker] = {}
            self._free_at[worker] = self.now
            return [Joined(worker)]
        if job.number not in self._held.get(worker, ()):
            return []  # lost with its worker
        if what == "done":
            del self._held[worker][job.number]
            statuses = np.full(len(job.indices), 2, np.uint8)
            return [Outcome(worker, job.number, statuses, seconds=self._seconds * len(statuses))]
        self._join(JOINING)
        charged = None
        if what == "lost":
            self.n_lost += 1
            charged = (job.number, ItemFailure(0, "WorkerError: lost", ""))
        else:
            self.n_preempted += 1
        return [Lost(worker, what, tuple(self._held.pop(worker)), charged)]

    def _join(self, seconds):
        self._later(self.now + seconds, "join", next(self._numbers), None)

    def _later(self, when, what, worker, job):
        heapq.heappush(self._agenda, (when, next(self._order), what, worker, job))

    def _draw(self):
        found = next(self._draws, None)
        if found is None:
            self._draws = iter(self._rng.random(4096).tolist())
            found = next(self._draws)
        return found


def nothing(block):
    """Be a function that nobody calls."""


def case(workers, n, seconds):
    """Run one case here."""
    from scutoid.blocks import BlockGrid, BlockTask, EventLog, run_blocks
    from scutoid.geometry import Roi

    executor = Modelled(seconds)
    side = math.ceil(n ** (1 / 3))
    grid = BlockGrid(Roi((0, 0, 0), (math.ceil(n / side**2), side, side)), 1)
    task = BlockTask("model", nothing, grid, retries=20)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        cpu = time.process_time()
        done = run_blocks(
            task,
            executor=executor,
            workers=workers,
            journal=folder,
            listeners=[EventLog(Path(folder) / "events.jsonl")],
        )
        cpu = time.process_time() - cpu
    pool = executor.pool
    assert done.tasks["model"].n_done == grid.n_blocks
    driver = cpu - pool.inside
    print(
        json.dumps(
            {
                "n": grid.n_blocks,
                "driver": driver,
                "virtual": pool.now,
                "busy": pool.busy / (workers * pool.now),
                "jobs": pool.n_jobs,
                "lost": pool.n_lost,
                "preempted": pool.n_preempted,
                "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
            }
        )
    )


PLOT = """
import json, sys
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
found = json.loads(open(sys.argv[1]).read())
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for workers in sorted({f["workers"] for f in found}):
    points = {f["seconds"]: f for f in found if f["workers"] == workers}
    points = sorted(points.items())
    x = [seconds for seconds, _ in points]
    axes[0].plot(x, [f["n"] / f["driver"] for _, f in points], marker="o", label=f"{workers}")
    axes[1].plot(x, [100 * f["driver"] / f["virtual"] for _, f in points], marker="o")
axes[0].set(xscale="log", yscale="log", xlabel="s a block", ylabel="blocks a second of the driver")
axes[1].set(xscale="log", xlabel="s a block", ylabel="driver's share of the run, %")
axes[0].legend(title="workers", fontsize=8)
for place in axes:
    place.grid(alpha=0.3)
figure.savefig(sys.argv[2], dpi=80)
"""


def say(found, *, keep):
    """Print the table, and keep it with the plot if it is one to keep."""
    names = (
        *("workers", "s a block", "blocks", "jobs", "lost", "preempted", "driver, us a block"),
        *("blocks a second at most", "workers busy", "driver's share", "MB"),
    )
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    lines += [
        f"| {f['workers']:,} | {f['seconds']:g} | {f['n']:,} | {f['jobs']:,} | {f['lost']:,} "
        f"| {f['preempted']:,} | {f['driver'] / f['n'] * 1e6:.1f} | {f['n'] / f['driver']:,.0f} "
        f"| {f['busy']:.0%} | {f['driver'] / f['virtual']:.1%} | {f['mb']:.0f} |"
        for f in found
    ]
    about = (
        "The whole driver, and workers in virtual time that carry out nothing: 1% of the jobs lose "
        "their worker with a block that is charged, 1% are preempted, and another worker joins "
        f"{JOINING:g} s later, which keeps workers from their work where jobs are short. The "
        "driver's time is that of its processor, with a journal in memory; a run cannot do more "
        "blocks a second than it can hand out and take back."
    )
    text = "\n".join([about, "", *lines])
    if keep:
        WORK.mkdir(exist_ok=True)
        data = WORK / "modelled_cluster.json"
        data.write_text(json.dumps(found))
        picture = Path(__file__).parent / "modelled_cluster.png"
        run([PEERS if PEERS.exists() else sys.executable, "-c", PLOT, data, picture])
        text += f"\n\n![blocks a second of the driver]({picture.name})"
    report("A modelled cluster", text, keep=keep)


def main():
    """Measure all cases, write the table and the plot."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", nargs=3)
    given = parser.parse_args()
    if given.case:
        case(int(given.case[0]), int(given.case[1]), float(given.case[2]))
        return
    sizes = {1.0: 3 * 10**4, 0.1: 3 * 10**4, 0.01: 3 * 10**5, 0.001: 10**6}
    if given.quick:
        sizes = dict.fromkeys(sizes, 10**4)
    cases = [(workers, *case) for workers in (10, 100, 1000) for case in sizes.items()]
    cases += [] if given.quick else [(1000, 0.001, 10**7)]
    found = []
    for workers, seconds, n in cases:
        sample = run([sys.executable, __file__, "--case", str(workers), str(n), str(seconds)])
        found.append({"workers": workers, "seconds": seconds} | json.loads(sample.said))
        print(found[-1], flush=True)
    say(found, keep=not given.quick)


if __name__ == "__main__":
    main()
