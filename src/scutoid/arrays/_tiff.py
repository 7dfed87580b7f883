"""TIFF, OME-TIFF and ImageJ files, pages and tiles read when they are needed; and writing them.

Which way a file is read is settled once, when it is opened: contiguous data is mapped, tiled pages go
tile by tile, other files page by page, and small files in one piece.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import read_chunked
from scutoid.arrays._source import SourceIdentity, check_inside
from scutoid.arrays._spec import SPATIAL, ImageSpec
from scutoid.arrays._units import known_unit
from scutoid.errors import GeometryError, MetadataError, SourceError, StoreError
from scutoid.geometry import Roi

_SMALL = 16 * 2**20
_OPEN_FILES = 16
_CHECKED_PAGES = 4096
_OME_TYPES = {"int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"}
_MARK = "scutoid"

Way = Literal["whole", "mapped", "pages", "tiles"]


class _OpenFiles:
    """The TIFF files that this process has open, the last few used."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()
        atexit.register(self.close)

    def get(self, path: str) -> Any:
        import tifffile

        with self._lock:
            if path not in self._files:
                file = tifffile.TiffFile(path)
                file.filehandle.set_lock(True)
                self._files[path] = file
                while len(self._files) > _OPEN_FILES:
                    self._files.popitem(last=False)[1].close()
            self._files.move_to_end(path)
            return self._files[path]

    def close(self) -> None:
        with self._lock:
            while self._files:
                self._files.popitem()[1].close()


_FILES = _OpenFiles()


@dataclass(frozen=True, slots=True, eq=False)
class TiffSource:
    """The first image of a TIFF file."""

    spec: ImageSpec
    """What it is."""
    path: str
    """Absolute path."""
    chunks: tuple[int, ...]
    """A page, a tile, or all."""
    way: Way
    """How it is read."""
    level: int = 0
    """Pyramid level."""
    levels: int = 1
    """Number of pyramid levels."""
    stamp: tuple[int, int] = (0, 0)
    """Size and time of the file when it was opened: tells versions apart in the cache."""

    @property
    def identity(self) -> SourceIdentity:
        """The file."""
        return SourceIdentity("files", (self.path,), detail=f"level {self.level}")

    def read(self, roi: Roi) -> NDArray[Any]:
        """Read a region."""
        check_inside(roi, self.spec)
        key = ("tiff", self.path, self.level, *self.stamp)
        return read_chunked(
            key, tuple(roi.offset), tuple(roi.end), self.chunks, self.spec.dtype, self._decode
        )

    def _decode(self, place: tuple[int, ...]) -> NDArray[Any]:
        import tifffile

        try:
            found = self._decoded(place)
        except (ValueError, OSError, tifffile.TiffFileError, RuntimeError, IndexError) as error:
            raise SourceError(
                "the pages of a TIFF can be decoded",
                value=f"{type(error).__name__}: {error}",
                place=f"{self.path}, chunk {place}",
                remedy="the file is damaged or cut off: restore it from its source",
            ) from error
        return np.array(found, self.spec.dtype, order="C")

    def _decoded(self, place: tuple[int, ...]) -> NDArray[Any]:
        import tifffile

        shape, chunks = self.spec.shape, self.chunks
        if self.way == "whole":
            with tifffile.TiffFile(self.path) as file:
                return _series(file, self.level).asarray().reshape(shape)  # type: ignore[no-any-return]
        file = _FILES.get(self.path)
        series = _series(file, self.level)
        slices = tuple(
            slice(p * c, min((p + 1) * c, n)) for p, c, n in zip(place, chunks, shape, strict=True)
        )
        if self.way == "mapped":
            dtype = np.dtype(series.dtype).newbyteorder(file.byteorder)
            mapped = np.memmap(
                self.path, dtype, mode="r", offset=series.dataoffset, shape=tuple(shape)
            )
            return np.array(mapped[slices])
        if self.way == "pages":
            n_lead = sum(c == 1 and n != c for c, n in zip(chunks, shape, strict=True))
            n_lead = max(n_lead, len(shape) - len(series.keyframe.shape))
            number = int(np.ravel_multi_index(place[:n_lead], shape[:n_lead])) if n_lead else 0
            page = series.pages[number]
            return page.asarray().reshape([s.stop - s.start for s in slices])  # type: ignore[no-any-return]
        import zarr

        store = series.aszarr()
        array: Any = zarr.open_array(store, mode="r")
        return np.asarray(array[slices])


def _series(file: Any, level: int) -> Any:
    return file.series[0].levels[level]


def open_tiff(path: str, *, level: int = 0, axes: str | None = None) -> TiffSource:
    """Open the first image of a TIFF file; reads metadata only.

    Raises
    ------
    SourceError
        If it is no TIFF, or cut off.
    MetadataError
        If its axes cannot be told, or there is no such level.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            if not file.series:
                raise SourceError("a TIFF has at least one image", place=path)  # noqa: TRY301
            levels = file.series[0].levels
            if not 0 <= level < len(levels):
                raise MetadataError(  # noqa: TRY301
                    f"the pyramid has levels 0 to {len(levels) - 1}", value=level, place=path
                )
            series = levels[level]
            _check_length(file, series, path)
            spec = _spec(file, series, levels[0], path, axes)
            chunks, way = _chunks(series, spec)
            stat = Path(path).stat()
            return TiffSource(
                spec, path, chunks, way, level, len(levels), (stat.st_size, stat.st_mtime_ns)
            )
    except (SourceError, MetadataError):
        raise
    except (tifffile.TiffFileError, ValueError, OSError, KeyError, IndexError, TypeError) as error:
        raise SourceError(
            "a TIFF file can be read",
            value=f"{type(error).__name__}: {error}",
            place=path,
            remedy="the file is damaged, cut off, or no TIFF: restore it from its source",
        ) from error


def _check_length(file: Any, series: Any, path: str) -> None:
    """Refuse a file that ends before its data does."""
    size = Path(path).stat().st_size
    if series.dataoffset is not None:
        needed, where = series.dataoffset + series.nbytes, "its data"
        if needed > size:
            raise _cut_off(path, where, needed, size)
        return
    for number, page in enumerate(series.pages[:_CHECKED_PAGES]):
        if page is None:
            continue
        ends = (o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False))
        needed = max(ends, default=0)
        if needed > size:
            raise _cut_off(path, f"page {number}", needed, size)
    expected = math.prod(series.shape) // max(math.prod(series.keyframe.shape), 1)
    if len(series.pages) < expected:
        raise _cut_off(path, f"page {len(series.pages)}", expected, len(series.pages))


def _cut_off(path: str, where: str, needed: int, found: int) -> SourceError:
    return SourceError(
        "a TIFF holds all the data that it names",
        value=f"{where} would end at {needed}, the file ends at {found}",
        place=path,
        remedy="the file is cut off: copy it again from its source",
    )


def _chunks(series: Any, spec: ImageSpec) -> tuple[tuple[int, ...], Way]:
    shape = tuple(max(n, 1) for n in spec.shape)
    if spec.nbytes <= _SMALL:
        return shape, "whole"
    page = series.keyframe
    n_page = min(len(page.shape), len(shape))
    of_page = (1,) * (len(shape) - n_page) + shape[len(shape) - n_page :]
    if series.dataoffset is not None:
        rows = max(_SMALL // 4 // max(math.prod(of_page[1:]) * spec.dtype.itemsize, 1), 1)
        lead = of_page if len(of_page) > n_page else (min(rows, of_page[0]), *of_page[1:])
        return lead, "mapped"
    if page.is_tiled:
        import zarr

        array: Any = zarr.open_array(series.aszarr(), mode="r")
        return tuple(int(c) for c in array.chunks), "tiles"
    return of_page, "pages"


def _spec(file: Any, series: Any, finest: Any, path: str, axes: str | None) -> ImageSpec:
    said = _said(file)
    dtype = np.dtype(said.get("dtype", series.dtype))
    if said:
        return ImageSpec(
            tuple(series.shape),
            dtype,
            said["axes"],
            voxel_size=said.get("voxel_size"),
            unit=said.get("unit"),
            origin=said.get("origin"),
            channels=tuple(said.get("channels", ())),
        )
    letters = axes or _letters(series, path)
    if file.is_ome:
        sizes, unit, channels = _ome(file)
    elif file.is_imagej:
        sizes, unit, channels = _imagej(file, series)
    else:
        sizes, unit, channels = {}, None, ()
    factor = dict(zip(letters, np.array(finest.shape) / np.array(series.shape), strict=False))
    spatial = [letter for letter in letters if letter in SPATIAL]
    known = all(sizes.get(letter, 0) > 0 for letter in spatial) and spatial
    n_channels = series.shape[letters.index("c")] if "c" in letters else 0
    return ImageSpec(
        tuple(series.shape),
        dtype,
        letters,
        voxel_size=tuple(sizes[a] * float(factor[a]) for a in spatial) if known else None,
        unit=unit if known else None,
        channels=channels if len(channels) == n_channels else (),
    )


def _letters(series: Any, path: str) -> str:
    """Read tifffile's axes: S are samples (channels), Q and I are unknown, z if there is one."""
    letters = (
        series.axes.lower().replace("s", "c") if "C" not in series.axes else series.axes.lower()
    )
    unknown = [letter for letter in letters if letter in "qi"]
    if len(unknown) == 1 and "z" not in letters and series.ndim == 3:
        letters = letters.replace(unknown[0], "z")
    elif unknown:
        raise MetadataError(
            f"the axes of a file with shape {tuple(series.shape)} are named",
            value=series.axes,
            place=path,
            remedy='name them, e.g. sc.open(path, axes="tzyx")',
        )
    return letters


def _said(file: Any) -> dict[str, Any]:
    """Return what scutoid itself wrote into the file."""
    shaped = file.shaped_metadata if file.is_shaped else None
    said = shaped[0].get(_MARK) if shaped else None
    return said if isinstance(said, dict) else {}


def _ome(file: Any) -> tuple[dict[str, float], str | None, tuple[str, ...]]:
    root = ElementTree.fromstring(file.ome_metadata)  # noqa: S314
    pixels = next((e for e in root.iter() if e.tag.endswith("}Pixels") or e.tag == "Pixels"), None)
    if pixels is None:
        return {}, None, ()
    sizes: dict[str, float] = {}
    unit: str | None = None
    for letter in SPATIAL:
        text = pixels.get(f"PhysicalSize{letter.upper()}")
        if text:
            sizes[letter] = float(text)
            unit = known_unit(pixels.get(f"PhysicalSize{letter.upper()}Unit", "µm")) or unit
    names = [c.get("Name") for c in pixels if c.tag.endswith("Channel")]
    return sizes, unit, tuple(str(n) for n in names) if names and all(names) else ()


def _imagej(file: Any, series: Any) -> tuple[dict[str, float], str | None, tuple[str, ...]]:
    said = file.imagej_metadata or {}
    unit = known_unit(str(said.get("unit", "")))
    sizes: dict[str, float] = {}
    if unit:
        for letter, tag in (("x", "XResolution"), ("y", "YResolution")):
            value = series.keyframe.tags.get(tag)
            if value is not None and value.value[0]:
                sizes[letter] = value.value[1] / value.value[0]
        sizes["z"] = float(said.get("spacing", 1.0))
    labels = said.get("Labels") or ()
    return sizes, unit, tuple(map(str, labels)) if isinstance(labels, (list, tuple)) else ()


def write_tiff(path: str | os.PathLike[str], data: NDArray[Any], spec: ImageSpec) -> None:
    """Write an array as an OME-TIFF, beside its place, synced and renamed.

    Types and axes that OME does not know (bool, 64-bit integers) become a plain TIFF with the same
    facts as JSON in its description.

    Raises
    ------
    GeometryError
        If the array has not the shape of `spec`.
    StoreError
        If it cannot be written.
    """
    import tifffile

    target = Path(path)
    if tuple(data.shape) != spec.shape:
        raise GeometryError(
            "what is written has the shape that was announced",
            value=f"{data.shape}, announced {spec.shape}",
            place=str(target),
        )
    beside = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.new.tif")
    try:
        tifffile.imwrite(beside, _stored(data, spec), **_how(spec), compression="zlib")
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StoreError(
            "an image can be written",
            value=error.strerror or str(error),
            place=str(target),
            remedy="check the folder, its permissions and the free space",
        ) from error


def _stored(data: NDArray[Any], spec: ImageSpec) -> NDArray[Any]:
    array = np.ascontiguousarray(data, dtype=spec.dtype)
    return array.view(np.uint8) if spec.dtype == bool else array


def _how(spec: ImageSpec) -> dict[str, Any]:
    """Return how tifffile shall write an image of this kind."""
    is_ome = (
        spec.dtype.name in _OME_TYPES
        and set(spec.axes) <= set("tczyx")
        and spec.axes.endswith("yx")
        and spec.origin is None
        and spec.size > 0
    )
    if not is_ome:
        said = {
            "axes": spec.axes,
            "dtype": spec.dtype.name,
            "voxel_size": spec.voxel_size,
            "unit": spec.unit,
            "origin": spec.origin,
            "channels": spec.channels,
        }
        return {"photometric": "minisblack", "metadata": {"axes": spec.axes.upper(), _MARK: said}}
    metadata: dict[str, Any] = {"axes": spec.axes.upper()}
    for letter, size in zip(spec.spatial_axes, spec.voxel_size or (), strict=False):
        metadata[f"PhysicalSize{letter.upper()}"] = size
        metadata[f"PhysicalSize{letter.upper()}Unit"] = (
            "µm" if spec.unit == "um" else spec.unit or "pixel"
        )
    if spec.channels:
        metadata["Channel"] = {"Name": list(spec.channels)}
    return {"ome": True, "photometric": "minisblack", "metadata": metadata}


@dataclass(frozen=True, slots=True, eq=False)
class TiffWriter:
    """Writes blocks straight into an uncompressed TIFF that is mapped into memory."""

    spec: ImageSpec
    """What the image is."""
    path: str
    """The file."""

    def write(self, roi: Roi, data: NDArray[Any]) -> bool:
        """Write a region; it is on the disk when this returns.

        Returns
        -------
        bool
            Whether anything but zeros was written.
        """
        import tifffile

        check_inside(roi, self.spec)
        values = _stored(data, self.spec.replace(shape=data.shape, channels=()))
        mapped = tifffile.memmap(self.path, mode="r+")
        mapped.reshape(self.spec.shape)[roi.to_slices()] = values
        mapped.flush()
        return bool(np.any(values))


def create_tiff(path: Path, spec: ImageSpec) -> TiffWriter:
    """Make a TIFF of zeros that blocks are written into, or take up one that is there."""
    import tifffile

    if not path.exists():
        dtype = np.dtype(np.uint8) if spec.dtype == bool else spec.dtype
        beside = path.with_name(f".{path.name}.new.tif")
        mapped = tifffile.memmap(beside, shape=spec.shape, dtype=dtype, **_how(spec))
        mapped.flush()
        del mapped
        beside.replace(path)
    return TiffWriter(spec, str(path))


def natural(names: Sequence[str]) -> list[str]:
    """Sort names with their numbers as numbers."""
    import re

    def key(name: str) -> list[tuple[int, int, str]]:
        pieces = re.split(r"(\d+)", name)
        return [(1, int(p), "") if p.isdigit() else (0, 0, p) for p in pieces]

    return sorted(names, key=key)
