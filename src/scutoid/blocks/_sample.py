"""Choose some blocks of tasks that can run by themselves, spread over their grids."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._check import check_tasks
from scutoid.blocks._links import Link
from scutoid.blocks._task import BlockTask

_MOST = 8
"""Blocks of a task, for each of the sample, that those of later tasks may wait for."""

Mask = NDArray[np.bool_]


def sample_blocks(
    tasks: Sequence[BlockTask], n: int, *, barred: Collection[str] = ()
) -> dict[str, Mask]:
    """Choose blocks at random over the grids of tasks, with all blocks that they wait for.

    Parameters
    ----------
    tasks : sequence of BlockTask
        In any order; blocks that `is_done` marks, as an array, or `where` leaves out are not
        chosen.
    n : int
        Blocks of each task, 1 or more; of a task that others wait for there may be more.
    barred : collection of str
        Names of tasks that are left out, such as those that are one piece of work.

    Returns
    -------
    dict of str to ndarray of bool, shape (n_blocks,)
        By the names of tasks of which there are some: not those that are barred, or whose blocks
        read what others of them write, nor those that wait for one of these, or for more than some
        blocks of another.  The choice is the same each time.

    Examples
    --------
    >>> from scutoid.geometry import BlockGrid, Roi
    >>> grid = BlockGrid(Roi((0,), (100,)), 10)
    >>> smooth = BlockTask("smooth", print, grid)
    >>> pairs = BlockTask("pairs", print, BlockGrid(Roi((0,), (100,)), 20), after="smooth")
    >>> {name: int(mask.sum()) for name, mask in sample_blocks([smooth, pairs], 3).items()}
    {'smooth': 6, 'pairs': 3}
    """
    return _Sample(check_tasks(tasks), n, frozenset(barred)).choose()


class _Sample:
    def __init__(self, tasks: Sequence[BlockTask], n: int, barred: Collection[str]) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._n = n
        self._open = {task.name: _open_blocks(task) for task in tasks}
        self._links = {
            task.name: [
                (edge.task, Link.between(self._tasks[edge.task].grid, task.grid, edge))
                for edge in task.edges()
            ]
            for task in tasks
        }
        self._chosen: dict[str, Mask] = {
            name: np.zeros_like(mask) for name, mask in self._open.items()
        }
        self._barred = set(barred)

    def choose(self) -> dict[str, Mask]:
        for name, task in self._tasks.items():
            if task.conflict or any(
                above in self._barred and self._open[above].any() for above, _ in self._links[name]
            ):
                self._barred.add(name)
        for name in reversed(self._tasks):
            if name not in self._barred:
                self._add(name)
        return {name: mask for name, mask in self._chosen.items() if mask.any()}

    def _add(self, name: str) -> None:
        """Add blocks of a task until there are enough, as far as what they wait for is little."""
        mask = self._open[name]
        places = np.random.default_rng(mask.size).permutation(np.flatnonzero(mask))
        for index in places[: 2 * self._n].tolist():
            if int(self._chosen[name].sum()) >= self._n:
                return
            wanted = self._with_all_before(name, index)
            counts = (int((self._chosen[each] | new).sum()) for each, new in wanted.items())
            if all(count <= self._n * _MOST for count in counts):
                for each, new in wanted.items():
                    self._chosen[each] |= new

    def _with_all_before(self, name: str, index: int) -> dict[str, Mask]:
        """Return a block and the open blocks that it waits for, directly or not, by task."""
        found = {name: np.zeros_like(self._open[name])}
        found[name][index] = True
        for task in reversed(self._tasks):  # later tasks first
            for number in np.flatnonzero(found[task]).tolist() if task in found else ():
                for above, link in self._links[task]:
                    new = found.setdefault(above, np.zeros_like(self._open[above]))
                    shaped = new.reshape(link.upstream)
                    for box in link.waited_for(number):
                        shaped[box] = True
            for above, _ in self._links[task]:
                if above in found:
                    found[above] &= self._open[above]
        return found


def _open_blocks(task: BlockTask) -> Mask:
    """Return which blocks of a task are still to run."""
    chosen, done = task.chosen(), task.known_done()
    mask = np.ones(task.grid.n_blocks, dtype=np.bool_) if chosen is None else chosen.copy()
    return mask if done is None else mask & ~done
