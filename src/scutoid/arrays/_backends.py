"""Which backend reads what: ours, and those of other packages under ``scutoid.backends``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from scutoid.arrays._files import is_url
from scutoid.arrays._memory import open_dask, open_numpy
from scutoid.arrays._pictures import PICTURES, open_picture
from scutoid.arrays._planes import TIFFS, open_planes
from scutoid.arrays._source import ArraySource, SourceMode
from scutoid.arrays._tiff import open_tiff
from scutoid.arrays._zarr import open_zarr, read_node
from scutoid.errors import ParameterError, SourceError, SourceNotFound

GROUP = "scutoid.backends"


@dataclass(frozen=True, slots=True)
class Opening:
    """How the user wants an image opened."""

    axes: str | None = None
    """Axes that the user gave: a backend that cannot tell them itself takes these."""
    level: int = 0
    """Pyramid level."""
    mode: SourceMode = "listing"
    """How a change of a zarr is noticed."""


class Backend(Protocol):
    """Opens one kind of storage."""

    def accepts(self, source: object) -> bool:
        """Whether it can open this: an object, an absolute path or a URL (as text)."""
        ...

    def open(self, source: Any, opening: Opening) -> ArraySource:
        """Open it; read no more than its description."""
        ...


class _Numpy:
    def accepts(self, source: object) -> bool:
        return isinstance(source, np.ndarray)

    def open(self, source: Any, opening: Opening) -> ArraySource:
        return open_numpy(source, axes=opening.axes)


class _Dask:
    def accepts(self, source: object) -> bool:
        return type(source).__module__.startswith("dask.array")

    def open(self, source: Any, opening: Opening) -> ArraySource:
        return open_dask(source, axes=opening.axes)


class _Tiff:
    def accepts(self, source: object) -> bool:
        return _ends(source, TIFFS)

    def open(self, source: str, opening: Opening) -> ArraySource:
        return open_tiff(source, level=opening.level, axes=opening.axes)


class _Picture:
    def accepts(self, source: object) -> bool:
        return _ends(source, PICTURES)

    def open(self, source: str, opening: Opening) -> ArraySource:
        return open_picture(source, axes=opening.axes)


class _Zarr:
    def accepts(self, source: object) -> bool:
        if not isinstance(source, str):
            return False
        if is_url(source):
            return True
        is_folder = Path(source).is_dir()
        return is_folder and (source.endswith(".zarr") or read_node(source) is not None)

    def open(self, source: str, opening: Opening) -> ArraySource:
        return open_zarr(source, level=opening.level, mode=opening.mode, axes=opening.axes)


class _Planes:
    def accepts(self, source: object) -> bool:
        return isinstance(source, str) and not is_url(source) and Path(source).is_dir()

    def open(self, source: str, opening: Opening) -> ArraySource:
        return open_planes(source)


# Asked in this order; a URL that nobody else knows is taken for a zarr.
_OURS: dict[str, Backend] = {
    "numpy": _Numpy(),
    "dask": _Dask(),
    "tiff": _Tiff(),
    "picture": _Picture(),
    "zarr": _Zarr(),
    "planes": _Planes(),
}


def _ends(source: object, endings: tuple[str, ...]) -> bool:
    if not isinstance(source, str):
        return False
    name = source.partition("?")[0] if is_url(source) else source
    return name.lower().endswith(endings) and (is_url(source) or not Path(source).is_dir())


def find_backend(source: object) -> Backend:
    """Return the first backend that can open a source: ours, then those of other packages.

    Parameters
    ----------
    source : object
        An array, an absolute path or a URL.

    Raises
    ------
    SourceNotFound
        If it is a path where nothing is.
    SourceError, ParameterError
        If nobody can open it.
    """
    if isinstance(source, str) and not is_url(source) and not Path(source).exists():
        raise _not_found(Path(source))
    for backend in (*_OURS.values(), *_theirs()):
        if backend.accepts(source):
            return backend
    if isinstance(source, str):
        raise SourceError(
            f"an image file ends in one of {', '.join((*TIFFS, *PICTURES))}, or is a zarr folder",
            value=Path(source).suffix or "no ending",
            place=source,
            remedy="convert it, or read it yourself and pass the array",
        )
    raise ParameterError(
        "an image is a path, a URL, a numpy array or a dask array",
        value=type(source).__name__,
        place="open",
    )


def _theirs() -> Iterator[Backend]:
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        yield cast("Backend", entry.load()())


def _not_found(path: Path) -> SourceNotFound:
    parent = next(p for p in path.parents if p.exists())
    missing = path.relative_to(parent).parts[0]
    names = sorted(p.name for p in parent.iterdir()) if parent.is_dir() else []
    close = difflib.get_close_matches(missing, names, n=1)
    return SourceNotFound(
        "an image that is opened exists",
        value=str(path),
        place=f"{parent} has no {missing!r}",
        remedy=f"did you mean {close[0]!r}?" if close else "check the path",
    )
