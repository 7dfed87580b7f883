"""One way of working on a cluster or into a bucket, as a process: ``clusters_work.py WHAT WAY N``.

``blocks scutoid|map N``, ``smooth processes|dask|unsampled SIDE``, ``store folder|bucket SIDE``;
each prints a line of JSON.  ``cluster`` runs a cluster, ``serve`` an object store behind a proxy:
they say their address, and answer each line of their input with what they have taken, or were asked
for.

Beside each time stands that of processors (user and system), which other work on the machine
changes less.
"""

from __future__ import annotations

import collections
import hashlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from engine_work import BEGUN, nothing, nothing_at_all, side_of, times
from harness import WORK, resident

OBJECT_STORAGE = Path(__file__).parent.parent / "tests" / "object_storage.py"


@contextmanager
def beside(what):
    """Run a part of this in a process of its own; give what it says first, and what asks it."""
    command = [sys.executable, __file__, what]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:

        def ask():
            process.stdin.write("\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        try:
            yield json.loads(process.stdout.readline()), ask
        finally:
            process.stdin.close()


@contextmanager
def cluster_that_is_up():
    """Give a client of a cluster in another process, the seconds of its start, and what asks it."""
    from distributed import Client

    started = time.perf_counter()
    with beside("cluster") as (address, peaks), Client(address) as client:
        client.wait_for_workers(2)
        yield client, time.perf_counter() - started, peaks


def cluster():
    """Run a LocalCluster until the input ends; say what it has taken, of memory at its peak."""
    import psutil
    from distributed import LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(silence_logs=50, **options) as started, Peak(started.scheduler) as peak:
        print(json.dumps(started.scheduler_address), flush=True)
        for _ in sys.stdin:
            workers = psutil.Process().children(recursive=True)
            taken = {"mb": peak.mb - peak.before, "tasks": peak.tasks}
            taken["scheduler"] = time.process_time()
            taken["workers"] = sum(sum(each.cpu_times()[:2]) for each in workers)
            print(json.dumps(taken), flush=True)


def cpu_times():
    """Return the seconds of processors that this process and those that it has ended took."""
    return sum(os.times()[:4])


class Peak:
    """The most memory and tasks that a scheduler in this process has, looked at every 20 ms."""

    def __init__(self, scheduler):
        self.scheduler = scheduler
        self.before = resident(os.getpid())
        self.mb = self.tasks = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *of):
        self._is_over.set()
        self._thread.join()

    def _look(self):
        while not self._is_over.wait(0.02):
            self.mb = max(self.mb, resident(os.getpid()))
            self.tasks = max(self.tasks, len(self.scheduler.tasks))


def blocks(way, n):
    """Blocks that do nothing, on a cluster that is up."""
    from scutoid import events
    from scutoid.blocks import BlockGrid, BlockTask, run_blocks
    from scutoid.geometry import Roi
    from scutoid.testing import Recorder

    side = side_of(n)
    n = side**3
    with tempfile.TemporaryDirectory() as folder:
        os.environ[BEGUN] = str(Path(folder) / "begun")
        with cluster_that_is_up() as (client, up, ask):
            before, driver, called = ask(), cpu_times(), time.time()
            if way == "map":
                client.gather(client.map(nothing_at_all, range(n), pure=False))
                done = time.time()
            else:
                recorder = Recorder()
                task = BlockTask("a", nothing, BlockGrid(Roi((0, 0, 0), (side,) * 3), 1))
                run_blocks(task, workers=2, executor=client, listeners=[recorder])
                done = recorder.of(events.BatchDone)[-1].time
            said = {**times(n, called, done), "up": up, "driver": cpu_times() - driver}
            said["us"] = said["busy"] / n * 1e6
            taken = ask()
            said |= {name: taken[name] - before[name] for name in ("scheduler", "workers")}
            for name in ("driver", "scheduler", "workers"):
                said[f"{name}_us"] = said.pop(name) / n * 1e6
            return {**said, "mb": taken["mb"], "tasks": taken["tasks"]}


def smooth(way, side):
    """A Gaussian of a volume that was prepared, twice: workers import what they need but once."""
    import scutoid as sc

    def timed(executor, of_cluster):
        with tempfile.TemporaryDirectory(dir=WORK) as store:
            result = sc.gaussian(sc.open(WORK / f"smoothing_{side}_64.zarr", axes="zyx"), sigma=2.0)
            cpu, started = cpu_times() + of_cluster(), time.perf_counter()
            sc.run(result, store=store, workers=2, executor=executor, block=128)
            seconds = time.perf_counter() - started
            return seconds, cpu_times() + of_cluster() - cpu, digest(result)

    def twice(executor, of_cluster=lambda: 0.0):
        first, later = (timed(executor, of_cluster) for _ in range(2))
        said = {"first": first[0], "first_cpu": first[1], "later": later[0], "later_cpu": later[1]}
        return {**said, "digest": [first[2], later[2]]}

    if way == "processes":
        return twice(way)
    os.environ["DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED"] = str(way != "unsampled")
    with cluster_that_is_up() as (client, _, ask):
        return twice(client, lambda: sum(ask()[name] for name in ("scheduler", "workers")))


def digest(result):
    """Return a digest of the voxels of a result, slab by slab."""
    found = hashlib.sha256()
    for z in range(0, result.shape[0], 64):
        found.update(result[z : z + 64].read().tobytes())
    return found.hexdigest()


def store(way, side):
    """A chain of two steps of blocks of 16^3, into a folder or a bucket."""
    import scutoid as sc
    from scutoid import events
    from scutoid.testing import Recorder

    raw = np.random.default_rng(0).integers(1, 60000, (side,) * 3).astype("uint16")
    first = sc.blockwise(version="1", check_halo=False)(inverted)(sc.open(raw, axes="zyx"))
    last = sc.blockwise(version="1", check_halo=False)(halved)(first)
    recorder = Recorder()
    with tempfile.TemporaryDirectory(dir=WORK) as folder, served(way) as (url, asked):
        place = url or folder
        cpu, started = cpu_times(), time.perf_counter()
        options = {"workers": 2, "executor": "processes", "block": 16, "listeners": [recorder]}
        done = sc.run(first, last, store=place, **options)
        seconds, cpu = time.perf_counter() - started, cpu_times() - cpu
        requests = asked()
        return {
            "n": sum(step.n_blocks for step in done.steps),
            "batches": len(recorder.of(events.BatchDone)),
            "seconds": seconds,
            "cpu": cpu,
            "requests": requests,
            "digest": [digest(last)],
        }


def inverted(image):
    """A function of each voxel."""
    return 65535 - image


def halved(image):
    """Another one."""
    return image // 2


@contextmanager
def served(way):
    """Serve a bucket, if that is the way; give its URL and what tells of requests since."""
    if way == "folder":
        yield None, dict
        return
    with beside("serve") as (endpoint, asked):
        said = {"ENDPOINT_URL": endpoint, "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}
        said["DEFAULT_REGION"] = "us-east-1"
        os.environ.update({f"AWS_{name}": value for name, value in said.items()})
        yield "s3://bucket/results", asked


def serve():
    """Run an object store behind a proxy until the input ends."""
    spec = importlib.util.spec_from_file_location("object_storage", OBJECT_STORAGE)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # which tells of each request
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with (
        module.store_of_objects() as endpoint,
        module.proxy_of(int(endpoint.rpartition(":")[2])) as proxy,
    ):
        module.Bucket(endpoint, proxy)
        print(json.dumps(proxy.url), flush=True)
        for _ in sys.stdin:
            print(json.dumps(collections.Counter(map(kind_of, proxy.asked))), flush=True)
            proxy.forget()


def kind_of(asked):
    """Name a request: its method, and of what."""
    method, path, _ = asked
    if "list-type" in path:
        return "lists"
    if "/c/" in path:
        return f"{method} of shards"
    return f"{method} of {'journals' if '/segments/' in path else 'other objects'}"


def main():
    """Do what is asked for, and print what it took."""
    if sys.argv[1] in ("serve", "cluster"):
        {"serve": serve, "cluster": cluster}[sys.argv[1]]()
        return
    what, way, n = sys.argv[1:4]
    work = {"blocks": blocks, "smooth": smooth, "store": store}[what]
    print(json.dumps(work(way, int(n))))


if __name__ == "__main__":
    main()
