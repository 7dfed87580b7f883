"""How a result is to be shown, as ``options(view=)`` said when its step was called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scutoid.errors import ParameterError
from scutoid.steps.declaration import LAYER_OPTIONS
from scutoid.steps.graph import Call, FromStore, Member, Node, Ref
from scutoid.steps.results import StoredItem, StoredResult, view_of
from scutoid.views._spec import LayerSpec


def asked_of(handle: object) -> Mapping[str, object]:
    """Return what was asked of the layers of a result; of one in a store by the newest run."""
    for name in ("ref", "read_ref"):
        ref = getattr(handle, name, None)
        if isinstance(ref, Ref) and (found := _of_node(ref.node)):
            return found
    return {}


def as_asked(
    layers: Sequence[LayerSpec], asked: Mapping[str, object], name: str
) -> list[LayerSpec]:
    """Return the layers of one result with what was asked of them.

    Raises
    ------
    ParameterError
        If no layer takes one of the arguments.
    """
    kinds = list(dict.fromkeys(layer.kind for layer in layers))
    known = frozenset().union(*(LAYER_OPTIONS[kind] for kind in kinds))
    for argument in asked:
        if layers and argument not in known:
            raise ParameterError(
                f"view= of {' and '.join(kinds)} has arguments {', '.join(sorted(known))}",
                value=argument,
                place=f"{name!r}, option 'view'",
                remedy="leave it out, or show the result as what it is for",
            )
    return [
        replace(
            layer,
            options={
                **layer.options,
                **{k: v for k, v in asked.items() if k in LAYER_OPTIONS[layer.kind]},
            },
        )
        for layer in layers
    ]


def _of_node(node: Node) -> Mapping[str, object]:
    if isinstance(node, Member):
        node = node.collection if isinstance(node.collection, Call) else node.single
    if isinstance(node, Call):
        return node.spec.options.view or {}
    if isinstance(node, FromStore):
        if isinstance(node.stored, StoredResult):
            return view_of(node.stored.entry.path)
        if isinstance(node.stored, StoredItem):
            return view_of(node.stored.folder)
    return {}
