"""The backends that read sources: a table of ours, and those of other packages.

A backend takes a source and a `Request` and returns an `ArraySource`, or None if the source is not
its own.  Another package adds one by an entry point in the group ``scutoid.backends``; it is asked
after ours, in the order of the names.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeGuard

import numpy as np

from scutoid.arrays._download import open_download
from scutoid.arrays._guard import guarding
from scutoid.arrays._memory import DaskArray, open_dask, open_numpy
from scutoid.arrays._microscopes import BACKENDS, MICROSCOPE_ENDINGS, open_other
from scutoid.arrays._ome_companion import COMPANION_ENDINGS
from scutoid.arrays._pictures import PICTURE_ENDINGS
from scutoid.arrays._planes import FILE_ENDINGS, can_open_file, open_file, open_planes
from scutoid.arrays._request import Request
from scutoid.arrays._source import ArraySource
from scutoid.arrays._tiff import TIFF_ENDINGS
from scutoid.arrays._zarr import open_zarr
from scutoid.arrays._zarr_nodes import read_node
from scutoid.arrays._zarr_zip import ZIP_ENDINGS, is_zip, root_in, split_zip
from scutoid.errors import ParameterError, SourceError, SourceNotFound
from scutoid.paths import absolute, broken_link
from scutoid.regular import check_regular
from scutoid.remote import refuse_secrets, without_query

IMAGE_ENDINGS = (*FILE_ENDINGS, *ZIP_ENDINGS, ".zarr")
"""Endings by which files and folders are known as images."""

_READ_ALONE = (*TIFF_ENDINGS, *PICTURE_ENDINGS, *COMPANION_ENDINGS, *ZIP_ENDINGS, ".zarr")

Backend = Callable[[object, Request], ArraySource | None]


def find_source(source: object, request: Request) -> ArraySource:
    """Open a source by the first backend that recognizes it.

    Raises
    ------
    SourceNotFound
        If it is the path of something that does not exist.
    SourceError
        If no backend recognizes it.
    ParameterError
        If it is neither a location nor an array.
    """
    if not isinstance(source, (str, os.PathLike)):
        return _found(source, request)
    location = _location(os.fspath(source))
    with guarding(location):
        return _found(location, request)


def _found(source: object, request: Request) -> ArraySource:
    for backend in _all_backends():
        opened = backend(source, request)
        if opened is not None:
            return opened
    if isinstance(source, str) and Path(source).is_file():
        other = open_other(source, request)
        if other is not None:
            return other
    if not isinstance(source, str):
        raise ParameterError(
            "an image is a path, a URL, an array of numpy, dask or xarray",
            value=type(source).__name__,
            place="open",
            remedy="several images are opened by sc.open_folder, which takes a list of paths"
            if isinstance(source, (list, tuple))
            else "make an array of it: sc.open(np.asarray(image))",
        )
    raise SourceError(
        "an image is a zarr, a TIFF, a folder of planes, "
        f"or a file that ends in {', '.join((*PICTURE_ENDINGS, *MICROSCOPE_ENDINGS))}",
        value=Path(source).suffix or "no ending",
        place=source,
        remedy="a zarr in a zip ends in .zarr.zip or .ozx: rename it"
        if source.lower().endswith(".zip")
        else "convert it, or read it yourself and pass the array",
    )


def may_be_image(path: str) -> bool:
    """Whether a file or a folder is an image, as far as its ending and first bytes say.

    Where other packages add backends, all may be; bioio is asked where it is installed.
    """
    if path.lower().endswith(IMAGE_ENDINGS) or os.path.isdir(path):  # noqa: PTH112
        return True
    from scutoid.arrays._bioio import is_read

    try:
        if can_open_file(path) or entry_points(group=BACKENDS):
            return True
        return is_read(path)
    except OSError:  # it is told when it is opened
        return True


def is_read_alone(path: str) -> bool:
    """Whether a file or folder is of a kind whose sources are `threadsafe`, as its ending says.

    Examples
    --------
    >>> is_read_alone("a.TIF"), is_read_alone("a.czi")
    (True, False)
    """
    return path.lower().endswith(_READ_ALONE) or os.path.isdir(path)  # noqa: PTH112


def _location(text: str) -> str:
    """Return a URL, or the absolute path of something that exists."""
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" in text:
        return text
    path = absolute(text)
    if not os.path.exists(path) and split_zip(str(path)) is None:  # noqa: PTH110
        raise _not_found(path)
    check_regular(path)
    return str(path)


def _all_backends() -> Iterator[Backend]:
    yield from _BACKENDS.values()
    for entry in sorted(entry_points(group=BACKENDS), key=lambda entry: entry.name):
        yield entry.load()


def _numpy(source: object, request: Request) -> ArraySource | None:
    return open_numpy(source, axes=request.axes) if isinstance(source, np.ndarray) else None


def _dask(source: object, request: Request) -> ArraySource | None:
    return open_dask(source, axes=request.axes) if _is_dask(source) else None


def _is_dask(source: object) -> TypeGuard[DaskArray]:
    # Recognized by name: importing dask takes longer than everything else here.
    return type(source).__module__.partition(".")[0] == "dask" and hasattr(source, "chunks")


def _xarray(source: object, request: Request) -> ArraySource | None:
    if type(source).__module__.partition(".")[0] != "xarray":  # as above
        return None
    from scutoid.arrays._xarray import open_xarray

    return open_xarray(source, axes=request.axes)


def _url(source: object, request: Request) -> ArraySource | None:
    if not isinstance(source, str) or "://" not in source:
        return None
    refuse_secrets(source)
    endings = (*TIFF_ENDINGS, *PICTURE_ENDINGS, *COMPANION_ENDINGS, *MICROSCOPE_ENDINGS)
    if without_query(source).lower().endswith(endings):
        return open_download(source, lambda path: open_file(path, request))
    if is_zip(without_query(source)):
        return open_download(source, lambda path: _open_zarr(root_in(path), request))
    return _open_zarr(source.rstrip("/"), request)


def _zarr(source: object, request: Request) -> ArraySource | None:
    if isinstance(source, str) and is_zip(source) and Path(source).is_file():
        return _open_zarr(root_in(source), request)
    if not isinstance(source, str) or not (Path(source).is_dir() or split_zip(source)):
        return None
    if read_node(source) is None and not source.endswith(".zarr"):
        return None
    return _open_zarr(source, request)


def _open_zarr(location: str, request: Request) -> ArraySource:
    return open_zarr(
        location,
        level=request.level,
        mode=request.mode,
        axes=request.axes,
        allow_outside=request.allow_outside,
        coordinate_system=request.coordinate_system,
        given=request.given,
        fills=request.missing == "fill",
        series=request.series,
    )


def _file(source: object, request: Request) -> ArraySource | None:
    if not isinstance(source, str) or not Path(source).is_file() or not can_open_file(source):
        return None
    return open_file(source, request)


def _planes(source: object, request: Request) -> ArraySource | None:
    if not isinstance(source, str) or not Path(source).is_dir():
        return None
    return open_planes(Path(source), request)


_BACKENDS: dict[str, Backend] = {
    "numpy": _numpy,
    "dask": _dask,
    "xarray": _xarray,
    "url": _url,
    "zarr": _zarr,
    "file": _file,
    "planes": _planes,
}
"""Our backends, in the order in which they are asked."""


def _not_found(path: Path) -> SourceNotFound | SourceError:
    parent = next(p for p in path.parents if os.path.exists(p))  # noqa: PTH110
    missing = path.relative_to(parent).parts[0]
    link = parent / missing
    if os.path.islink(link):  # noqa: PTH114  # "no" of what no file can be called
        return broken_link(str(link))
    try:
        names = sorted(p.name for p in parent.iterdir()) if parent.is_dir() else []
    except PermissionError as error:  # then nobody can say whether it is there
        return SourceError(
            "the folder of an image can be read",
            value=error.strerror,
            place=str(parent),
            remedy="change its rights, or give an image elsewhere",
        )
    close = difflib.get_close_matches(missing, names, n=1)
    return SourceNotFound(
        "an image that is opened exists",
        value=str(path),
        place=f"{parent} has no {missing!r}",
        remedy=_remedy(str(path), close),
    )


def _remedy(path: str, close: Sequence[str]) -> str:
    if any(letter in path for letter in "*?{"):
        return "many files are opened by a pattern, in sc.open_folder"
    return f"did you mean {close[0]!r}?" if close else "check the path"
