"""A store as the page shows it: its runs and its results, a page of each at a time."""

from __future__ import annotations

import shlex
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scutoid.errors import ScutoidError, StoreError
from scutoid.paths import inside
from scutoid.regular import read_regular
from scutoid.reports import run_names
from scutoid.serving._pulse import Pulse
from scutoid.serving._run_view import RunView
from scutoid.steps.results import RUN, RUNS, ResultRecord, RunRecord
from scutoid.store import RECIPE, Entry, EntryStore, Recipe

_VIEWS = 16
_RUNS_READ = 50
_RESULTS_SECONDS = 2.0


class StoreView:
    """A store that is looked at; safe to be used from several threads.

    Parameters
    ----------
    store : EntryStore
        The store.
    """

    def __init__(self, store: EntryStore) -> None:
        self.store = store
        self._lock = threading.RLock()
        self._views: OrderedDict[str, RunView] = OrderedDict()
        self._records: dict[str, tuple[object, RunRecord | None]] = {}
        self._pulses: dict[str, Pulse] = {}
        self._results: tuple[float, list[tuple[Entry, Recipe]]] = (float("-inf"), [])

    @property
    def path(self) -> Path:
        """The folder."""
        return self.store.path

    def run(self, name: str) -> RunView:
        """Return a run by the name of its folder.

        Raises
        ------
        StoreError
            If the store has none of that name.
        """
        if name not in run_names(self.store.path):
            raise StoreError("the store has the run", value=name, place=str(self.path))
        with self._lock:
            view = self._views.pop(name, None) or RunView(self.store, name)
            self._views[name] = view
            while len(self._views) > _VIEWS:
                self._views.popitem(last=False)
        return view

    def runs(self, *, offset: int = 0, limit: int = 50) -> dict[str, Any]:
        """Return some runs, the newest first; parts of runs are shown with the first one."""
        with self._lock:
            names = run_names(self.path)
            n_all = len(names)
            shown = [self._line(name) for name in names[offset : offset + limit]]
            self._records = {name: self._records[name] for name in names if name in self._records}
            self._pulses = {name: self._pulses[name] for name in names if name in self._pulses}
        return {"n": n_all, "offset": offset, "runs": shown}

    def _line(self, name: str) -> dict[str, Any]:
        record = self._record(name)
        ok = None if record is None else record.ok
        states = {True: "done", False: "failed"}
        state = states[ok] if ok is not None else "running" if self._is_alive(name) else "killed"
        steps = () if record is None else record.steps
        failed = [step.name for step in steps if step.outcome and step.outcome.n_failed]
        return {
            "name": name,
            "state": state,
            "started": None if record is None else record.started,
            "seconds": None if record is None else record.seconds,
            "part_of": None if record is None else record.part_of,
            "n_steps": len(steps),
            "n_cached": sum(step.status == "cached" for step in steps),
            "failed": failed[:3],
        }

    def _record(self, name: str) -> RunRecord | None:
        path = self.path / RUNS / name / RUN
        try:
            state = path.stat()
            stamp = state.st_mtime_ns, state.st_ino
            if self._records.get(name, (None,))[0] != stamp:
                self._records[name] = stamp, RunRecord.from_json(read_regular(path), place=path)
        except (OSError, StoreError):
            return None
        return self._records[name][1]

    def _is_alive(self, name: str) -> bool:
        pulse = self._pulses.setdefault(name, Pulse(self.path / RUNS / name))
        return pulse.is_alive(wall=time.time(), steady=time.monotonic())

    def results(
        self, offset: int = 0, limit: int = 50, *, name: str = "", with_inner: bool = False
    ) -> dict[str, Any]:
        """Return some results, the newest first.

        Parameters
        ----------
        offset, limit : int
            Which of them.
        name : str
            A part of the names of their steps, in upper or lower case.
        with_inner : bool
            Whether those of steps are among them that operations made under their result, as far as
            the last runs tell.
        """
        inner = set() if with_inner else self._inner()
        found = [
            (entry, recipe)
            for entry, recipe in self._all_results()
            if name.casefold() in recipe.step.casefold()
            and str(entry.path.relative_to(self.path)) not in inner
        ]
        shown = [_result_line(*one, self.path) for one in found[offset : offset + limit]]
        return {"n": len(found), "offset": offset, "results": shown}

    def _inner(self) -> set[str]:
        """Return places of results that the last runs had under others, and none by itself."""
        inner: set[str] = set()
        own: set[str] = set()
        with self._lock:
            for name in run_names(self.path)[:_RUNS_READ]:
                record = self._record(name)
                for step in () if record is None else record.steps:
                    (inner if step.within else own).add(step.entry)
        return inner - own

    def _all_results(self) -> list[tuple[Entry, Recipe]]:
        with self._lock:
            if time.monotonic() - self._results[0] > _RESULTS_SECONDS:
                self._results = time.monotonic(), self.store.entries()
            return self._results[1]

    def result(self, place: str) -> tuple[Entry, Recipe]:
        """Return a result by its folder below the store.

        Raises
        ------
        StoreError
            If there is none; one that a link leads to elsewhere is a `DamagedResult`.
        """
        for entry, recipe in self._all_results():
            if str(entry.path.relative_to(self.path)) == place:
                inside(self.path, place)
                return entry, recipe
        raise StoreError("the store has the result", value=place, place=str(self.path))

    def maker(self, place: str) -> tuple[RunView | None, str]:
        """Return the last run that needed a result, and its step; None if none remembers it."""
        self.result(place)
        with self._lock:
            for name in run_names(self.path):
                record = self._record(name)
                for step in () if record is None else record.steps:
                    if step.entry == place:
                        return self.run(name), step.name
        return None, ""

    def commands(
        self, step: str, kinds: Iterable[str], *, of_members: bool
    ) -> list[tuple[str, str]]:
        """Return commands that show the newest result of a step otherwise, with their purpose.

        Parameters
        ----------
        step : str
            Name of the step.
        kinds : iterable of str
            Kinds of its outputs: viewers show images; a table needs those that it belongs to.
        of_members : bool
            Whether it has a result a member, of which viewers show one.
        """
        store = f"--store {shlex.quote(str(self.path))}"
        name = shlex.quote(step)
        member = " --member KEY" if of_members else ""
        viewers = [
            ("in napari", f"scutoid view {name}{member} {store}"),
            ("in the browser, in 3-D", f"scutoid view --web {name}{member} {store}"),
        ]
        shown = viewers if "image" in kinds else []
        return [*shown, ("in the terminal", f"scutoid show {name} {store}")]


def _result_line(entry: Entry, recipe: Recipe, store: Path) -> dict[str, Any]:
    return {
        "place": str(entry.path.relative_to(store)),
        "step": recipe.step,
        "key": recipe.key[:12],
        "kind": recipe.kind,
        "state": entry.status,
        "created": recipe.created,
        "seconds": recipe.seconds,
    }


def outputs_of(entry: Entry) -> list[dict[str, Any]]:
    """Return what a result consists of, as JSON has it: kind, name, shape; no more if unknown."""
    try:
        record = ResultRecord.of(entry.recipe, place=entry.path / RECIPE)
    except ScutoidError:
        return []
    found = []
    for number, output in enumerate(() if record is None else record.outputs):
        one: dict[str, Any] = {"kind": output.kind, "name": output.name, "labels": output.labels}
        if output.image is not None:
            image = output.image
            one |= {"axes": image.axes, "shape": [*image.shape], "dtype": image.dtype}
        one["table"] = table_file(entry, number) is not None
        found.append(one)
    return found


def table_file(entry: Entry, output: int) -> Path | None:
    """Return the file of an output that is a table, if there is one, whole and in the store.

    Raises
    ------
    DamagedResult
        If a link leads out of the folder of the result.
    """
    record = ResultRecord.of(entry.recipe, place=entry.path / RECIPE)
    if record is None or not 0 <= output < len(record.outputs):
        return None
    name = record.outputs[output].name
    for ending in ("parquet", "csv"):
        if (entry.path / f"{name}.{ending}").is_file():
            return inside(entry.path, f"{name}.{ending}")
    return None
