"""The best choice of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scutoid.errors import ParameterError
from scutoid.exploring._failures import failed_of
from scutoid.exploring._sweep import Sweep
from scutoid.printable import printed

By = str | Callable[[Any], float]


@dataclass(frozen=True, slots=True, eq=False)
class Best:
    """The best choice of a sweep; made by `scutoid.best`.

    Printed, it says which, by what, and how many are as good or could not be told.
    """

    parameters: Mapping[str, object]
    """Values by ``step.parameter``."""
    target: Any = field(repr=False)
    """The targets of the sweep with these parameters, ready to run in full."""
    value: float
    """What it was chosen by."""
    number: int
    """Its row in the table of the sweep."""
    ties: tuple[int, ...]
    """Rows of the others that are as good."""
    n_unknown: int
    """How many choices have no value (NaN)."""
    by: str
    """Name of the measure."""

    @printed
    def __str__(self) -> str:
        chosen = ", ".join(f"{name} {value}" for name, value in self.parameters.items())
        lines = [f"{chosen}: {self.by} {self.value:.6g} (row {self.number})"]
        if self.ties:
            rows = ", ".join(map(str, self.ties))
            lines.append(f"as good, the first was taken: rows {rows}")
        if self.n_unknown:
            lines.append(f"{self.n_unknown} choices have no {self.by} (NaN), and were left out")
        return "\n".join(lines)


def best(sweep: Sweep, by: By, *, least: bool = False) -> Best:
    """Return the best choice of a sweep.

    Parameters
    ----------
    sweep : Sweep
        Made by `scutoid.sweep`.
    by : str or function
        Column of ``sweep.table``, or a function of a row of it.
    least : bool, optional
        Whether the least value is the best; default: the largest.

    Returns
    -------
    Best
        Its `parameters`, and `target`, ready to run.  Of several that are as good it is the first,
        `ties` are the others; choices that failed or have no value (NaN) are left out, and
        counted.

    Raises
    ------
    ParameterError
        If it is no sweep, there is no such column, it is not of numbers, or no choice has a value.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> raw = sc.open(np.arange(100).reshape(10, 10))
    >>> found = sc.sweep(sc.threshold(raw, level=10), {"threshold.level": [24, 49, 74]})
    >>> print(sc.best(found, by=lambda row: abs(row["coverage"] - 0.5), least=True))
    threshold.level 49: <lambda> 0 (row 1)
    """
    if not isinstance(sweep, Sweep):
        raise ParameterError(
            "the best choice is that of a sweep",
            value=type(sweep).__name__,
            place="best",
            remedy="pass what sc.sweep returned",
        )
    table = sweep.table
    name = by if isinstance(by, str) else getattr(by, "__name__", "by")
    if isinstance(by, str) and by not in table.columns:
        measured = [column for column in table.columns if column not in sweep.choices[0]]
        raise ParameterError(
            "by= is a column of the table of a sweep",
            value=by,
            place="best",
            remedy=f"there are {', '.join(measured)}"
            + ("" if by not in ("f1", "precision", "recall") else "; scores need truth= of sweep"),
        )
    found = table[by] if isinstance(by, str) else [by(row) for _, row in table.iterrows()]
    try:
        values = np.asarray(found, np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            "what a choice is best by is a number", value=name, place="best"
        ) from error
    known = ~np.isnan(values) & ~np.array(failed_of(table))
    if not known.any():
        raise ParameterError(
            "the best of a sweep has a value",
            value=f"{name} of all {len(values)} choices is NaN",
            place="best",
            remedy="look at sweep.table, or take another measure",
        )
    extreme = values[known].min() if least else values[known].max()
    number, *ties = np.flatnonzero(known & (values == extreme)).tolist()
    return Best(
        dict(sweep.choices[number]),
        sweep.target(number),
        float(extreme),
        number,
        tuple(ties),
        int((~known).sum()),
        name,
    )
