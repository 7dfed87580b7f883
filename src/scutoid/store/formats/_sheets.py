"""Tables for people: tab-separated text, and workbooks of Excel.  They are written and not read."""

from __future__ import annotations

import datetime as dt
import io
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scutoid.errors import MissingExtra, ParameterError
from scutoid.store._columns import typed_column
from scutoid.store._durable import write_file
from scutoid.store.formats._tables import checked_table, text_of_table

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS, _MOST_COLUMNS = 2**20, 2**14
_LONGEST_TEXT = 2**15 - 1
_LARGEST_NUMBER = 2**53
"""Up to which Excel, whose numbers are floats of 64 bits, holds each whole number."""
_LARGEST_FLOAT = 9.99e307
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_CORE = "docProps/core.xml"
_TIMES = re.compile(rb"<dcterms:(created|modified)[^>]*>[^<]*</dcterms:\1>")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_FIRST_YEAR = 1900


def save_tsv(value: Any, path: Path) -> None:
    """Write a table as text with tabs between fields, and otherwise as `save_csv` does."""
    write_file(path, text_of_table(value, "\t"))


def save_xlsx(value: Any, path: Path) -> None:
    """Write a table as a workbook of Excel with one sheet; missing values are empty cells.

    A workbook of the same table has the same bytes.

    Raises
    ------
    ParameterError
        If Excel does not hold it: too many rows or columns, whole numbers beyond 2**53, numbers
        that are not finite, long text, control characters, dates with a time zone.
    MissingExtra
        If openpyxl is not installed.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Font
    except ImportError as error:
        raise MissingExtra.of("openpyxl", extra="excel") from error

    table, names = checked_table(value)
    if len(table) >= _MOST_ROWS or len(names) > _MOST_COLUMNS:
        raise _unfit(f"{len(table)} rows of {len(names)} columns", "the table")
    columns = [list(_cells(table[name], name)) for name in names]
    book = Workbook(write_only=True)
    sheet = book.create_sheet("table")

    def cell(field: object, *, is_bold: bool = False) -> Any:
        made = WriteOnlyCell(sheet, field)
        if isinstance(field, str):
            made.data_type = "s"  # also where it begins with =, or reads as an error of Excel
        if is_bold:
            made.font = Font(bold=True)
        return made

    sheet.freeze_panes = "A2"
    sheet.append([cell(_text(name, name), is_bold=True) for name in names])
    for row in zip(*columns, strict=True):
        sheet.append([cell(field) if isinstance(field, str) else field for field in row])
    written = io.BytesIO()
    book.save(written)
    write_file(path, _without_times(written))


def _cells(column: pd.Series[Any], name: str) -> Iterator[object]:
    """Go through the fields of a column as Python values; None where they are missing."""
    typed: Any = typed_column(column, name)
    missing = typed.isna().tolist()
    for field, is_missing in zip(typed.astype(object).tolist(), missing, strict=True):
        yield None if is_missing else _cell(field, name)


def _cell(field: Any, name: str) -> object:
    if isinstance(field, (bool, np.bool_)):
        return bool(field)
    if isinstance(field, (int, np.integer)):
        if abs(int(field)) > _LARGEST_NUMBER:
            raise _unfit(field, name, "convert the column to text")
        return int(field)
    if isinstance(field, (float, np.floating)):
        if math.isnan(field) or abs(float(field)) > _LARGEST_FLOAT:
            raise _unfit(field, name, "replace it")
        return float(field)
    if isinstance(field, str):
        return _text(field, name)
    if isinstance(field, dt.datetime):
        if field.tzinfo is not None or field.year < _FIRST_YEAR:
            raise _unfit(field, name, "convert the column to dates without a zone, or to text")
        return field
    if isinstance(field, dt.timedelta):
        return field
    raise _unfit(type(field).__name__, name, "convert the column with astype")


def _text(field: str, name: str) -> str:
    if len(field) > _LONGEST_TEXT:
        raise _unfit(f"text of {len(field)} characters", name, "shorten it")
    if _CONTROL.search(field):
        raise _unfit(field, name, "take away its control characters")
    return field


def _unfit(value: object, name: str, remedy: str = "") -> ParameterError:
    either = f"{remedy}, or " if remedy else ""
    return ParameterError(
        "Excel holds tables of less than 2**20 rows and up to 2**14 columns, of numbers up to "
        "9.99e307, whole ones up to 2**53, truth values, dates since 1900, and text of less than "
        "2**15 characters",
        value=value,
        place=name if name == "the table" else f"column {name!r}",
        remedy=f"{either}export it as .csv, .tsv or .parquet",
    )


def _without_times(workbook: io.BytesIO) -> bytes:
    """Return a workbook without the times at which it was made."""
    written = io.BytesIO()
    with zipfile.ZipFile(workbook) as old, zipfile.ZipFile(written, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            content = _TIMES.sub(b"", content) if name == _CORE else content
            new.writestr(zipfile.ZipInfo(name, _LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return written.getvalue()


SHEETS: dict[str, Callable[[Any, Path], None]] = {".tsv": save_tsv, ".xlsx": save_xlsx}
"""How tables are written for people, by ending."""
