"""Copies of results at paths of the user's own choice, for people and other programs.

A path has the old content or the new one, never half of it, and is left alone where nothing
changed.  What no export made is touched nowhere; see `_export_folder.py`.
"""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from scutoid.arrays import (
    Limits,
    Storage,
    add_limits,
    create_image,
    is_ngff,
    pyramid_multiple,
    stream_tiff,
)
from scutoid.durable import beside
from scutoid.errors import ParameterError, ScutoidError, StoreError
from scutoid.geometry import BlockGrid
from scutoid.paths import absolute
from scutoid.steps.graph import Call
from scutoid.steps.handles._collections import Collection, Images, Tables, Values
from scutoid.steps.handles._export_folder import replacing_folder
from scutoid.steps.handles._export_labels import (
    LABEL_TIFF,
    ROI_SET,
    write_label_tiff,
    write_roi_set,
)
from scutoid.steps.handles._export_members import ENDINGS, only_file, write_members
from scutoid.steps.handles._export_plate import Labels, plate_places, write_image, write_plate
from scutoid.steps.handles._export_tables import PlateTables, check_tables, whole_tables
from scutoid.steps.handles._export_url import beside_url, is_url
from scutoid.steps.handles._lazy import Lazy
from scutoid.steps.handles._member_names import MemberNames
from scutoid.steps.handles._member_stems import is_file_ending
from scutoid.steps.handles._name_pattern import NamePattern
from scutoid.steps.handles._partial import Partial
from scutoid.steps.handles._single import Files, Image, Table, Value
from scutoid.stopping import ends_by_signals
from scutoid.store import FORMATS, SHEETS

_BLOCK_BYTES = 2**28
_JOINED = (".csv", ".tsv", ".xlsx", ".parquet")
_Write: TypeAlias = Callable[[Path], object]


def export(
    result: Lazy,
    path: str | os.PathLike[str],
    *,
    labels: Labels | None = None,
    tables: PlateTables | None = None,
    partial: Partial = "error",
) -> Path | str:
    """Write a copy of a result to a path, or bring the copy that is there up to date.

    Parameters
    ----------
    result : Image, Table, Value, Files or a collection of these
        What to write; a result that has not been run is computed in this process.
    path : path
        Its ending says how: an Image as ``.ome.zarr``, ``.zarr``, ``.tif``, ``.png`` or ``.npy``,
        one of labels also as ``.labels.tif`` or ``.zip`` (a ROI set of ImageJ); a Table as
        ``.csv``, ``.tsv``, ``.xlsx`` or ``.parquet``; a Value as ``.json``, ``.npy``, or what its
        type allows; Files as a folder. Tables and Values of a collection become one table where
        the path ends as one; where it has no ending, members become files in a folder, named by
        their keys. ``"qc/{well}_{site:02d}.png"`` names them by the columns of their groups, and
        by ``{key}``, in the placeholders of `open_folder`; a brace is written twice. A link is
        followed. In a folder only files that an export made are replaced or
        removed. Or a URL in a bucket, ``"s3://bucket/cells.csv"``: what it ends as is made in a
        temporary folder and copied there, metadata last.
    labels : mapping, optional
        Labels that are written within an image as OME-Zarr, by name: of each image its own.  A
        collection of images whose path ends in ``.ome.zarr`` becomes a plate (HCS), by its columns
        row and column, or well, and field or site.
    tables : mapping, optional
        Tables that are written within an image as OME-Zarr, by name, as Parquet that ngio reads.
        Of a plate each image has its own, from a collection of tables or values, and each well one
        with the rows of all its fields, which say where they are from; a single Table or DataFrame,
        such as one with a row a well, becomes one of the plate.
    partial : {"error", "allow"}
        What becomes of members of a collection that a run did not finish: an error, or they are
        left out, and named by ``result.missing``.

    Returns
    -------
    Path or str
        The absolute path; of a template that of the folder before its first placeholder. Of a URL
        the URL, a str.

    Raises
    ------
    ParameterError
        If the ending is not one of a format that holds the result, the path is a URL of another
        kind, a placeholder is no column, or two members have one name.
    IncompleteResult
        If a member was not finished, and `partial` is "error".
    StoreError
        If it cannot be written, or something is in the way that no export made.
    RunStopped
        If SIGTERM or SIGHUP ends it, in the main thread; the path is as it was.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import pandas as pd
    >>> import scutoid as sc
    >>> @sc.step
    ... def sizes(image):
    ...     return pd.DataFrame({"axis": ["y", "x"], "size": image.shape})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     place = sc.export(sizes(sc.open(np.zeros((3, 4)))), f"{folder}/final/sizes.csv")
    ...     print(place.read_text())
    axis,size
    y,3
    x,4
    <BLANKLINE>
    """
    if not isinstance(result, Lazy):
        raise ParameterError("what is exported is a result", value=type(result).__name__)
    if result.kind not in ENDINGS:
        raise ParameterError("parts of blocks are not exported", value=result.name)
    given: object = path  # whatever the types promise
    is_path = isinstance(given, str | os.PathLike) and isinstance(os.fspath(given), str)
    if not is_path or not Path(path).name:
        raise ParameterError(
            "an export goes to a path that ends in a name",
            value=repr(path),
            place="export",
            remedy='give for example "final/cells.csv"',
        )
    with ends_by_signals():  # which leaves nothing unfinished beside the path
        return _exported(result, os.fspath(path), labels, tables, partial)


def _exported(
    result: Lazy,
    place: str,
    labels: Labels | None,
    tables: PlateTables | None,
    partial: Partial,
) -> Path | str:
    if not is_url(place):
        return _export_here(result, place, labels, tables, partial)[0]
    with beside_url(place) as here:
        target, template = _export_here(result, here.path, labels, tables, partial)
        return here.publish(target, "" if template is None else template.below_root)


def _export_here(
    result: Lazy,
    path: str,
    labels: Labels | None,
    tables: PlateTables | None,
    partial: Partial,
) -> tuple[Path, NamePattern | None]:
    """Export to a path of this machine; return it, and the template by which members are named."""
    target, template = _split(result, path)
    try:
        place = _followed(target)
        if (
            labels
            or tables
            or (template is None and isinstance(result, Images) and _is_ome(target.name))
        ):
            is_folder, write = _writing_ome(
                result, target.name, labels or {}, tables or {}, partial
            )
        else:
            is_folder, write = _writing(result, target.name, partial, template)
        place.parent.mkdir(parents=True, exist_ok=True)
        with _replacing(place, is_folder, template) as new:
            write(new)
    except OSError as error:
        if isinstance(error, ScutoidError):
            raise
        raise StoreError(
            "a result can be exported",
            value=error.strerror or str(error),
            place=str(target),
            remedy="check the folder, its permissions and the free space",
        ) from error
    return target, template


def _split(result: Lazy, path: str) -> tuple[Path, NamePattern | None]:
    """Return the place of an export, and the template by which members below it are named."""
    if "{" not in path and "}" not in path:
        return absolute(path), None
    template = NamePattern.template(path)
    if template.placeholders and not isinstance(result, Collection):
        raise ParameterError(
            "placeholders name the members of a collection",
            value=path,
            place=repr(result),
            remedy="this is one result: write its name, and {{ for a brace",
        )
    return absolute(template.root), template if template.placeholders else None


def _replacing(
    place: Path, is_folder: bool, template: NamePattern | None
) -> AbstractContextManager[Path]:
    if not is_folder:
        return _replacing_file(place)
    return replacing_folder(place, "" if template is None else template.below_root)


def _followed(target: Path) -> Path:
    """Return what a link leads to: that is written, and the link stays."""
    try:
        found = target.resolve()
    except ValueError as error:  # a NUL in it
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(target)) from error
    except RuntimeError as error:  # a loop of links, on Python before 3.13
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
    if found.is_symlink():  # the same, on Python from 3.13 on
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return found


def _writing(
    result: Lazy, name: str, partial: Partial = "error", template: NamePattern | None = None
) -> tuple[bool, _Write]:
    """Whether a result becomes a folder at a path of this name, and what writes it anew."""
    if isinstance(result, Collection):
        return _writing_collection(result, name, partial, template)
    if isinstance(result, Files):
        return _writing_files(result, name)
    if isinstance(result, Image) and name.endswith(".zarr"):
        _check_is_ome(result, name)
        return True, lambda path: _copy_blocks(result, path)
    return False, lambda path: _write_file(result, name, path)


def _is_ome(name: str) -> bool:
    return name.endswith(".ome.zarr")


def _writing_ome(
    result: Lazy, name: str, labels: Labels, tables: PlateTables, partial: Partial
) -> tuple[bool, _Write]:
    """Write an image with its labels and tables, or images as a plate."""
    if not _is_ome(name) or not isinstance(result, (Image, Images)):
        raise ParameterError(
            "labels= and tables= are for images that are exported as OME-Zarr",
            value=name,
            place=f"{type(result).__name__} {result.name!r}",
            remedy='write "out.ome.zarr", or leave them out',
        )
    if isinstance(result, Images):
        plate_places(result)  # before anything is computed
        return True, lambda path: write_plate(result, path, labels, tables, partial, _copy_ome)
    own = {label: each for label, each in labels.items() if isinstance(each, Image)}
    if len(own) < len(labels):
        raise ParameterError(
            "labels of an image are one image", value=sorted(set(labels) - set(own)), place="labels"
        )
    check_tables(tables)
    return True, lambda path: write_image(result, path, own, whole_tables(tables), _copy_ome)


def _copy_ome(image: Image, path: Path) -> None:
    _check_is_ome(image, f"{path.name}.ome.zarr")
    _copy_blocks(image, path)


def _writing_files(files: Files, name: str) -> tuple[bool, _Write]:
    """One file where the name ends as the only one does, else the folder."""
    ending = Path(name).suffix
    if not ending:
        return True, lambda path: shutil.copytree(files.path, path)
    folder, file = files.path, only_file(files)
    if file is not None and file.suffix == ending:
        return False, lambda path: shutil.copyfile(file, path)
    if is_file_ending(ending):
        raise ParameterError(
            "a path with the ending of a file is that of the one file that a step wrote",
            value=", ".join(sorted(one.name for one in folder.iterdir())) or "nothing",
            place=name,
            remedy="leave out the ending, and it becomes a folder",
        )
    return True, lambda path: shutil.copytree(folder, path)


def _check_is_ome(image: Image, name: str) -> None:
    """Refuse to call a zarr OME-Zarr that is none."""
    if name.endswith(".ome.zarr") and not is_ngff(image.axes):
        raise ParameterError(
            "an OME-Zarr has two or three axes of space, and one besides them and time",
            value=f"axes {image.axes!r}",
            place=name,
            remedy=f"export it as a plain zarr: {name.removesuffix('.ome.zarr')}.zarr",
        )


def _write_file(result: Lazy, name: str, path: Path) -> None:
    if isinstance(result, Image):
        if name.endswith(LABEL_TIFF):
            write_label_tiff(result, path, name)
        elif name.endswith(ROI_SET) and not name.endswith(".zarr.zip"):
            write_roi_set(result, path, name)
        elif name.endswith((".tif", ".tiff")):
            _stream_pages(result, path)
        else:
            _write_value(result.read(), name, path, also=(".zarr",))
    elif isinstance(result, Table):
        _write_value(result.to_pandas(), name, path)
    elif isinstance(result, Value):
        _write_value(result.get(), name, path)


def _stream_pages(image: Image, path: Path) -> None:
    """Write an image as TIFF, some hundred megabytes at a time."""
    framed = image.framed
    stream_tiff(
        path, framed.spec, lambda roi: image.read(roi.shift(image.roi.offset)), framed.chunks
    )


def _copy_blocks(image: Image, path: Path) -> None:
    """Copy an image into a zarr, some hundred megabytes at a time."""
    spec = image.framed.spec
    block = list(image.framed.chunks)
    n_bytes = spec.dtype.itemsize
    for size in block:
        n_bytes *= size
    for axis in reversed(range(len(block))):  # whole chunks, along the fastest axes first
        factor = max(min(_BLOCK_BYTES // n_bytes, -(-spec.shape[axis] // block[axis])), 1)
        block[axis] *= factor
        n_bytes *= factor
    storage = _levels_of(image)
    multiples = pyramid_multiple(storage, spec)
    block = [
        min(-(-size // multiple) * multiple, whole)
        for size, multiple, whole in zip(block, multiples, spec.shape, strict=True)
    ]
    writer = create_image(path, spec, block=tuple(block), storage=storage, label=image.is_labels)
    grid, limits = BlockGrid(spec.roi, block), Limits.of(spec)
    for index in range(grid.n_blocks):
        roi = grid.write_roi(index)
        voxels = image.read(roi.shift(image.roi.offset))
        writer.write(roi, voxels)
        limits.add(voxels, roi.offset)
    add_limits(path, limits)


def _levels_of(image: Image) -> Storage:
    """Return how the coarser levels of an image are made: as its step says, where it says it."""
    node = image.ref.node
    if isinstance(node, Call):
        asked = node.spec.options.storage
        return Storage(levels=asked.levels, factors=asked.factors, downsampling=asked.downsampling)
    return Storage(levels=image.levels)


def _write_value(value: Any, name: str, path: Path, *, also: tuple[str, ...] = ()) -> None:
    savers = {one.ending: one.save for one in FORMATS.values() if one.accepts(value)}
    if ".csv" in savers:  # it is a table
        savers |= SHEETS
    found = [ending for ending in savers if name.endswith(ending)]
    if not found:
        raise ParameterError(
            "a path ends as a format that holds the result: "
            + (", ".join(sorted({*also, *savers})) or "none"),
            value=name,
            place=type(value).__name__,
        )
    savers[found[0]](value, path)


def _writing_collection(
    results: Collection[Any], name: str, partial: Partial, template: NamePattern | None
) -> tuple[bool, _Write]:
    joined = _JOINED if isinstance(results, (Tables, Values)) else ()
    if template is None and isinstance(results, (Tables, Values)) and name.endswith(joined):
        return False, lambda path: _write_value(results.to_pandas(partial=partial), name, path)
    if template is None and Path(name).suffix:
        raise ParameterError(
            "members of a collection are exported to a folder, whose name has no ending, or by a "
            "template with placeholders"
            + (f", or as one table: {', '.join(joined)}" * bool(joined)),
            value=name,
            place=f"{results.name!r}, {len(results)} members",
            remedy=f'write "{Path(name).stem}", or "{Path(name).stem}/{{key}}{Path(name).suffix}"; '
            "or export one member: results[key]",
        )
    names = MemberNames.of(results, template, ENDINGS[results.kind])
    return True, lambda folder: write_members(results, names, folder, partial, _write_single)


def _write_single(result: Lazy, path: Path) -> None:
    _writing(result, path.name)[1](path)


@contextmanager
def _replacing_file(target: Path) -> Iterator[Path]:
    """Give a path to write a file to; then move it to its place, if another file is there."""
    new = beside(target)
    try:
        yield new
        if not (target.is_file() and filecmp.cmp(new, target, shallow=False)):
            new.replace(target)
    finally:
        new.unlink(missing_ok=True)
