"""Join tables: those of blocks, and those of a collection's members."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def join_tables(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Join tables; empty ones give their columns only where all are empty."""
    import pandas as pd

    listed = list(tables)
    filled = [table for table in listed if len(table)] or listed[:1]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def concatenate(
    tables: Iterable[tuple[str, pd.DataFrame]], groups: pd.DataFrame | None
) -> pd.DataFrame:
    """Join the tables of a collection, with `key` and the groups' columns first."""
    import pandas as pd

    frames = [table.assign(key=key) for key, table in tables]
    if not frames:
        return pd.DataFrame({"key": pd.Series(dtype=str)})
    joined = join_tables(frames)
    names = [name for name in joined.columns if name != "key"]
    return with_groups(joined[["key", *names]], groups)


def with_groups(table: pd.DataFrame, groups: pd.DataFrame | None) -> pd.DataFrame:
    """Put the groups' columns between `key`, which is the first column, and the others."""
    import pandas as pd

    if groups is None:
        return table
    extra = groups.loc[table["key"]].reset_index(drop=True)
    return pd.concat([table[["key"]], extra, table.drop(columns="key")], axis=1)
