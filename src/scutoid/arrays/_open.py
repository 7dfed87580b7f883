"""Opening whatever holds an image, and making new ones."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._memory import DaskSource, NumpySource
from scutoid.arrays._planes import open_file, open_planes
from scutoid.arrays._source import ArraySource
from scutoid.arrays._spec import ImageSpec, colour_axes, default_axes
from scutoid.arrays._storage import Storage
from scutoid.arrays._tiff import create_tiff
from scutoid.arrays._zarr import create_zarr, open_zarr, read_node
from scutoid.errors import MetadataError, ParameterError, SourceError, SourceNotFound
from scutoid.geometry import Roi

Mode = Literal["listing", "content"]
_ENDINGS = (".tif", ".tiff", ".png", ".npy", ".jpg", ".jpeg", ".bmp")


class ImageWriter(Protocol):
    """An image that is written block by block; can be sent to other processes."""

    @property
    def spec(self) -> ImageSpec:
        """What the image is."""
        ...

    def write(self, roi: Roi, data: NDArray[Any]) -> bool:
        """Write a region durably; return whether it holds anything but zeros."""
        ...


def open_source(
    source: Any,
    *,
    axes: str | None = None,
    voxel_size: float | Iterable[float] | None = None,
    unit: str | None = None,
    origin: Iterable[float] | None = None,
    level: int = 0,
    key: Mode | None = None,
) -> ArraySource:
    """Open an image; what the user says of it goes before what the file says.

    Parameters are those of `scutoid.open`.

    Raises
    ------
    SourceNotFound, SourceError, MetadataError
        If it does not exist, cannot be read, or its description makes no sense.
    """
    if key not in (None, "listing", "content"):
        raise ParameterError("key= is 'listing' or 'content'", value=key, place="open")
    if not isinstance(level, int) or level < 0:
        raise MetadataError("a pyramid level is 0 or more", value=level, place="open")
    found = _find(source, axes, level, key or "listing")
    return _with_spec(found, axes, voxel_size, unit, origin)


def _find(source: Any, axes: str | None, level: int, mode: Mode) -> Any:
    if isinstance(source, np.ndarray):
        shape, dtype = source.shape, source.dtype
        letters = axes or default_axes(shape, dtype, place="array")
        return NumpySource(ImageSpec(shape, dtype, letters), source)
    if type(source).__module__.startswith("dask.array"):
        shape, dtype = source.shape, source.dtype
        letters = axes or default_axes(shape, dtype, place="dask array")
        return DaskSource(ImageSpec(shape, dtype, letters), source)
    if not isinstance(source, (str, os.PathLike)):
        raise ParameterError(
            "an image is a path, a URL, a numpy array or a dask array",
            value=type(source).__name__,
            place="open",
        )
    return _find_path(os.fspath(source), axes, level, mode)


def _find_path(text: str, axes: str | None, level: int, mode: Mode) -> Any:
    text = text.removeprefix("file://")
    if "://" in text:
        return _find_url(text, axes, level, mode)
    path = Path(text).expanduser().absolute()
    if not path.exists():
        raise _not_found(path)
    if path.is_dir():
        if read_node(str(path)) is not None or path.suffix == ".zarr":
            return open_zarr(str(path), level=level, mode=mode, axes=axes)
        return open_planes(path)
    if path.suffix.lower() not in _ENDINGS:
        raise SourceError(
            f"an image file ends in one of {', '.join(_ENDINGS)}, or is a zarr folder",
            value=path.suffix or "no ending",
            place=str(path),
            remedy="convert it, or read it yourself and pass the array",
        )
    return open_file(str(path), level=level, axes=axes)


def _find_url(url: str, axes: str | None, level: int, mode: Mode) -> Any:
    if not url.lower().split("?")[0].endswith((".tif", ".tiff", ".png", ".npy")):
        try:
            return open_zarr(url.rstrip("/"), level=level, mode=mode, axes=axes)
        except (ImportError, OSError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(
                "a URL can be read", value=f"{type(error).__name__}: {error}", place=url
            ) from error
    import fsspec

    try:
        local = fsspec.open_local(f"filecache::{url}", mode="rb")
    except (ImportError, OSError, ValueError) as error:
        raise SourceNotFound(
            "a URL can be read",
            value=f"{type(error).__name__}: {error}",
            place=url,
            remedy="check the address, and that the package for its kind is installed",
        ) from error
    return open_file(str(local), level=level, axes=axes)


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


def _with_spec(
    source: Any,
    axes: str | None,
    voxel_size: float | Iterable[float] | None,
    unit: str | None,
    origin: Iterable[float] | None,
) -> ArraySource:
    spec: ImageSpec = source.spec
    if axes is not None and axes != spec.axes:
        keeps = [a for a in axes if a in "zyx"] == list(spec.spatial_axes)
        spec = ImageSpec(
            spec.shape,
            spec.dtype,
            axes,
            voxel_size=spec.voxel_size if keeps else None,
            unit=spec.unit,
            origin=spec.origin if keeps else None,
            channels=spec.channels if "c" in axes and spec.axes.find("c") == axes.find("c") else (),
        )
    changes: dict[str, Any] = {}
    if voxel_size is not None:
        changes["voxel_size"] = voxel_size
    if unit is not None:
        changes["unit"] = unit
    if origin is not None:
        changes["origin"] = tuple(origin)
    if changes:
        spec = spec.replace(**changes)
    return source if spec == source.spec else replace(source, spec=spec)  # type: ignore[no-any-return]


def create_image(
    path: str | os.PathLike[str],
    spec: ImageSpec,
    *,
    format: str = "zarr",  # noqa: A002
    block: Sequence[int] | None = None,
    storage: Storage | None = None,
    label: bool = False,
) -> ImageWriter:
    """Make an image that blocks are written into, or take up one of the same kind that is there.

    Parameters
    ----------
    path : path
        Of the zarr folder or the TIFF file.
    spec : ImageSpec
        What it is.
    format : {"zarr", "tiff"}
        OME-Zarr 0.5, sharded by block; or an uncompressed OME-TIFF.
    block : sequence of int, optional
        What one call of `write` covers, in voxels; default: the whole image.
    storage : Storage, optional
        Chunks and compression.
    label : bool
        Whether voxels are object numbers.
    """
    storage = storage or Storage()
    makers: dict[str, Callable[[], ImageWriter]] = {
        "zarr": lambda: create_zarr(
            Path(path),
            spec,
            block=storage.shards or block or spec.shape,
            chunks=storage.chunks,
            compressor=storage.compressor or "zstd",
            label=label,
        ),
        "tiff": lambda: create_tiff(Path(path), spec),
    }
    if format not in makers:
        raise MetadataError(
            f"an image is stored as {' or '.join(makers)}", value=format, place="storage"
        )
    return makers[format]()
