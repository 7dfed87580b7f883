"""A site of the soak of faults: from its first driver to the check of what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

import scutoid as sc
from scutoid.errors import IncompleteResult, ScutoidError
from soak_faults_driver import INTERRUPTED, REFUSED
from soak_faults_place import Place
from soak_store import files_of, is_same, plain
from soak_store_driver import MEMBERS, NAMES, Site

HUNG = 180.0
"""So many seconds a driver may take, and its workers may outlive it."""
_POLL = 0.005
_SPAN = 1.2
"""Seconds from the begin of a run over which faults are spread; more of them early."""
_CHANGES = 600
"""As many changes of files."""
_ROUNDS = {"processes": 1, "serial": 1, "dask": 4}
"""How often the drivers of a site begin anew: a cluster takes long to begin."""
_SIGNALS = {"terminated": signal.SIGTERM, "hung up": signal.SIGHUP, "interrupted": signal.SIGINT}
_ENDS = {REFUSED, INTERRUPTED, 128 + signal.SIGTERM, 128 + signal.SIGHUP}
"""Exit codes of runs that were ended."""
KINDS = ("lost", "wrong", "never healed", "hung", "raw errors")


@dataclass
class Tally:
    """What happened at a site, or at many."""

    runs: int = 0
    kills: int = 0
    """Processes that were killed or signalled, drivers and workers."""
    faults: Counter[str] = field(default_factory=Counter)
    """How often each kind of fault was met."""
    found: list[tuple[str, str]] = field(default_factory=list)
    """What should not be: its kind, and what it is."""

    def add(self, other: Tally) -> None:
        """Sum up."""
        for each in fields(self):
            value: Any = getattr(self, each.name)
            value += getattr(other, each.name)
            setattr(self, each.name, value)

    def table(self) -> str:
        """Return the closing figures."""
        counts = Counter(kind for kind, _ in self.found)
        rows = {"runs": self.runs, "kills": self.kills, "faults": self.faults.total()}
        rows |= {kind: counts[kind] for kind in KINDS}
        head = "  ".join(f"{name:>{max(len(name), 5)}}" for name in rows)
        line = "  ".join(f"{n:>{max(len(name), 5)}}" for name, n in rows.items())
        met = ", ".join(f"{n} {name}" for name, n in sorted(self.faults.items()))
        return f"faults: {met}\n{head}\n{line}"


class FaultySite:
    """A pipeline from its first driver to the check of what it leaves.

    Parameters
    ----------
    site : Site
        Where it runs.
    executor : str
        Of its drivers: "serial", "processes" or "dask".
    """

    def __init__(self, site: Site, executor: str) -> None:
        self.site = site
        self.executor = executor
        self.tally = Tally()
        self.place = Place(site, executor)
        self._rng = np.random.default_rng([site.seed, 11])
        self._truth = site.truth()
        self._others: list[dict[str, Any]] = []
        self._grands: set[object] = {self._truth["grand"]}
        self._swapped: set[str] = set()
        self._before: dict[str, int] = {}

    def run(self) -> Tally:
        """Run to the end, with faults on the way, and check."""
        self.site.prepare()
        with self.place.open():
            for _ in range(_ROUNDS[self.executor]):
                self.place.clear()
                self._others, self._swapped, self._before = [], set(), {}
                self._grands = {self._truth["grand"]}
                self._run_once()
                if self.tally.found:
                    break
                self.check_end()
        return self.tally

    def _run_once(self) -> None:
        fault = "none"
        while not self.tally.found:
            fault = str(self._rng.choice(self._kinds()))
            is_over = self.drive(fault)
            self.check_store()
            self.check_calls()
            if is_over and fault != "swapped":  # what was swapped is back in its place
                return

    def _kinds(self) -> list[str]:
        kinds = [*["killed"] * 3, "killed at", *_SIGNALS, "full", "broken", "swapped"]
        if self.executor != "serial":
            kinds += ["workers killed"] * 12
        return kinds + ["disk full"] * 2 * self.place.has_disk

    def drive(self, fault: str = "none") -> bool:
        """Begin a driver, have it meet a fault, see to its end; return whether it came to it."""
        begun = self.site.folder / "begun"
        begun.unlink(missing_ok=True)
        when = float(np.prod(self._rng.random(2)))
        at = str(int(when * _CHANGES))
        options = {"killed at": [at], "full": [at, "full"], "broken": [at, "broken"]}
        driver = self.place.begin(options.get(fault, []), int(self._rng.integers(2)))
        end = time.monotonic() + HUNG
        with self._swapping(fault) as swap:
            while driver.poll() is None and not begun.exists():
                self._see_hung(driver, end)
            self._hurt(fault, driver, when * _SPAN, swap)
            while driver.poll() is None:
                self._see_hung(driver, end)
        self.tally.runs += 1
        self.tally.faults[fault] += fault != "none"
        if left := self.place.left(HUNG):
            self._note("hung", f"processes {left} were left by their driver")
        self.place.empty()
        self._judge(fault, driver.returncode)
        return driver.returncode == 0

    def _hurt(self, fault: str, driver: subprocess.Popen[bytes], after: float, swap: Any) -> None:
        """Do to a driver what it is to meet, some seconds after it began."""
        with suppress(subprocess.TimeoutExpired):
            driver.wait(after)
        if fault == "killed" or fault in _SIGNALS:
            if driver.poll() is None:
                driver.send_signal(_SIGNALS.get(fault, signal.SIGKILL))
                self.tally.kills += 1
        elif fault == "workers killed":
            most = self.tally.kills + int(self._rng.integers(5, 11))
            while self.tally.kills < most and driver.poll() is None:
                pause = 0.25 if self._kill_worker(driver) else 0.02
                with suppress(subprocess.TimeoutExpired):
                    driver.wait(float(self._rng.exponential(pause)))
            if self._rng.random() < 0.7 and driver.poll() is None:
                driver.kill()
                self.tally.kills += 1
        elif fault == "disk full":
            self.place.fill(int(self._rng.integers(0, 200)) * 1024)
        elif fault == "swapped":
            swap()

    def _kill_worker(self, driver: subprocess.Popen[bytes]) -> bool:
        workers = self.place.workers(driver) if driver.poll() is None else []
        if not workers:
            return False
        with suppress(ProcessLookupError):
            os.kill(int(self._rng.choice(workers)), signal.SIGKILL)
            self.tally.kills += 1
        return True

    @contextmanager
    def _swapping(self, fault: str) -> Iterator[Any]:
        """Give what puts another image in the place of a member, and put back the first after."""
        number = int(self._rng.integers(MEMBERS))

        def swap(*, is_other: bool = True) -> None:
            self._others.append(self.site.truth(number))
            self._grands.add(self._others[-1]["grand"])
            names = (f"{step}-{number:02}.npy" for step in ("triple", "count", "rows"))
            self._swapped.update(names, ["grand-0"])  # made for either image, each in its turn
            new = self.site.folder / "new.npy"
            np.save(new, self.site.member(number, is_other=is_other))
            new.replace(self.site.folder / "plate" / f"{number:02}.npy")

        yield swap
        if fault == "swapped":
            swap(is_other=False)

    def _see_hung(self, driver: subprocess.Popen[bytes], end: float) -> None:
        if time.monotonic() > end and "hung" not in dict(self.tally.found):
            self._note("hung", f"a driver took more than {HUNG:g} s")
            driver.kill()
        time.sleep(_POLL)

    def _judge(self, fault: str, code: int) -> None:
        """See that a driver ended as one may that has met this fault."""
        self.tally.kills += code == -signal.SIGKILL and fault == "killed at"
        ends = {-signal.SIGKILL} if "killed" in fault else set()
        if fault in _SIGNALS:
            ends = {-_SIGNALS[fault], *_ENDS}
        elif fault in ("full", "broken", "disk full", "swapped"):
            ends = {REFUSED}
        if code == 0 or code in ends or ("hung" in dict(self.tally.found)):
            return
        is_own = code == REFUSED
        kind = "never healed" if is_own else "raw errors"
        self._note(kind, f"a driver that was {fault} left with status {code}: see driver.log")

    def _note(self, kind: str, what: str) -> None:
        self.tally.found.append((kind, what))

    def check_store(self, *, is_over: bool = False) -> set[str]:
        """Everything that the store gives out is a true result; returns what is there.

        At the end all members of collections are there.
        """
        try:
            store = sc.Store(self.site.store)
            names = store.names()
        except (ScutoidError, OSError, ValueError) as error:
            is_begun = (self.site.store / ".scutoid").exists()
            if is_begun:
                self._note("never healed", f"the store cannot be read: {error}")
            return set()
        for name in names:
            try:
                found = _there(store[name])
            except ScutoidError as error:
                self._note("never healed", f"{name}: {type(error).__name__}: {error}")
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is should be one of scutoid's
                self._note("raw errors", f"{name}: {type(error).__name__}: {error}")
                continue
            if not self._is_true(name, found):
                self._note("wrong", f"{name} is not the true result")
            if is_over and isinstance(found, dict) and found.keys() != self._truth[name].keys():
                self._note("lost", f"members of {name} are missing at the end")
        return set(names)

    def _is_true(self, name: str, found: Any) -> bool:
        if name == "grand":  # a store gives the newest, which may be that of another image
            return found in self._grands
        truths = [self._truth[name], *(other[name] for other in self._others)]
        if name not in ("triple", "count", "rows"):
            return any(is_same(found, true) for true in truths)
        return all(  # those members that are done
            any(key in true and is_same(member, true[key]) for true in truths)
            for key, member in found.items()
        )

    def check_calls(self) -> None:
        """What was recorded as done when the last driver ended has not been called since."""
        for name, n in self._before.items():
            if self.site.n_calls(name) != n and name not in self._swapped:
                self._note("lost", f"{name} was done, and was called again")
        self._before = {name: self.site.n_calls(name) for name in self.site.done()}

    def check_end(self) -> None:
        """All results are there, whole and of the first files, and nothing runs again."""
        self._others = []
        missing = set(NAMES) - self.check_store(is_over=True)
        if missing:
            self._note("lost", f"not complete at the end: {', '.join(sorted(missing))}")
        before = self.place.n_calls()
        self.drive()
        if self._grand_of_last_run() != self._truth["grand"]:
            self._note("wrong", "the last run has another grand than that of the first files")
        if self.place.n_calls() != before:
            self._note("lost", "what was done was called again by a run that had nothing to do")
        for name, kind in files_of(self.site.store).items():
            if kind == "stray":
                self._note("lost", f"nothing explains {name}")

    def _grand_of_last_run(self) -> object:
        """Return what the last run has found of the value of all members."""
        record = max(self.site.store.glob("runs/*/run.json"), key=lambda path: path.stat().st_mtime)
        steps = {step["name"]: step["entry"] for step in json.loads(record.read_bytes())["steps"]}
        return json.loads((self.site.store / steps["grand"] / "value.json").read_bytes())


def _there(result: Any) -> Any:
    """A result as plain data; of a collection those members that a run has finished."""
    if not hasattr(result, "keys"):
        return plain(result)
    found = {}
    for key in result:
        with suppress(IncompleteResult):
            found[key] = plain(result[key])
    return found
