"""What stored results were made of: parameters of their steps and of those before them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence

from scutoid.cached import cached_property
from scutoid.errors import ParameterError, StoreError
from scutoid.regular import read_regular
from scutoid.steps.results import RUN, RUNS, RunRecord
from scutoid.store import Entry, EntryStore, Fact, Recipe

Found = tuple[Entry, Recipe]
Matches = Callable[[Fact], bool]


class Lineage:
    """Finds parameters of results and of the steps before them.

    The steps before are told by the keys that a recipe names, and where these are of a part of a
    result, or of a folder, by the records of runs.

    Parameters
    ----------
    store : EntryStore
        Where they lie.
    """

    def __init__(self, store: EntryStore) -> None:
        self._store = store

    def matching(
        self, results: Sequence[Found], wanted: Mapping[str, Matches], name: str
    ) -> list[Found]:
        """Return the results whose parameters are as wanted.

        Parameters
        ----------
        results : sequence
            Results of one step.
        wanted : mapping of str to function
            By the name of a parameter, or ``step.parameter``, whether a value is meant.
        name : str
            The step's name.

        Raises
        ------
        ParameterError
            If none of the results was made with such a parameter, or steps of several names were.
        """
        for parameter in wanted:
            if results and not any(self._facts(recipe, parameter, name) for _, recipe in results):
                raise self._unknown(results, parameter, name)
        return [
            (entry, recipe)
            for entry, recipe in results
            if all(
                any(map(matches, self._facts(recipe, parameter, name)))
                for parameter, matches in wanted.items()
            )
        ]

    def _facts(self, recipe: Recipe, parameter: str, name: str) -> list[Fact]:
        """Return the values of a parameter: of the step itself, else of the steps before it."""
        step, _, own = parameter.rpartition(".")
        if not step and parameter in recipe.parameters:
            return [recipe.parameters[parameter]]
        found: dict[str, list[Fact]] = {}
        for each in self._lineage(recipe):
            if own in each.parameters and (not step or each.step == step):
                found.setdefault(each.step, []).append(each.parameters[own])
        if len(found) > 1:
            choices = sorted(f"{each}.{own}" for each in found)
            raise ParameterError(
                "a parameter that several steps have is named with its step",
                value=f"{own!r}, of {', '.join(sorted(found))}",
                place=f"find({name!r})",
                remedy=f"write find({name!r}, **{{{choices[0]!r}: ...}})",
            )
        return next(iter(found.values()), [])

    def _lineage(self, recipe: Recipe) -> Iterator[Recipe]:
        """Go through a result and all that it was made of."""
        seen, waiting = {recipe.key}, [recipe]
        while waiting:
            each = waiting.pop()
            yield each
            for key in self._before(each):
                if key not in seen and key in self._recipes:
                    seen.add(key)
                    waiting.append(self._recipes[key])

    def _before(self, recipe: Recipe) -> Iterator[str]:
        named = {fact.digest for fact in recipe.inputs.values()}
        yield from named
        if not named <= self._recipes.keys():
            yield from self._in_runs.get(recipe.key, ())

    @cached_property
    def _recipes(self) -> dict[str, Recipe]:
        return {recipe.key: recipe for _, recipe in self._store.entries()}

    @cached_property
    def _in_runs(self) -> dict[str, set[str]]:
        """The keys of what each result of a run was made of, as the run has written it down."""
        before: dict[str, set[str]] = {}
        for path in sorted((self._store.path / RUNS).glob(f"*/{RUN}")):
            try:
                record = RunRecord.from_json(read_regular(path), place=path)
            except (OSError, StoreError):
                continue
            keys = {step.name: step.key for step in record.steps}
            for step in record.steps:
                named = (keys.get(one.step) for one in step.inputs or () if one.step is not None)
                before.setdefault(step.key, set()).update(key for key in named if key is not None)
        return before

    def _unknown(self, results: Sequence[Found], parameter: str, name: str) -> ParameterError:
        known = {
            own if each.key == recipe.key else f"{each.step}.{own}"
            for _, recipe in results
            for each in self._lineage(recipe)
            for own in each.parameters
        }
        near = difflib.get_close_matches(parameter, sorted(known), n=3, cutoff=0.4)
        return ParameterError(
            "results are found by parameters of their step, or of steps before it that are stored",
            value=parameter,
            place=f"find({name!r})",
            remedy=f"there are {', '.join(near or sorted(known))}" if known else None,
        )
