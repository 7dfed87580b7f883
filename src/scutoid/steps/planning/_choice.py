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
import math
import numbers
import os
import sys
import types
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass

import numpy as np

from scutoid.steps.graph import (
    Call,
    CollectionRef,
    Gathered,
    MappedCall,
    Member,
    Node,
    Opened,
    OpenedFolder,
    Ref,
    bytes_of,
    files_in,
    planned_node,
)
from scutoid.steps.planning._plan import Choice
from scutoid.steps.planning._planned import PlannedRun

_SMALL = 2**20
"""Bytes of images that one thread works on sooner than several begin."""
_WHOSE_DATA = frozenset((*sys.stdlib_module_names, "numpy", "pandas", "scutoid"))
"""Packages whose classes of data call no function of a user."""
_DATA = (numbers.Number, str, bytes, np.generic, np.dtype, os.PathLike, fractions.Fraction)
_MORE_DATA = (slice, range, enum.Enum, dt.date, dt.time, dt.timedelta)


def choose_executor(planned: PlannedRun) -> Choice:
    """Choose where the blocks of a run are computed."""
    calls = list(_computed(planned))
    foreign: dict[Node, bool] = {}
    for call in calls:
        reason = _against_threads(call, foreign)
        if reason is not None:
            return Choice("processes", f"step {call.name!r} {reason}")
    if sum(map(_bytes, calls)) <= _SMALL:
        return Choice("serial", "all of it is small")
    return Choice("threads", "every step may be run by threads")


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


def _bytes(call: Call) -> float:
    """Return the bytes that a call reads or makes, whichever are more.

    Those of a collection are not known before each member is opened: of several they are many.
    """
    if isinstance(call, MappedCall):
        return math.inf if len(call.keys) > 1 else 0
    return max(bytes_of(call), sum(image.nbytes for image in call.images))


def _against_threads(call: Call, foreign: dict[Node, bool]) -> str | None:
    """Say what keeps a call from threads of this process; None: nothing does.

    Parameters
    ----------
    call : Call
        What is called.
    foreign : dict of Node to bool
        Which nodes are read by code of others, as far as somebody has looked; it looks at the rest.
    """
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
    for node in map(_source, call.dependencies):
        if node not in foreign:
            foreign[node] = _is_foreign(node)
        if foreign[node]:
            return f"reads {node.name!r} by code of others"
    return None


def _source(ref: Ref | CollectionRef) -> Node:
    node = planned_node(ref)
    while isinstance(node, Member):
        node = node.collection
    return node


def _is_foreign(node: Node) -> bool:
    """Whether what is read is read by code of a user, such as the graph of a dask array."""
    if isinstance(node, OpenedFolder):
        from scutoid.arrays import is_read_alone  # with the readers of files, which folders load

        files = (path for member in node.paths.values() for path in files_in(member))
        return node.opening.reader is not None or not all(map(is_read_alone, files))
    if not isinstance(node, Opened):
        return False
    return not getattr(node.source, "threadsafe", False)


def _is_data(value: object) -> bool:
    """Whether a value has no code in it that a step could call, but for functions of scutoid."""
    if isinstance(value, types.FunctionType):  # another may have taken over its __module__
        return str(value.__globals__.get("__name__")).startswith("scutoid.")
    package = type(value).__module__.partition(".")[0]
    if package not in _WHOSE_DATA:
        return False
    if value is None or isinstance(value, (*_DATA, *_MORE_DATA, Ref, CollectionRef, Gathered)):
        return True
    if isinstance(value, np.ndarray):
        return not value.dtype.hasobject
    if isinstance(value, Mapping):
        return all(map(_is_data, value.values()))
    if isinstance(value, (list, tuple, AbstractSet)):
        return all(map(_is_data, value))
    if is_dataclass(value) and package == "scutoid":
        return all(_is_data(getattr(value, each.name)) for each in fields(value))
    return package == "pandas" and not callable(value)
