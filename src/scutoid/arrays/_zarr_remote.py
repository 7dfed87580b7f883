"""The files of a zarr at a URL, for zarr-python: asked for and tried again as others are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

from scutoid import remote

_NOTHING: tuple[str, ...] = ()


class RemoteStore(Store):
    """A zarr at a URL, to read from.

    Parameters
    ----------
    location : str
        Its URL.
    fills : bool
        Whether files that a server refuses are absent.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, location: str, *, fills: bool) -> None:
        super().__init__(read_only=True)
        self.location = location.rstrip("/")
        self.fills = fills

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RemoteStore):
            return NotImplemented
        return (self.location, self.fills) == (other.location, other.fills)

    def __hash__(self) -> int:
        return hash((self.location, self.fills))

    async def get(
        self,
        key: str,
        prototype: BufferPrototype,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return a file, or some of its bytes; None: there is none."""
        content = await asyncio.to_thread(self._read, f"{self.location}/{key}", byte_range)
        return None if content is None else prototype.buffer.from_bytes(content)

    def _read(self, url: str, asked: ByteRequest | None) -> bytes | None:
        if isinstance(asked, RangeByteRequest):
            return remote.read_part(url, asked.start, asked.end, refused_is_absent=self.fills)
        if isinstance(asked, OffsetByteRequest):
            return remote.read_part(url, asked.offset, refused_is_absent=self.fills)
        if isinstance(asked, SuffixByteRequest):
            return remote.read_part(url, -asked.suffix, refused_is_absent=self.fills)
        return remote.read(url, refused_is_absent=self.fills)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return some bytes of each of several files."""
        return list(
            await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))
        )

    async def exists(self, key: str) -> bool:
        """Whether a file is there, as its server says now."""
        (said,) = await asyncio.to_thread(
            remote.ask, [f"{self.location}/{key}"], refused_is_absent=self.fills
        )
        return said is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse: it is read alone."""
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Refuse: it is read alone."""
        self._check_writable()

    async def list(self) -> AsyncIterator[str]:
        """Yield nothing: arrays name their files."""
        for name in _NOTHING:
            yield name

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield nothing: arrays name their files."""
        for name in _NOTHING:
            yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield nothing: arrays name their files."""
        for name in _NOTHING:
            yield name
