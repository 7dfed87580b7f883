"""Kill runs at random instants while they write a store of every kind of result, and check it.

Each site has a folder and a seed.  A driver process runs a pipeline whose results are images (zarr
in shards), parts, tables, values, arrays, files, and collections of images, tables and values.  It
is killed with SIGKILL at a random instant, or before one of its changes of a file; this process
reads what the store calls complete, and the driver is begun again, until one comes to its end::

    drive, kill -9 -> read all, note what is done -> drive, kill -9 -> ... -> drive to the end

Faults are: a result that is read and is not the true one; one that cannot be read although the
store calls it complete; a block, member or step that is called again after it was recorded as done;
a driver that fails; files that nothing explains; results that are missing at the end.  Linux only::

    .venv/bin/python tools/soak_store.py --kills 300 --seed 0 --jobs 2

A site with faults keeps its folder; ``--kills 1 --seed N`` draws the same kills again, though they
will not hit the same instant.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import scutoid as sc
from scutoid.errors import ScutoidError
from soak_store_driver import CALLS, IN_BLOCKS, MEMBERS, N_BLOCKS, NAMES, Site

LEAVING = 60.0
"""So many seconds a worker may outlive its driver."""
_POLL = 0.005
_DRIVER = str(Path(__file__).with_name("soak_store_driver.py").resolve())

# What lies in a store: results, and what a kill may leave beside them, each known by its name.
_EXPLAINED = re.compile(
    r"\.scutoid(-\d+)?|\.input-hashes|runs/.*"
    r"|\.compared-steps|\w+/\.locks|\w+/[0-9a-f]{12}/(recipe\.json|COMPLETE|journal|members\.json)"
    r"|\w+/[0-9a-f]{12}/(image(-\d+)?\.shards|blocks\.digests)"
    r"|\w+/[0-9a-f]{12}/(value\.(json|npy)|table\.parquet|files/note\.txt)"
    r"|\w+/[0-9a-f]{12}/\w+\.pack(\.index)?|\w+/[0-9a-f]{12}/items/\d\d\.npy\.[0-9a-f]{8}\.tif"
    r"|\w+/[0-9a-f]{12}/image\.ome\.zarr/(\d/)?(zarr\.json|c/\d+/\d+)"
)
_LEFT = re.compile(r"(.*/)?(\..*\.new.*|.*__lock)")
_LOCK = re.compile(r"\w+/\.[0-9a-f]{12}\.lock(\.[0-9a-f]{8})?")


def plain(result: Any) -> Any:
    """A result as plain data that can be compared."""
    if hasattr(result, "keys"):
        return {key: plain(member) for key, member in result.items()}
    if result.kind == "image":
        return np.asarray(result), result.voxel_size, result.unit
    if result.kind == "table":
        return result.to_pandas()
    if result.kind == "parts":
        return {index: dict(part) for index, part in result.read().items()}
    if result.kind == "files":
        return {path.name: path.read_text() for path in sorted(result.path.iterdir())}
    return result.get()


def is_same(found: Any, true: Any) -> bool:
    """Whether plain data are equal to the last bit, types included."""
    if isinstance(true, dict):
        return (
            isinstance(found, dict)
            and found.keys() == true.keys()
            and all(is_same(found[key], value) for key, value in true.items())
        )
    if isinstance(true, tuple):
        return len(found) == len(true) and all(map(is_same, found, true))
    if isinstance(true, pd.DataFrame):
        return bool(true.equals(found))
    if isinstance(true, np.ndarray):
        return found.dtype == true.dtype and np.array_equal(found, true)
    return type(found) is type(true) and bool(found == true)


@dataclass(frozen=True)
class Whole:
    """What a run takes that is not killed: kills are spread over it."""

    seconds: float
    """From its begin to its last write."""
    changes: int
    """How often its driver changes a file of the store."""


@dataclass
class Tally:
    """What happened at a site, or at many."""

    kills: int = 0
    read: int = 0
    """Complete results that were read after a kill."""
    kept: int = 0
    """Blocks, members and steps that were done when a driver was killed."""
    twice: int = 0
    """Calls beyond the first of each: what was under way when a driver was killed."""
    left: int = 0
    """Unfinished files that lie in the store at the end, by names that tell so."""
    locks: int = 0
    """Locks of killed drivers that lie in the store at the end."""
    faults: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Sum up."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


class KilledRun:
    """A pipeline from its first driver to the check of what it leaves.

    Parameters
    ----------
    site : Site
        Where it runs.
    executor : str
        Of its drivers.
    whole : Whole
        What a run takes that is not killed.
    """

    def __init__(self, site: Site, executor: str, whole: Whole) -> None:
        self.site = site
        self.executor = executor
        self.whole = whole
        self.tally = Tally()
        self._truth = site.truth()
        self._rng = np.random.default_rng([site.seed, 7])
        self._before: dict[str, int] = {}

    def run(self) -> Tally:
        """Run to the end, with kills on the way, and check."""
        self.site.prepare()
        while not self.tally.faults:
            # More often early, for what is left to do gets less and less.
            when = float(np.prod(self._rng.random(2)))
            if self._rng.random() < 0.5:
                is_over = self.one_driver(after=when * self.whole.seconds)
            else:
                is_over = self.one_driver(at=int(when * self.whole.changes))
            self.check_complete()
            self.check_calls()
            if is_over:
                break
        if not self.tally.faults:
            self.check_end()
        return self.tally

    def one_driver(self, *, after: float | None = None, at: int | None = None) -> bool:
        """Begin a driver and kill it: some seconds after it began, or before a change of a file.

        Returns
        -------
        bool
            Whether it came to its end before.
        """
        begun = self.site.folder / "begun"
        begun.unlink(missing_ok=True)
        with (self.site.folder / "driver.log").open("ab") as log:
            driver = subprocess.Popen(
                [sys.executable, _DRIVER, self.executor, *([] if at is None else [str(at)])],
                # By this the processes of a site are told from all others.
                cwd=self.site.folder,
                env={**os.environ, CALLS: str(self.site.folder / "calls")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            while driver.poll() is None and not begun.exists():
                time.sleep(_POLL)
            code = driver.wait(after)
        except subprocess.TimeoutExpired:
            driver.kill()
            code = driver.wait()
        finally:
            driver.kill()
            driver.wait()
        self._await_workers()
        self.tally.kills += code == -signal.SIGKILL
        if code not in (0, -signal.SIGKILL):
            self.fault(f"a driver left with status {code}: see driver.log")
        return code == 0

    def _await_workers(self) -> None:
        end = time.monotonic() + LEAVING
        while left := processes_in(self.site.folder):
            if time.monotonic() > end:
                self.fault(f"processes {left} were left by their driver")
                for number in left:
                    with suppress(ProcessLookupError):
                        os.kill(number, signal.SIGKILL)
            time.sleep(_POLL)

    def fault(self, what: str) -> None:
        """Note a fault."""
        self.tally.faults.append(what)

    def check_complete(self) -> set[str]:
        """Everything that the store gives out is the true result; returns what is there."""
        if not self.site.store.is_dir():
            return set()
        try:
            store = sc.Store(self.site.store)
            names = store.names()
        except (ScutoidError, OSError, ValueError) as error:
            self.fault(f"the store cannot be read: {error}")
            return set()
        for name in names:
            try:
                found = plain(store[name])
            except (ScutoidError, OSError, ValueError, KeyError) as error:
                self.fault(f"{name} cannot be read: {type(error).__name__}: {error}")
                continue
            true = self._truth[name]
            if name in ("triple", "count", "rows") and found.keys() <= true.keys():
                true = {key: true[key] for key in found}  # those members that are done
            if not is_same(found, true):
                self.fault(f"{name} is not the true result")
            self.tally.read += 1
        return set(names)

    def check_calls(self) -> None:
        """What was recorded as done when the last driver ended has not been called since."""
        for name, n in self._before.items():
            if self.site.n_calls(name) != n:
                self.fault(f"{name} was done, and was called again")
        self._before = {name: self.site.n_calls(name) for name in self.site.done()}
        self.tally.kept += len(self._before)

    def check_end(self) -> None:
        """All results are there and whole, nothing runs again, and every file is explained."""
        missing = set(NAMES) - self.check_complete()
        if missing:
            self.fault(f"not complete at the end: {', '.join(sorted(missing))}")
        before = {path.name: path.stat().st_size for path in self._calls()}
        if not self.one_driver():
            self.fault("a driver with nothing to do did not end well")
        after = {path.name: path.stat().st_size for path in self._calls()}
        if before != after:
            self.fault(f"called although done: {sorted(after.items() - before.items())[:5]}")
        self.tally.twice += sum(n - 1 for n in after.values())
        n_expected = len(IN_BLOCKS) * N_BLOCKS + 3 * MEMBERS + 4
        if len(after) != n_expected:
            self.fault(f"{len(after)} of {n_expected} blocks, members and steps were called")
        for name, kind in files_of(self.site.store).items():
            self.tally.left += kind == "left"
            self.tally.locks += kind == "lock"
            if kind == "stray":
                self.fault(f"nothing explains {name}")

    def _calls(self) -> list[Path]:
        return list((self.site.folder / "calls").iterdir())


def files_of(store: Path) -> dict[str, str]:
    """Each file: "explained", "left" by a kill under a name that tells so, a "lock", or "stray"."""
    kinds = {"explained": _EXPLAINED, "left": _LEFT, "lock": _LOCK}
    names = [p.relative_to(store).as_posix() for p in store.rglob("*") if p.is_file()]
    return {
        name: next((kind for kind, like in kinds.items() if like.fullmatch(name)), "stray")
        for name in names
    }


def processes_in(folder: Path) -> list[int]:
    """Numbers of the living processes whose working folder this is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # not ours, or dead: a dead one has no folder
                if (entry / "cwd").readlink() == folder:
                    found.append(int(entry.name))
    return found


def whole_run(folder: Path, executor: str) -> Whole:
    """Make a run that is not killed, to see what it takes."""
    run = KilledRun(Site(folder / f"whole-{executor}", 0), executor, Whole(0.0, 0))
    run.site.prepare()
    run.one_driver()
    last = max(path.stat().st_mtime for path in run.site.store.rglob("*") if path.is_file())
    seconds = last - (run.site.folder / "begun").stat().st_mtime
    changes = int((run.site.folder / "changes").read_text())
    shutil.rmtree(run.site.folder)
    return Whole(seconds, changes)


class Soak:
    """Sites one after another, in some threads, until there were enough kills.

    Parameters
    ----------
    folder : Path
        Where the sites are made.
    kills : int
        How many there shall be, at the least.
    seed : int
        Of the first site; then one more each.
    """

    def __init__(self, folder: Path, kills: int, seed: int) -> None:
        self.folder = folder.resolve()
        self.kills = kills
        self.total = Tally()
        self.faulty: list[int] = []
        self._seeds = itertools.count(seed)
        self._lock = threading.Lock()
        self._whole = {one: whole_run(self.folder, one) for one in ("serial", "processes")}

    def work(self) -> None:
        """Make sites until there were enough kills."""
        while True:
            with self._lock:
                if self.total.kills >= self.kills:
                    return
                seed = next(self._seeds)
            executor = "processes" if seed % 3 == 0 else "serial"
            site = Site(self.folder / f"seed-{seed}", seed)
            tally = KilledRun(site, executor, self._whole[executor]).run()
            with self._lock:
                self._note(site, executor, tally)

    def _note(self, site: Site, executor: str, tally: Tally) -> None:
        self.total.add(tally)
        print(
            f"seed {site.seed}  {executor}  {tally.kills} kills  {tally.read} results read  "
            f"{tally.twice} calls twice  {'FAULT' if tally.faults else 'ok'}",
            flush=True,
        )
        if not tally.faults:
            shutil.rmtree(site.folder)
            return
        self.faulty.append(site.seed)
        for fault, n in Counter(tally.faults[:20]).items():
            print(f"    {n} x {fault}")
        print(f"    kept: {site.folder}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Make the sites, print a line for each and a summary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300, help="so many at the least")
    parser.add_argument("--seed", type=int, default=0, help="of the first site; then one more each")
    parser.add_argument("--jobs", type=int, default=2, help="sites at once")
    given = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="scutoid-soak-store-"))
    began = time.monotonic()
    soak = Soak(folder, given.kills, given.seed)
    with ThreadPoolExecutor(given.jobs) as pool:
        for future in [pool.submit(soak.work) for _ in range(given.jobs)]:
            future.result()
    total = soak.total
    print(
        f"{total.kills} kills in {time.monotonic() - began:.0f} s: {total.read} results read after "
        f"them, {total.kept} times something done was kept, {total.twice} calls twice, "
        f"{total.left} unfinished files and {total.locks} locks left; {len(total.faults)} faults"
    )
    if soak.faulty:
        print(
            f"again: python tools/soak_store.py --kills 1 --seed {soak.faulty[0]}", file=sys.stderr
        )
        return 1
    folder.rmdir()
    return 0


if __name__ == "__main__":
    sys.exit(main())
