"""The members of a run's collections: their pictures, and columns by which they are sorted."""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scutoid.errors import ScutoidError, StoreError
from scutoid.reports._allowance import Allowance
from scutoid.reports._facts import RunFacts, StepFacts
from scutoid.reports._members import Members, bytes_of_list, members_at
from scutoid.reports._places import entry_of
from scutoid.steps.results import StoredItems

MOST_MEMBERS = 2000
"""Members that are shown."""
_MOST_COLUMNS = 12
_READ_RATE = 20_000_000
"""Bytes of lists of members that are read in a second, about."""
Cell = str | float | int | None
UNFINISHED = "not finished"
"""The column that counts steps which a member lacks."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """The members of collections that have keys in common."""

    keys: tuple[str, ...]
    """Their keys: those that lack something first, else in their order."""
    n_all: int
    """How many there are, those among them that are not shown."""
    columns: Mapping[str, tuple[Cell, ...]]
    """Columns, a value a member."""
    step: str | None = None
    """The step whose images are shown; None if none has images."""
    output: int = 0
    """Which of its outputs."""
    lacking: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Steps that are not finished, by member."""

    def to_dict(self) -> dict[str, object]:
        """Return it as JSON has it, numbers with all digits as text."""
        return {
            "n_members": self.n_all,
            "members": [
                {
                    "key": key,
                    "lacks": list(self.lacking.get(key, ())),
                    "columns": {name: _cell(cells[n]) for name, cells in self.columns.items()},
                }
                for n, key in enumerate(self.keys)
            ],
        }


def _cell(value: Cell) -> str | None:
    return None if value is None else str(value)


def takes_too_long(facts: RunFacts, allowance: Allowance) -> bool:
    """Whether the lists of a run's members are too long to be read in the time that is left."""
    steps = (step for step in facts.steps if step.kind == "collection")
    nbytes = sum(bytes_of_list(entry_of(facts, step)) for step in steps)
    return allowance.is_limited and nbytes > allowance.left * _READ_RATE


def gallery_of(facts: RunFacts, allowance: Allowance) -> Gallery | None:
    """Return the members of a run's collections; None if it has none."""
    steps = [step for step in facts.steps if step.kind == "collection"]
    listed = [(step, members) for step in steps if (members := _list(facts, step)) is not None]
    if not listed:
        return None
    every = list(dict.fromkeys(key for _, one in listed for key in one.items.member_keys))
    lacking = {
        key: lacks
        for key in every
        if (lacks := tuple(step.name for step, one in listed if key in one.record.missing))
    }
    keys = sorted(every, key=lambda key: key not in lacking)[:MOST_MEMBERS]
    columns: dict[str, tuple[Cell, ...]] = {}
    if lacking:
        columns[UNFINISHED] = tuple(len(lacking.get(key, ())) for key in keys)
    for step, one in listed:
        for name, cells in _columns(step, one, keys, allowance):
            if len(columns) < _MOST_COLUMNS and name not in columns:
                columns[name] = cells
    shown = _shown(listed)
    return Gallery(
        tuple(keys),
        len(every),
        columns,
        None if shown is None else shown[0],
        0 if shown is None else shown[1],
        lacking,
    )


def _list(facts: RunFacts, step: StepFacts) -> Members | None:
    try:
        return members_at(entry_of(facts, step))
    except StoreError:  # of a later version
        return None


def _shown(listed: Sequence[tuple[StepFacts, Members]]) -> tuple[str, int] | None:
    """Choose whose images are shown: the last objects, else the last image."""
    images = [
        (output.labels, n_step, step.name, number)
        for n_step, (step, one) in enumerate(listed)
        for number, output in enumerate(step.outputs)
        if output.kind == "image" and one.record.members
    ]
    return max(images)[2:] if images else None


def _columns(
    step: StepFacts,
    members: Members,
    keys: Sequence[str],
    allowance: Allowance,
) -> Iterator[tuple[str, tuple[Cell, ...]]]:
    """Yield columns of groups, of values, and of the numbers of rows of tables."""
    record = members.record
    places = {key: n for n, key in enumerate(record.keys or record.members)}
    for name, values in record.groups.items():
        yield name, tuple(values[places[key]] if key in places else None for key in keys)
    for number, output in enumerate(step.outputs):
        if output.kind not in ("table", "value"):
            continue
        found: dict[str, dict[str, Cell]] = {}
        for key in keys:
            if not allowance.is_left:
                return
            if key in record.members:
                found[key] = _cells(members.items, key, number, step.name)
        for name in dict.fromkeys(name for cells in found.values() for name in cells):
            yield name, tuple(found.get(key, {}).get(name) for key in keys)


def _cells(items: StoredItems, key: str, output: int, step: str) -> dict[str, Cell]:
    """Return what can be sorted of a member's value: a number, a text, or those of a dict."""
    try:
        value = items.unchecked(key).value(output)
    except (ScutoidError, OSError):
        return {}
    if hasattr(value, "columns"):
        return {f"rows of {step}": len(value)}
    if isinstance(value, Mapping):
        named = {str(name): _plain(one) for name, one in value.items()}
        return {name: one for name, one in named.items() if one is not None}
    found = _plain(value)
    return {} if found is None else {step: found}


def _plain(value: object) -> Cell:
    if isinstance(value, (bool, str)):
        return str(value)[:80]
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else None


def ranks(cells: Sequence[Cell]) -> list[int | None]:
    """Return the place of each value in order, exact for numbers of any size; None: there is none.

    Examples
    --------
    >>> ranks([2**53 + 1, None, 2**53, 0.5])
    [2, None, 1, 0]
    """
    known = {cell for cell in cells if cell is not None and cell == cell}  # noqa: PLR0124 - NaN
    are_numbers = all(isinstance(cell, (int, float)) for cell in known)
    ordered = sorted(known, key=(lambda one: one) if are_numbers else str)
    rank = {cell: n for n, cell in enumerate(ordered)}
    return [rank.get(cell) if cell is not None else None for cell in cells]
