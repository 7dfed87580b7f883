"""Open inputs: one image, a folder of images."""

from __future__ import annotations

import glob
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from scutoid.arrays import VoxelSizes, open_source
from scutoid.errors import (
    ParameterError,
    ScutoidError,
    ScutoidWarning,
    SourceNotFound,
)
from scutoid.steps.compute import check_names, own_columns, with_index
from scutoid.steps.declaration import OutputKind
from scutoid.steps.graph import (
    Beside,
    CollectionRef,
    ImageRef,
    Opened,
    OpenedFolder,
    call_reader,
    check_read,
    kind_of,
    paths_beside,
)
from scutoid.steps.handles._collections import Images
from scutoid.steps.handles._lazy import handle_of
from scutoid.steps.handles._opened_files import opened_files
from scutoid.steps.handles._single import Image

if TYPE_CHECKING:
    import pandas as pd

_MAGIC = re.compile(r"[*?\[]")
_NUMBER = re.compile(r"(\d+)")


def open(  # noqa: A001
    source: object,
    *,
    axes: str | None = None,
    voxel_size: VoxelSizes | None = None,
    unit: str | None = None,
    origin: Iterable[float] | None = None,
    level: int = 0,
    key: Literal["listing", "content"] | None = None,
    allow_outside: bool = False,
    coordinate_system: str | None = None,
) -> Image:
    """Open an image lazily.

    Parameters
    ----------
    source : path, URL, numpy or dask array, or Image
        OME-Zarr 0.1 to 0.6, plain zarr v2 and v3, TIFF and OME-TIFF, npy, PNG, or a folder of
        planes (one TIFF a plane), which is opened as one volume.
    axes : str, optional
        One letter an axis, such as "zyx"; default: what the file says.
    voxel_size : float, sequence of float or mapping, optional
        Size of a voxel along each spatial axis, in `unit`; default: what the file says.  A mapping
        such as ``{"z": 2.0}`` gives some of them, and the file says the others.
    unit : str, optional
        Unit of the spatial axes, such as "um".
    origin : sequence of float, optional
        World position of the centre of the first voxel along each spatial axis, in `unit`.
    level : int, optional
        Pyramid level, 0 is the finest.
    key : {"listing", "content"}, optional
        How a change of a zarr is noticed: by its listing (names, sizes and times of chunks; the
        default), or by reading all of it.
    allow_outside : bool, optional
        Whether files that the image names may lie outside its own folder: the other files of an
        OME-TIFF, the arrays of an OME-Zarr.  By default such an image is refused, for it may come
        from somebody else, and name any file of yours.
    coordinate_system : str, optional
        Name of the coordinate system of an OME-Zarr that voxel size and origin are of, where it has
        several; default: the image's own, or "global".

    Returns
    -------
    Image

    Raises
    ------
    SourceNotFound, SourceError, MetadataError
        If it does not exist, cannot be read, or its axes or voxel size make no sense.

    Warns
    -----
    ScutoidWarning
        Of each thing that is not known of the image, or assumed, where its metadata do not say it
        or are not understood; plans say it too.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.open(np.zeros((2, 3, 4), "uint8"), voxel_size=(2, 1, 1), unit="um")
    Image('array', zyx, (2, 3, 4), uint8, voxel size (2.0, 1.0, 1.0) um)
    """
    if isinstance(source, Image):
        return source
    opened = open_source(
        source,
        axes=axes,
        voxel_size=voxel_size,
        unit=unit,
        origin=origin,
        level=level,
        key=key,
        allow_outside=allow_outside,
        coordinate_system=coordinate_system,
    )
    name = Path(os.fspath(source)).name if isinstance(source, (str, os.PathLike)) else "array"
    node = Opened(opened, name)
    for text in node.notes:
        warnings.warn(text, ScutoidWarning, stacklevel=2)
    return Image(ImageRef(node))


@overload
def open_folder(
    pattern: str | os.PathLike[str],
    *,
    read: None = None,
    reads: Callable[[str], Beside] | None = None,
    select: Callable[[str], bool] | None = None,
    group: str | None = None,
    axes: str | None = None,
    voxel_size: VoxelSizes | None = None,
    unit: str | None = None,
    allow_outside: bool = False,
    coordinate_system: str | None = None,
) -> Images: ...
@overload
def open_folder(
    pattern: str | os.PathLike[str],
    *,
    read: Callable[[str], object],
    reads: Callable[[str], Beside] | None = None,
    select: Callable[[str], bool] | None = None,
    group: str | None = None,
    axes: str | None = None,
    voxel_size: VoxelSizes | None = None,
    unit: str | None = None,
    allow_outside: bool = False,
    coordinate_system: str | None = None,
) -> Any: ...
def open_folder(
    pattern: str | os.PathLike[str],
    *,
    read: Callable[[str], object] | None = None,
    reads: Callable[[str], Beside] | None = None,
    select: Callable[[str], bool] | None = None,
    group: str | None = None,
    axes: str | None = None,
    voxel_size: VoxelSizes | None = None,
    unit: str | None = None,
    allow_outside: bool = False,
    coordinate_system: str | None = None,
) -> Any:
    """Open all files that match a pattern as a collection of images.

    Parameters
    ----------
    pattern : str
        A glob such as "plate/**/*.tif"; keys are the paths below its fixed part.
    read : function of a path, optional
        Returns what the file holds, for all files of one kind: a numpy array, a DataFrame, or a
        value; never None, for it is `select` that leaves files out.  It is called in the workers,
        once for each member that is computed; here only on the first file, and on the next ones
        where that cannot be read, to see of what kind it is.  What it opens besides that file is
        named in a warning, unless `reads` names it.
    reads : function of a path, optional
        Returns which other files are read with a file, as a path or a list of paths: a second
        channel beside it, or one file that is read with all.  Their content counts as that of the
        file does.  Called here, at each plan, once for each file.
    select : function of a path, optional
        Returns whether a file belongs to the collection; called here, once for each file.
    group : str, optional
        Regular expression with named groups, searched in each key; the groups become columns.
    axes, voxel_size, unit, allow_outside, coordinate_system
        As in `open`, for every member.

    Returns
    -------
    Images
        Or Tables or Values, if `read` returns such.

    Raises
    ------
    SourceNotFound
        If nothing matches.
    PipelineError
        If `read` returns None for every file.
    ParameterError
        If a table that `read` returns has a column called "key" or like a group.
    """
    text = os.fspath(pattern)
    if not _MAGIC.search(text):
        if not Path(text).is_dir():
            raise SourceNotFound(
                "a pattern has a * or names a folder",
                value=text,
                remedy='write for example "plate/*.tif", or use sc.open for one file',
            )
        text = str(Path(text) / "*")
    root, rest = _split_pattern(text)
    paths = _members(root, rest)
    if select is not None:
        paths = {key: path for key, path in paths.items() if select(path)}
    if not paths:
        raise SourceNotFound(
            "a pattern matches at least one file",
            value=text,
            place=str(root.resolve()),
            remedy="check the folder, the ending, and select= if it is given"
            if root.is_dir()
            else "the folder does not exist",
        )
    kind: OutputKind = "image"
    undeclared: tuple[str, ...] = ()
    groups = None if group is None else _groups(group, paths)
    if read is not None:
        value, undeclared = _first_read(read, reads, paths.values())
        kind = "image" if value is None else kind_of(value)
        if kind == "table":
            check_names(with_index(value, text).columns, own_columns(groups), text)
    options: dict[str, object] = {"axes": axes, "voxel_size": voxel_size, "unit": unit}
    if allow_outside:
        options["allow_outside"] = True
    if coordinate_system is not None:
        options["coordinate_system"] = coordinate_system
    name = root.resolve().name or "folder"
    folder = OpenedFolder(name, paths, options, read, groups, kind, reads, undeclared)
    return handle_of(CollectionRef(folder, kind))


def _first_read(
    read: Callable[[str], object], reads: Callable[[str], Beside] | None, paths: Iterable[str]
) -> tuple[Any, tuple[str, ...]]:
    """Return what a reader makes of the first file that it can read; None if it can read none.

    And what it opened besides that file, which nothing names.  A file on which it fails, or of
    which it returns None, is no matter of the others: it fails in a run, which tells of it.

    Raises
    ------
    PipelineError
        If it returns None for every file.
    """
    n_none = n_failed = 0
    for path in paths:
        with opened_files() as opened:
            try:
                value = call_reader(read, path)
            except ScutoidError:
                n_failed += 1
                continue
        if value is None:
            n_none += 1
            continue
        named = (path, *(() if reads is None else paths_beside(reads, path)))
        return value, _others(opened, named)
    if n_none and not n_failed:
        check_read(None, f"each of {n_none} files")
    return None, ()


def _others(opened: Iterable[str], named: Iterable[str]) -> tuple[str, ...]:
    """Return the files that are neither among some paths nor below them."""
    places = {os.path.realpath(path) for path in named}
    folders = tuple(f"{place}{os.sep}" for place in places)
    found = dict.fromkeys(os.path.realpath(path) for path in opened)
    return tuple(path for path in found if path not in places and not path.startswith(folders))


def _members(root: Path, pattern: str) -> dict[str, str]:
    """Find the files below a folder: where each is, by its path below the folder."""
    # Plain strings: of 100,000 files, Path objects would take several seconds.
    place = os.path.realpath(root)
    keys = (
        key.replace(os.sep, "/")
        for key in glob.iglob(pattern, root_dir=place, recursive=True)  # noqa: PTH207
        if key.endswith(".zarr") or os.path.isfile(f"{place}{os.sep}{key}")  # noqa: PTH113
    )
    return {key: f"{place}{os.sep}{key}" for key in sorted(set(keys), key=_natural)}


def _split_pattern(text: str) -> tuple[Path, str]:
    parts = Path(text).parts
    first = next(n for n, part in enumerate(parts) if _MAGIC.search(part))
    if os.pardir in parts[first:]:
        raise ParameterError(
            "a pattern leads up, by .., before its first * only",
            value=text,
            place="open_folder",
            remedy="name the folder that holds all the files, and go down from there",
        )
    return Path(*parts[:first]), str(Path(*parts[first:]))


def _natural(key: str) -> list[tuple[int, int, str]]:
    return [(1, int(p), p) if p.isdecimal() else (0, 0, p) for p in _NUMBER.split(key)]


def _groups(group: str, paths: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

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
    return pd.DataFrame(rows, index=list(paths))
