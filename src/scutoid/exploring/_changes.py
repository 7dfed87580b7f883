"""Parameters by the names of their steps, and other values for them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scutoid.errors import ParameterError
from scutoid.exploring._graph import Graph
from scutoid.same import Same
from scutoid.steps.graph import Call, CollectionRef, Gathered, Ref
from scutoid.store import canonical_digest


@dataclass(frozen=True, slots=True)
class Changes:
    """Other values of some parameters."""

    values: Mapping[str, object]
    """By ``step.parameter``."""
    by_call: Mapping[Call, Mapping[str, object]]
    """The same, by call and name of the parameter."""
    digests: Mapping[Call, tuple[str, ...]]
    """Of each call what is changed in it and before it."""


class Parameters:
    """The parameters of the steps of a graph, by ``step.parameter``.

    Parameters
    ----------
    graph : Graph
        The steps.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._calls: dict[str, list[Call]] = {}
        for call in graph.order:
            for name in call.params:
                self._calls.setdefault(f"{call.name}.{name}", []).append(call)
        self._numbers: dict[Same, int] = {}

    def values(self) -> dict[str, object]:
        """Return the value of each as the pipeline has it; of results what they refer to."""
        return {name: calls[0].params[_last(name)] for name, calls in self._calls.items()}

    def check(self, names: Iterable[str], place: str) -> None:
        """Refuse names that no step has, and those that several steps have with other values.

        Raises
        ------
        ParameterError
            With what there is.
        """
        for name in names:
            if name not in self._calls:
                raise self._unknown(name, place)
            values = {self._digest(call.params[_last(name)]) for call in self._calls[name]}
            if len(values) > 1 and len({self._graph.unit_of[c] for c in self._calls[name]}) > 1:
                raise ParameterError(
                    "a parameter is named by its step's name, which no other step has",
                    value=f"{len(self._calls[name])} steps have {name!r}, with other values",
                    place=place,
                    remedy='give steps names of their own: step.options(name="fine")(...)',
                )

    def changes(self, values: Mapping[str, object], place: str) -> Changes:
        """Return other values of some parameters.

        A parameter that the steps of one operation share is changed in all of them.

        Raises
        ------
        ParameterError
            If there is no such parameter.
        """
        self.check(values, place)
        by_call: dict[Call, dict[str, object]] = {}
        for name, value in values.items():
            parameter = _last(name)
            for call in self._calls[name]:
                old = self._digest(call.params[parameter])
                for each in self._graph.unit_of[call].calls:
                    if parameter in each.params and self._digest(each.params[parameter]) == old:
                        by_call.setdefault(each, {})[parameter] = value
        digests: dict[Call, tuple[str, ...]] = {}
        for call in self._graph.order:
            found = {d for each in self._graph.dependencies(call) for d in digests[each]}
            found |= {
                f"{self._number(call)} {parameter} {self._digest(value)}"
                for parameter, value in by_call.get(call, {}).items()
            }
            digests[call] = tuple(sorted(found))
        return Changes(dict(values), by_call, digests)

    def _digest(self, value: object) -> str:
        if isinstance(value, Ref):
            return (
                f"result {self._number(value.node)} {value.output} {getattr(value, 'view', None)}"
            )
        if isinstance(value, (CollectionRef, Gathered)):
            return f"results {self._number(value)}"
        try:
            return canonical_digest(value)
        except Exception:  # noqa: BLE001 - a value of any class, which is then itself alone
            return f"object {self._number(value)}"

    def _number(self, item: object) -> int:
        """Return the number of an object among those that were met, which no other has."""
        return self._numbers.setdefault(Same(item), len(self._numbers))

    def _unknown(self, name: str, place: str) -> ParameterError:
        known = sorted(self._calls)
        steps = sorted({each.rpartition(".")[0] for each in known})
        step = name.rpartition(".")[0]
        if step in steps:
            there = [each for each in known if each.rpartition(".")[0] == step]
        else:
            there = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known
        return ParameterError(
            "a parameter is named as step.parameter, by the name of its step in the store",
            value=name,
            place=place,
            remedy=f"there are {', '.join(there)}" if there else "no step has parameters",
        )


def _last(name: str) -> str:
    return name.rpartition(".")[2]
