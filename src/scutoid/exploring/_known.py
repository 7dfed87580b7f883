"""Calls that were met before: a graph that was built again is put upon those of earlier ones.

A pipeline that is called again makes new nodes, also where nothing has changed.  What was computed
is remembered by node, so each node that says the same as an earlier one is replaced by that.

::

    earlier    open ── gaussian 2 ── otsu ── threshold
    again      open'── gaussian 2'── otsu'── x 1.1 ── threshold'
    becomes    open ── gaussian 2 ── otsu ── x 1.1 ── threshold'
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

from scutoid.exploring._graph import single
from scutoid.same import Same
from scutoid.steps.declaration import StepSpec
from scutoid.steps.graph import Call, Constant, FromStore, ImageRef, Node, Opened, Ref, make_call
from scutoid.store import canonical_digest

_MOST = 4096
"""Nodes that are remembered."""


class Known:
    """Finds nodes of new graphs among those of earlier ones."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[Hashable, Node] = OrderedDict()

    def ref(self, ref: Ref) -> Ref:
        """Return the same result of a node that was met before, or is from now on.

        Parameters
        ----------
        ref : Ref
            A single result.

        Returns
        -------
        Ref
            On earlier nodes as far as these say the same.
        """
        return self._ref(ref, {})

    def _ref(self, ref: Ref, made: dict[Node, Node]) -> Ref:
        ref = single(ref)
        if ref.node not in made:
            made[ref.node] = self._node(ref.node, made)
        node = made[ref.node]
        return ref if node is ref.node else ref.on(node)

    def _node(self, node: Node, made: dict[Node, Node]) -> Node:
        key, on_known = self._key(node, made)
        if key not in self._nodes:
            self._nodes[key] = on_known
        self._nodes.move_to_end(key)
        while len(self._nodes) > _MOST:
            self._nodes.popitem(last=False)
        return self._nodes[key]

    def _key(self, node: Node, made: dict[Node, Node]) -> tuple[Hashable, Node]:
        """Return what a node says, and the node upon known ones."""
        match node:
            case Call():
                return self._call(node, made)
            case Opened():
                return ("opened", node.name, node.offset, _file(node)), node
            case FromStore():
                return ("stored", node.stored_key), node
            case Constant():
                return ("constant", node.name, _value(node.value)), node
        return ("node", node), node

    def _call(self, call: Call, made: dict[Node, Node]) -> tuple[Hashable, Call]:
        inputs = [self._item(item, made) for item in call.inputs]
        params = {name: self._item(value, made) for name, value in call.params.items()}
        given, old = (*inputs, *params.values()), (*call.inputs, *call.params.values())
        key = (
            type(call),
            _spec(call.spec),
            call.key,
            _value(call.states),
            tuple(map(_argument, inputs)),
            tuple((name, _argument(value)) for name, value in params.items()),
        )
        if key in self._nodes or all(
            a is b or (isinstance(a, Ref) and a == b) for a, b in zip(given, old, strict=True)
        ):
            return key, call
        states, makings = call.states, call.makings
        return key, make_call(
            call.spec, inputs, params, key=call.key, states=states, made_by=makings
        )

    def _item(self, item: object, made: dict[Node, Node]) -> object:
        return self._ref(item, made) if isinstance(item, Ref) else item


def _argument(item: object) -> Hashable:
    if isinstance(item, Ref):
        view = item.view if isinstance(item, ImageRef) else None
        return "result", item.node, item.kind, item.output, view
    return _value(item)


def _value(value: object) -> Hashable:
    """Return what tells a value from others; one that has no stable form is itself alone."""
    if value is None:
        return None
    try:
        return canonical_digest(value)
    except Exception:  # noqa: BLE001 - a value of any class
        return Same(value)


def _file(node: Opened) -> Hashable:
    """Return what tells the pixels of an image from others, as far as its files say it at once."""
    source = node.source
    identity = source.identity
    array = None if identity.array is None else Same(identity.array)
    stamps = tuple(map(_stamp, identity.locations))
    shown = repr((source.spec, identity.kind, identity.mode, identity.detail, identity.described))
    if array is None and not stamps:
        return Same(source)
    return shown, identity.locations, stamps, array


def _stamp(location: str) -> Hashable:
    try:
        found = os.stat(location)  # noqa: PTH116 - what is not a path has none
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _spec(spec: StepSpec) -> Hashable:
    """Return what tells a step from others: options make a new one at each call."""
    return tuple(_frozen(getattr(spec, field.name)) for field in fields(spec))


def _frozen(value: Any) -> Hashable:
    if isinstance(value, partial):
        return "partial", _frozen(value.func), _frozen(value.args), _frozen(value.keywords)
    if isinstance(value, Mapping):
        return tuple((name, _frozen(item)) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    if is_dataclass(value) and not isinstance(value, type):
        return type(value), tuple(_frozen(getattr(value, each.name)) for each in fields(value))
    if callable(value):
        return Same(value)
    return _value(value)
