"""References to verified files, in plain JSON, which Prefect keeps as results.

::

    {"kind": "array", "path": "denoise/A01-3f9a1c0b7d425e60.tif", "digest": "3f9a..."}

An image is verified by its voxels, anything else by its bytes.  A list, tuple or dict that is more
than JSON is a reference to each of its items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import scutoid as sc
from scutoid.errors import DamagedResult, ParameterError
from scutoid.integrations.prefect._files import Shelf, check, damaged
from scutoid.integrations.prefect._images import Voxels
from scutoid.integrations.prefect._source import ImageRecord, ImageSource
from scutoid.paths import inside, normal
from scutoid.store import FORMATS, Format, choose_format, find_format, key_of_path

Reference = dict[str, object]
_TIFF, _ZARR = ".tif", ".ome.zarr"


@dataclass(frozen=True, slots=True)
class References:
    """Makes references and follows them."""

    shelf: Shelf
    """The folder of the files."""
    zarr_above: int
    """Bytes above which an image is an OME-Zarr rather than a TIFF."""

    def make(self, value: object) -> Reference:
        """Store a value.

        Raises
        ------
        ParameterError
            If no open format holds it.
        StoreError
            If it cannot be written.
        """
        if isinstance(value, ImageSource):
            return {"kind": "source", "said": value.to_json(), "digest": value.digest()}
        if isinstance(value, Path):
            return {"kind": "path", "path": normal(value), "digest": key_of_path(value)}
        if isinstance(value, sc.Image):
            return self._image("image", value)
        if isinstance(value, np.ndarray) and value.ndim >= 2:
            return self._image("array", value)
        if (chosen := _format_of(value)) is not None:
            path, digest = self.shelf.put(chosen.suffix, partial(chosen.save, value), key_of_path)
            return {"kind": "value", "format": chosen.name, "path": path, "digest": digest}
        if type(value) in (list, tuple):
            items = [self.make(item) for item in value]  # type: ignore[attr-defined]
            return {"kind": type(value).__name__, "items": items}
        if type(value) is dict and all(isinstance(name, str) for name in value):
            return {"kind": "dict", "items": {k: self.make(v) for k, v in value.items()}}
        raise ParameterError(
            "a task returns images, arrays, tables, numbers, text, figures, paths, and lists, and "
            "dicts by names, of these",
            value=f"{type(value).__module__}.{type(value).__qualname__}",
            place=self._place,
            remedy="return one of these, or give the task another result_serializer",
        )

    @property
    def _place(self) -> str | None:
        return f"task {self.shelf.task!r}" if self.shelf.task else None

    def _image(self, kind: str, value: sc.Image | NDArray[Any]) -> Reference:
        voxels = Voxels.of(value)
        if voxels is not None:
            is_large = voxels.spec.nbytes > self.zarr_above or not voxels.spec.size
            suffix, save = (_ZARR, voxels.save_zarr) if is_large else (_TIFF, voxels.save_tiff)
            path, digest = self.shelf.put(suffix, save, _digest_voxels)
            return {"kind": kind, "path": path, "digest": digest}
        if not FORMATS["npy"].accepts(value):
            raise ParameterError(
                "an array that is stored holds numbers, dates or text of fixed length",
                value=f"{type(value).__name__} of {value.dtype}",
                place=self._place,
            )
        save = partial(FORMATS["npy"].save, value)
        path, digest = self.shelf.put(".npy", save, key_of_path)
        return {"kind": "value", "format": "npy", "path": path, "digest": digest}

    def follow(self, reference: Mapping[str, Any]) -> object:
        """Read a stored result, after verifying it.

        Raises
        ------
        DamagedResult
            If a file is missing or has changed.
        """
        kind = reference["kind"]
        if kind == "list":
            return [self.follow(item) for item in reference["items"]]
        if kind == "tuple":
            return tuple(self.follow(item) for item in reference["items"])
        if kind == "dict":
            return {name: self.follow(item) for name, item in reference["items"].items()}
        if kind == "source":
            return _source(reference["said"], reference["digest"])
        if kind == "path":  # of the task's own choice: anywhere
            path = Path(reference["path"])
            check(path, reference["digest"])
            return path
        path = inside(self.shelf.folder, reference["path"])
        if kind in ("array", "image"):
            return _image(kind, path, reference["digest"])
        check(path, reference["digest"])
        return find_format(reference["format"]).load(path)


def _format_of(value: object) -> Format | None:
    if _holds_images(value):
        return None
    try:
        return choose_format(value)
    except ParameterError:
        return None


def _digest_voxels(path: Path) -> str:
    return Voxels.stored(path).digest()


def _image(kind: str, path: Path, digest: str) -> sc.Image | NDArray[Any]:
    try:
        voxels = Voxels.stored(path)
        if kind == "array":
            array = voxels.read(voxels.spec.roi)
            voxels = Voxels(voxels.spec, lambda roi: array[roi.to_slices()])
        digested = voxels.digest()
    except Exception as error:  # a reader of damaged bytes may raise anything
        raise damaged(path, str(getattr(error, "value", None) or error)) from error
    if digested != digest:
        raise damaged(path, "its voxels or their description differ")
    return sc.open(path, key="content") if kind == "image" else array


def _source(record: ImageRecord, digest: str) -> ImageSource:
    source = ImageSource.from_json(record)
    try:
        digested = source.digest()
    except OSError as error:
        raise _changed(source, str(error)) from error
    if digested != digest:
        raise _changed(source, "its content differs")
    return source


def _changed(source: ImageSource, value: str) -> DamagedResult:
    return DamagedResult(
        "an input that a task returned is as it was",
        value=value,
        place=source.path,
        remedy="run the flow again: the task that returned it runs again",
    )


def _holds_images(value: object) -> bool:
    """Whether a list or dict holds an array that people look at as an image."""
    if not isinstance(value, (list, tuple, dict)):
        return False
    items = value.values() if isinstance(value, dict) else value
    return any(
        _holds_images(item) or (isinstance(item, np.ndarray) and item.ndim >= 2) for item in items
    )
