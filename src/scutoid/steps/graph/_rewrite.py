"""Rebuild a graph with some of its calls replaced; the graph itself stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from scutoid.errors import PipelineError
from scutoid.steps.declaration import StepSpec
from scutoid.steps.graph._call import Call, make_call
from scutoid.steps.graph._refs import CollectionRef, Gathered, ImageRef, Member, Node, Ref

Outputs = tuple[Ref | CollectionRef, ...]


class Rewriting:
    """Rebuilds what depends on calls that change, each call once.

    Parameters
    ----------
    replaced : function of a call
        Returns what stands for the outputs of a call, or None where it is rebuilt.
    spec : function of a call
        Returns the step that a call that is rebuilt applies; the same one where it stays.
    opened : function of a node, optional
        Returns what stands for a collection that no call makes, such as the files of a folder.
    """

    def __init__(
        self,
        replaced: Callable[[Call], Outputs | None],
        spec: Callable[[Call], StepSpec],
        opened: Callable[[Node], Node] | None = None,
    ) -> None:
        self._replaced = replaced
        self._spec = spec
        self._opened = opened
        self._stands_for: dict[Node, Node] = {}
        self._made: dict[Call, Outputs] = {}

    def item(self, item: object) -> object:
        """Return an input or a parameter of the rewritten graph."""
        if isinstance(item, Gathered):
            return replace(item, collection=self._collection(item.collection))
        if isinstance(item, Ref):
            return self.ref(item)
        return self._collection(item) if isinstance(item, CollectionRef) else item

    def ref(self, ref: Ref) -> Ref:
        """Return what a reference becomes."""
        if isinstance(ref.node, Member):
            return self._member(ref, ref.node)
        if not isinstance(ref.node, Call):
            return ref
        replacement = self._outputs(ref.node)[ref.output]
        if isinstance(ref, ImageRef) and isinstance(replacement, ImageRef) and ref.view is not None:
            return replace(replacement, view=ref.view)
        return replacement if isinstance(replacement, Ref) else ref

    def _member(self, ref: Ref, member: Member) -> Ref:
        collection = CollectionRef(member.collection, ref.kind, ref.output)
        made = self._collection(collection)
        if made.node is member.collection or member.key not in made.node.places:
            return ref
        new = made.member(member.key)
        if isinstance(ref, ImageRef) and isinstance(new, ImageRef):
            return replace(new, view=ref.view)
        return new

    def _collection(self, ref: CollectionRef) -> CollectionRef:
        if not isinstance(ref.node, Call):
            return ref if self._opened is None else ref.on(self._stand_in(ref.node))
        made = self._outputs(ref.node)[ref.output]
        if not isinstance(made, CollectionRef):
            return ref
        return replace(made, parts=(*made.parts, *ref.parts))

    def _stand_in(self, node: Node) -> Node:
        """Return what stands for a collection, the same one each time."""
        if self._opened is not None and node not in self._stands_for:
            self._stands_for[node] = self._opened(node)
        return self._stands_for[node]

    def _outputs(self, call: Call) -> Outputs:
        if call not in self._made:
            self._made[call] = self._replaced(call) or self.on_new_inputs(call).outputs
        return self._made[call]

    def on_new_inputs(self, call: Call) -> Call:
        """Return a call on what its inputs become, whether it is replaced itself or not."""
        spec = self._spec(call)
        inputs = [self.item(item) for item in call.inputs]
        params = {name: self.item(value) for name, value in call.params.items()}
        pairs = (
            *zip(inputs, call.inputs, strict=True),
            *((params[n], call.params[n]) for n in params),
        )
        if spec is call.spec and all(_is_same(new, old) for new, old in pairs):
            return call
        return make_call(
            spec, inputs, params, key=call.key, states=call.states, made_by=call.makings
        )


def _is_same(new: object, old: object) -> bool:
    is_reference = isinstance(new, (Ref, CollectionRef, Gathered))
    return new == old if is_reference else new is old


def with_spec_options(ref: Ref | CollectionRef, options: Mapping[str, object]) -> Any:
    """Return the same output of the same call, with other options of its step.

    Raises
    ------
    PipelineError
        If it is no result of a step.
    """
    call = ref.node
    if not isinstance(call, Call):
        raise PipelineError(
            "options are those of the step that makes a result",
            value=f"{ref.name!r}, an input",
            place="options",
            remedy="give them where a step makes the result",
        )
    spec = call.spec.with_options(**options)
    changed = make_call(
        spec,
        call.inputs,
        call.params,
        key=call.key,
        states=call.states,
        made_by=call.makings,
    )
    return ref.on(changed)
