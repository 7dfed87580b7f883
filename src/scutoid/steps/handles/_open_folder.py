"""Open many files as a collection: by a pattern, or by a table that lists them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from scutoid.arrays import Missing, SeriesName, TimeScale
from scutoid.errors import ParameterError, ScutoidError, ScutoidWarning
from scutoid.steps.compute import check_names, own_columns, with_index
from scutoid.steps.declaration import OutputKind
from scutoid.steps.graph import (
    Beside,
    CollectionRef,
    OpenedFolder,
    Opening,
    call_reader,
    check_read,
    files_in,
    kind_of,
    paths_beside,
)
from scutoid.steps.handles._collections import Images
from scutoid.steps.handles._folder_members import ALL_SERIES, FileSource, Wanted, find_members
from scutoid.steps.handles._lazy import handle_of
from scutoid.steps.handles._opened_files import opened_files
from scutoid.steps.handles._stack_axes import Channels, Stack
from scutoid.store import states_of

if TYPE_CHECKING:
    from scutoid.arrays import VoxelSizes


@overload
def open_folder(
    pattern: FileSource,
    *,
    stack: Stack | None = None,
    channels: Channels | None = None,
    missing: Missing = "error",
    read: None = None,
    reads: Callable[[str], Beside] | None = None,
    select: Callable[[str], bool] | None = None,
    group: str | None = None,
    axes: str | None = None,
    voxel_size: VoxelSizes | None = None,
    unit: str | None = None,
    origin: Literal["stage"] | None = None,
    allow_outside: bool = False,
    coordinate_system: str | None = None,
    time: TimeScale | Sequence[object] | None = None,
    series: SeriesName | None = None,
    labels: str | None = None,
    keys: str | None = None,
) -> Images: ...
@overload
def open_folder(
    pattern: FileSource,
    *,
    stack: Stack | None = None,
    channels: Channels | None = None,
    missing: Missing = "error",
    read: Callable[[str], object],
    reads: Callable[[str], Beside] | None = None,
    select: Callable[[str], bool] | None = None,
    group: str | None = None,
    axes: str | None = None,
    voxel_size: VoxelSizes | None = None,
    unit: str | None = None,
    origin: Literal["stage"] | None = None,
    allow_outside: bool = False,
    coordinate_system: str | None = None,
    time: TimeScale | Sequence[object] | None = None,
    series: SeriesName | None = None,
    labels: str | None = None,
    keys: str | None = None,
) -> Any: ...
def open_folder(
    pattern: FileSource,
    *,
    stack: Stack | None = None,
    channels: Channels | None = None,
    missing: Missing = "error",
    read: Callable[[str], object] | None = None,
    reads: Callable[[str], Beside] | None = None,
    select: Callable[[str], bool] | None = None,
    group: str | None = None,
    axes: str | None = None,
    voxel_size: VoxelSizes | None = None,
    unit: str | None = None,
    origin: Literal["stage"] | None = None,
    allow_outside: bool = False,
    coordinate_system: str | None = None,
    time: TimeScale | Sequence[object] | None = None,
    series: SeriesName | None = None,
    labels: str | None = None,
    keys: str | None = None,
) -> Any:
    """Open all files that match a pattern, or that a table lists, as a collection of images.

    Parameters
    ----------
    pattern : str, path of a CSV file, DataFrame, or list of paths
        A glob such as "plate/**/*.tif"; keys are the paths below its fixed part.  One file that
        holds several images is opened as these, by number; so are OME-TIFFs of several images that
        a glob matches.  Files that are one OME-TIFF together are one member.  Of an OME-Zarr that
        is a plate the fields of its wells are members, with columns row, column, well and field;
        of others its series, or its images and labels.  All of these may lie at a URL: an OME-Zarr
        is opened by its metadata, a pattern where the server lists folders.  Placeholders,
        such as "plate/{well}_s{site:d}_w{channel}.tif", match text within one part of the path:
        ``{well}`` any, ``{site:d}`` a whole number, ``{site:03d}`` one of three digits or more,
        ``{well:[A-P][0-9]+}`` what a regular expression matches.  ``{{`` is a brace.  They become
        columns beside the keys, but for those that `stack` names.  A table has a column `path`
        and a row a file, and its other columns are as placeholders; or it has the files of a
        member in a row, in columns such as ``FileName_DNA`` and ``PathName_DNA``.  A list of paths
        is as a table that has these alone.
    stack : mapping, optional
        Members of several files: by the letter of an axis, which placeholder or column becomes it,
        such as ``{"c": "channel"}``, in natural order; or with the values in theirs,
        ``{"z": {"plane": [3, 2, 1]}}``.  Files of one member agree in all others, whose values,
        with slashes between, are its key.  Each file is opened when voxels of it are read.
    channels : mapping or sequence, optional
        Names of what is stacked along "c", in their order: ``{"1": "DAPI", "2": "GFP"}``; or the
        values alone.  Default: the values, in natural order.
    missing : {"error", "fill"}
        What becomes of a place of a stacked member that has no file, and of planes that an
        OME-TIFF announces and that are not there: an error that names them, or their voxels are 0,
        and a warning of each plan says how many there are: of places of all members, of planes of
        its first one. Images that a plate names and that are not there are left out with a warning.
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
        Not beside placeholders or a table, which say the same.
    labels : str, optional
        Name of labels that each image has, of a plate or of other OME-Zarrs: these are the
        members, with the keys of their images.
    keys : str, optional
        What members are called, made of their columns: ``"{well}/{site}"``.  ``{key}`` is the key
        that they have without it, less the ending of a file.  Steps take several collections
        together, such as masks and their images, where their members are called alike.
    axes, origin, allow_outside, coordinate_system
        As in `open`, for every file.
    series : int, str or "all", optional
        Which image of each file that holds several, as in `open`; or "all": each image of each
        file is a member, called by the key of its file and its number, or its path within a zarr,
        with columns series and name beside those of the file.  All files are looked at then.
    voxel_size, unit, time
        As in `open`, for every member.

    Returns
    -------
    Images
        Or Tables or Values, if `read` returns such.

    Raises
    ------
    SourceNotFound
        If nothing matches, or a file that a table lists, or that a link leads to, is not there.
    SourceError
        If two files have one place of a member, or one has none and `missing` is "error".
    ParameterError
        If the pattern is none, matches a name in two ways, or does not fit the other arguments; or
        if a table that `read` returns has a column called "key" or like a group.
    PipelineError
        If `read` returns None for every file.

    Warns
    -----
    ScutoidWarning
        Of files that are left out though they seem to be meant: those that are no images, and
        those that match but for upper and lower case; plans say it too.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import scutoid as sc
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("B03_s1_w1", "B03_s1_w2", "C04_s1_w1", "C04_s1_w2"):
    ...     np.save(folder / f"{name}.npy", np.zeros((4, 5), "uint8"))
    >>> plate = sc.open_folder(
    ...     folder / "{well}_s{site:d}_w{channel}.npy",
    ...     stack={"c": "channel"},
    ...     channels={"1": "DAPI", "2": "GFP"},
    ... )
    >>> plate.keys
    ('B03/1', 'C04/1')
    >>> plate["B03/1"].axes, plate["B03/1"].channels
    ('cyx', ('DAPI', 'GFP'))
    """
    options: dict[str, object] = {"axes": axes, "voxel_size": voxel_size, "unit": unit}
    if allow_outside:
        options["allow_outside"] = True
    if origin is not None:
        options["origin"] = origin
    if time is not None:
        options["time"] = TimeScale.of(time).to_list()
    if coordinate_system is not None:
        options["coordinate_system"] = coordinate_system
    if missing == "fill":
        options["missing"] = missing
    if series not in (None, ALL_SERIES):
        options["series"] = series
    finds_images = read is None and series in (None, ALL_SERIES)
    wanted = Wanted(
        stack,
        channels,
        missing,
        select,
        group,
        labels,
        finds_images,
        keys,
        read is not None,
        series == ALL_SERIES,
    )
    name, members = find_members(pattern, wanted)
    kind: OutputKind = "image"
    undeclared: tuple[str, ...] = ()
    if read is not None:
        every = (path for files in members.paths.values() for path in files_in(files))
        value, undeclared = _first_read(read, reads, every)
        kind = "image" if value is None else kind_of(value)
        if kind == "table":
            own = own_columns(members.groups)
            place = f"files of {name!r}"
            check_names(with_index(value, place).columns, own, place)
        if kind != "image" and members.stacking is not None:
            raise ParameterError(
                "stack= joins images: read= returns an array for each file",
                value=f"a {kind}",
                place="open_folder",
                remedy="leave out stack=, or return an array",
            )
    opening = Opening(options, read, kind, members.stacking, members.are_series)
    said = tuple(f"folder {name!r}: {note}" for note in members.notes)
    folder = OpenedFolder(
        name,
        members.paths,
        opening,
        members.groups,
        reads,
        undeclared,
        labels is not None,
        said,
        states=None if read is None else states_of({"read": read}),
    )
    for text in said:
        warnings.warn(text, ScutoidWarning, stacklevel=2)
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
