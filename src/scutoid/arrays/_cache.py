"""A cache of decoded chunks in this process, so that each is decoded about once.

For sources without a cache of their own: TIFF pages and tiles, planes, dask chunks, zarr-python.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._source import owned

LIMIT = 256 * 2**20
"""Bytes of decoded chunks that a process holds."""


class ChunkCache:
    """The chunks read last, up to a number of bytes; each decoded once for all threads.

    Parameters
    ----------
    limit : int
        Bytes.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._held: OrderedDict[Hashable, Future[NDArray[Any]]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, decode: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return a chunk; threads wait for one that another thread is decoding."""
        with self._lock:
            future = self._held.get(key)
            is_mine = future is None
            if future is None:
                future = self._held[key] = Future()
            else:
                self._held.move_to_end(key)
        if is_mine:
            self._decode(key, future, decode)
        return future.result()

    def clear(self) -> None:
        """Drop all chunks that are decoded."""
        with self._lock:
            for key in [key for key, future in self._held.items() if future.done()]:
                self._bytes -= self._held.pop(key).result().nbytes

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    def _decode(
        self, key: Hashable, future: Future[NDArray[Any]], decode: Callable[[], NDArray[Any]]
    ) -> None:
        try:
            chunk = decode()
        except BaseException as error:  # noqa: BLE001 - passed on to all waiting threads
            with self._lock:
                self._held.pop(key, None)
            future.set_exception(error)
            return
        chunk.flags.writeable = False
        with self._lock:
            # Counted before it is done: a finished chunk may be evicted, which subtracts it.
            self._bytes += chunk.nbytes
            future.set_result(chunk)
            self._evict(key)

    def _evict(self, newest: Hashable) -> None:
        """Drop the oldest chunks, but never the newest, however large: it is read again."""
        while self._bytes > self.limit:
            oldest = next(key for key, future in self._held.items() if future.done())
            if oldest == newest:
                break
            self._bytes -= self._held.pop(oldest).result().nbytes


SHARED = ChunkCache()


def read_chunked(
    key: Hashable,
    start: tuple[int, ...],
    stop: tuple[int, ...],
    chunks: tuple[int, ...],
    dtype: np.dtype[Any],
    decode: Callable[[tuple[int, ...]], NDArray[Any]],
    version: Callable[[tuple[int, ...]], Hashable] = lambda _: None,
) -> NDArray[Any]:
    """Assemble a region of an array from its chunks.

    Parameters
    ----------
    key : hashable
        Identifies the array in the cache.
    start, stop : tuple of int
        The region, half-open.
    chunks : tuple of int
        Shape of a chunk.
    dtype : dtype
        Of the result.
    decode : callable
        Chunk position to array; chunks at the edge may be cut off.
    version : callable, optional
        Chunk position to the version of its file, where chunks have files of their own.
    """
    shape = tuple(b - a for a, b in zip(start, stop, strict=True))
    if 0 in shape:
        return np.empty(shape, dtype)
    origin = (0,) * len(start)
    if start == origin and stop == chunks and (key, origin, version(origin)) not in SHARED:
        # All of an array of one chunk: the caller keeps it, and seldom reads it again.
        return owned(decode(origin), dtype)
    out = np.empty(shape, dtype)
    first = [a // c for a, c in zip(start, chunks, strict=True)]
    last = [(b - 1) // c + 1 for b, c in zip(stop, chunks, strict=True)]
    for relative in np.ndindex(*(b - a for a, b in zip(first, last, strict=True))):
        place = tuple(a + r for a, r in zip(first, relative, strict=True))
        named = (key, place, version(place))
        chunk = SHARED.get(named, lambda place=place: decode(place))  # type: ignore[misc]
        into, within = [], []
        for n, (p, c) in enumerate(zip(place, chunks, strict=True)):
            low, high = max(start[n], p * c), min(stop[n], (p + 1) * c)
            into.append(slice(low - start[n], high - start[n]))
            within.append(slice(low - p * c, high - p * c))
        out[tuple(into)] = chunk[tuple(within)]
    return out
