"""Results found again by the names of their steps."""

from __future__ import annotations

import datetime as dt
import difflib
import os
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from scutoid.errors import DamagedResult, IncompleteResult, ParameterError, StoreError
from scutoid.printable import printed
from scutoid.regular import read_regular
from scutoid.settings import parse_duration
from scutoid.steps.declaration import OutputKind
from scutoid.steps.graph import CollectionFromStore, FromStore, Node, refs_of
from scutoid.steps.handles._html import grid, note, section
from scutoid.steps.handles._lazy import handle_of
from scutoid.steps.handles._lineage import Lineage, Matches
from scutoid.steps.handles._named_results import NamedResults
from scutoid.steps.results import (
    MEMBERS,
    MembersRecord,
    ResultRecord,
    StoredItems,
    StoredResult,
    groups_of,
    how_far,
    list_of,
)
from scutoid.stopping import ends_by_signals
from scutoid.store import RECIPE, Entry, EntryStore, Recipe, canonical_digest

if TYPE_CHECKING:
    from scutoid.steps.results import Garbage, Verification

_SHOWN = 20
"""Results that a notebook shows of a store."""


class Store(NamedResults):
    """A folder of results, or such a store in a bucket.

    ``store["cells"]`` is the newest complete result of the step `cells`, the one that was finished
    last; a tuple where it has several outputs.  ``store.table("cells")`` is the same, which editors
    and mypy know to be a table.

    Parameters
    ----------
    path : path
        The folder, or the URL of a store: in a bucket, such as ``"s3://bucket/results"``, at a web
        server, or another that fsspec knows.

    Raises
    ------
    StoreError
        If it does not exist, or its URL does not answer.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import scutoid as sc
    >>> raw = sc.open(np.eye(4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sc.run(sc.gaussian(raw, sigma=1), store=folder)
    ...     store = sc.Store(folder)
    ...     print(store.names(), store.image("gaussian").shape)
    Run(1 steps, done, ...)
    ('gaussian',) (4, 4)
    """

    _error: ClassVar[type[StoreError]] = StoreError

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.entries_store = EntryStore(path)
        self.entries_store.check_exists()

    @property
    def path(self) -> Any:
        """The folder."""
        return self.entries_store.path

    @property
    def _place(self) -> str:
        return self.entries_store.place

    def entries(self, name: str | None = None) -> list[tuple[Entry, Recipe]]:
        """Return all results, whole or in part, the newest first."""
        return self.entries_store.entries(name)

    def names(self) -> tuple[str, ...]:
        """Return the names of steps with a complete result, in order of their first run."""
        steps = [recipe.step for _, recipe in reversed(self._complete(None))]
        return tuple(dict.fromkeys(steps))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __getitem__(self, name: str) -> Any:
        found = self._found(name)
        results = [(entry, recipe) for entry, recipe in found if _is_readable(entry, recipe)]
        self._check_newest(name, found, results)
        if not results:
            if found:
                raise _unfinished(*found[0])
            names = self.names()
            close = difflib.get_close_matches(name, names, n=1)
            raise StoreError(
                f"the store has results of {', '.join(names) or 'no step'}",
                value=name,
                place=self._place,
                remedy=f"did you mean {close[0]!r}?" if close else "run the pipeline first",
            )
        return self._result(*results[0])

    def find(self, name: str | None = None, **parameters: object) -> list[Any]:
        """Return complete results whose parameters have these values, the newest first.

        Parameters
        ----------
        name : str, optional
            The step's name; default: all steps.
        **parameters
            Values of parameters of the step, or of steps before it whose results are stored too:
            ``find("label", sigma=2)``.  One that several of these have is named with its step:
            ``find("label", **{"gaussian.sigma": 2})``.  Without a name, of the step itself alone.

        Returns
        -------
        list
            What ``store[name]`` would be of each.

        Raises
        ------
        ParameterError
            If neither the step nor one before it has such a parameter, or several before it have.
        """
        wanted = {key: _digests(value) for key, value in parameters.items()}
        found = self._complete(name)
        if name is None:
            return [
                self._result(entry, recipe)
                for entry, recipe in found
                if all(
                    key in recipe.parameters and recipe.parameters[key].digest in digests
                    for key, digests in wanted.items()
                )
            ]
        matches = {key: _is_one_of(digests) for key, digests in wanted.items()}
        matching = Lineage(self.entries_store).matching(found, matches, name)
        return [self._result(entry, recipe) for entry, recipe in matching]

    def at(self, folder: str | os.PathLike[str]) -> Any:
        """Return the result that lies in a folder of this store.

        Parameters
        ----------
        folder : path
            The folder or URL of a result, as a run's record or ``scutoid show`` names it.

        Returns
        -------
        Image, Table, Value, a collection, or a tuple of these
            As ``store[name]`` does.

        Raises
        ------
        StoreError
            If no result lies there, or its recipe is damaged.
        IncompleteResult
            If it is not complete.
        """
        path = self.entries_store.folder_of(folder)
        recipe = Recipe.from_json(self._recipe_at(path), place=path / RECIPE)
        below = path.relative_to(self.path).as_posix()
        found = self.entries_store.entry_in(below, recipe.step, recipe.key)
        entry, recipe = self._followed(found, recipe)
        if "outputs" not in recipe.output or not _is_readable(entry, recipe):
            raise _unfinished(entry, recipe)
        return self._result(entry, recipe)

    def _recipe_at(self, path: Path) -> bytes:
        try:
            if self.path in path.parents:
                return read_regular(path / RECIPE)
        except (FileNotFoundError, NotADirectoryError):
            pass
        raise StoreError(
            "a result is read from its folder in the store",
            value=str(path),
            place=self._place,
            remedy="list the results: scutoid ls",
        )

    def verify(self, *, heal: bool = True) -> Verification:
        """Read all that is stored and check it against what was written.

        Parameters
        ----------
        heal : bool
            Whether what is damaged is removed, so that the next run makes it again: a block, a
            member of a collection, a value; at a URL all of a result.  Nothing that scutoid did not
            make is touched.

        Returns
        -------
        Verification
            `.ok`, `.damages`; as text, a line for each.
        """
        from scutoid.steps.results import verify_at_url, verify_store

        with ends_by_signals():
            if heal:
                self.entries_store.check_is_written(
                    "what is damaged is removed from a store that is",
                    "look without removing damage: verify(heal=False), --no-heal",
                )
            if self.entries_store.url is not None:
                return verify_at_url(self.entries_store, heal=heal)
            return verify_store(self.entries_store, heal=heal)

    def gc(
        self,
        *,
        older_than: str | dt.timedelta | Literal[0] | None = None,
        keep_runs: int | None = None,
        max_size: str | int | None = None,
        dry_run: bool = False,
    ) -> Garbage:
        """Remove results that are no longer needed, and what killed runs have left.

        A result that several conditions are given for goes only if it meets all of them.  What a
        run that is going on uses stays, and so does all that scutoid did not make.  At a URL no
        results go, but attempts that lost, uploads that were left open, and locks of the dead.

        Parameters
        ----------
        older_than : str or timedelta, optional
            Results that no run has used for so long may go: "12h", "30d", "2w".
        keep_runs : int, optional
            Results that the last so many runs needed stay; all others may go.
        max_size : int or str, optional
            Results that were not used for longest go until the store takes no more than this, in
            bytes, or a text with a unit such as "100GB".
        dry_run : bool
            Only say what would go.

        Returns
        -------
        Garbage
            `.removals`, `.nbytes`; as text, a line for each.

        Raises
        ------
        ParameterError
            If a time is a number, which says no unit, or a text has none; or `keep_runs` is below 0
            or no whole number.
        """
        is_count = isinstance(keep_runs, int) and not isinstance(keep_runs, bool)
        if keep_runs is not None and not (is_count and keep_runs >= 0):
            raise ParameterError(
                "a number of runs whose results stay is 0 or more",
                value=keep_runs,
                place="keep_runs",
                remedy="write keep_runs=5 to keep what the last five runs needed",
            )
        url = self.entries_store.url
        if url is not None:
            self.entries_store.check_is_written(
                "what is not needed is removed from a store that is",
                "remove it where the store lies",
            )
            if (older_than, keep_runs, max_size) != (None, None, None):
                self.entries_store.check_is_folder(
                    "gc removes what runs have left, and no results", "leave out conditions"
                )
            from scutoid.steps.results import collect_at_url

            with ends_by_signals():
                return collect_at_url(url, dry_run=dry_run)
        from scutoid.blocks import parse_bytes
        from scutoid.steps.results import Collector

        collector = Collector(
            self.entries_store,
            older_than=None if older_than is None else parse_duration(older_than, "older_than"),
            keep_runs=keep_runs,
            max_bytes=None if max_size is None else parse_bytes(max_size, "max_size"),
        )
        with ends_by_signals():
            return collector.collect(dry_run=dry_run)

    def du(self) -> dict[str, int]:
        """Return the bytes that the results of each step take, the largest first."""
        from scutoid.steps.results import own_bytes

        sizes: dict[str, int] = {}
        for entry in self.entries_store.places():
            sizes[entry.name] = sizes.get(entry.name, 0) + own_bytes(entry)
        return dict(sorted(sizes.items(), key=lambda item: item[1], reverse=True))

    def _complete(self, name: str | None) -> list[tuple[Entry, Recipe]]:
        return [(e, r) for e, r in self._found(name) if _is_readable(e, r)]

    def _found(self, name: str | None) -> list[tuple[Entry, Recipe]]:
        results = [self._followed(e, r) for e, r in self.entries_store.entries(name)]
        return [(e, r) for e, r in results if "outputs" in r.output]

    def _check_newest(
        self,
        name: str,
        found: list[tuple[Entry, Recipe]],
        results: list[tuple[Entry, Recipe]],
    ) -> None:
        """Look whether a result that was finished later is damaged: an older one is no answer."""
        newest = results[0][0].key if results else ""
        later = list(takewhile(lambda item: item[0].key != newest, found))
        damaged = [
            entry.place for entry, _ in later if entry.is_suspect or entry.status == "complete"
        ]
        since = results[0][1].created if results else 0.0
        damaged += map(str, self.entries_store.unreadable(name, since=since))
        if damaged:
            raise DamagedResult(
                "the newest result of a step is what was written",
                value="damage was noticed in it",
                place=damaged[0],
                remedy="run again to compute it; store.find(name) returns earlier results",
            )

    def _followed(self, entry: Entry, recipe: Recipe) -> tuple[Entry, Recipe]:
        """Follow a record of acceptance to the result that was accepted."""
        if recipe.stands_for is None or entry.status != "complete":
            return entry, recipe
        other = self.entries_store.entry(recipe.step, recipe.stands_for)
        return other, other.recipe or recipe

    def _result(self, entry: Entry, recipe: Recipe) -> Any:
        record = ResultRecord.from_dict(recipe.output, place=entry.path / RECIPE)
        kinds = tuple(output.kind for output in record.outputs)
        labels = tuple(output.labels for output in record.outputs)
        node: Node
        if recipe.kind == "collection":
            node = self._collection(entry, kinds, labels)
        else:
            node = FromStore(
                entry.name, entry.key, StoredResult(entry, is_finished=True), kinds, labels
            )
        results = tuple(handle_of(ref) for ref in refs_of(node, kinds))
        return results if len(results) > 1 else results[0]

    def _collection(
        self, entry: Entry, kinds: tuple[OutputKind, ...], labels: tuple[bool, ...]
    ) -> CollectionFromStore:
        """Return a collection as its list has it, with those of its members that are not done."""
        if entry.status == "complete":
            entry.check(MEMBERS)
        record = list_of(entry) or MembersRecord(kinds, {})
        items = StoredItems.in_entry(entry, kinds, record.all_members)
        return CollectionFromStore(
            entry.name,
            entry.key,
            items,
            kinds,
            labels,
            groups_of(record),
            place=entry.place,
            unfinished=frozenset(record.missing),
        )

    def _repr_html_(self) -> str:
        complete = self._complete(None)
        results = [(entry, recipe) for entry, recipe in complete if not recipe.within]
        rows = [
            (recipe.step, recipe.kind, _when(recipe.created), _took(recipe), entry.key[:12])
            for entry, recipe in results[:_SHOWN]
        ]
        table = grid(("step", "kind", "finished", "seconds", "key"), rows)
        inside = len(complete) - len(results)
        more = f", and {inside} inside operations" if inside else ""
        known = note(f"the newest {len(rows)} of {len(results)} results{more}")
        return section("Store", self._place, table, known)

    @printed
    def __repr__(self) -> str:
        return f"Store({self._place!r}, {len(self.names())} steps)"


def _when(seconds: float) -> str:
    """Write a time since 1970, in the time zone of this machine."""
    return dt.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _took(recipe: Recipe) -> str:
    return "" if recipe.seconds is None else f"{recipe.seconds:.1f}"


def _is_one_of(digests: set[str]) -> Matches:
    return lambda fact: fact.digest in digests


def _digests(value: object) -> set[str]:
    """Digest a value, and numbers that equal it: 2 finds 2.0, and 0.0 finds -0.0."""
    same: list[object] = [value]
    if isinstance(value, int) and not isinstance(value, bool):
        same.append(float(value))
    elif isinstance(value, float) and value.is_integer():
        same.append(int(value))
    if len(same) > 1 and value == 0:
        same.append(-0.0)
    return {canonical_digest(number) for number in same}


def _unfinished(entry: Entry, recipe: Recipe) -> IncompleteResult:
    """Return the error of a result that is there in part."""
    found = how_far(entry, recipe)
    said = "" if found is None else f": {found} blocks or members are done"
    return IncompleteResult(
        "a result that is read is complete",
        value=f"it is being made, or its run was stopped or failed{said}",
        place=entry.place,
        remedy="run again: what was finished is kept",
    )


def _is_readable(entry: Entry, recipe: Recipe) -> bool:
    """Whether it can be read: a complete result, or a collection that lists its members."""
    if recipe.kind == "collection":
        record = list_of(entry)
        return record is not None and bool(record.keys)
    return entry.status == "complete"
