"""Tasks and the edges between them: frozen values that do nothing by themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scutoid.blocks._block import Block
from scutoid.blocks._mask import Mask
from scutoid.errors import GeometryError, ParameterError
from scutoid.geometry import BlockGrid as BlockGrid  # noqa: PLC0414 - handed on by the package
from scutoid.geometry import Roi


@dataclass(frozen=True, slots=True)
class After:
    """An edge to an earlier task, which says for which of its blocks a block waits.

    A block waits for each upstream block whose write region meets its own read region.  Where none
    does, there is nothing to wait for.

    ::

        upstream write regions    |-----|-----|-----|-----|
        this block reads                 (..[====]..)          waits for the 2nd and 3rd

    Examples
    --------
    >>> After("projection", axes=(1, 2))  # a (y, x) task before a (z, y, x) task
    After(task='projection', axes=(1, 2), scale=1.0)
    >>> After("smooth", scale=2.0)  # a task on voxels twice as wide
    After(task='smooth', axes=None, scale=2.0)
    >>> After.all("histogram", 3)  # wait for every block of a task with 3 axes
    After(task='histogram', axes=(None, None, None), scale=1.0)
    """

    task: str
    """Name of the earlier task."""
    axes: tuple[int | None, ...] | None = None
    """For each axis of the earlier task, which axis of this task it is; None: wait for the whole
    extent of that axis.  By default the axes are the same."""
    scale: float | tuple[float, ...] = 1.0
    """Voxels of the earlier task for each voxel of this one: one number, or one an earlier axis;
    what a block reads is scaled by it, and rounded outwards."""

    def __post_init__(self) -> None:
        named = [axis for axis in self.axes or () if axis is not None]
        if len(set(named)) != len(named) or any(axis < 0 for axis in named):
            raise GeometryError(
                "each axis of an edge is another axis of the later task, counted from 0",
                value=self.axes,
                place=f"After({self.task!r})",
            )
        scales = self.scale if isinstance(self.scale, tuple) else (self.scale,)
        if not all(math.isfinite(scale) and scale > 0 for scale in scales):
            raise GeometryError(
                "the scale of an edge is above 0", value=self.scale, place=f"After({self.task!r})"
            )

    @property
    def is_whole(self) -> bool:
        """Whether blocks wait for all of the earlier task."""
        return self.axes is not None and all(axis is None for axis in self.axes)

    @classmethod
    def all(cls, task: str, ndim: int) -> After:
        """Wait for every block of a task with `ndim` axes."""
        return cls(task, (None,) * ndim)


@dataclass(frozen=True, slots=True, eq=False)
class BlockTask:
    """A function to be called once for each block of a grid.

    Parameters
    ----------
    name : str
        Unique in a run.
    function : callable or None
        Called in a worker as ``function(block)``, or ``function(block, **set-up values)``.  It may
        return `BlockStatus.EMPTY` to say that there was nothing to write.  None for workers with a
        loop of their own, see `connect`.
    grid : BlockGrid
        The blocks.

    Raises
    ------
    ParameterError
        If a value is out of its range.

    Examples
    --------
    >>> grid = BlockGrid(Roi((0,), (10,)), 4)
    >>> BlockTask("count", print, grid, retries=0).name
    'count'
    """

    name: str
    """Unique in a run."""
    function: Callable[..., object] | None
    """Called for each block; None: workers that `connect` process the blocks."""
    grid: BlockGrid
    """The blocks."""
    _: KW_ONLY
    after: str | BlockTask | After | tuple[str | BlockTask | After, ...] = ()
    """Earlier tasks; a name or a task means `After` it, with the same axes."""
    conflict: bool = False
    """Whether blocks read what others of this task write: then no two that do so run together, and
    they run in an order that does not depend on the workers; `Block.neighbours` says what of it is
    done."""
    retries: int = 2
    """Number of retries of a block that failed."""
    timeout: float | None = None
    """Seconds that a block may take; its worker is then ended (executor "processes" only)."""
    setup: Mapping[str, Callable[[], object]] | None = None
    """Called once in each worker, and what they return passed by keyword to each block; a context
    manager is entered, and left at the worker's end."""
    is_done: Callable[[Block], bool] | NDArray[np.bool_] | None = None
    """Blocks that need not run, for they were done elsewhere, and count as cached: a function that
    is called in the workers before each block (if it raises, the block has failed), or an array of
    the grid's shape or (n_blocks,)."""
    where: Sequence[Roi] | NDArray[np.bool_] | Mask | None = None
    """The blocks to run at all: those whose write regions meet one of these regions or a coarse
    mask, or those that are true in an array of the grid's shape.  The others count as done for who
    depends on them."""
    workers: int | None = None
    """Limit of the workers at this task at once; None: all of the run's."""
    requires: Mapping[str, int] | None = None
    """Resources of the run that a running block takes, such as ``{"gpu": 1}``."""
    key: str = ""
    """Identifies what its results depend on, besides the blocks: parameters, a version.  A journal
    that was begun under another key is refused, for its blocks were done otherwise."""
    journal: Path | None = None
    """This task's journal file; overrides the journal folder of the run."""
    collect: Callable[[Sequence[tuple[int, object]]], None] | None = None
    """Called in the driver with (block index, return value) of the blocks of a batch that
    succeeded, before they are journalled: what it does must be durable when it returns."""
    check: Callable[[Sequence[int]], Mapping[int, Exception]] | None = None
    """Called in the driver with the numbers of the blocks of a batch that succeeded, before they
    are collected and journalled: gives the errors of those that do not count after all, which are
    not tried again.  If it raises, none of the task's blocks counts from then on."""
    record: Callable[[Sequence[tuple[NDArray[np.int64], NDArray[np.uint8], int]]], None] | None = (
        None
    )
    """Called in the driver with (numbers, statuses, attempt) of blocks that were collected, before
    the journal has them: keeps a record of them elsewhere too."""
    again: Callable[[Sequence[int]], None] | None = None
    """Called in the driver with the numbers of blocks that were handed out before, and will be
    again: takes away what a try that failed, or whose worker is gone, has left."""
    bytes_per_block: int = 0
    """Memory that a running block takes, in bytes; for the run's `memory`."""
    is_here: Callable[[Block], bool] | None = None
    """Called in a worker with a block that came together with those of the same number that it
    waits for, once these are done: whether it finds what they have made there.  If not, it comes
    again by itself.  None: its blocks never come so."""
    within: tuple[str, ...] = ()
    """Names of the tasks that it is a part of, the outermost first; for who shows a run."""

    def __post_init__(self) -> None:
        name: object = self.name
        for field, is_right, rule in (
            ("name", isinstance(name, str) and name != "", "a task has a name"),
            (
                "function",
                self.function is None or callable(self.function),
                "a task's function can be called, or is None for workers that connect",
            ),
            ("grid", hasattr(self.grid, "range_bounds"), "a task's grid is a BlockGrid"),
            ("retries", _is_whole(self.retries, 0), "a block is retried 0 times or more"),
            (
                "workers",
                self.workers is None or _is_whole(self.workers, 1),
                "a task has 1 worker or more",
            ),
            (
                "timeout",
                self.timeout is None or (_is_number(self.timeout) and self.timeout > 0),
                "a timeout is above 0 s",
            ),
            (
                "bytes_per_block",
                _is_number(self.bytes_per_block) and self.bytes_per_block >= 0,
                "a block takes 0 bytes or more",
            ),
            (
                "requires",
                self.requires is None or isinstance(self.requires, Mapping),
                "a task requires amounts by the names of resources, as {'gpu': 1}",
            ),
        ):
            if not is_right:
                raise ParameterError(
                    rule, value=getattr(self, field), place=f"{field} of task {self.name!r}"
                )

    def edges(self) -> tuple[After, ...]:
        """The entries of `after`, each as an `After`."""
        edges = self.after if isinstance(self.after, tuple) else (self.after,)
        return tuple(
            item
            if isinstance(item, After)
            else After(item.name if isinstance(item, BlockTask) else item)
            for item in edges
        )

    def chosen(self) -> NDArray[np.bool_] | None:
        """The blocks that `where` chooses, as an array of shape (n_blocks,); None: all.

        Raises
        ------
        GeometryError
            If an array has not the grid's shape, or a region not its axes.
        """
        if self.where is None:
            return None
        if isinstance(self.where, Mask):
            return self.where.choose(self.grid).reshape(-1)
        if isinstance(self.where, np.ndarray):
            return _flat(self.where, self.grid, f"where of task {self.name!r}")
        mask = np.zeros(tuple(self.grid.shape), dtype=np.bool_)
        for region in self.where:
            roi = Roi.of(region)
            if roi.ndim != self.grid.ndim:
                raise GeometryError(
                    f"a region of where has the grid's {self.grid.ndim} axes",
                    value=roi,
                    place=f"task {self.name!r}",
                )
            mask[tuple(slice(r.start, r.stop) for r in self.grid.ranges(roi))] = True
        return mask.reshape(-1)

    def known_done(self) -> NDArray[np.bool_] | None:
        """The blocks that an array `is_done` marks, shape (n_blocks,); None: it is no array.

        Raises
        ------
        GeometryError
            If it is an array, and has not the grid's shape.
        """
        if not isinstance(self.is_done, np.ndarray):
            return None
        return _flat(self.is_done, self.grid, f"is_done of task {self.name!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _is_whole(value: object, least: int) -> bool:
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return is_integer and value >= least  # type: ignore[operator]


def _flat(mask: NDArray[np.bool_], grid: BlockGrid, place: str) -> NDArray[np.bool_]:
    if mask.dtype != np.bool_ or mask.shape not in ((grid.n_blocks,), tuple(grid.shape)):
        raise GeometryError(
            "a choice of blocks is a boolean array of the grid's shape",
            value=f"{mask.dtype} of shape {mask.shape}, grid {tuple(grid.shape)}",
            place=place,
            remedy="one value a block, not one a voxel",
        )
    return mask.reshape(-1)
