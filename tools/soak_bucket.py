"""Kill runs that write a store in a bucket, with faults on the way to it.

The bucket is moto's, behind the proxy of the tests.  A run (serial, or with worker processes) goes
on at its site until one comes to its end: at a request that is drawn, before or after the server
has done what it asks for, the driver is killed, or one of its workers; other requests meet 503,
409, dropped connections and cut answers.  Each run has a temporary folder of its own, as on another
machine; at times two go on at once, and at some sites (``--elements 3``: at all) they are elements
of a job array, which do shares of it.  The last line is a table: lost (blocks and members that
were recorded, and are not), double (those that were recorded, and computed again), wrong (read, and
not true), raised (errors that no fault explains), hung, left (what gc leaves)::

    .venv/bin/python tools/soak_bucket.py --kills 300 --seed 0 --jobs 2

Each job has a server, a proxy and a seed of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

TOOLS = Path(__file__).parent
HUNG_S = 240.0
KINDS = ("lost", "double", "wrong", "raised", "hung", "left")


def module(name, folder):
    """Return a module that lies in a folder."""
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


class Nursery:
    """A process that forks drivers."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, str(TOOLS / "soak_bucket_driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._numbers = itertools.count()
        self._pids = {}
        self._codes = {}
        self._changed = threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self):
        for line in self.process.stdout:
            what, number, value = line.split()
            with self._changed:
                (self._pids if what == "begun" else self._codes)[int(number)] = int(value)
                self._changed.notify_all()

    def start(self, order):
        """Start a driver; returns its number and its process."""
        number = next(self._numbers)
        self.process.stdin.write(json.dumps({**order, "number": number}) + "\n")
        self.process.stdin.flush()
        with self._changed:
            self._changed.wait_for(lambda: number in self._pids, HUNG_S)
            return number, self._pids[number]

    def end_of(self, number):
        """Return the exit code of a driver; None: it hangs."""
        with self._changed:
            self._changed.wait_for(lambda: number in self._codes, HUNG_S)
            return self._codes.get(number)

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self._listener.join()
        self.process.stdout.close()
        self.process.wait()


class Chaos:
    """What becomes of requests: faults, and kills at those that are drawn."""

    def __init__(self, proxy, draw):
        self.proxy, self.draw = proxy, draw
        self.lock = threading.Lock()
        self.n_kills = 0
        self.victims = {}
        self.due = 0
        self.is_on = False

    def begin(self, victims):
        """Draw the request at which one of the drivers, or a worker, is killed."""
        with self.lock:
            self.victims = dict(victims)
            self.due = self.draw.choice((self.draw.randint(1, 40), self.draw.randint(30, 130)))
            self.is_on = True

    def end(self):
        """Let all requests through."""
        self.is_on = False

    def fault(self, method, path):
        """Return what becomes of a request, for the proxy."""
        with self.lock:
            if not self.is_on:
                return None
            late = self.draw.choice((self.proxy.late, lambda fault: fault))
            self.due -= 1
            if self.due == 0 and self._kill():
                return late("drop")
            if self.draw.random() > 0.04:
                return None
            kinds = [503, "drop", (500, "InternalError")]
            kinds += [(409, "ConditionalRequestConflict")] if method == "PUT" else ["cut"]
            return late(self.draw.choice(kinds))

    def _kill(self):
        number = self.draw.choice(sorted(self.victims))
        victim = driver = self.victims[number]
        workers = workers_of(driver)
        if workers and self.draw.random() < 0.4:
            victim = self.draw.choice(workers)
            self.due = self.draw.randint(5, 60)  # and the next
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            self.n_kills += 1
        return True


def workers_of(process):
    """Return the processes that a process has started."""
    with suppress(OSError):
        found = Path(f"/proc/{process}/task").glob("*/children")
        return [int(one) for path in found for one in path.read_text().split()]
    return []


class Site:
    """A store that runs go on with until it is whole."""

    def __init__(self, soak, seed):
        self.soak, self.seed = soak, seed
        self.folder = soak.folder / f"seed-{seed}"
        self.marks = self.folder / "marks"
        self.marks.mkdir(parents=True)
        module("soak_bucket_driver", TOOLS).make_plate(self.folder / "plate")
        self.store = f"s3://bucket/seed-{seed}"
        self.n_done = self._seen = {"doubled": 0, "summed": 0, "turned": 0}
        self.n_runs = 0
        self.faults = []
        self.n_elements = soak.elements
        if self.n_elements is None:
            self.n_elements = soak.draw.choice((0, 0, 2, 3))

    def order(self, what="run", share=None):
        """Return the order of a run on a machine of its own."""
        self.n_runs += 1
        machine = self.folder / f"machine-{self.n_runs}"
        machine.mkdir()
        return {
            "what": what,
            "share": share,
            "store": self.store,
            "marks": str(self.marks),
            "executor": self.soak.draw.choice(("serial", "processes", "processes")),
            "report": str(self.folder / f"report-{self.n_runs}.json"),
            "environment": {**self.soak.environment, "TMPDIR": str(machine)},
        }

    def run(self):
        """Kill runs until one comes to its end, and check what is there."""
        soak = self.soak
        for _ in range(40):
            orders = self.orders()
            begun = [(*soak.nursery.start(order), order) for order in orders]
            soak.chaos.begin({number: process for number, process, _ in begun})
            codes = [soak.nursery.end_of(number) for number, _, _ in begun]
            soak.chaos.end()
            for code, (_, process, order) in zip(codes, begun, strict=True):
                self.note(code, process, order)
            self.n_done = self._seen  # of two at once, none has seen what the other has done
            if 0 in codes or self.faults:
                break
        self.finish()

    def orders(self):
        """Return the orders of those that go on at once: runs, or elements that do shares."""
        n = self.n_elements
        if n:
            return [self.order(share=(k, n)) for k in range(1, n + 1)]
        return [self.order() for _ in range(self.soak.draw.choice((1, 1, 1, 2)))]

    def note(self, code, process, order):
        """Note how a run ended, and whether it has found all that was done before."""
        if code is None:
            self.faults.append("hung")
            with suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
        elif code in (3, 4):
            print(Path(order["report"]).with_suffix(".error").read_text(), flush=True)
            self.faults.append("raised")
        with suppress(OSError, ValueError):
            found = json.loads(Path(order["report"]).read_text())
            self.faults += ["lost" for name, n in found.items() if n < self.n_done[name]]
            self._seen = {name: max(n, self._seen[name]) for name, n in found.items()}

    def finish(self):
        """Run to the end without faults, compare all, and collect the garbage."""
        order = self.order()
        before = len(list(self.marks.iterdir()))
        number, process = self.soak.nursery.start(order)
        self.note(self.soak.nursery.end_of(number), process, order)
        found = json.loads(Path(order["report"]).read_text())
        n_calls = len(list(self.marks.iterdir())) - before
        if n_calls != sum(9 - n for n in found.values()):
            self.faults.append("double")
        for _ in range(2):  # before and after gc
            check = self.order("check")
            number, process = self.soak.nursery.start(check)
            self.note(self.soak.nursery.end_of(number), process, {**check, "report": "/"})
            self.faults += ["wrong" for _ in json.loads(Path(check["report"]).read_text())]
            self.collect()

    def collect(self):
        """Collect garbage; nothing of it is there afterwards."""
        from scutoid import Store, remote

        Store(self.store).gc()
        is_clean = not Store(self.store).gc(dry_run=True).removals
        if not is_clean or remote.uploads(self.store):
            self.faults.append("left")


class Soak:
    """Sites, one after another, until there were enough kills."""

    def __init__(self, folder, proxy, seed, elements=None):
        self.folder = folder
        self.elements = elements
        self.draw = random.Random(seed)  # noqa: S311 - of faults
        said = {"ENDPOINT_URL": proxy.url, "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}
        named = {**said, "DEFAULT_REGION": "us-east-1"}
        self.environment = {f"AWS_{name}": value for name, value in named.items()}
        os.environ.update(self.environment)
        self.chaos = Chaos(proxy, self.draw)
        proxy.fault = self.chaos.fault
        self.nursery = Nursery()

    def work(self, kills, seconds):
        """Return how often each kind of fault was found."""
        end, total = time.monotonic() + seconds, dict.fromkeys(KINDS, 0)
        for seed in itertools.count():
            if self.chaos.n_kills >= kills or time.monotonic() > end:
                self.nursery.close()
                return {"sites": seed, "kills": self.chaos.n_kills, **total}
            site = Site(self, seed)
            site.run()
            for each in site.faults:
                total[each] += 1
            kinds = ", ".join(site.faults) or "right"
            what = f"{site.n_elements} elements" if site.n_elements else "runs"
            n_kills = self.chaos.n_kills
            print(f"site {seed}: {what}, {site.n_runs} begun, {n_kills} kills, {kinds}", flush=True)
        raise AssertionError


def soak(seed, kills, seconds, elements):
    """Return what a job has found, by kind, with its sites and kills."""
    beside = module("object_storage", TOOLS.parent / "tests")
    with (
        tempfile.TemporaryDirectory(prefix="soak-bucket-") as folder,
        beside.store_of_objects() as endpoint,
        beside.proxy_of(int(endpoint.rpartition(":")[2])) as proxy,
    ):
        beside.Bucket(endpoint, proxy)
        return Soak(Path(folder), proxy, seed, elements).work(kills, seconds)


def main(arguments=None):
    """Soak, and print a table; the exit code is 1 if something was found, or the time too short."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the first job; then one more each")
    parser.add_argument("--elements", type=int, help="at once, with shares; 0: runs; or drawn")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--jobs", type=int, default=1, help="sites at once")
    given = parser.parse_args(arguments)
    found = Counter()
    shared = -(-given.kills // given.jobs), given.seconds, given.elements
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.jobs, mp_context=spawn) as pool:
        for job in [pool.submit(soak, given.seed + k, *shared) for k in range(given.jobs)]:
            found.update(job.result())
    print("  ".join(f"{name} {n}" for name, n in found.items()))
    if found["kills"] < given.kills:
        print(f"{given.kills} kills were wanted: give more --seconds")
    return int(any(found[kind] for kind in KINDS) or found["kills"] < given.kills)


if __name__ == "__main__":
    sys.exit(main())
