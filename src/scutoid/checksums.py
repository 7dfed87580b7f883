"""The CRC-32 of what is written and read, by the fastest way that is installed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache

__all__ = ["crc32"]

_WORTH_LOADING = 2**16
"""Bytes from which another library than Python's own is asked, which is slower at short ones."""


def crc32(content: memoryview | bytes, value: int = 0) -> int:
    """Return the CRC-32 of bytes, as `zlib.crc32` does.

    Parameters
    ----------
    content : memoryview or bytes
        Contiguous.
    value : int
        That of what stands before them.

    Examples
    --------
    >>> crc32(b"9", crc32(b"12345678")) == crc32(b"123456789") == 0xCBF43926
    True
    """
    n = content.nbytes if isinstance(content, memoryview) else len(content)
    return (zlib.crc32 if n < _WORTH_LOADING else _fastest())(content, value)


@cache
def _fastest() -> Callable[..., int]:
    try:
        from imagecodecs import deflate_crc32

        deflate_crc32(b"")  # raises what it is built without only when called
    except ImportError:
        return zlib.crc32
    found: Callable[..., int] = deflate_crc32
    return found
