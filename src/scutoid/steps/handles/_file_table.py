"""Tables that list files: a row a file with a column `path`, or a row a site with its channels.

::

    path,well,site,channel                FileName_DNA,PathName_DNA,FileName_GFP,...,Metadata_Well
    a/B03_1_1.tif,B03,1,DNA               B03_1_1.tif,a,B03_1_2.tif,...,B03
    a/B03_1_2.tif,B03,1,GFP               (as CellProfiler's LoadData reads it)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scutoid.errors import ParameterError, SourceNotFound
from scutoid.paths import normal, shown_path
from scutoid.remote import refuse_secrets
from scutoid.steps.handles._csv_fields import read_csv, typed_fields
from scutoid.steps.handles._member_files import FileList, NamedFile

if TYPE_CHECKING:
    import pandas as pd

_PLACE = "open_folder"
_PATH = "path"
_KEY = "key"
_CHANNEL = "channel"
_FILE = re.compile(r"(?:Image_)?FileName_(.+)")
_FOLDER = re.compile(r"(?:Image_)?PathName_(.+)")
_UNREAD = re.compile(r"(?:Image_)?(?:URL|Series|Frame|Objects(?:FileName|PathName|URL))_.+")
_NO_VALUE = ("", "0", 0, 0.0, None)
_NAMELESS = (
    "the column without a name is left out; give it a name, or write the table without the row "
    "numbers of pandas: to_csv(path, index=False)"
)


def listed_files(table: str | os.PathLike[str] | pd.DataFrame) -> FileList:
    """Return the files that a table lists.

    Parameters
    ----------
    table : path of a CSV file, or DataFrame
        Paths in it are relative to the folder of the file; those of a DataFrame to the current one.

    Raises
    ------
    ParameterError
        If it has no column of paths, or one that is not read.
    SourceNotFound
        If a file is not there, or a row names none.
    """
    if isinstance(table, (str, os.PathLike)):
        path = Path(normal(table))
        columns = _read(path)
        nameless = columns.pop("", None) is not None
        found = _Rows(columns, str(path.parent), path.name, 2)
        return replace(found.listed(), notes=(_NAMELESS,) if nameless else ())
    columns = {str(name): table[name].tolist() for name in table.columns}
    found = _Rows(columns, "", "table", 0, is_frame=True)
    return found.listed()


def _read(path: Path) -> dict[str, Sequence[object]]:
    """Return the columns of a file."""
    names, rows = read_csv(path, _PLACE)
    if len(set(names)) < len(names):
        raise ParameterError(
            "columns of a table have different names", value=", ".join(names), place=str(path)
        )
    return {name: typed_fields([row[n] for row in rows]) for n, name in enumerate(names)}


class _Rows:
    """The rows of a table.

    Parameters
    ----------
    columns : mapping
        The table, by columns.
    folder : str
        What its paths are relative to.
    name : str
        What it is called.
    first : int
        The number of its first row, for errors.
    is_frame : bool
        Whether it is a DataFrame.
    """

    def __init__(
        self,
        columns: Mapping[str, Sequence[Any]],
        folder: str,
        name: str,
        first: int,
        *,
        is_frame: bool = False,
    ) -> None:
        self._columns = {
            name: [None if value != value else value for value in values]  # noqa: PLR0124
            for name, values in columns.items()
        }
        self._n_rows = max(map(len, columns.values()), default=0)
        self._folder = folder
        self._name = name
        self._first = first
        self._is_frame = is_frame

    def listed(self) -> FileList:
        """Return the files: a row a file, or a row with the files of all channels."""
        is_wide = _PATH not in self._columns and any(map(_FILE.fullmatch, self._columns))
        return self._wide() if is_wide else self._long()

    def _long(self) -> FileList:
        if _PATH not in self._columns:
            raise ParameterError(
                "a table of files has a column 'path', or columns such as FileName_DNA",
                value=", ".join(self._columns) or "no columns",
                place=self._name,
                remedy="rename the column that has the paths",
            )
        names = tuple(name for name in self._columns if name != _PATH)
        columns = {name: self._columns[name] for name in names}
        files = [
            NamedFile(self._file(number, text, ""), values)
            for number, (text, values) in enumerate(
                zip(self._columns[_PATH], _dicts(columns, self._n_rows), strict=True)
            )
        ]
        return self._list(files, names)

    def _wide(self) -> FileList:
        self._refuse_unread()
        folders = {m[1]: name for name in self._columns if (m := _FOLDER.fullmatch(name))}
        channels = {m[1]: name for name in self._columns if (m := _FILE.fullmatch(name))}
        used = {*folders.values(), *channels.values()}
        shown = {
            name: name.removeprefix("Metadata_")
            for name in self._columns
            if name not in used and not _UNREAD.fullmatch(name)
        }
        twice = [name for name in shown.values() if list(shown.values()).count(name) > 1]
        if twice or _CHANNEL in shown.values():
            raise ParameterError(
                "columns of a table have different names without Metadata_, and none is 'channel'",
                value=(twice or [_CHANNEL])[0],
                place=self._name,
            )
        columns = {name: self._columns[own] for own, name in shown.items()}
        files = []
        for number, values in enumerate(_dicts(columns, self._n_rows)):
            for channel, column in channels.items():
                text = self._columns[column][number]
                if text is None:  # as LoadData has it: this site lacks the channel
                    continue
                folder = self._columns[folders[channel]][number] if channel in folders else ""
                path = self._file(number, text, str(folder or ""))
                files.append(NamedFile(path, {**values, _CHANNEL: channel}))
        return self._list(files, (*shown.values(), _CHANNEL), _CHANNEL)

    def _list(
        self, files: list[NamedFile], names: tuple[str, ...], channel: str | None = None
    ) -> FileList:
        key = _KEY if _KEY in names else None
        stem = Path(self._name).stem
        return FileList(files, names, stem, self._name, key, channel, is_table=True)

    def _refuse_unread(self) -> None:
        for name, values in self._columns.items():
            if _UNREAD.fullmatch(name) and any(value not in _NO_VALUE for value in values):
                raise ParameterError(
                    "of a table of images FileName_ and PathName_ are read",
                    value=name,
                    place=self._name,
                    remedy="leave the column out, and give files of one plane each",
                )

    def _file(self, number: int, text: object, folder: str) -> str:
        """Return the absolute path of what a row names."""
        place = f"row {number + self._first} of {self._name}"
        text = os.fspath(text) if isinstance(text, os.PathLike) else text
        if not isinstance(text, str) or not text:
            raise SourceNotFound("each row of a table of files names one", value=text, place=place)
        if "://" in text and not text.startswith("file://"):
            refuse_secrets(text)
            return text
        text = text.removeprefix("file://")
        below = os.path.expanduser(os.path.join(folder, text))  # noqa: PTH111, PTH118
        path = normal(os.path.join(self._folder, below))  # noqa: PTH118
        if not os.path.exists(path):  # noqa: PTH110  # for each of many files
            raise SourceNotFound(
                "the files that a table lists are there",
                value=shown_path(path),
                place=place,
                remedy=self._remedy(f"{folder}{text}"),
            )
        return path

    def _remedy(self, written: str) -> str:
        """Return what may help where a file is not there, which is named so."""
        if "\\" in written:
            return (
                "it is written as on Windows: give a DataFrame with / for \\, and folders that "
                r'are here for C:, such as table["path"].str.replace("\\", "/")'
            )
        if self._is_frame:
            return "check the path, which is relative to the current folder"
        return "check the path, which is relative to the folder of the table"


def _dicts(columns: Mapping[str, Sequence[object]], n_rows: int) -> Iterator[dict[str, object]]:
    """Yield the rows of columns."""
    if not columns:
        yield from ({} for _ in range(n_rows))
        return
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))
