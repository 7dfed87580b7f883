"""Choices of a sweep that a function fails at; the others are kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from scutoid.errors import ScutoidWarning

if TYPE_CHECKING:
    import pandas as pd

ERROR = "error"
"""The column that says why a choice failed; only where one did."""
_LONGEST = 300
"""Letters of an error in the table."""
P = ParamSpec("P")
T = TypeVar("T")


class Failures:
    """The errors of choices, by their numbers."""

    def __init__(self) -> None:
        self._errors: dict[int, Exception] = {}

    def tried(
        self, number: int, compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Return what is computed of a choice; None, with its error noted, if that fails."""
        try:
            return compute(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - of a function of the user
            self._errors[number] = error
            return None

    def settle(self, captions: Sequence[str]) -> None:
        """Warn of the choices that failed.

        Parameters
        ----------
        captions : sequence of str
            Names all choices.

        Raises
        ------
        Exception
            What the first failed with, if all did.
        """
        if not self._errors:
            return
        first = min(self._errors)
        if len(self._errors) == len(captions):
            raise self._errors[first]
        warnings.warn(
            f"{len(self._errors)} of {len(captions)} choices failed and have no measures; the "
            f"first: {captions[first]}: {_said(self._errors[first])}; the column {ERROR!r} of the "
            "table has all",
            ScutoidWarning,
            stacklevel=4,
        )

    def noted(self, rows: Mapping[int, dict[str, object]]) -> list[dict[str, object]]:
        """Return the rows in order, with a column of errors where there are any."""
        listed = [dict(rows[number]) for number in sorted(rows)]
        for number, row in enumerate(listed) if self._errors else ():
            error = self._errors.get(number)
            row[ERROR] = "" if error is None else _said(error)
        return listed


def failed_of(table: pd.DataFrame) -> list[bool]:
    """Return of each choice of a table whether it failed."""
    if ERROR not in table.columns:
        return [False] * len(table)
    return [bool(text) for text in table[ERROR]]


def shortened(text: str, most: int) -> str:
    """Cut a text off."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _said(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "")
    return shortened(f"{type(error).__name__}: {first}", _LONGEST)
