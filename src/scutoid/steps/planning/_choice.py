"""Which executor a run takes where it is left to scutoid: `executor="auto"`.

::

    a step of a user's own, a timeout, set-up or resource,
    a function among the parameters, a reader of a user's  ->  processes: what dies is one block
    operations that are declared `threadsafe`, small work  ->  serial: one thread of this process
                                               other work  ->  threads

Results and their keys are the same whichever it is.
"""

from __future__ import annotations

import datetime as dt
import enum
import fractions
import numbers
import os
import types
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass

import numpy as np

from scutoid.steps.graph import (
    Call,
    CollectionRef,
    Gathered,
    Member,
    Node,
    Opened,
    OpenedFolder,
    Ref,
    bytes_of,
    planned_node,
)
from scutoid.steps.planning._plan import Choice
from scutoid.steps.planning._planned import PlannedRun

_SMALL = 2**20
"""Bytes of images that one thread works on sooner than several begin."""
_DATA = (numbers.Number, str, bytes, np.generic, np.dtype, os.PathLike, fractions.Fraction)
_MORE_DATA = (slice, range, enum.Enum, dt.date, dt.time, dt.timedelta)


def choose_executor(planned: PlannedRun) -> Choice:
    """Choose where the blocks of a run are computed."""
    calls = list(_computed(planned))
    for call in calls:
        reason = _against_threads(call)
        if reason is not None:
            return Choice("processes", f"step {call.name!r} {reason}")
    if sum(map(bytes_of, calls)) <= _SMALL:
        return Choice("serial", "all of it is small")
    return Choice("threads", "all steps are operations that threads may run")


def _computed(planned: PlannedRun) -> Iterator[Call]:
    """Yield the calls whose functions run, those that are computed inside others too."""
    waiting: list[Call] = [each.call for each in planned if not each.is_cached]
    seen = set(waiting)
    while waiting:
        call = waiting.pop()
        yield call
        for node in map(planned_node, call.dependencies):
            above = planned.by_node.get(node)
            is_there = above is not None and above.is_cached
            if isinstance(node, Call) and not is_there and node not in seen:
                seen.add(node)
                waiting.append(node)


def _against_threads(call: Call) -> str | None:
    """Say what keeps a call from threads of this process; None: nothing does."""
    spec = call.spec
    if not spec.threadsafe:
        return "is not declared threadsafe"
    if spec.setup:
        return "has a set-up"
    if spec.options.timeout is not None:
        return "has a timeout"
    if spec.options.requires:
        return "requires resources"
    if not all(map(_is_data, (*call.inputs, *call.params.values()))):
        return "gets a function, or an object that may have one"
    foreign = next((node for node in map(_source, call.dependencies) if _is_foreign(node)), None)
    return None if foreign is None else f"reads {foreign.name!r} by code of others"


def _source(ref: Ref | CollectionRef) -> Node:
    node = planned_node(ref)
    while isinstance(node, Member):
        node = node.collection
    return node


def _is_foreign(node: Node) -> bool:
    """Whether what is read is read by code of a user, such as the graph of a dask array."""
    if isinstance(node, OpenedFolder):
        return node.opening.reader is not None
    if not isinstance(node, Opened):
        return False
    return not getattr(node.source, "threadsafe", False)


def _is_data(value: object) -> bool:
    """Whether a value has no code in it that a step could call, but for functions of scutoid."""
    if isinstance(value, types.FunctionType):
        return value.__module__.startswith("scutoid.")
    if value is None or isinstance(value, (*_DATA, *_MORE_DATA, Ref, CollectionRef, Gathered)):
        return True
    if isinstance(value, np.ndarray):
        return not value.dtype.hasobject
    if isinstance(value, Mapping):
        return all(map(_is_data, value.values()))
    if isinstance(value, (list, tuple, AbstractSet)):
        return all(map(_is_data, value))
    module = type(value).__module__
    if is_dataclass(value) and module.startswith("scutoid."):
        return all(_is_data(getattr(value, each.name)) for each in fields(value))
    return module.partition(".")[0] == "pandas" and not callable(value)
