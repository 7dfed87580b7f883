"""Choices of parameters: all of a grid, some drawn at random, or those of a table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from scutoid.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

Choice: TypeAlias = dict[str, object]
"""A value of each parameter, by ``step.parameter``."""
Choices: TypeAlias = "Mapping[str, object] | Sequence[Mapping[str, object]] | pd.DataFrame"
_PLACE = "sweep"


def choices_of(given: Choices, n: int | None, seed: int) -> list[Choice]:
    """Return the choices that a user asked for.

    Parameters
    ----------
    given : mapping, sequence of mapping or DataFrame
        Values by parameter, of which all combinations are taken, or `n` that are drawn; or a
        choice an entry or row.
    n : int, optional
        How many to draw.
    seed : int
        Of what is drawn.

    Raises
    ------
    ParameterError
        If there is nothing to choose from.
    """
    _check_whole("n= is how many are drawn, 1 or more", n, least=1)
    _check_whole("seed= is a whole number, 0 or more", seed, least=0)
    found = _drawn(given, n, seed) if isinstance(given, Mapping) else _listed(given, n, seed)
    if not found or not all(found):
        raise ParameterError(
            "a sweep has a choice or more, of a parameter or more",
            value=given,
            place=_PLACE,
            remedy='write {"gaussian.sigma": [1, 2], "threshold.level": [300, 400]}',
        )
    return found


def _check_whole(rule: str, value: int | None, *, least: int) -> None:
    if value is None and least:
        return
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or value < least:  # type: ignore[operator]
        raise ParameterError(rule, value=value, place=_PLACE)


def _listed(given: Any, n: int | None, seed: int) -> list[Choice]:
    columns = getattr(given, "columns", None)
    if columns is not None:
        values = [given[name].tolist() for name in columns]
        rows = [dict(zip(map(str, columns), row, strict=True)) for row in zip(*values, strict=True)]
    else:
        rows = list(given) if isinstance(given, (list, tuple)) else [given]
    if not all(isinstance(row, Mapping) for row in rows):
        raise ParameterError(
            "choices are values by parameter, a list of dicts, or a DataFrame",
            value=type(given).__name__,
            place=_PLACE,
        )
    names = {tuple(sorted(row)) for row in rows}
    if len(names) > 1:
        raise ParameterError(
            "each choice of a table gives the same parameters",
            value=" and ".join(", ".join(each) for each in sorted(names)[:2]),
            place=_PLACE,
            remedy="give each choice a value of each",
        )
    found = [dict(row) for row in rows]
    if n is None or n >= len(found):
        return found
    picked = np.random.default_rng(seed).choice(len(found), n, replace=False)
    return [found[number] for number in sorted(picked.tolist())]


def _drawn(given: Mapping[str, object], n: int | None, seed: int) -> list[Choice]:
    drawing = [name for name, values in given.items() if callable(values)]
    if drawing and n is None:
        raise ParameterError(
            "values that a function draws are counted by n=",
            value=f"{drawing[0]!r} is a function",
            place=_PLACE,
            remedy="write n=20, or a list of values",
        )
    listed = {name: _values(name, v) for name, v in given.items() if not callable(v)}
    if n is None:
        return [dict(zip(listed, row, strict=True)) for row in itertools.product(*listed.values())]
    random = np.random.default_rng(seed)
    total = int(np.prod([len(values) for values in listed.values()], dtype=object))
    rows: Iterable[int]
    if drawing:
        rows = [int(random.integers(total)) for _ in range(n)]
    elif n >= total:
        rows = range(total)
    else:
        rows = sorted(_distinct(random, total, n))
    return [_row(given, listed, number, random) for number in rows]


def _distinct(random: np.random.Generator, total: int, n: int) -> set[int]:
    found: set[int] = set()
    while len(found) < n:
        found.add(int(random.integers(total)))
    return found


def _row(
    given: Mapping[str, object],
    listed: Mapping[str, Sequence[object]],
    number: int,
    random: np.random.Generator,
) -> Choice:
    sizes = [len(values) for values in listed.values()]
    places = dict(zip(listed, np.unravel_index(number, sizes) if sizes else (), strict=True))
    row: Choice = {}
    for name, values in given.items():
        if name in listed:
            row[name] = listed[name][int(places[name])]
        else:
            draw: Any = values
            row[name] = draw(random)
    return row


def _values(name: str, values: object) -> list[object]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise ParameterError(
            "a parameter is given with the list of its values, or a function that draws one",
            value=values,
            place=f"{_PLACE}, {name!r}",
            remedy=f'write {{"{name}": [{values!r}]}}',
        )
    found = list(values.tolist() if isinstance(values, np.ndarray) else values)
    if not found:
        raise ParameterError(
            "a parameter has a value or more", value=values, place=f"{_PLACE}, {name!r}"
        )
    return found


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return each ``step.parameter`` as the parameter alone, where no other is called so.

    Examples
    --------
    >>> short_names(["gaussian.sigma", "threshold.level", "wide.level"])
    {'gaussian.sigma': 'sigma', 'threshold.level': 'threshold.level', 'wide.level': 'wide.level'}
    """
    listed = list(names)
    last = [name.rpartition(".")[2] for name in listed]
    return {n: s if last.count(s) == 1 else n for n, s in zip(listed, last, strict=True)}


Draw: TypeAlias = Callable[[np.random.Generator], object]
