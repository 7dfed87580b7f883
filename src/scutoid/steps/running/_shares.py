"""How a step is shared out: which of its blocks are open, and which share of them is taken next.

::

    blocks   0 ............................ n       cut into shares of equal length, at most 1024
             |  |  |  |  |  |  |  |  |  |  |
             ^ first process    ^ third of five     each begins at its own place, and goes round

Of the shares that are open and free, a process takes a part that gets smaller, so that all end at
the same time, but work for some seconds; what one has that is dead is open again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks import Journal
from scutoid.steps.graph import BlockCall, MappedCall
from scutoid.steps.planning import PlannedCall
from scutoid.store import AnyLock, Claims, Lock, Sharer, share_lock, take_share

_MOST_SHARES = 1024
_MOST_AT_ONCE = 32
"""Shares that a process takes at once: each has a lock that is touched."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of the work a process does, if all live and are equally fast: 3 of 20."""

    number: int
    """Counted from 1."""
    total: int
    """Number of processes."""


def is_shared(each: PlannedCall) -> bool:
    """Whether several processes may do the blocks of a step at once.

    A whole step has one block, blocks that see their neighbours have an order, a TIFF file is
    written by one machine, and members in a bucket are recorded by one process.
    """
    call = each.call
    if isinstance(call, MappedCall):
        return len(call.keys or ()) > 1 and each.entry.remote is None
    is_tiff = call.spec.options.storage.format == "tiff" and "image" in call.spec.outputs
    is_free = not call.spec.sees_neighbours and not is_tiff
    return isinstance(call, BlockCall) and is_free and each.n_blocks > 1


def wanted_blocks(each: PlannedCall) -> Mask:
    """Return which blocks of a step are to be done at all, shape (n_blocks,)."""
    wanted = np.ones(each.n_blocks, dtype=np.bool_)
    if each.needed is not None:
        wanted &= each.needed
    chosen = None if each.step is None else each.step.chosen()
    return wanted if chosen is None else wanted & chosen.reshape(-1)


def done_blocks(each: PlannedCall, among: Mask) -> Mask:
    """Return which of some blocks of a step are done now, by all who do a share of it."""
    done = np.zeros(each.n_blocks, dtype=np.bool_)
    if isinstance(each.call, MappedCall):
        items, keys = each.items, each.call.keys
        for number in np.flatnonzero(among).tolist():
            done[number] = items.has(keys[number])
        return done
    statuses = Journal.read(each.entry.journal, key=each.entry.key)
    return done if not len(statuses) else (statuses != 0) & among


def shares_of(n_blocks: int) -> NDArray[np.int64]:
    """Return where shares begin, and the end of the last.

    Examples
    --------
    >>> shares_of(5).tolist()
    [0, 1, 2, 3, 4, 5]
    """
    n_shares = max(min(n_blocks, _MOST_SHARES), 1)
    return np.arange(n_shares + 1, dtype=np.int64) * n_blocks // n_shares


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """Shares of a step that this process has taken."""

    blocks: Mask
    """Their blocks, shape (n_blocks,)."""
    busy: AnyLock | Sharer | None
    """Who has a share that is open, or all of the result."""
    claims: Claims | None = None
    """What says so in a bucket."""


@contextmanager
def taking(
    each: PlannedCall,
    open_blocks: Mask,
    part: Part,
    *,
    worth: int = 0,
    known: dict[str, str] | None = None,
) -> Iterator[Taken]:
    """Take some shares of a step that are open, and give them back at the end.

    Parameters
    ----------
    each : PlannedCall
        The step.
    open_blocks : ndarray of bool, shape (n_blocks,)
        What is to be done of it.
    part : Part
        Where to begin, and among how many.
    worth : int
        Blocks for which it is worth while to start workers: fewer are not taken if there are more.
    known : dict of str to str, optional
        Whose the claims in a bucket are that were read before; gets those that are read.
    """
    bounds = shares_of(each.n_blocks)
    n_open = np.add.reduceat(open_blocks.astype(np.int64), bounds[:-1])
    order = _from(np.flatnonzero(n_open).tolist(), part, len(bounds) - 1)
    wanted, n_taken = -(-len(order) // (2 * part.total)), 0
    blocks = np.zeros(each.n_blocks, dtype=np.bool_)
    busy: AnyLock | Sharer | None = None
    there = each.entry.remote
    with ExitStack() as held:
        claims = None if there is None else held.enter_context(Claims(there, known))
        for number in order:
            other = _take_in_folder(each, number, held) if claims is None else claims.take(number)
            if other is not None:
                busy = busy or other
                continue
            blocks[bounds[number] : bounds[number + 1]] = True
            wanted, worth = wanted - 1, worth - int(n_open[number])
            n_taken += 1
            if (wanted <= 0 and worth <= 0) or n_taken == _MOST_AT_ONCE:
                break
        if claims is not None and n_taken and not claims.is_free():
            blocks[:], busy = False, each.entry.lock()
        yield Taken(blocks, busy, claims)


def _take_in_folder(each: PlannedCall, number: int, held: ExitStack) -> Lock | None:
    """Take a share of a step; return None if it was taken, else its lock."""
    lock = take_share(each.entry.path, number)
    if lock is None:
        return share_lock(each.entry.path, number)
    held.callback(lock.release)
    return None


def _from(numbers: Sequence[int], part: Part, n_shares: int) -> list[int]:
    """Return shares in order, from the place of a process on and then round."""
    first = (part.number - 1) * n_shares // part.total
    return [n for n in numbers if n >= first] + [n for n in numbers if n < first]
