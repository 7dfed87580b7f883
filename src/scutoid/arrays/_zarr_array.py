"""An array of a zarr, version 2 or 3, read by tensorstore.

Tensorstore keeps decoded chunks in its cache pool.  Arrays that it cannot open (other URLs, rare
codecs) are read by zarr-python; those of them that are local through our own cache.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid import remote
from scutoid.arrays._axis_order import Order, stored_roi
from scutoid.arrays._cache import read_chunked
from scutoid.arrays._source import Stamp, outdated, owned, stamp_of
from scutoid.arrays._tensorstore import load_tensorstore
from scutoid.arrays._zarr_chunks import check_chunks
from scutoid.arrays._zarr_cut import CUT
from scutoid.arrays._zarr_filled import REFUSED_BY_SERVER, read_filled
from scutoid.arrays._zarr_nodes import description_at
from scutoid.arrays._zarr_whole import WholeChunks, whole_chunks
from scutoid.arrays._zarr_zip import kvstore_in, split_zip, stamp_in
from scutoid.errors import ScutoidError, SourceError
from scutoid.geometry import Roi
from scutoid.paths import normal
from scutoid.spent import is_at_work
from scutoid.texts import parse_json

if TYPE_CHECKING:
    import tensorstore

CACHE_BYTES = 160 * 2**20
"""Bytes of decoded chunks that a process holds for regions that cut chunks."""
_WHOLE_BYTES = 12 * 2**20
"""The same for regions of whole chunks, which only the next step needs again."""
_LONGEST = 500
"""Characters that are shown of what a library says."""
_OF_FILE = "the file is damaged or out of reach: restore it, or compute it again"
_OF_URL = (
    "the file is damaged or out of reach, or its server gives whole files where parts are asked "
    "for (Range), as for shards: restore it, or copy the zarr to this machine"
)


UNDECODED = "chunks of a zarr can be read and decoded"
"""The rule that chunks break which came and are not what was written."""


@functools.cache
def _context(cache_bytes: int) -> tensorstore.Context:
    load_tensorstore()
    import tensorstore as ts

    # A worker process is one of many, one a core; its environment says so to numeric libraries.
    text = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(text) if text.isdecimal() and int(text) else os.cpu_count() or 1
    return ts.Context(
        {
            "cache_pool": {"total_bytes_limit": cache_bytes},
            "data_copy_concurrency": {"limit": threads},
            "file_io_concurrency": {"limit": 4},
            # Otherwise a server that is gone is asked again for many minutes.
            "http_request_retries": {
                "max_retries": 4,
                "initial_delay": "100ms",
                "max_delay": "2s",
            },
        }
    )


@dataclass(frozen=True, slots=True)
class ZarrArray:
    """The location of one array of a zarr, and its version."""

    location: str
    """Path or URL of the array."""
    version: int
    """2 or 3."""
    stamp: tuple[int, ...] = ()
    """Version of the metadata when they were read: a changed array is opened again."""
    described: str = ""
    """Digest of what the metadata said of its chunks; empty: it was made by this process."""
    order: Order = ()
    """Where each axis of the image is stored."""
    assumed: str = ""
    """Its metadata as JSON, where they stand there in a form that tensorstore does not read."""
    fills: bool = False
    """Whether chunks that a server refuses are absent."""

    def _check_files(self, roi: Roi) -> None:
        """Refuse an array whose chunks are no longer written as they were when it was opened.

        And chunks of a region that are no files.

        Raises
        ------
        SourceError
            If that is so: they would be decoded by the shape, type, codecs and fill value of then.
        """
        if not self.described or "://" in self.location:  # a server is asked when a key is made
            return
        zipped = split_zip(self.location)
        if zipped is not None:  # what tensorstore has read of it is of then
            if not Path(zipped[0]).is_file() or stamp_in(zipped[0])[:2] != self.stamp[:2]:
                raise outdated(zipped[0])
            return
        now = description_at(self.location, self.version)
        if now != self.described:
            raise outdated(
                self.location, "it is gone" if now is None else "its metadata have changed"
            )
        check_chunks(self.location, self.version, now, stored_roi(roi, self.order))

    def read(
        self, roi: Roi, dtype: np.dtype[Any], shape: Sequence[int], *, is_whole: bool = False
    ) -> NDArray[Any]:
        """Read a region of an image of a shape; `is_whole` says that it is made of whole chunks."""
        self._check_files(roi)
        if is_whole and (chunks := _whole_chunks(self)) is not None:
            decoded = chunks.read(roi, dtype)
            if decoded is None and is_at_work():  # else tensorstore's threads decode side by side
                decoded = chunks.read_several(roi, dtype)
            if decoded is not None:
                return decoded
        if not is_whole and is_at_work() and (chunks := _whole_chunks(self)) is not None:
            cut = CUT.read(self, chunks, shape, roi) if chunks.dtype == dtype else None
            if cut is not None:
                return cut
        array = open_array(self, _WHOLE_BYTES if is_whole else CACHE_BYTES)
        if isinstance(array, _ZarrPython):
            return array.read(roi, dtype)
        try:
            if self.fills:
                voxels = read_filled(array, roi)
            else:
                voxels = np.asarray(array[roi.to_slices()].read().result())
        except ValueError as error:  # what tensorstore raises for any failure to read
            raise _undecodable(self.location, str(error)[:_LONGEST]) from error
        if voxels.dtype != dtype or not voxels.flags.c_contiguous or not voxels.flags.writeable:
            voxels = owned(voxels, dtype)
        return voxels


def _undecodable(location: str, value: str) -> SourceError:
    return SourceError(
        UNDECODED,
        value=value,
        place=location,
        remedy=_remedy(location, value),
    )


def _remedy(location: str, value: str) -> str:
    if "://" not in location:
        return _OF_FILE
    return remote.REFUSED if REFUSED_BY_SERVER in value or "PermissionError" in value else _OF_URL


@functools.lru_cache(maxsize=512)
def open_array(array: ZarrArray, cache_bytes: int) -> tensorstore.TensorStore | _ZarrPython:
    """Return an open array to read from, the same one for all calls in this process.

    Raises
    ------
    SourceError
        If it cannot be opened.
    """
    try:
        return open_tensorstore(array, cache_bytes)
    except (ValueError, NotImplementedError) as error:
        if "://" not in array.location and not _is_unknown(error):
            raise SourceError(
                "an array of a zarr can be opened",
                value=str(error)[:_LONGEST],
                place=array.location,
                remedy="check the folder and its permissions, or restore the metadata",
            ) from error
        return _ZarrPython(array, str(error)[:_LONGEST])


@functools.lru_cache(maxsize=512)
def _whole_chunks(array: ZarrArray) -> WholeChunks | None:
    """Return how chunks are read without tensorstore, of arrays that its cache does not hold."""
    opened = open_array(array, _WHOLE_BYTES)
    if isinstance(opened, _ZarrPython) or array.order:
        return None
    is_held = math.prod(opened.shape) * opened.dtype.numpy_dtype.itemsize <= _WHOLE_BYTES
    return None if is_held else whole_chunks(opened.spec().to_json())


@functools.lru_cache(maxsize=512)
def open_tensorstore(
    array: ZarrArray, cache_bytes: int, *, stores_zeros: bool = False
) -> tensorstore.TensorStore:
    """Return an open array to read and write, the same one for all calls in this process.

    Chunks of zeros are written to it only if it `stores_zeros`, else removed.

    Raises
    ------
    ValueError, NotImplementedError
        What tensorstore says if it cannot open it.
    """
    load_tensorstore()
    import tensorstore as ts

    spec: dict[str, object] = {
        "driver": "zarr3" if array.version == 3 else "zarr",
        "kvstore": _kvstore(array.location),
        "open": True,
    }
    if array.assumed:
        spec |= {"assume_metadata": True, "metadata": parse_json(array.assumed)}
    if stores_zeros:
        spec["store_data_equal_to_fill_value"] = True
    opened = ts.open(spec, context=_context(cache_bytes)).result()
    return opened.transpose(array.order) if array.order else opened


def drop_chunks() -> None:
    """Drop decoded chunks that are kept for other blocks; the arrays are opened again.

    What a thread is reading stays until it is done.
    """
    CUT.clear()
    for opened in (open_array, open_tensorstore, _context):
        opened.cache_clear()


def _is_unknown(error: Exception) -> bool:
    """Whether an array is there, and is of a kind that tensorstore does not know."""
    return isinstance(error, NotImplementedError) or str(error).startswith("FAILED_PRECONDITION")


def _kvstore(location: str) -> dict[str, Any]:
    """Describe a location to tensorstore, which takes no ``..`` in a path."""
    scheme = location.partition("://")[0] if "://" in location else "file"
    if scheme in ("http", "https"):
        return {"driver": "http", "base_url": location.rstrip("/") + "/"}
    zipped = split_zip(location)
    if zipped is not None and _is_utf8(location):
        return kvstore_in(*zipped)
    path = normal(location.removeprefix("file://")).rstrip("/") + "/"
    if scheme != "file" or not _is_utf8(path):
        raise NotImplementedError("tensorstore opens paths in UTF-8, and URLs of http")
    return {"driver": "file", "path": path}


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


class _ZarrPython:
    """An array that zarr-python reads, chunk by chunk through our cache.

    Parameters
    ----------
    array : ZarrArray
        The array.
    reason : str
        Why tensorstore does not read it.
    """

    def __init__(self, array: ZarrArray, reason: str) -> None:
        import zarr

        self.key = array
        self.reason = reason
        try:
            place: Any = array.location
            if "://" in array.location:
                from scutoid.arrays._zarr_remote import RemoteStore

                place = RemoteStore(array.location, fills=array.fills)
            archive, inside = split_zip(array.location) or ("", "")
            if archive:
                place = zarr.storage.ZipStore(archive, mode="r")
            self.array = zarr.open_array(
                place, path=inside, mode="r", zarr_format=3 if array.version == 3 else 2
            )
        except (ValueError, TypeError, KeyError, OSError, NotImplementedError) as error:
            raise SourceError(
                "a zarr has valid metadata, and codecs that are installed",
                value=self._both(error),
                place=array.location,
                remedy="restore the metadata, or install the codec",
            ) from error
        self.chunks = tuple(max(int(c), 1) for c in self.array.chunks)

    def _both(self, error: Exception) -> str:
        return f"{type(error).__name__}: {str(error)[:_LONGEST]}\ntensorstore: {self.reason}"

    def read(self, roi: Roi, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Read a region of the image."""
        order = self.key.order
        stored = self._stored(stored_roi(roi, order), dtype)
        return owned(stored.transpose(order), dtype) if order else stored

    def _stored(self, roi: Roi, dtype: np.dtype[Any]) -> NDArray[Any]:
        if "://" in self.key.location:  # a chunk that is kept may have changed at its server
            return self._part(roi, dtype)

        def decode(place: tuple[int, ...]) -> NDArray[Any]:
            corner = tuple(p * c for p, c in zip(place, self.chunks, strict=True))
            return self._part(Roi(corner, self.chunks), dtype)

        start, stop = tuple(roi.offset), tuple(roi.end)
        return read_chunked(self.key, start, stop, self.chunks, dtype, decode, self._version)

    def _version(self, place: tuple[int, ...]) -> Stamp | None:
        """Return the version of the file that a chunk lies in; None: it is not there."""
        shard = self.array.shards or self.chunks
        number = tuple(p * c // s for p, c, s in zip(place, self.chunks, shard, strict=True))
        try:
            return stamp_of(f"{self.key.location}/{self.array.metadata.encode_chunk_key(number)}")
        except OSError:
            return None

    def _part(self, part: Roi, dtype: np.dtype[Any]) -> NDArray[Any]:
        try:
            return np.array(self.array[part.to_slices()], dtype)
        except ScutoidError:
            raise
        except Exception as error:  # each codec has errors of its own
            raise _undecodable(self.key.location, self._both(error)) from error
