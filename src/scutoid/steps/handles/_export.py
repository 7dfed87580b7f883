"""Copies of results at paths of the user's own choice, for people and other programs.

A path has the old content or the new one, never half of it, and is left alone where nothing
changed.  Folders are replaced only if an export made them.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scutoid.arrays import Storage, create_image, pyramid_multiple, write_tiff
from scutoid.durable import beside
from scutoid.errors import ParameterError, StoreError
from scutoid.geometry import BlockGrid
from scutoid.steps.graph import Call
from scutoid.steps.handles._collections import Collection, Tables, Values
from scutoid.steps.handles._lazy import Lazy
from scutoid.steps.handles._single import Files, Image, Table
from scutoid.store import FORMATS

_MARK = ".scutoid-export"
_BLOCK_BYTES = 2**28
_SUFFIXES = {"image": ".tif", "table": ".csv", "value": ".json", "files": ""}


def export(result: Lazy, path: str | os.PathLike[str]) -> Path:
    """Write a copy of a result to a path, or bring the copy that is there up to date.

    Parameters
    ----------
    result : Image, Table, Value, Files or a collection of these
        What to write; a result that has not been run is computed in this process.
    path : path
        Its ending says how: an Image as ``.ome.zarr``, ``.tif``, ``.png`` or ``.npy``; a Table as
        ``.csv`` or ``.parquet``; a Value as ``.json``, ``.npy``, or what its type allows; Files as
        a folder.  Tables and Values of a collection become one table where the path ends as one,
        else the members become files in a folder, named by their keys.

    Returns
    -------
    Path
        The absolute path.

    Raises
    ------
    ParameterError
        If the ending is not one of a format that holds the result.
    StoreError
        If it cannot be written, or a folder is there that no export made.

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
    target = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100
    if not isinstance(result, Lazy):
        raise ParameterError("what is exported is a result", value=type(result).__name__)
    if result.kind not in _SUFFIXES:
        raise ParameterError("parts of blocks are not exported", value=result.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(result, Collection):
            _export_collection(result, target)
        else:
            _export_one(result, target)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            "a result can be exported",
            value=error.strerror or str(error),
            place=str(target),
            remedy="check the folder, its permissions and the free space",
        ) from error
    return target


def _export_one(result: Lazy, target: Path) -> None:
    if isinstance(result, Files):
        with _replacing_folder(target) as new:
            shutil.copytree(result.path, new)
    elif isinstance(result, Image):
        _export_image(result, target)
    else:
        value: Any = result.to_pandas() if isinstance(result, Table) else result.get()  # type: ignore[attr-defined]
        _export_value(value, target)


def _export_image(image: Image, target: Path) -> None:
    if target.suffix == ".zarr":
        with _replacing_folder(target) as new:
            _copy_blocks(image, new)
    elif target.suffix in (".tif", ".tiff"):
        spec = image.framed.spec
        _replace_file(target, lambda beside: write_tiff(beside, image.read(), spec))
    else:
        _export_value(image.read(), target)


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
    grid = BlockGrid(spec.roi, block)
    for index in range(grid.n_blocks):
        roi = grid.write_roi(index)
        writer.write(roi, image.read(roi.shift(image.roi.offset)))


def _levels_of(image: Image) -> Storage:
    """Return how the coarser levels of an image are made: as its step says, where it says it."""
    node = image.ref.node
    if isinstance(node, Call):
        asked = node.spec.options.storage
        return Storage(levels=asked.levels, factors=asked.factors, downsampling=asked.downsampling)
    return Storage(levels=image.levels)


def _export_value(value: Any, target: Path) -> None:
    found = [one for one in FORMATS.values() if one.suffix == target.suffix and one.accepts(value)]
    if not found:
        known = sorted({one.suffix for one in FORMATS.values() if one.accepts(value)})
        raise ParameterError(
            f"a path ends as a format that holds the result: {', '.join(known) or 'none'}",
            value=target.name,
            place=type(value).__name__,
        )
    _replace_file(target, lambda beside: found[0].save(value, beside))


def _export_collection(results: Collection[Any], target: Path) -> None:
    if isinstance(results, (Tables, Values)) and target.suffix in (".csv", ".parquet"):
        _export_value(results.to_pandas(), target)
        return
    if target.suffix and not isinstance(results, (Tables, Values)):
        raise ParameterError(
            "the members of a collection are exported to a folder",
            value=target.name,
            remedy="leave out the ending, or export one member: results[key]",
        )
    suffix = _SUFFIXES[results.kind]
    with _replacing_folder(target) as beside:
        for key, member in results.items():
            place = beside / (key if key.endswith(suffix) else f"{key}{suffix}")
            place.parent.mkdir(parents=True, exist_ok=True)
            _export_one(member, place)


def _replace_file(target: Path, write: Callable[[Path], None]) -> None:
    """Write a file beside its place; move it there if it is another than the one that is."""
    new = beside(target)
    try:
        write(new)
        if target.is_file() and filecmp.cmp(new, target, shallow=False):
            return
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def _replacing_folder(target: Path) -> Iterator[Path]:
    """Give a folder to be made; swap it for what is there, if an export made that."""
    if target.exists() and not (target / _MARK).exists() and any(target.iterdir()):
        raise StoreError(
            "an export replaces only a folder that an export made",
            value="it holds something else",
            place=str(target),
            remedy="choose another path, or move away what is there",
        )
    new, old = beside(target), beside(target, ending=".old")
    try:
        yield new
        (new / _MARK).write_text(json.dumps({"made by": "scutoid.export"}) + "\n")
        if _is_same(new, target):
            return
        with suppress(FileNotFoundError):
            target.rename(old)
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _is_same(one: Path, other: Path) -> bool:
    files = [
        {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
        for root in (one, other)
    ]
    return files[0] == files[1] and all(
        filecmp.cmp(one / name, other / name, shallow=False) for name in files[0]
    )
