"""Claims: which shares of a result in a bucket a process does now, beside others.

::

    denoise/3f9a1c0b7d42/0199c2f4a1b0-5d3e8f10/segments/
        0007-0000.claim       share 7: created by the first of those who would do it, has its writer
        0007-0001.claim       once more, when that one had ended

A claim is never given back and never written over: it ends with its writer, which says that it
lives by an object of its own, for all its claims (`Sharer`).  So a claim is one request, and what
is given back at a time limit is one more for all.
"""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from scutoid import remote
from scutoid.errors import StoreError
from scutoid.segments import SEGMENTS
from scutoid.store._any_lock import BEAT_SECONDS
from scutoid.store._hold import TOKENS, Hold
from scutoid.store._object_lock import ObjectLock
from scutoid.store._objects_here import new_token
from scutoid.store._remote_result import RemoteResult
from scutoid.store._segments import SegmentWriter
from scutoid.store._sharers import CLAIM, Sharer, living
from scutoid.store._shares import Segment

_CLAIM = re.compile(rf"(\d+)-(\d+){re.escape(CLAIM)}")


class Claims:
    """What a process does of a result in a bucket, for one round; a context.

    Parameters
    ----------
    there : RemoteResult
        The result, an attempt at which was begun.
    known : dict of str to str, optional
        Whose the claims are that were read before, by their URL: they never change.

    Raises
    ------
    StoreError
        If the store does not answer.
    """

    def __init__(self, there: RemoteResult, known: dict[str, str] | None = None) -> None:
        self._there = there
        self._known = {} if known is None else known
        self._folder = there.place(SEGMENTS)
        self._me = Sharer(there.url, there.token, new_token())
        self._hold: Hold | None = None
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None
        self._local: Segment | None = None
        self._living = {each.writer: each for each in living(there.url)}
        self._last: dict[int, int] = {}
        for name in remote.names(self._folder):
            if (found := _CLAIM.fullmatch(name)) is not None:
                share, epoch = int(found[1]), int(found[2])
                self._last[share] = max(epoch, self._last.get(share, -1))

    def take(self, share: int) -> Sharer | None:
        """Claim a share; return None if it was, else who has it, or makes all of the result.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        epoch = self._last.get(share, -1)
        holder = self._holder(share, epoch) if epoch >= 0 else None
        if holder is not None and holder.writer in self._living:
            return holder
        self._begin()
        url = self._url(share, epoch + 1)
        if remote.create(url, self._me.writer.encode()):
            return None
        return self._holder(share, epoch + 1) or self._me

    def _url(self, share: int, epoch: int) -> str:
        return f"{self._folder}/{share:04d}-{epoch:04d}{CLAIM}"

    def _holder(self, share: int, epoch: int) -> Sharer | None:
        url = self._url(share, epoch)
        if url not in self._known:
            content = remote.get(url)
            if content is None:
                return None
            self._known[url] = content.decode(errors="replace")
        return Sharer(self._me.result, self._me.attempt, self._known[url])

    def _begin(self) -> None:
        """Say that this process lives, before its first claim."""
        if self._hold is not None:
            return
        self._hold = Hold.new()
        TOKENS.add(self._hold.owner.token)
        remote.put(self._me.url, self._hold.to_bytes())
        self._heart = threading.Thread(target=self._beat, name="scutoid-shares", daemon=True)
        self._heart.start()

    def is_free(self) -> bool:
        """Whether nobody makes all of the result; asked after claims were made.

        Who takes the lock of the result looks at who does shares afterwards: of the two at least
        one sees the other.
        """
        return not ObjectLock(self._me.result).is_held_whole

    def _beat(self) -> None:
        hold = self._hold
        while hold is not None and not self._stop.wait(BEAT_SECONDS):
            with suppress(StoreError):
                if self.is_fenced:
                    return
                remote.put(self._me.url, hold.to_bytes())

    @property
    def is_fenced(self) -> bool:
        """Whether what is added does not count: others have taken this process for dead."""
        return self._me.is_fenced

    @property
    def is_current(self) -> bool:
        """Whether the attempt goes on, as the working folder has it."""
        return self._there.token == self._me.attempt

    @property
    def path(self) -> Path:
        """Folder on this machine where it records what is done, until that is fetched."""
        if self._local is None:
            self._local = Segment(self._there.folder)
        return self._local.path

    def writer(self, key: str) -> SegmentWriter:
        """Return what writes its segments."""
        url = f"{self._me.result}/{self._me.attempt}"
        return SegmentWriter(url, self.path, key, self._me.writer)

    def _end(self) -> None:
        self._stop.set()
        if self._heart is not None and self._heart.is_alive():
            self._heart.join()
        if self._hold is not None:
            with suppress(StoreError):  # it is taken over when it is old enough
                remote.remove([self._me.url])
            TOKENS.discard(self._hold.owner.token)
        self._hold = self._heart = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._end()
        except BaseException:  # Ctrl-C: what a process that lives has claimed is claimed for ever
            self._end()
            raise
