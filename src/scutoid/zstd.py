"""Frames of Zstandard, by the library that is loaded fastest."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["compress", "decompress_into"]

_MAGIC = 0xFD2FB528
_SINGLE_SEGMENT = 0b10_0000
_DICTIONARY = 0b11


class _Zstd(NamedTuple):
    compress: Callable[..., bytes | bytearray]
    """Of bytes and a level."""
    decompress: Callable[..., object]
    """Of bytes, into an array of uint8."""


def compress(content: bytes, level: int) -> bytes:
    """Return bytes, one or more, as one frame that says how many it holds.

    Examples
    --------
    >>> voxels = np.zeros(4, "uint16")
    >>> decompress_into(compress(np.arange(4, dtype="uint16").tobytes(), 1), voxels)
    >>> voxels
    array([0, 1, 2, 3], dtype=uint16)
    """
    return bytes(_fastest().compress(content, level))


def decompress_into(frame: bytes | memoryview, out: NDArray[Any]) -> None:
    """Write what a frame holds into an array.

    Parameters
    ----------
    frame : bytes or memoryview
        What was compressed.
    out : array
        C-contiguous, of as many bytes as the frame says that it holds.

    Raises
    ------
    ValueError, RuntimeError
        If it is no frame, is damaged, or says otherwise.
    """
    n_bytes = _content_size(frame)
    if n_bytes != out.nbytes:
        raise ValueError(f"a frame of {n_bytes} bytes, for {out.nbytes}")
    _fastest().decompress(frame, out.reshape(-1).view(np.uint8))


def _content_size(frame: bytes | memoryview) -> int | None:
    """Return the bytes that a frame says it holds (RFC 8878, 3.1.1.1); None: it does not.

    Examples
    --------
    >>> _content_size(compress(bytes(1000), 1)), _content_size(b"anything else")
    (1000, None)
    """
    if int.from_bytes(frame[:4], "little") != _MAGIC or len(frame) < 5:
        return None
    descriptor = frame[4]
    is_single = bool(descriptor & _SINGLE_SEGMENT)
    n_bytes = 2 ** (descriptor >> 6)
    if descriptor & _DICTIONARY or (n_bytes == 1 and not is_single):
        return None
    at = 5 if is_single else 6  # without the size of a window
    size = int.from_bytes(frame[at : at + n_bytes], "little")
    return size + 256 if n_bytes == 2 else size


@cache
def _fastest() -> _Zstd:
    try:
        from imagecodecs import zstd_decode, zstd_encode

        zstd_encode(b"", 1)  # raises what it is built without only when called
    except ImportError:
        return _of_numcodecs()
    return _Zstd(zstd_encode, lambda frame, into: zstd_decode(frame, out=into))


def _of_numcodecs() -> _Zstd:
    """Of what zarr needs in any case: when imported, it asks all that is installed for codecs."""
    from numcodecs import zstd

    return _Zstd(zstd.compress, zstd.decompress)
