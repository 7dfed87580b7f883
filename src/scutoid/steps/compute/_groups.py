"""Columns that belong to the keys of a collection, such as well and site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scutoid.cached import cached_property

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

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {key: number for number, key in enumerate(self.keys)}
