"""Call the function of a whole step, and check what it returned."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from scutoid.errors import StepError
from scutoid.spent import spending
from scutoid.steps.compute._calling import call, check_parts, unpack
from scutoid.steps.compute._fitted import fitted, image_of
from scutoid.steps.compute._parts import MemoryParts
from scutoid.steps.compute._tables import check_columns, join_tables, with_index
from scutoid.steps.declaration import StepSpec, is_table, own_all
from scutoid.steps.layout import PartsGrid
from scutoid.store import filling

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
_NO_MORE = object()


@contextlib.contextmanager
def prepared(
    spec: StepSpec, ready: Mapping[str, object] | None = None
) -> Iterator[Mapping[str, object]]:
    """Call a step's set-up, unless that was done; leave what it entered at the end."""
    if ready:
        yield ready
        return
    with contextlib.ExitStack() as stack:
        values = {}
        for name, load in spec.setup.items():
            value = load()
            if hasattr(value, "__enter__") and hasattr(value, "__exit__"):
                value = stack.enter_context(value)
            values[name] = value
        yield values


def finish(spec: StepSpec, merged: object, available: Mapping[str, object]) -> object:
    """Turn the merged value of a reduction into its result, by what is available of parameters."""
    if spec.finish is None:
        return merged
    wanted = _keyword_names(spec.finish)
    given = own_all({name: available[name] for name in wanted if name in available})
    result = spec.finish(merged, **given)
    return check_output(spec, spec.outputs[0], result)


def _keyword_names(function: Callable[..., object]) -> list[str]:
    return [
        p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY
    ]


def check_output(spec: StepSpec, kind: str, result: T) -> T:
    """Check a whole result against what the step declared."""
    if (kind == "table") != is_table(result) and kind in ("table", "value"):
        if kind == "table":
            raise StepError(
                "a step with out='table' returns a DataFrame",
                value=type(result).__name__,
                place=f"step {spec.label!r}",
            )
        if spec.kind == "reduction":
            raise StepError(
                "a reduction that returns a DataFrame declares it",
                value="DataFrame",
                place=f"step {spec.label!r}",
                remedy="give out='table' to the decorator",
            )
    if kind == "table":
        check_columns(cast("pd.DataFrame", result), f"step {spec.label!r}")
    return result


def call_step(
    spec: StepSpec,
    inputs: Sequence[object],
    params: Mapping[str, object],
    *,
    frames: Sequence[Any],
    key: str | None,
    voxel_size: tuple[float, ...] | None,
    origin: tuple[float, ...] | None,
    where: PartsGrid | None,
    folder: Path | None = None,
    in_partitions: bool = False,
) -> tuple[Any, ...]:
    """Call the function of a whole step and check what it returned.

    The inputs are the call's own, which it may change in place; see `own`.  A table may come as an
    iterator of tables, which are joined; with `in_partitions` it is given on as `TablePartitions`,
    unless the step has a set-up, which must not end before the iterator.
    """
    injected = {"key": key, "voxel_size": voxel_size, "origin": origin, "folder": folder}
    with prepared(spec) as ready, filling(folder):
        result = call(spec, inputs, {**own_all(params), **ready}, injected)
        items = [
            TablePartitions(spec, item) if kind == "table" and isinstance(item, Iterator) else item
            for kind, item in zip(spec.outputs, unpack(spec, result), strict=True)
        ]
        if not in_partitions or spec.setup:
            items = [_joined(item) for item in items]
    results: list[object] = []
    for kind, item, framed in zip(spec.outputs, items, frames, strict=True):
        if isinstance(item, TablePartitions):
            results.append(item)
        elif kind == "image":
            place = f"step {spec.label!r}"
            array = image_of(item, place)
            if array.shape != framed.spec.shape:
                raise StepError(
                    "a step with out='image' returns the shape of its first image",
                    value=f"{array.shape}; expected {framed.spec.shape}",
                    place=f"step {spec.label!r}",
                    remedy="return a value instead (out='value'), or keep the shape",
                )
            results.append(fitted(array, framed.spec.dtype, place))
        elif kind == "parts":
            results.append(_step_parts(spec, item, where))
        else:
            results.append(check_output(spec, kind, item))
    return tuple(results)


class TablePartitions:
    """A table that a step returned as an iterator of tables, each a part of its rows.

    A format of the store that can writes each as it comes; see `scutoid.store`.
    """

    def __init__(self, spec: StepSpec, tables: Iterator[pd.DataFrame]) -> None:
        self._spec = spec
        self._tables = tables

    def _next(self) -> object:
        """Have the function make the next one, in the midst of their being written."""
        with spending("computing"):
            return next(self._tables, _NO_MORE)

    def table_partitions(self) -> Iterator[pd.DataFrame]:
        """Go through the tables, once.

        Raises
        ------
        StepError
            If one is no table, or there is none.
        """
        is_empty = True
        while (table := self._next()) is not _NO_MORE:
            checked: Any = check_output(self._spec, "table", table)
            yield with_index(checked, f"step {self._spec.label!r}")
            is_empty = False
        if is_empty:
            raise StepError(
                "a table in partitions has at least one, if need be without rows",
                value="none",
                place=f"step {self._spec.label!r}",
            )


def _joined(item: object) -> object:
    """Return a table in partitions whole, anything else as it is."""
    return join_tables(item.table_partitions()) if isinstance(item, TablePartitions) else item


def _step_parts(spec: StepSpec, item: Any, where: PartsGrid | None) -> MemoryParts:
    if where is None:
        raise StepError(
            "a step with out='parts' has parts among its inputs, whose blocks it keeps",
            place=f"step {spec.label!r}",
        )
    entries = dict(item) if isinstance(item, Mapping) else dict(enumerate(item))
    if sorted(entries) != list(range(where.grid.n_blocks)):
        raise StepError(
            "a step with out='parts' returns a dict of arrays for each block of its input",
            value=f"{len(entries)} entries for {where.grid.n_blocks} blocks",
            place=f"step {spec.label!r}",
        )
    checked = {index: check_parts(parts, spec.label) for index, parts in entries.items()}
    return MemoryParts(where, checked)
