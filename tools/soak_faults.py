"""Hurt runs in every way that there is while they write a store of every kind of result.

Each site has a folder, a seed and an executor (serial, processes, Dask).  A driver runs the
pipeline of the soak of the store (images, pyramids, fused steps, neighbours, parts, tables, values,
files, members) and meets a fault: it is killed, or signalled; its workers are killed, one by one;
the disk is full or fails, in the driver, or for all where disks can be mounted; a file of a member
is swapped for another one while it runs.  Drivers of one site may be two users in turn.  Afterwards
everything in the store is read, and the next driver goes on, until one has come to its end::

    drive, fault -> read all, note what is done -> drive, fault -> ... -> drive to the end

The last line is a table: lost (done, and called again, or gone), wrong (read, and not true), never
healed (a driver that meets no fault fails, or what is complete cannot be read), hung, and raw
errors (none of scutoid's own).  Linux only; users and disks as root, in a mount namespace of its
own::

    .venv/bin/python tools/soak_faults.py --kills 1000 --seed 0 --jobs 2

``--kills 1 --seed N`` draws the same faults again, though they will not hit the same instant.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from soak_faults_place import MOUNTS
from soak_faults_site import FaultySite, Tally
from soak_store_driver import Site

EXECUTORS = ("processes", "processes", "dask", "processes", "processes", "serial")
"""Of the sites, in turn."""


class Soak:
    """Sites one after another, in some threads, until there were enough kills.

    Parameters
    ----------
    folder : Path
        Where the sites are made.
    kills : int
        How many there shall be, at the least.
    seconds : float
        After so many no other site is begun.
    seed : int
        Of the first site; then one more each.
    """

    def __init__(self, folder: Path, kills: int, seconds: float, seed: int) -> None:
        self.folder = folder.resolve()
        self.folder.chmod(0o755)  # for other users
        self.kills = kills
        self.total = Tally()
        self.faulty: list[int] = []
        self._end = time.monotonic() + seconds
        self._seeds = itertools.count(seed)
        self._lock = threading.Lock()

    def work(self) -> None:
        """Make sites until there were enough kills, or time is over."""
        while True:
            with self._lock:
                if self.total.kills >= self.kills or time.monotonic() > self._end:
                    return
                seed = next(self._seeds)
            site = Site(self.folder / f"seed-{seed}", seed)
            executor = EXECUTORS[seed % len(EXECUTORS)]
            tally = FaultySite(site, executor).run()
            with self._lock:
                self._note(site, executor, tally)

    def _note(self, site: Site, executor: str, tally: Tally) -> None:
        self.total.add(tally)
        met = ", ".join(f"{n} {name}" for name, n in sorted(tally.faults.items()))
        print(
            f"seed {site.seed}  {executor}  {tally.runs} runs  {tally.kills} kills  {met}  "
            f"{'FAULT' if tally.found else 'ok'}",
            flush=True,
        )
        if not tally.found:
            shutil.rmtree(site.folder)
            return
        self.faulty.append(site.seed)
        for kind, what in tally.found[:20]:
            print(f"    {kind}: {what}")
        print(f"    kept: {site.folder}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Make the sites, print a line for each and the closing table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=1000, help="so many at the least")
    parser.add_argument("--seconds", type=float, default=3600, help="begin no other site after")
    parser.add_argument("--seed", type=int, default=0, help="of the first site; then one more each")
    parser.add_argument("--jobs", type=int, default=2, help="sites at once")
    given = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="scutoid-soak-faults-"))
    began = time.monotonic()
    soak = Soak(folder, given.kills, given.seconds, given.seed)
    with ThreadPoolExecutor(given.jobs) as pool:
        for future in [pool.submit(soak.work) for _ in range(given.jobs)]:
            future.result()
    seconds = time.monotonic() - began
    rate = 60 * soak.total.kills / seconds
    print(f"soak of faults: {seconds:.0f} s, {rate:.0f} kills a minute; {soak.total.table()}")
    if soak.faulty:
        seed = soak.faulty[0]
        print(f"again: python tools/soak_faults.py --kills 1 --seed {seed}", file=sys.stderr)
        return 1
    folder.rmdir()
    return 0


def _begin_with_mounts() -> None:
    """Become a process whose mounts are its own, where that is possible."""
    if MOUNTS in os.environ or os.geteuid() != 0 or shutil.which("unshare") is None:
        return
    unshare = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode == 0:
        os.environ[MOUNTS] = "1"
        os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])  # noqa: S606


if __name__ == "__main__":
    _begin_with_mounts()
    sys.exit(main())
