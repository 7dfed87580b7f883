"""The backends that read sources: a table of ours, and those of other packages.

A backend takes a source and a `Request` and returns an `ArraySource`, or None if the source is not
its own.  Another package adds one by an entry point in the group ``scutoid.backends``; it is asked
after ours, in the order of the names.  Those of files and URLs, which are most of all code here,
are loaded with the first of these.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeGuard

import numpy as np

from scutoid.arrays._guard import guarding
from scutoid.arrays._memory import DaskArray, open_dask, open_numpy
from scutoid.arrays._request import Request
from scutoid.arrays._source import ArraySource
from scutoid.arrays._zarr_backend import open_local_zarr
from scutoid.arrays._zarr_zip import split_zip
from scutoid.errors import ParameterError, SourceError, SourceNotFound
from scutoid.paths import absolute_text, broken_link
from scutoid.regular import check_regular

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
    if isinstance(source, str):
        from scutoid.arrays._file_backends import open_unknown

        return open_unknown(source, request)
    raise ParameterError(
        "an image is a path, a URL, an array of numpy, dask or xarray",
        value=type(source).__name__,
        place="open",
        remedy="several images are opened by sc.open_folder, which takes a list of paths"
        if isinstance(source, (list, tuple))
        else "make an array of it: sc.open(np.asarray(image))",
    )


def _location(text: str) -> str:
    """Return a URL, or the absolute path of something that exists."""
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" in text:
        return text
    path = absolute_text(text)
    if not os.path.exists(path) and split_zip(path) is None:  # noqa: PTH110
        raise _not_found(Path(path))
    check_regular(path)
    return path


def _all_backends() -> Iterator[Backend]:
    yield from _BACKENDS.values()
    from importlib.metadata import entry_points

    from scutoid.arrays._microscopes import BACKENDS

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
    from scutoid.arrays._file_backends import open_url

    return open_url(source, request)


def _file(source: object, request: Request) -> ArraySource | None:
    if not isinstance(source, str) or not os.path.isfile(source):  # noqa: PTH113  # of many files
        return None
    from scutoid.arrays._planes import can_open_file, open_file

    return open_file(source, request) if can_open_file(source) else None


def _planes(source: object, request: Request) -> ArraySource | None:
    if not isinstance(source, str) or not Path(source).is_dir():
        return None
    from scutoid.arrays._planes import open_planes

    return open_planes(Path(source), request)


_BACKENDS: dict[str, Backend] = {
    "numpy": _numpy,
    "dask": _dask,
    "xarray": _xarray,
    "url": _url,
    "zarr": open_local_zarr,
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
