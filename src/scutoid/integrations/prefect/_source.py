"""An input image that is identified by its content, so that edits in place are detected."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypedDict

from numpy.typing import DTypeLike, NDArray

import scutoid as sc
from scutoid.arrays import open_source
from scutoid.errors import SourceError
from scutoid.paths import normal
from scutoid.store import key_of_source


class _Description(TypedDict):
    """The user's description of an image, as `scutoid.open` takes it."""

    axes: str | None
    voxel_size: float | tuple[float, ...] | None
    unit: str | None
    key: Literal["content", "listing"]


class ImageRecord(TypedDict):
    """An `ImageSource` in JSON, which has lists for tuples."""

    path: str
    axes: str | None
    voxel_size: float | tuple[float, ...] | list[float] | None
    unit: str | None
    key: Literal["content", "listing"]


@contextmanager
def _renamed(path: str) -> Iterator[str]:
    """Give a local image another name while it is read.

    This process caches decoded data by name, size and time, which may stay the same when a file is
    edited in place.
    """
    if "://" in path or _is_in_parts(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="scutoid-") as folder:
        link = Path(folder) / Path(path).name
        link.symlink_to(path)
        yield str(link)


def _is_in_parts(path: str) -> bool:
    """Whether it is one of several files that refer to each other by name."""
    return Path(path).is_file() and len(open_source(path).identity.locations) > 1


class ImageSource:
    """An image file that a task reads.

    The key of a task that it is passed to holds its content, its description and its name, but not
    its folder.  The content is read for each key: a file that was edited in place is detected, even
    if its size and time are the same.

    Parameters
    ----------
    path : path or URL
        Anything that `scutoid.open` opens.
    axes, voxel_size, unit : optional
        As in `scutoid.open`.
    key : {"content", "listing"}
        Whether a zarr is identified by its content or by names, sizes and times of its chunks.

    Examples
    --------
    >>> import tempfile, tifffile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tifffile.imwrite(f"{folder}/a.tif", np.eye(2, dtype="uint8"))
    ...     source = ImageSource(f"{folder}/a.tif")
    ...     source.name, source.read().tolist()
    ('a', [[1, 0], [0, 1]])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        axes: str | None = None,
        voxel_size: float | tuple[float, ...] | None = None,
        unit: str | None = None,
        key: Literal["content", "listing"] = "content",
    ) -> None:
        text = os.fspath(path)
        self.path = text if "://" in text else normal(text)
        self._options: _Description = {
            "axes": axes,
            "voxel_size": voxel_size,
            "unit": unit,
            "key": key,
        }
        self._keyed: str | None = None

    @property
    def name(self) -> str:
        """Name of the file without its ending."""
        return self.path.rstrip("/").rpartition("/")[2].partition(".")[0]

    def image(self) -> sc.Image:
        """Open the image lazily, with its axes and voxel size."""
        return sc.open(self.path, **self._options)

    def read(self) -> NDArray[Any]:
        """Read the whole image.

        Raises
        ------
        SourceError
            If it was changed since its key was made: the result would be kept under a wrong key.
        """
        with _renamed(self.path) as path:
            array = sc.open(path, **self._options).read()
        if self._keyed is not None and self.digest() != self._keyed:
            raise SourceError(
                "an input stays as it is while a task runs",
                value="it was changed after its key was made",
                place=self.path,
                remedy="run the flow again",
            )
        return array

    def digest(self) -> str:
        """Digest the content and description of the image."""
        source = open_source(self.path, **self._options)
        return key_of_source(source.identity, source.spec)

    def to_json(self) -> ImageRecord:
        """Convert to plain JSON."""
        return {"path": self.path, **self._options}

    @classmethod
    def from_json(cls, record: ImageRecord) -> ImageSource:
        """Convert from the JSON of `to_json`."""
        size = record["voxel_size"]
        return cls(
            record["path"],
            axes=record["axes"],
            voxel_size=tuple(size) if isinstance(size, list) else size,
            unit=record["unit"],
            key=record["key"],
        )

    def __scutoid_key__(self) -> tuple[str, str]:
        self._keyed = self.digest()
        return self.name, self._keyed

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an ImageSource is read from storage: its array is always a copy")
        array = self.read()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageSource) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"ImageSource({self.path!r})"
