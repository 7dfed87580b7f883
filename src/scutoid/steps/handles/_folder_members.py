"""Find the members of a collection of files: by a folder, a glob, a pattern or a table."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from scutoid.arrays import Missing, check_missing, may_be_image
from scutoid.errors import ParameterError, SourceError, SourceNotFound
from scutoid.paths import check_is_no_url
from scutoid.regular import check_regular
from scutoid.remote import refuse_secrets
from scutoid.steps.compute import Groups
from scutoid.steps.declaration import is_table
from scutoid.steps.handles._found_files import find_files, without_others
from scutoid.steps.handles._joined_sets import check_places, images_in_file, joined_sets
from scutoid.steps.handles._member_files import FileList, Members, NamedFile
from scutoid.steps.handles._name_part import Glob, NamePart
from scutoid.steps.handles._name_pattern import NamePattern
from scutoid.steps.handles._natural import natural
from scutoid.steps.handles._single import Table
from scutoid.steps.handles._stack_axes import Channels, Stack
from scutoid.steps.handles._url_members import (
    find_at,
    is_url,
    no_zarr_at,
    nothing_at,
    pattern_at,
)
from scutoid.steps.handles._zarr_members import images_in_zarr, with_labels

if TYPE_CHECKING:
    import pandas as pd

FileSource: TypeAlias = (
    "str | os.PathLike[str] | Sequence[str] | Sequence[os.PathLike[str]] | pd.DataFrame | Table"
)
"""A folder, a pattern, or a table or a list of files."""
ALL_SERIES = "all"
"""What is given as series= for each image of each file."""
_PLACE = "open_folder"
_STACK = 'write for example stack={"c": "channel"}'


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a user said of the members of a collection of files."""

    stack: Stack | None = None
    """What becomes an axis."""
    channels: Channels | None = None
    """Names of channels."""
    missing: Missing = "error"
    """What becomes of a place without a file."""
    select: Callable[[str], bool] | None = None
    """Whether a file belongs to the collection."""
    group: str | None = None
    """Regular expression whose groups become columns."""
    labels: str | None = None
    """Which labels of each image are meant in its place."""
    finds_images: bool = True
    """Whether it is found which files are one image, or several: not where a reader of the user's
    reads each, or one image of each is meant."""
    keys: str | None = None
    """What members are called, made of their columns."""
    is_read: bool = False
    """Whether a reader of the user's reads each file."""
    every_series: bool = False
    """Whether each image of each file is a member, of whatever kind the file is."""

    def __post_init__(self) -> None:
        check_missing(self.missing, _PLACE)
        if self.every_series and (self.is_read or self.stack is not None):
            raise ParameterError(
                "each image of each file is a member, or files are stacked or read by read=",
                value=f"series={ALL_SERIES!r}",
                place=_PLACE,
                remedy="give the number or the name of the image that is meant in each file",
            )

    def is_selected(self, path: str) -> bool:
        """Whether a file belongs to the collection."""
        return self.select is None or self.select(path)

    def check_fits(self, names: tuple[str, ...], place: str, *, is_stacked: bool) -> None:
        """Refuse arguments that do not fit placeholders or columns of these names.

        Raises
        ------
        ParameterError
            If there are such.
        """
        if names and self.group is not None:
            raise ParameterError(
                "columns come from placeholders or a table, or from group=, not from both",
                value=f"group={self.group!r}",
                place=place,
                remedy="leave out group=",
            )
        if self.stack is not None and not names:
            raise ParameterError(
                "stack= is for patterns with placeholders, and for tables",
                value=f"stack={self.stack!r}",
                place=place,
                remedy='write for example "plate/{well}_s{site:d}_w{channel}.tif"',
            )
        if self.channels is not None and not is_stacked:
            raise ParameterError(
                "channels= is for members of several files, by stack=",
                value=f"channels={self.channels!r}",
                place=place,
                remedy=_STACK,
            )


def find_members(source: FileSource, wanted: Wanted) -> tuple[str, Members]:
    """Return the name of a folder or table, and its members, or their labels.

    Raises
    ------
    SourceNotFound, SourceError, ParameterError
        If there are none, or they do not fit what is wanted.
    """
    name, members = _found_members(source, wanted)
    if wanted.keys is not None:
        from scutoid.steps.handles._templates import with_keys

        members = with_keys(members, wanted.keys)
    return name, members if wanted.labels is None else with_labels(members, wanted.labels)


def _found_members(source: FileSource, wanted: Wanted) -> tuple[str, Members]:
    if not isinstance(source, (str, os.PathLike)):
        return _of_table(_as_table(source), wanted)
    text = os.path.expanduser(os.fspath(source).removeprefix("file://"))  # noqa: PTH111
    if is_url(text):
        refuse_secrets(text)
        return _at_url(text, wanted)
    check_is_no_url(text)
    check_regular(text)
    if "\0" in text:
        raise SourceNotFound("a name of a folder or of files has no NUL in it", value=text)
    # os.path, unlike pathlib, says "no" of what is too long to be a name
    is_file, is_table_file = os.path.isfile(text), text.lower().endswith((".csv", ".tsv"))  # noqa: PTH113
    if is_file and not is_table_file and not wanted.finds_images:
        paths = {Path(text).name: os.path.realpath(text)}
        return Path(text).name, _of_paths(paths, text, wanted)
    fills = wanted.missing == "fill"
    if (found := images_in_zarr(text, wanted.is_selected, fills=fills)) is not None:
        wanted.check_fits(("well", "series"), text, is_stacked=False)
        if not found.paths:
            raise SourceNotFound("a zarr holds at least one image", value="none", place=text)
        return Path(text).resolve().name, found
    if os.path.isdir(text):  # noqa: PTH112
        pattern = NamePattern(text, Path(text), (NamePart((Glob("*", ".*?"),)),))
    elif is_file and is_table_file:
        return _of_table(text, wanted)
    elif is_file and not may_be_image(text):
        raise SourceError(
            "a file that is opened as a folder is a table (.csv, .tsv), or holds images",
            value=text,
            place=_PLACE,
            remedy="read a table of another kind by pandas, and give the DataFrame: "
            "sc.open_folder(pd.read_excel(path))",
        )
    elif is_file and (members := images_in_file(text)) is not None:
        wanted.check_fits(("series",), text, is_stacked=False)
        return Path(text).name, members
    else:
        pattern = NamePattern.parse(text)
    if not pattern.parts:
        raise SourceNotFound(
            "a pattern has a * or a placeholder, or names a folder or a CSV file that exists",
            value=text if os.path.exists(text) else f"{text}, which does not exist",  # noqa: PTH110
            remedy='write for example "plate/*.tif"',
        )
    return _name_of(pattern), _of_pattern(pattern, wanted)


def _at_url(url: str, wanted: Wanted) -> tuple[str, Members]:
    if wanted.is_read:
        raise ParameterError(
            "read= gets the path of a file of this machine",
            value=url,
            place=_PLACE,
            remedy="copy the files, or leave out read=",
        )
    base, pattern = pattern_at(url)
    if pattern.parts:
        return base.rpartition("/")[2], _of_pattern(pattern, wanted, base)
    place, fills = url.rstrip("/"), wanted.missing == "fill"
    found = images_in_zarr(place, wanted.is_selected, fills=fills)
    if found is None:
        raise no_zarr_at(url)
    wanted.check_fits(("well", "series"), url, is_stacked=False)
    if not found.paths:
        raise SourceNotFound("a zarr holds at least one image", value="none", place=url)
    return place.rpartition("/")[2], found


def _as_table(source: object) -> pd.DataFrame:
    """Return a list of paths, or a table, as a DataFrame."""
    if isinstance(source, Table):
        return source.to_pandas()
    if is_table(source):
        return cast("pd.DataFrame", source)
    if isinstance(source, (list, tuple)):
        paths = [path for path in source if isinstance(path, (str, os.PathLike))]
        if len(paths) == len(source):
            import pandas as pd

            return pd.DataFrame({"path": paths})
    raise ParameterError(
        "a folder is opened by a pattern, a list of paths, a CSV file or a DataFrame",
        value=type(source).__name__,
        place=_PLACE,
        remedy='write for example "plate/*.tif"; an array or one image is for sc.open',
    )


def _of_table(source: str | pd.DataFrame, wanted: Wanted) -> tuple[str, Members]:
    from scutoid.steps.handles._file_table import listed_files

    listed = listed_files(source)
    stack = wanted.stack
    if listed.channel_column is not None:
        stack = {"c": listed.channel_column, **(stack or {})}
    wanted.check_fits(listed.names or ("path",), listed.place, is_stacked=stack is not None)
    listed = replace(listed, files=[f for f in listed.files if wanted.is_selected(f.path)])
    if not listed.files:
        raise SourceNotFound("a table lists at least one file", value="none", place=listed.place)
    if not wanted.is_read:
        _check_images(listed)
    if stack is not None:
        return listed.name, _stacked(listed, stack, wanted)
    members = listed.single(_keys_of_rows(listed))
    return listed.name, _joined(members, listed.place, wanted, is_named=True)


def _check_images(listed: FileList) -> None:
    other = next((file.path for file in listed.files if not may_be_image(file.path)), None)
    if other is not None:
        raise SourceError(
            "the files that a table lists are images, and end as such or are TIFFs",
            value=other,
            place=listed.place,
            remedy="leave it out, or give read=, a function that returns the array of a file",
        )


def _stacked(listed: FileList, stack: Stack, wanted: Wanted) -> Members:
    """Return members of several files each."""
    if wanted.finds_images:
        check_places([file.path for file in listed.files], listed.place)
    return listed.stacked(stack, wanted.channels, wanted.missing)


def _joined(members: Members, place: str, wanted: Wanted, *, is_named: bool) -> Members:
    """Return members that are an image each."""
    if not wanted.finds_images:
        return members
    return joined_sets(members, place, is_named=is_named, looks_at_all=wanted.every_series)


def _keys_of_rows(listed: FileList) -> list[str]:
    """Return the keys of a table's files: its column of keys, else paths below a common folder."""
    if listed.key_column is not None:
        keys = [str(file.facts[listed.key_column]) for file in listed.files]
    else:
        folders = {os.path.dirname(file.path) for file in listed.files}  # noqa: PTH120
        if len(set(map(is_url, folders))) > 1:
            raise ParameterError(
                "keys are made of the paths of a table where all are URLs, or none is",
                value=listed.name,
                place=_PLACE,
                remedy="add a column key",
            )
        folder = os.path.commonpath(folders)
        keys = [os.path.relpath(file.path, folder).replace(os.sep, "/") for file in listed.files]
    listed.check_keys(keys)
    return keys


def _name_of(pattern: NamePattern) -> str:
    return pattern.root.resolve().name or "folder"


def _of_pattern(pattern: NamePattern, wanted: Wanted, base: str | None = None) -> Members:
    """Return what a pattern matches below its root, or below a URL."""
    wanted.check_fits(pattern.names, pattern.text, is_stacked=wanted.stack is not None)
    every = find_files(pattern) if base is None else find_at(base, pattern)
    found = every.selected(wanted.select)
    values: dict[str, Mapping[str, object]] = {}
    if pattern.names:
        values = dict(_matched(pattern, sorted([*found.paths, *found.broken])))
        keys = [key for key in sorted(found.paths) if key in values]
    else:
        keys = sorted(found.paths, key=natural)
    found.refuse_broken([key for key in found.broken if key in values or not pattern.names])
    if not keys:
        if base is not None:
            raise nothing_at(pattern, every)
        from scutoid.steps.handles._no_match import nothing_found

        raise nothing_found(pattern, found.paths, len(every.paths))
    paths, notes = {key: found.paths[key] for key in keys}, found.notes
    if not wanted.is_read:
        paths, others = without_others(paths, pattern.text)
        notes += others
    members = _of_found(pattern, _name_of(pattern), paths, values, wanted)
    return replace(members, notes=(*notes, *members.notes))


def _of_found(
    pattern: NamePattern,
    name: str,
    paths: Mapping[str, str],
    values: Mapping[str, Mapping[str, object]],
    wanted: Wanted,
) -> Members:
    if not pattern.names:
        return _of_paths(paths, pattern.text, wanted)
    files = [NamedFile(path, values[key]) for key, path in paths.items()]
    listed = FileList(files, pattern.names, name, pattern.text)
    if wanted.stack is None:
        return _joined(listed.single(paths), pattern.text, wanted, is_named=True)
    return _stacked(listed, wanted.stack, wanted)


def _of_paths(paths: Mapping[str, str], place: str, wanted: Wanted) -> Members:
    groups = None if wanted.group is None else _groups(wanted.group, paths)
    return _joined(Members(paths, groups), place, wanted, is_named=False)


def _matched(pattern: NamePattern, keys: list[str]) -> Iterator[tuple[str, Mapping[str, object]]]:
    for key, values in pattern.match_all(keys):
        if values is not None:
            yield key, values


def _groups(group: str, paths: Mapping[str, str]) -> Groups:
    try:
        expression = re.compile(group)
    except re.error as error:
        raise ParameterError(
            "group= is a regular expression", value=group, place=f"position {error.pos}"
        ) from error
    if not expression.groupindex:
        raise ParameterError(
            "group= has named groups, which become columns",
            value=group,
            remedy=r"write for example r'(?P<well>[A-H]\d\d)'",
        )
    if "key" in expression.groupindex:
        raise ParameterError(
            "groups become columns beside 'key', the path of the member",
            value="key",
            place=f"group={group!r}",
            remedy="call the group by another name",
        )
    rows = []
    for key in paths:
        match = expression.search(key)
        if match is None:
            raise ParameterError(
                "group= matches the key of every member", value=key, place=f"group={group!r}"
            )
        rows.append(match.groupdict())
    return Groups(
        tuple(paths), {name: [row[name] for row in rows] for name in expression.groupindex}
    )
