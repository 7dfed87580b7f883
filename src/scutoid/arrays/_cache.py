"""Decoded chunks that this process has read, so that each is decoded about once.

Used for what has no cache of its own: TIFF pages and tiles, planes, dask chunks, zarr-python.
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
    """The chunks read last, up to a number of bytes; each decoded once, whoever asks.

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
        """Return a chunk; threads that ask for one that is being decoded wait for it."""
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

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    def _decode(
        self, key: Hashable, future: Future[NDArray[Any]], decode: Callable[[], NDArray[Any]]
    ) -> None:
        try:
            chunk = decode()
        except BaseException as error:  # noqa: BLE001 - passed on to all who wait
            with self._lock:
                self._held.pop(key, None)
            future.set_exception(error)
            return
        chunk.flags.writeable = False
        with self._lock:
            # Counted before it is done: what is done may be evicted, and is then taken off again.
            self._bytes += chunk.nbytes
            future.set_result(chunk)
            self._evict(key)

    def _evict(self, newest: Hashable) -> None:
        """Let the oldest go, but not what came last: it is read again, however large it is."""
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
) -> NDArray[Any]:
    """Assemble a region of an array from its chunks.

    Parameters
    ----------
    key : hashable
        Tells the array from others in the cache.
    start, stop : tuple of int
        The region, half-open.
    chunks : tuple of int
        Shape of a chunk.
    dtype : dtype
        Of the result.
    decode : callable
        Chunk position to array; chunks at the edge may be cut off.
    """
    shape = tuple(b - a for a, b in zip(start, stop, strict=True))
    if 0 in shape:
        return np.empty(shape, dtype)
    origin = (0,) * len(start)
    if start == origin and stop == chunks and (key, origin) not in SHARED:
        # All of an array of one chunk: whoever reads that keeps it, and seldom reads it again.
        return owned(decode(origin), dtype)
    out = np.empty(shape, dtype)
    first = [a // c for a, c in zip(start, chunks, strict=True)]
    last = [(b - 1) // c + 1 for b, c in zip(stop, chunks, strict=True)]
    for relative in np.ndindex(*(b - a for a, b in zip(first, last, strict=True))):
        place = tuple(a + r for a, r in zip(first, relative, strict=True))
        chunk = SHARED.get((key, place), lambda place=place: decode(place))  # type: ignore[misc]
        into, taken = [], []
        for n, (p, c) in enumerate(zip(place, chunks, strict=True)):
            low, high = max(start[n], p * c), min(stop[n], (p + 1) * c)
            into.append(slice(low - start[n], high - start[n]))
            taken.append(slice(low - p * c, high - p * c))
        out[tuple(into)] = chunk[tuple(taken)]
    return out
