"""Tables within an OME-Zarr: of an image, of a well, of a plate; as ngio reads them.

::

    out.ome.zarr/
        tables/summary/           a table of the plate
        A/1/tables/cells/         all rows of a well, and of which field each is
        A/1/0/tables/cells/       a table of an image
            zarr.json             what it is: of which labels, which column is its index
            table.parquet
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from scutoid.errors import ParameterError
from scutoid.steps.compute import TIME_UNIT, UNIT, Groups, concatenate, with_index
from scutoid.steps.declaration import is_table
from scutoid.steps.handles._collections import Tables, Values, row_of
from scutoid.steps.handles._single import Table
from scutoid.store import FORMATS

if TYPE_CHECKING:
    import pandas as pd

PlateTables: TypeAlias = Mapping[str, "Table | Tables | Values | pd.DataFrame"]
"""Tables by their names."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_FILE = "table.parquet"
_LABEL = "label"
_PARQUET = FORMATS["parquet"]


def check_tables(tables: PlateTables, keys: Sequence[str] | None = None) -> None:
    """Refuse what is no table, or has not a member for each image of these keys; None: of one.

    Raises
    ------
    ParameterError
        If there is such.
    """
    for name, each in tables.items():
        if not _NAME.fullmatch(name):
            raise ParameterError("names of tables are letters, digits, - and _", value=name)
        lacks = isinstance(each, (Tables, Values)) and (
            keys is None or not set(keys) <= set(each.keys)
        )
        if lacks or not (isinstance(each, (Tables, Values, Table)) or is_table(each)):
            raise ParameterError(
                "tables= has tables or values of each image, with the same keys, or a table of all",
                value=repr(each),
                place=f"tables {name!r}",
                remedy="of one image give its own table, as tables[key]; of a plate open both so "
                "that their keys are the same, by keys="
                if lacks
                else "give results of steps that return a table or a value, or a DataFrame",
            )


def whole_tables(tables: PlateTables) -> dict[str, pd.DataFrame]:
    """Return the tables that are no collections."""
    read = {name: each.to_pandas() for name, each in tables.items() if isinstance(each, Table)}
    given: dict[str, Any] = {name: each for name, each in tables.items() if is_table(each)}
    return {**read, **given}


def table_of(result: Tables | Values, key: str) -> pd.DataFrame:
    """Return the table of a member; of a value the one row."""
    if isinstance(result, Tables):
        return result[key].to_pandas()
    import pandas as pd

    return pd.DataFrame([row_of(result.name, key, result[key].get(), ())])


def write_tables(
    folder: Path, tables: Mapping[str, pd.DataFrame], labels: Sequence[str] = ()
) -> None:
    """Write tables within an image, a well or a plate.

    Parameters
    ----------
    folder : Path
        The zarr group.
    tables : mapping of str to DataFrame
        By name.
    labels : sequence of str
        Names of the labels of the image.  A table with a column of labels is of those of its own
        name, or of the only ones.
    """
    for name, table in tables.items():
        place = folder / "tables" / name
        place.mkdir(parents=True)
        _PARQUET.save(with_index(table), place / _FILE)
        write_group(place, _said(name, table, labels))
    if tables:
        write_group(folder / "tables", {"tables": list(tables)})


def write_tables_of_well(
    well: Path, names: Sequence[str], fields: Mapping[str, str], groups: Groups
) -> None:
    """Write tables with the rows of all fields of a well, which have theirs already.

    Parameters
    ----------
    well : Path
        The zarr group.
    names : sequence of str
        Names of the tables.
    fields : mapping of str to str
        Names of the fields, by the keys of their images.
    groups : Groups
        Columns that say of which image a row is.

    Raises
    ------
    ParameterError
        If a table has a column that is called like one of these.
    MetadataError
        If lengths in the tables of two fields are in different units.
    """
    joined = {}
    for name in names:
        paths = {key: well / field / "tables" / name / _FILE for key, field in fields.items()}
        joined[name] = concatenate(
            ((key, cast("pd.DataFrame", _PARQUET.load(path))) for key, path in paths.items()),
            groups,
        )
    write_tables(well, joined)


def write_group(folder: Path, attributes: Mapping[str, object]) -> None:
    """Write the metadata of a zarr group."""
    said = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    (folder / "zarr.json").write_text(json.dumps(said, indent=2))


def _said(name: str, table: pd.DataFrame, labels: Sequence[str]) -> dict[str, object]:
    """Return the attributes of a table, as ngio and Fractal have them; units are of scutoid."""
    units = {unit: table.attrs[unit] for unit in (UNIT, TIME_UNIT) if unit in table.attrs}
    own: dict[str, object] = {"scutoid": units} if units else {}
    kind: dict[str, object] = {"type": "generic_table", "table_version": "1", "backend": "parquet"}
    of = name if name in labels else labels[0] if len(labels) == 1 else None
    if of is None or _LABEL not in table.columns or table[_LABEL].dtype.kind not in "iu":
        return {**kind, **own}
    return {
        **kind,
        "type": "feature_table",
        "region": {"path": f"../labels/{of}"},
        "instance_key": _LABEL,
        "index_key": _LABEL,
        "index_type": "int",
        **own,
    }
