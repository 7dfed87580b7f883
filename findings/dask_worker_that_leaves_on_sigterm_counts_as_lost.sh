#!/usr/bin/env bash
# A dask worker that ends in order at a SIGTERM counts as one that was lost: its task can end in KilledWorker.
#
# Versions: distributed 2026.8.0, dask 2026.8.0 (November 2026).
#
# At a SIGTERM a `dask worker` closes in order and ends with exit code 0. The scheduler notes it as not expected all the
# same, and counts it against the task that it was at, as it does a crash: the task fails for ever once more of its workers
# ended so than `distributed.scheduler.allowed-failures` says (3; here 0). Of a worker that ends by `--lifetime` the
# scheduler is told, and the task goes to another worker.
#
# Why it matters: SIGTERM is what SLURM sends at preemption and at a time limit. A long task that was preempted four times
# is told as one that kills its workers.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check distributed==2026.8.0 dask==2026.8.0
cd "$folder"
cat > show.py <<'PY'
import os
import signal
import subprocess
import sys

import dask
from distributed import Client, LocalCluster, wait


def task(place):
    """Be at work until the file is there."""
    import os
    import time

    open(f"{place}-begun", "w").close()
    while not os.path.exists(place):
        time.sleep(0.05)
    return "done"


def removed(dask_scheduler):
    events = [event for _, event in dask_scheduler.get_events("all")]
    return [each["expected"] for each in events if each.get("action") == "remove-worker"]


def worker(address, *options):
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    return subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    dask.config.set({"distributed.scheduler.allowed-failures": 0})
    for way, options in {"SIGTERM": (), "--lifetime": ("--lifetime", "4s")}.items():
        with LocalCluster(n_workers=0, dashboard_address=None) as cluster, Client(cluster) as client:
            place = os.path.abspath(way)
            first = worker(cluster.scheduler_address, *options)
            future = client.submit(task, place)
            while not os.path.exists(f"{place}-begun"):
                client.run_on_scheduler(lambda: None)
            if way == "SIGTERM":
                first.send_signal(signal.SIGTERM)
            while not (expected := client.run_on_scheduler(removed)):
                pass
            open(place, "w").close()
            code = first.wait()
            second = worker(cluster.scheduler_address)
            wait(future, 60)
            error = type(future.exception()).__name__
            print("seen", way, "exit code", code, "expected", expected, "task", future.status, error)
            second.terminate()
            second.wait()
PY
"$folder/env/bin/python" show.py 2> log.txt | grep '^seen' > seen.txt || cat log.txt
cat > expected.txt <<'TXT'
seen SIGTERM exit code 0 expected [False] task error KilledWorker
seen --lifetime exit code 0 expected [True] task finished NoneType
TXT
cat seen.txt
diff expected.txt seen.txt
