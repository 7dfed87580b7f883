"""Columns that belong to the keys of a collection, such as well and site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scutoid.cached import cached_property
from scutoid.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Groups:
    """Columns with a value for each key; pandas is imported when they are asked for as a table.

    Examples
    --------
    >>> groups = Groups(("B03/1", "B03/2"), {"well": ("B03", "B03"), "site": (1, 2)})
    >>> groups.of(["B03/2"])
    {'well': ['B03'], 'site': [2]}
    >>> groups.table.loc["B03/2", "site"]
    np.int64(2)
    """

    keys: Sequence[str]
    """The keys, in order."""
    columns: Mapping[str, Sequence[object]]
    """By name, a value a key."""

    @cached_property
    def table(self) -> pd.DataFrame:
        """The columns as a table, indexed by key."""
        import pandas as pd

        columns = {name: list(values) for name, values in self.columns.items()}
        return pd.DataFrame(columns, index=list(self.keys))

    def of(self, keys: Sequence[str]) -> dict[str, list[object]]:
        """Return the columns of some keys, in their order."""
        numbers = [self._places[key] for key in keys]
        return {name: [values[n] for n in numbers] for name, values in self.columns.items()}

    def beside(self, other: Groups) -> Groups:
        """Return these columns, and those of another that are called otherwise, for these keys."""
        new = {name: values for name, values in other.columns.items() if name not in self.columns}
        if not new:
            return self
        places = [other._places.get(key) for key in self.keys]
        added = {
            name: [None if n is None else values[n] for n in places] for name, values in new.items()
        }
        return Groups(self.keys, {**self.columns, **added})

    def check_agrees(self, other: Groups, place: str) -> None:
        """Refuse columns that are called alike and say two things of a key that both have.

        Raises
        ------
        ParameterError
            If there is such a column; the first such key is named.
        """
        if other is self:
            return
        is_aligned = self.keys == other.keys
        for name in self.columns.keys() & other.columns.keys():
            values, others = self.columns[name], other.columns[name]
            if is_aligned and list(values) == list(others):
                continue
            for key, value in zip(self.keys, values, strict=True):
                number = other._places.get(key)
                if number is not None and not _is_same(value, others[number]):
                    raise ParameterError(
                        "a column of several collections has one value for each of their members",
                        value=f"{name!r} of member {key!r} is {value!r} and {others[number]!r}",
                        place=place,
                        remedy="give the column another name in one of them: in its pattern, in "
                        "group=, in the table of files",
                    )

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {key: number for number, key in enumerate(self.keys)}


def _is_same(one: object, other: object) -> bool:
    """Whether two values of a column are the same, as numbers or as text; missing ones are."""
    return one == other or str(one) == str(other)
