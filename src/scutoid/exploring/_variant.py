"""A graph with some other values of parameters, computed on a region."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.exploring._changes import Changes
from scutoid.exploring._embedded import EmbeddedSource
from scutoid.exploring._graph import Unit, single
from scutoid.exploring._needs import Needs, Widths
from scutoid.exploring._session import Session
from scutoid.exploring._spans import Spans, roi_of
from scutoid.steps.compute import finish, join_tables, merge_in_order
from scutoid.steps.declaration import StepSpec, kept
from scutoid.steps.graph import (
    BlockCall,
    Call,
    Constant,
    ImageRef,
    Opened,
    Outputs,
    Ref,
    WholeCall,
    make_call,
)
from scutoid.steps.layout import ask


class Variant:
    """The steps of a session with other values of some parameters.

    Parameters
    ----------
    session : Session
        Remembers what it made.
    changes : Changes
        The other values.
    margin : function of a BlockCall
        The margin by spatial axis, in voxels.
    """

    def __init__(self, session: Session, changes: Changes, margin: Any) -> None:
        self.session = session
        self.graph = session.graph
        self.changes = changes
        plain = tuple(map(self._plain, self.graph.order))
        self._stored: Mapping[Call, Outputs] = session.stored(plain, _changed(changes))
        self._leaves = self.graph.readable(self._stored)
        self.full: dict[Call, Call] = {}
        for call in self.graph.order:
            self.full[call] = self._on_full(call)
        self.needs = Needs(self.graph, self.full, self.is_leaf, margin, session.is_cut_anew)
        self._parts: dict[Call, Call] = {}
        self._regional: dict[Call, Call] = {}
        self._values: dict[tuple[Call, int, bool], Ref] = {}

    def is_leaf(self, call: Call) -> bool:
        """Whether a result is read on a region too, and not computed."""
        return call in self._leaves

    @property
    def calls(self) -> set[Call]:
        """All calls that it is made of."""
        return {*self.full.values(), *self._parts.values(), *self._regional.values()}

    # On the whole image

    def full_ref(self, ref: Ref) -> Ref:
        """Return a result as it is on the whole image."""
        call = self.graph.call_of(ref)
        if call is None:
            return ref
        stored = self._stored.get(call)
        base = self.full[call].outputs[ref.output] if stored is None else stored[ref.output]
        found: Ref = _with_view(base, ref)
        return found

    def _plain(self, call: Call) -> Call:
        """Return a call with the changes, on calls with the changes."""
        if not self.changes.digests[call]:
            return call
        return self._rebuilt("plain", call, [self._plain_item(i) for i in call.inputs])

    def _plain_item(self, item: object) -> object:
        call = self.graph.call_of(item) if isinstance(item, Ref) else None
        if call is None or not self.changes.digests[call]:
            return item
        assert isinstance(item, Ref)  # noqa: S101 - as it is made by a call
        return _with_view(self._plain(call).outputs[item.output], item)

    def _on_full(self, call: Call) -> Call:
        is_same = not self.changes.digests[call]
        deps = list(self.graph.dependencies(call))
        if is_same and all(each not in self._stored and self.full[each] is each for each in deps):
            return call
        return self._rebuilt("full", call, [self._full_item(item) for item in call.inputs])

    def _full_item(self, item: object) -> object:
        return self.full_ref(single(item)) if isinstance(item, Ref) else item

    def _rebuilt(self, kind: str, call: Call, inputs: Sequence[object]) -> Call:
        item = self._plain_item if kind == "plain" else self._full_item
        params = {name: item(value) for name, value in call.params.items()}
        return self._made(kind, call, call.spec, inputs, params, is_checked=True)

    def _made(
        self,
        kind: str,
        call: Call,
        spec: StepSpec,
        inputs: Sequence[object],
        params: Mapping[str, object],
        *,
        block: Hashable = None,
        is_checked: bool = False,
    ) -> Call:
        """Return a call on other inputs, with the changes; the same one each time."""
        changed = self.changes.by_call.get(call, {})
        values = {**params, **changed}
        refs = tuple(item for item in (*inputs, *values.values()) if isinstance(item, Ref))

        def make() -> Call:
            made = make_call(spec, inputs, values, key=call.key, states=call.states)
            if is_checked and spec.check is not None and made.images:
                ask(spec.check, "check", made.images, made.params, f"step {spec.label!r}")
            return made

        return self.session.memory.once((kind, call, self.changes.digests[call], refs, block), make)

    # On a region

    def image(self, ref: Ref) -> ImageRef:
        """Return an image that can be read where it is needed, in the frame of the whole image."""
        ref = single(ref)
        call = self.graph.call_of(ref)
        found: Any = ref
        if call is not None:
            found = _with_view(self._image_of(call, ref.output), ref)
        return found  # type: ignore[no-any-return]

    def _image_of(self, call: Call, output: int) -> Ref:
        if self.is_leaf(call):
            return self._stored[call][output]  # type: ignore[return-value]
        unit = self.graph.unit_of[call]
        if unit.role == "local":
            return self.regional(call).outputs[output]  # type: ignore[return-value]
        if unit.role == "joined":
            part: Any = self.part(call).outputs[output]
            return self._embedded(call, output, part, is_near=True)
        full: Any = self.full[call].outputs[output]
        return self._embedded(call, output, full, is_near=False)

    def _embedded(self, call: Call, output: int, part: ImageRef, *, is_near: bool) -> ImageRef:
        full = self.full[call]

        def make() -> ImageRef:
            framed = full.framed(output)
            evaluation = self.session.near if is_near else self.session.full
            source = EmbeddedSource(
                evaluation, part, framed, full.is_labels(output), is_at_once=is_near
            )
            return ImageRef(Opened(source, call.name, framed.offset))

        return self.session.memory.once(("embedded", part, is_near), make)

    def regional(self, call: Call) -> Call:
        """Return a function of a block on images that can be read where they are needed."""
        if call not in self._regional:
            self._regional[call] = self._on(
                "regional", call, call.spec, [self._item(i, call) for i in call.inputs]
            )
        return self._regional[call]

    def part(self, call: Call) -> Call:
        """Return a call of a unit that joins objects, on what is needed of its images."""
        if call in self._parts:
            return self._parts[call]
        unit = self.graph.unit_of[call]
        area = self.needs.areas[unit]
        full, spec, block = self.full[call], call.spec, None
        if isinstance(full, BlockCall) and full.given_parts is None:
            shape = {
                axis: 1 if axis in full.layout.iterated else area.read[axis][1] - area.read[axis][0]
                for axis in full.layout.axes
            }
            if not full.spec.block_invariant:
                shape = dict(zip(full.layout.axes, full.layout.grid.block_shape, strict=True))
            block = tuple(shape.items())
            spec = spec.with_options(block=shape)
        inputs = [self._part_item(item, call, unit, area.read) for item in call.inputs]
        self._parts[call] = self._on("part", call, spec, inputs, block=(block, _frozen(area.read)))
        return self._parts[call]

    def _on(
        self,
        kind: str,
        call: Call,
        spec: StepSpec,
        inputs: Sequence[object],
        *,
        block: Hashable = None,
    ) -> Call:
        changed = self.changes.by_call.get(call, {})
        params = {
            name: value if name in changed else self._item(value, call)
            for name, value in call.params.items()
        }
        return self._made(kind, call, spec, inputs, params, block=block)

    def _part_item(self, item: object, call: Call, unit: Unit, read: Spans) -> object:
        made_by = self.graph.call_of(item) if isinstance(item, Ref) else None
        if made_by is not None and made_by in unit.calls and not self.is_leaf(made_by):
            assert isinstance(item, Ref)  # noqa: S101 - as it is made by a call
            return _with_view(self.part(made_by).outputs[item.output], item)
        if isinstance(item, ImageRef):
            image = self.image(item)
            return image.narrow(image.crop_index(roi_of(image.axes, read, image.roi)))
        return self._item(item, call)

    def _item(self, item: object, consumer: Call) -> object:
        """Return an input or parameter of a call on a region."""
        if isinstance(item, ImageRef):
            return self.image(item)
        if not isinstance(item, Ref):
            return item
        ref = single(item)
        call = self.graph.call_of(ref)
        if call is None:
            return ref
        unit = self.graph.unit_of[call]
        if unit is self.graph.unit_of[consumer] and not self.is_leaf(call):
            return self.part(call).outputs[ref.output]
        is_regional = unit.role != "global" and not self.graph.needs_all(ref, consumer)
        return self.constant(ref, is_regional=is_regional)

    def constant(self, ref: Ref, *, is_regional: bool) -> Ref:
        """Return a value or table as a constant: of the region, or of the whole image."""
        ref = single(ref)
        call = self.graph.call_of(ref)
        if call is None:
            return ref
        is_regional = is_regional and not self.is_leaf(call)
        memo = (call, ref.output, is_regional)
        if memo not in self._values:
            source = self.full_ref(ref) if not is_regional else None
            if source is not None:
                key: Hashable = ("value", source)
            else:
                made = self._computing(call)
                key = ("value", made, ref.output, _frozen(self._spans(call)))

            def make() -> Ref:
                value = (
                    self.session.full.value(source)
                    if source is not None
                    else self._value(call, made, ref.output)
                )
                return Ref(Constant(value, ref.name), ref.kind)

            lasts = source is not None and ref.kind == "value"
            keep = self.session.memory.lasting if lasts else self.session.memory.once
            self._values[memo] = keep(key, make)
        return self._values[memo]

    def _computing(self, call: Call) -> Call:
        if self.graph.unit_of[call].role == "joined":
            return self.part(call)
        return self.regional(call)

    def _spans(self, call: Call) -> Spans:
        return {} if self.graph.unit_of[call].role == "joined" else self.needs.of(call)

    def _value(self, call: Call, made: Call, output: int) -> Any:
        if isinstance(made, WholeCall) or self.graph.unit_of[call].role == "joined":
            ref: Any = made.outputs[output]
            return self.session.near.value(ref)
        assert isinstance(made, BlockCall)  # noqa: S101 - what is not whole is in blocks
        return self._table(made, output, self.needs.of(call))

    def _table(self, call: BlockCall, output: int, spans: Spans) -> Any:
        """Compute a table, or what a reduction makes of a region."""
        layout = call.layout
        write = roi_of(layout.axes, spans, layout.image)
        results = [kept(each[output]) for _, each in self.session.near.cut(call, write)]
        if call.spec.kind != "reduction":
            return join_tables(results)
        step = call.step_on(layout)
        merged = merge_in_order(results, call.spec.merge)  # type: ignore[arg-type]
        params = {name: self.session.near.argument(item) for name, item in call.params.items()}
        return finish(call.spec, merged, {**params, **step.injected()})

    def read(self, ref: ImageRef, spans: Spans) -> NDArray[np.generic]:
        """Read a region of an image that is needed there."""
        image = self.image(ref)
        region = roi_of(image.axes, spans, image.roi)
        source = self.session.near.image(image, region)
        return source.read(region.shift(-image.roi.offset))


def _changed(changes: Changes) -> dict[Call, object]:
    return {call: digests for call, digests in changes.digests.items() if digests}


def _with_view(base: Any, ref: Ref) -> Any:
    """Take of a result what a reference takes."""
    if isinstance(ref, ImageRef) and ref.view is not None and isinstance(base, ImageRef):
        return ImageRef(base.node, output=base.output, view=ref.view)
    return base


def _frozen(spans: Spans) -> tuple[object, ...]:
    return tuple(sorted(spans.items()))


__all__ = ["Variant", "Widths"]
