"""One array of a zarr, opened: by tensorstore, or by zarr-python what tensorstore cannot open.

Tensorstore decodes a chunk once for all who need it soon (its cache pool).  Both are opened once
in a process, for all who name the same array with the same metadata.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._cache import chunk_slices, read_chunked
from scutoid.arrays._files import is_url, reading
from scutoid.errors import SourceError
from scutoid.geometry import Roi

CACHE_BYTES = 128 * 2**20
"""Bytes of decoded chunks that a process holds."""


@functools.cache
def _context(cache_bytes: int) -> Any:
    import tensorstore as ts

    # A worker process is one of many, one a core: its environment says so to numeric libraries.
    said = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(said) if said.isdecimal() and int(said) else os.cpu_count() or 1
    return ts.Context(
        {
            "cache_pool": {"total_bytes_limit": cache_bytes},
            "data_copy_concurrency": {"limit": threads},
            "file_io_concurrency": {"limit": 4},
            # Without it a server that is gone is asked for many minutes.
            "http_request_retries": {
                "max_retries": 4,
                "initial_delay": "100ms",
                "max_delay": "2s",
            },
        }
    )


@dataclass(frozen=True, slots=True)
class ZarrArray:
    """One array of a zarr: where it lies, and how it is opened."""

    location: str
    """Path or URL of the array."""
    version: Literal[2, 3]
    """Of the zarr format."""
    stamp: str = ""
    """Digest of its metadata: an array that was made anew is opened anew."""

    def writable(self) -> Any:
        """Return tensorstore's array without a cache.

        What is written would push out of a cache what the next blocks read.
        """
        return _tensorstore(self, 0)

    def read(self, roi: Roi, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Read a region that lies inside, as an array that the caller may change.

        Raises
        ------
        SourceError
            If a chunk is damaged, or cannot be read.
        """
        if roi.is_empty:
            return np.empty(tuple(roi.shape), dtype)
        try:
            with reading(self.location):
                array = _opened(self)
                if isinstance(array, _ZarrPython):
                    return array.read(roi, dtype)
                found = np.asarray(array[roi.to_slices()].read().result())
        except SourceError as error:
            raise SourceError(
                "chunks of a zarr can be read and decoded",
                value=(error.value or error.rule)[:500],
                place=self.location,
                remedy="the file is damaged or out of reach: restore it, or compute it again",
            ) from error
        if found.dtype != dtype or not found.flags.c_contiguous or not found.flags.writeable:
            found = np.array(found, dtype=dtype, order="C")
        return found


@functools.lru_cache(maxsize=512)
def _opened(where: ZarrArray) -> Any:
    if _kvstore(where.location) is None:
        return _ZarrPython(where)
    try:
        return _tensorstore(where, CACHE_BYTES)
    except (ValueError, NotImplementedError):  # a codec or type that tensorstore does not know
        return _ZarrPython(where)


@functools.lru_cache(maxsize=512)
def _tensorstore(where: ZarrArray, cache_bytes: int) -> Any:
    import tensorstore as ts

    driver = "zarr3" if where.version == 3 else "zarr"
    spec = {"driver": driver, "kvstore": _kvstore(where.location), "open": True}
    return ts.open(spec, context=_context(cache_bytes)).result()


def _kvstore(location: str) -> dict[str, Any] | None:
    if not is_url(location):
        return {"driver": "file", "path": f"{location}/"}
    if location.startswith(("http://", "https://")):
        return {"driver": "http", "base_url": f"{location}/"}
    return None


class _ZarrPython:
    """An array that zarr-python reads, chunk by chunk through our cache."""

    def __init__(self, where: ZarrArray) -> None:
        import zarr
        from zarr.storage import FsspecStore

        store: Any = where.location
        if is_url(where.location):
            store = FsspecStore.from_url(where.location, read_only=True)
        self.array: Any = zarr.open_array(store, mode="r", zarr_format=where.version)
        self.key = where
        self.chunks = tuple(int(c) for c in self.array.chunks)

    def read(self, roi: Roi, dtype: np.dtype[Any]) -> NDArray[Any]:
        def decode(place: tuple[int, ...]) -> NDArray[Any]:
            return np.array(self.array[chunk_slices(place, self.chunks, self.array.shape)], dtype)

        return read_chunked(self.key, tuple(roi.offset), tuple(roi.end), self.chunks, dtype, decode)
