"""One block, one member or one whole step, computed again in this process."""

from __future__ import annotations

import functools
import os
import pdb  # noqa: T100 - this is what debugs
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from scutoid.blocks import parse_bytes
from scutoid.errors import ParameterError, PipelineError
from scutoid.geometry import BlockGrid
from scutoid.steps.graph import BlockCall, Call, MappedCall, ref_of
from scutoid.steps.handles import Evaluation, refs_in, refusing_depth
from scutoid.steps.planning import PlannedCall, PlannedRun, Planner
from scutoid.steps.running._stored_results import StoredResults
from scutoid.store import EntryStore

At: TypeAlias = int | str | Sequence[int] | None
"""A block by its number or its place in the grid, or a member by its key or number."""


def debug(
    *targets: object,
    store: str | os.PathLike[str],
    step: str | None = None,
    at: At = None,
    block: object = None,
    memory: int | str | None = None,
    begin: bool = False,
) -> Any:
    """Compute one block, member or whole step in this process, as a run would, into no store.

    The function gets what it gets in a run: the same blocks, the same inputs; those that the store
    has are read from it, others are computed.  As it is called in this process and this thread,
    `breakpoint` in it, ``pdb.post_mortem`` and the debuggers of editors work.

    Parameters
    ----------
    *targets : Image, Table, Value or a collection of these
        Results of steps, as they are given to `run`.
    store : path
        Folder of the results.
    step : str, optional
        Name of the step; default: that of the first target.
    at : int, sequence of int or str, optional
        Number of a block, its place in the grid of blocks, also as a text such as "3,4,5", or key
        of a member; default: the first that is not done, which is often the one that failed.
    block, memory
        As they are given to `run`; another block shape makes other blocks.
    begin : bool
        Whether Python's debugger stops at the first line of the function.

    Returns
    -------
    object
        What the function makes there: arrays without the halo, a table, a value, or a new temporary
        folder with the files that it wrote; a tuple where the step has several outputs.

    Raises
    ------
    ParameterError
        If there is no such block or member.
    PipelineError
        If the plan has no such step, or its blocks depend on what others have written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import scutoid as sc
    >>> bright = sc.threshold(sc.open(np.arange(16).reshape(4, 4)), level=7)
    >>> with tempfile.TemporaryDirectory() as store:
    ...     sc.debug(bright, store=store, at=(1, 0), block=2)
    array([[ True,  True],
           [ True,  True]])
    """
    refs = refs_in(targets)
    planner = Planner(
        EntryStore(store), block=block, memory=None if memory is None else parse_bytes(memory)
    )
    with refusing_depth():
        planned = planner.plan(refs)
    each = planned.of(refs[0]) if step is None else _named(planned, step)
    if each is None:
        raise PipelineError("what is debugged is a step", value=refs[0].name, place="debug")
    number = _number(each, at)
    call = StoredResults(planned, is_over=False).on_stored(each.call)
    if isinstance(call, MappedCall):
        call = call.member(call.keys[number])
    if begin:
        call = _stopping(call)
    kinds = call.spec.outputs
    folder = Path(tempfile.mkdtemp(prefix="scutoid-debug-")) if "files" in kinds else None
    evaluation = Evaluation(folder=folder)
    if isinstance(call, BlockCall) and not each.is_mapped:
        ((_, results),) = evaluation.some_blocks(call, [number])
    else:
        values = [evaluation.value(ref_of(call, kind, n)) for n, kind in enumerate(kinds)]
        pairs = zip(kinds, values, strict=True)
        results = tuple(folder if kind == "files" else value for kind, value in pairs)
    return results if call.spec.packed else results[0]


def _named(planned: PlannedRun, name: str) -> PlannedCall:
    by_task = {each.task: each for each in planned}
    if name not in by_task:
        raise PipelineError(
            "a plan has the steps of its targets",
            value=name,
            place="debug",
            remedy=f"there are {', '.join(by_task)}",
        )
    return by_task[name]


def _number(each: PlannedCall, at: At) -> int:
    """Return the number of the block or member that is meant."""
    if each.call.spec.sees_neighbours:
        raise PipelineError(
            "a block that sees its neighbours depends on which of them were written before it",
            value="one block alone",
            place=f"step {each.task!r}",
            remedy='run it with executor="serial"; breakpoint() in its function works there',
        )
    if at is None:
        return _first_open(each)
    if isinstance(each.call, MappedCall) and isinstance(at, str):
        return _one_of(each, at, each.call.keys)
    number = _numbers(at) if isinstance(at, str) else at
    if isinstance(number, Sequence) and each.step is not None and not isinstance(number, str):
        number = _at_place(each, each.step.layout.grid, number)
    if isinstance(number, int) and 0 <= number < each.n_blocks:
        return number
    kind = "member" if each.is_mapped else "block"
    raise ParameterError(
        f"at= is the number of a {kind}, from 0 to {each.n_blocks - 1}"
        + (", or its key" if each.is_mapped else ", or its place in the grid of blocks"),
        value=at,
        place=f"step {each.task!r}",
    )


def _numbers(text: str) -> int | str | tuple[int, ...]:
    """Return the number or the numbers that a text gives, with commas between."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        return text
    return numbers if len(numbers) > 1 else numbers[0]


def _first_open(each: PlannedCall) -> int:
    """Return the first block that is not done; 0 where all are."""
    if each.done is None or each.is_cached:
        return 0
    return int((~each.done).argmax())


def _one_of(each: PlannedCall, key: str, keys: Sequence[str]) -> int:
    if key not in keys:
        raise ParameterError(
            "at= is the key of a member",
            value=key,
            place=f"step {each.task!r}",
            remedy=f"there are {len(keys)}, such as {keys[0]!r}" if keys else None,
        )
    return keys.index(key)


def _at_place(each: PlannedCall, grid: BlockGrid, place: Iterable[int]) -> int:
    position = tuple(place)
    shape = tuple(grid.shape)
    is_inside = len(position) == len(shape) and all(
        0 <= n < length for n, length in zip(position, shape, strict=True)
    )
    if not is_inside:
        raise ParameterError(
            f"the place of a block lies in the grid of {shape} blocks",
            value=position,
            place=f"step {each.task!r}",
        )
    return grid.index(position)


def _stopping(call: Call) -> Call:
    """Return a call whose function begins in Python's debugger, but for trial calls."""
    function = call.spec.function
    is_trial = True

    @functools.wraps(function)
    def stopped(*arguments: object, **named: object) -> object:
        if is_trial:
            return function(*arguments, **named)
        return pdb.runcall(function, *arguments, **named)

    stopping = replace(call, spec=replace(call.spec, function=stopped))
    for output, kind in enumerate(call.spec.outputs):
        if kind == "image":
            stopping.framed(output)  # this is what the trial is for
    is_trial = False
    return stopping
