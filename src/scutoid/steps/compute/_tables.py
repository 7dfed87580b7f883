"""Join tables: those of blocks, and those of a collection's members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from scutoid.errors import MetadataError, ParameterError
from scutoid.kernels import check_in_float64
from scutoid.steps.compute._groups import Groups

if TYPE_CHECKING:
    import pandas as pd

UNIT = "unit"
"""Among the attributes of a table: the unit of the lengths in its columns."""
TIME_UNIT = "time_unit"
"""The same of times."""
_NAMED = 3


def join_tables(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Join tables; empty ones give their columns only where all are empty.

    Named indexes become columns, and integers stay integers where others are missing.

    Raises
    ------
    ParameterError
        If a named index is called like a column, or integers would become floats that do not hold
        them.
    """
    return _joined([with_index(table) for table in tables])


def _joined(listed: list[pd.DataFrame]) -> pd.DataFrame:
    """Join tables whose indexes say nothing."""
    import pandas as pd

    filled = [table for table in listed if len(table)] or listed[:1]
    if not filled:
        return pd.DataFrame()
    return pd.concat(_of_like_types(filled), ignore_index=True)


def with_index(table: pd.DataFrame, place: str = "table") -> pd.DataFrame:
    """Return a table whose index is columns, where it says something: not mere numbers.

    An index without a name that is anything but integers becomes "index", and levels without names
    "level_0" and so on, as in pandas.

    Raises
    ------
    ParameterError
        If one is called like a column, or names of columns are not text or not unique.
    """
    check_columns(table, place)
    index = table.index
    is_plain = index.nlevels == 1 and (index.dtype.kind in "iu" or not len(index))
    if is_plain and index.name is None:
        return table
    names = list(index.names)
    if names == [None]:
        names = ["index"]
    names = [f"level_{n}" if name is None else name for n, name in enumerate(names)]
    double = [name for name in names if name in table.columns]
    if double or len(set(names)) < len(names):
        raise ParameterError(
            "a named index becomes a column, so no column is called like it",
            value=double or names,
            place=place,
            remedy="rename it, or drop it: table.reset_index(drop=True)",
        )
    return table.reset_index(names=names)


def check_columns(table: pd.DataFrame, place: str) -> None:
    """Refuse a table that cannot be stored for the names of its columns.

    Raises
    ------
    ParameterError
        If they, or those of its index, are not text, or two are the same.
    """
    columns = table.columns
    names = [name for name in table.index.names if name is not None]
    are_text = columns.inferred_type in ("string", "empty")  # known without a look at each
    if not (are_text and columns.is_unique and all(isinstance(name, str) for name in names)):
        raise ParameterError(
            "columns have names that are text and differ",
            value=[*columns, *names],
            place=place,
            remedy="rename them: table.columns = [...]",
        )


def _of_like_types(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Give columns of integers, missing in some tables, one type that holds both."""
    first = tables[0].dtypes
    if all(table.dtypes.equals(first) for table in tables):
        return tables
    names = dict.fromkeys(name for table in tables for name in table.columns)
    for name in names:
        parts = [table[name] for table in tables if name in table.columns]
        kinds = {part.dtype.kind for part in parts}
        is_absent = len(parts) < len(tables)
        if not kinds & set("iu") or (len({p.dtype for p in parts}) == 1 and not is_absent):
            continue
        known = [part for part in parts if part.dtype.kind in "iu"]
        if any(part.notna().any() for part in parts if part.dtype.kind not in "iu"):
            for part in known:
                if kinds & set("fc"):
                    check_in_float64(part.dropna().to_numpy(), f"column {name!r} of a table")
            continue
        least = min((int(part.min()) for part in known if part.notna().any()), default=0)
        wide = "Int64" if least < 0 or all(part.dtype.kind == "i" for part in known) else "UInt64"
        if wide == "Int64":
            for part in known:
                _check_signed(part, name)
        if not is_absent and kinds <= set("iu") and not any(part.hasnans for part in parts):
            wide = wide.lower()
        tables = [
            table.astype({name: wide}) if name in table.columns else table for table in tables
        ]
    return tables


def _check_signed(column: pd.Series[int], name: object) -> None:
    """Refuse integers beyond those with a sign where others are below zero."""
    if column.notna().any() and int(column.max()) >= 2**63:
        raise ParameterError(
            "integers of a column are all at least 0, or all below 2**63",
            value=int(column.max()),
            place=f"column {name!r} of a table",
            remedy="give the column one type in every block",
        )


def concatenate(tables: Iterable[tuple[str, pd.DataFrame]], groups: Groups | None) -> pd.DataFrame:
    """Join the tables of a collection, with `key` and the groups' columns first.

    Attributes that all of them have are those of the joined one.

    Raises
    ------
    MetadataError
        As `check_units`.
    ParameterError
        As `check_names` and `join_tables`.
    """
    import pandas as pd

    own, frames, units = own_columns(groups), [], dict[object, list[str]]()
    time_units: dict[object, list[str]] = {}
    for key, table in tables:
        rows = with_index(table)
        check_names(rows.columns, own, f"the table of member {key!r}")
        frames.append(rows.assign(key=key))
        if UNIT in table.attrs and len(table):
            units.setdefault(table.attrs[UNIT], []).append(key)
        if TIME_UNIT in table.attrs and len(table):
            time_units.setdefault(table.attrs[TIME_UNIT], []).append(key)
    if not frames:
        return pd.DataFrame({"key": pd.Series(dtype=str)})
    check_units(units)
    check_units(time_units, what="times", argument="time=")
    joined = _joined(frames)
    names = [name for name in joined.columns if name != "key"]
    return with_groups(joined[["key", *names]], groups)


def check_units(
    members: Mapping[object, Sequence[str]],
    *,
    what: str = "lengths",
    argument: str = "voxel_size= and unit=",
) -> None:
    """Refuse to mix lengths in different units, as far as tables say theirs in ``attrs["unit"]``.

    Parameters
    ----------
    members : mapping
        Of each unit, the members whose tables have rows and say it.
    what, argument : str
        What is in these units, and how it is given.

    Raises
    ------
    MetadataError
        If two say different units; the first member of each is named.
    """
    if len(members) < 2:
        return
    named = [
        f"{'no unit' if unit is None else unit}: {len(keys)}, such as {keys[0]!r}"
        for unit, keys in list(members.items())[:_NAMED]
    ]
    raise MetadataError(
        f"tables of members are joined if their {what} are in one unit",
        value="; ".join(named) + ("; ..." if len(members) > _NAMED else ""),
        place="tables of a folder",
        remedy=f"give {argument} to open_folder, or read the members one by one: "
        "tables[key].to_pandas()",
    )


def own_columns(groups: Groups | None) -> tuple[str, ...]:
    """Return the columns that a collection puts before those of its members: key, and groups."""
    return ("key", *(() if groups is None else groups.columns))


def check_names(names: Iterable[object], own: Iterable[str], place: str) -> None:
    """Refuse columns of a member that are called as those that its collection puts before them.

    Raises
    ------
    ParameterError
        If there are such.
    """
    own = set(own)
    double = [name for name in names if name in own]
    if double:
        raise ParameterError(
            "results of members have no columns called 'key' or like a group",
            value=double,
            place=place,
            remedy="rename the column in the step, or the group: in group=, the pattern, the table",
        )


def with_groups(table: pd.DataFrame, groups: Groups | None) -> pd.DataFrame:
    """Put the groups' columns between `key`, which is the first column, and the others."""
    import pandas as pd

    if groups is None:
        return table
    extra = groups.table.loc[table["key"]].reset_index(drop=True)
    wider = pd.concat([table[["key"]], extra, table.drop(columns="key")], axis=1)
    wider.attrs = dict(table.attrs)
    return wider
