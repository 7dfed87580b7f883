"""Processes that do shares of a result in a bucket: who they are, and what of theirs counts.

::

    denoise/3f9a1c0b7d42/
        shares/<writer>                     host, process, its start, its attempt; written again
                                            every few seconds, removed at the end
        0199c2f4a1b0-5d3e8f10/segments/
            <writer>-00000000               what it has recorded
            <writer>.fence                  which of these count: it was taken for dead

A fence is created, by the first of those who take a process for dead.  What that process, if it was
only held up, records afterwards is in no fence and counts for nobody.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from scutoid import remote
from scutoid.errors import DamagedResult
from scutoid.segments import SEGMENTS
from scutoid.store._any_lock import Owner
from scutoid.store._hold import Hold, has_ended, last_sign
from scutoid.store._manifest import TOKEN
from scutoid.texts import parse_json

SHARES = "shares"
"""Folder of the processes that do shares of a result."""
CLAIM = ".claim"
"""At the end of the name of a claim, which lies beside segments."""
_FENCE = ".fence"


@dataclass(frozen=True, slots=True)
class Sharer:
    """A process that does shares of a result, or did until it was killed."""

    result: str
    """URL of the result."""
    attempt: str
    """Token of the attempt that it works on."""
    writer: str
    """Token of its segments, and its name."""

    @property
    def url(self) -> str:
        """The object that says who it is; it is removed at the end."""
        return f"{self.result}/{SHARES}/{self.attempt}.{self.writer}"

    @property
    def place(self) -> str:
        """Where it says that it lives."""
        return self.url

    @property
    def owner(self) -> Owner | None:
        """The process, dead or alive."""
        hold = Hold.at(self.url)
        return None if hold is None else hold.owner

    @property
    def is_held(self) -> bool:
        """Whether it lives, and has not ended."""
        return not has_ended(Hold.at(self.url), self.url)

    @property
    def last_seen(self) -> float | None:
        """Seconds since one on another machine gave a sign; None of one on this one."""
        return last_sign(Hold.at(self.url), self.url)

    @property
    def fence(self) -> str:
        """The object that says which of its segments count."""
        return f"{self.result}/{self.attempt}/{SEGMENTS}/{self.writer}{_FENCE}"

    @property
    def is_fenced(self) -> bool:
        """Whether what it records does not count: others have taken it for dead.

        Fences go when the result is complete; what says that it lives has gone before.
        """
        return remote.get(self.url) is None or remote.get(self.fence) is not None

    def fence_off(self) -> None:
        """Let what it has recorded count, and nothing that it may still add.

        Raises
        ------
        StoreError
            If the store does not answer.
        """
        folder = f"{self.result}/{self.attempt}/{SEGMENTS}"
        names = [name for name in remote.names(folder) if name.startswith(f"{self.writer}-")]
        said = {"scutoid_fence": 1, "segments": names, "by": secrets.token_hex(8)}
        remote.create(self.fence, json.dumps(said).encode())  # else another's, which holds
        remote.remove([self.url])


def sharers(result: str) -> list[Sharer]:
    """Return who does shares of a result, dead or alive.

    Raises
    ------
    StoreError
        If the store does not answer.
    """
    pairs = (name.split(".") for name in remote.names(f"{result}/{SHARES}"))
    return [Sharer(result, *pair) for pair in pairs if len(pair) == 2 and _are_tokens(pair)]


def _are_tokens(words: Sequence[str]) -> bool:
    return all(map(TOKEN.fullmatch, words))


def living(result: str) -> list[Sharer]:
    """Return who does shares of a result and lives; the dead are fenced off.

    Raises
    ------
    StoreError
        If the store does not answer.
    """
    found = []
    for each in sharers(result):
        if each.is_held:
            found.append(each)
        else:
            each.fence_off()
    return found


def segments_that_count(folder: str, names: Sequence[str]) -> list[str]:
    """Return the segments among what lies in their folder, without those behind a fence.

    Parameters
    ----------
    folder : str
        URL of the folder.
    names : sequence of str
        What lies in it.

    Raises
    ------
    StoreError
        If the store does not answer; a `DamagedResult` if a fence is none.
    """
    fences = [name for name in names if name.endswith(_FENCE)]
    urls = [f"{folder}/{name}" for name in fences]
    counted = dict(zip(fences, map(_counted, urls, remote.at_once(urls, remote.get)), strict=True))
    found = []
    for name in names:
        if name.endswith((_FENCE, CLAIM)):
            continue
        limit = counted.get(f"{name.rpartition('-')[0]}{_FENCE}")
        if limit is None or name in limit:
            found.append(name)
    return found


def _counted(url: str, content: bytes | None) -> frozenset[str] | None:
    if content is None:  # the result is complete since
        return None
    try:
        return frozenset(parse_json(content)["segments"])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedResult(
            "a fence says which segments of a writer count",
            value=repr(error),
            place=url,
            remedy="make the result again, by a run with force= and the name of its step",
        ) from error
