"""Fields of CSV files, read strictly: numbers and truth values by column, or else text."""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from scutoid.errors import SourceError, SourceNotFound
from scutoid.regular import opened_regular

_WHOLE = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
_REAL = re.compile(r"-?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?|-?inf", re.ASCII)
_TRUTH = {"true": True, "false": False}


def read_csv(path: Path, place: str) -> tuple[list[str], list[list[str]]]:
    """Read a CSV file as text: the names of its columns, and its rows.

    Parameters
    ----------
    path : Path
        The file: UTF-8, with commas between fields, or tabs if its name ends in ``.tsv``.
    place : str
        What it is read for, for errors.

    Raises
    ------
    SourceNotFound, SourceError
        If it does not exist, or is no such file.
    """
    separator = "\t" if path.suffix == ".tsv" else ","
    numbered: list[tuple[int, list[str]]] = []
    try:
        with io.TextIOWrapper(opened_regular(path), encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=separator, strict=True)
            numbered = [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError:
        raise SourceNotFound(
            "a table is a CSV file that exists", value=str(path), place=place
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _no_csv(path, place, str(error)) from error
    if not numbered:
        raise _no_csv(path, place, "it is empty")
    names = numbered[0][1]
    for line, row in numbered[1:]:
        if len(row) != len(names):
            raise _no_csv(path, place, f"{len(row)} fields in line {line}, of {len(names)} columns")
    if len(names) == 1 and re.search("[;\t]", names[0]):
        raise _no_csv(path, place, f"one column, {names[0]!r}")
    return names, [row for _, row in numbered[1:]]


def _no_csv(path: Path, place: str, found: str) -> SourceError:
    return SourceError(
        "a CSV file is UTF-8, has the names of its columns in the first line, commas between "
        "fields, quotes around those with a comma, and a field for each column in every line",
        value=found,
        place=f"{place}, {path}",
        remedy="save it as such, or read it by pandas and give the DataFrame, with the column "
        "'key' as text",
    )


def typed_fields(texts: Sequence[str]) -> Sequence[object]:
    """Return fields as numbers or truth values if all are written as such, None for nothing."""
    there = [text.strip() for text in texts if text]
    if all(map(_is_number, there)):
        return [_number(text.strip()) if text else None for text in texts]
    if all(text.lower() in _TRUTH for text in there):
        return [_TRUTH[text.strip().lower()] if text else None for text in texts]
    return [text or None for text in texts]


def _is_number(text: str) -> bool:
    """Whether text is written as a number, and one that there is."""
    if _WHOLE.fullmatch(text):
        return len(text) <= sys.int_info.default_max_str_digits
    return bool(_REAL.fullmatch(text)) and ("inf" in text or math.isfinite(float(text)))


def _number(text: str) -> float:
    return int(text) if _WHOLE.fullmatch(text) else float(text)
