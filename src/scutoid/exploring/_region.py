"""A region of some results: what is computed for it, and around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import SPATIAL, ImageSpec
from scutoid.errors import PipelineError
from scutoid.exploring._graph import Unit, images_of
from scutoid.exploring._margin import Margin
from scutoid.exploring._session import Session
from scutoid.exploring._spans import RegionLike, Spans, grown, roi_of, spans_given, spans_of
from scutoid.exploring._touching import Objects
from scutoid.exploring._variant import Variant
from scutoid.geometry import Roi
from scutoid.steps.graph import BlockCall, Call, ImageRef, Ref


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """One target, on a region."""

    result: Any
    """Array of the region, table or value."""
    roi: Roi | None
    """The region in the frame of the target; None of what is of the whole image."""
    spec: ImageSpec | None = None
    """Description of the region of an image."""
    objects: Objects | None = None
    """Its objects, or those that a table is about, with what was computed around them."""

    @property
    def n_touching(self) -> int:
        """How many objects go on beyond what was computed."""
        if self.objects is None:
            return 0
        return sum(len(numbers) for numbers in self.objects.touching().values())

    def mask(self) -> NDArray[np.bool_]:
        """Return where the objects of the region are that go on beyond what was computed."""
        if self.objects is None or self.roi is None:
            raise PipelineError("objects are those of an image of labels", place="preview")
        objects = self.objects
        mask = np.zeros(self.result.shape, bool)
        for place, numbers in objects.touching().items():
            where = dict(zip(objects.iterated, place, strict=True))
            at = tuple(
                where[axis] - objects.region[axis][0] if axis in where else slice(None)
                for axis in objects.axes
            )
            mask[at] = np.isin(self.result[at], numbers)
        return mask


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A region of the targets of a session."""

    session: Session
    """Computes."""
    margin: Margin
    """How far around it objects are seen."""
    given: RegionLike
    """The region as the user gave it."""

    @property
    def targets(self) -> tuple[Ref, ...]:
        """The results."""
        return self.session.graph.targets

    def moved(self, roi: RegionLike) -> Region:
        """Return another region of the same targets."""
        return Region(self.session, self.margin, roi)

    def check(self, values: Mapping[str, object]) -> None:
        """Refuse values of parameters, and a region, before anything is computed."""
        changes = self.session.parameters.changes(values, "sweep")
        variant = Variant(self.session, changes, self.margin.of_call)
        self._regions(variant)

    def in_order(self, choices: Sequence[Mapping[str, object]]) -> list[int]:
        """Return the numbers of choices so that what they have in common is still remembered.

        Parameters of the first steps change least often.
        """
        names = [name for name in self.session.parameters.values() if name in choices[0]]
        seen: dict[str, dict[str, int]] = {name: {} for name in names}

        def place(number: int) -> list[int]:
            chosen = choices[number]
            texts = [(seen[name], repr(chosen[name])) for name in names]
            return [known.setdefault(text, len(known)) for known, text in texts]

        return sorted(range(len(choices)), key=place)

    def look(self, values: Mapping[str, object]) -> tuple[Looked, ...]:
        """Compute the targets with some other values of parameters."""
        changes = self.session.parameters.changes(values, "preview")
        variant = Variant(self.session, changes, self.margin.of_call)
        regions = self._regions(variant)
        for ref, spans in zip(self.targets, regions, strict=True):
            if spans is not None:
                is_labels = isinstance(ref, ImageRef) and ref.is_labels
                wider = self._wider(variant, ref, spans) if is_labels else spans
                variant.needs.add(ref, wider, has_margin=is_labels)
        variant.needs.settle()
        looked = tuple(
            self._look(variant, ref, spans)
            for ref, spans in zip(self.targets, regions, strict=True)
        )
        self.session.used(variant.calls)
        return looked

    def _regions(self, variant: Variant) -> list[Spans | None]:
        """Return the region of each target, in its own frame.

        Raises
        ------
        PipelineError
            If one region is given for targets on grids of their own.
        """
        wholes: dict[str, tuple[tuple[int, int], str]] = {}
        for ref in self.targets if self.given is not None else ():
            for axis, span in self._whole(variant, ref).items():
                first, name = wholes.setdefault(axis, (span, ref.name))
                if first != span:
                    raise PipelineError(
                        "results that are looked at together lie on one grid",
                        value=f"{axis} {first[0]} to {first[1]} of {name!r}, "
                        f"{span[0]} to {span[1]} of {ref.name!r}",
                        place="roi= of preview",
                        remedy="look at them one by one, each with a region of its own",
                    )
        return [self._spans(variant, ref) for ref in self.targets]

    def _whole(self, variant: Variant, ref: Ref) -> Spans:
        """Return all that a region of a target can be of."""
        whole = Region(self.session, self.margin, None)._spans(variant, ref)  # noqa: SLF001
        return whole or {}

    def _spans(self, variant: Variant, ref: Ref) -> Spans | None:
        """Return the region of a target in its own frame; None of what is of the whole image."""
        if isinstance(ref, ImageRef):
            image = variant.full_ref(ref)
            assert isinstance(image, ImageRef)  # noqa: S101 - as it was
            return spans_given(self.given, image.axes, image.roi, f"preview of {ref.name!r}")
        call = self.session.graph.call_of(ref)
        if call is None or self._unit(call).role == "global":
            return None
        found = self._nearest(variant, call)
        if found is None:
            return None
        layout = found.layout
        return spans_given(self.given, layout.axes, layout.image, f"preview of {ref.name!r}")

    def _unit(self, call: Call) -> Unit:
        return self.session.graph.unit_of[call]

    def _nearest(self, variant: Variant, call: Call) -> BlockCall | None:
        """Return the nearest call before a table that is cut into blocks."""
        for each in self._above(call):
            full = variant.full[each]
            if isinstance(full, BlockCall):
                return full
        return None

    def _above(self, call: Call) -> Iterable[Call]:
        """Go through a call and what it depends on, the nearest first."""
        seen, waiting = {call}, [call]
        while waiting:
            each = waiting.pop(0)
            yield each
            for other in self.session.graph.dependencies(each):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)

    def _wider(self, variant: Variant, ref: Ref, spans: Spans) -> Spans:
        image = variant.full_ref(ref)
        assert isinstance(image, ImageRef)  # noqa: S101 - labels are
        return grown(spans, self.margin.of_image(image), spans_of(image.axes, image.roi))

    def _look(self, variant: Variant, ref: Ref, spans: Spans | None) -> Looked:
        if isinstance(ref, ImageRef) and spans is not None:
            return self._image(variant, ref, spans)
        if spans is None:
            return Looked(variant.session.full.value(variant.full_ref(ref)), None)
        value: Any = variant.constant(ref, is_regional=True).node
        found = value.value
        call = self.session.graph.call_of(ref)
        assert call is not None  # noqa: S101 - what has a region is made by a call
        objects = self._objects_of(variant, call, spans) if ref.kind == "table" else None
        if objects is not None:
            found = objects.mark(found)
        nearest = self._nearest(variant, call)
        assert nearest is not None  # noqa: S101 - as it has a region
        return Looked(
            found, roi_of(nearest.layout.axes, spans, nearest.layout.image), None, objects
        )

    def _image(self, variant: Variant, ref: ImageRef, spans: Spans) -> Looked:
        full: Any = variant.full_ref(ref)
        whole = spans_of(full.axes, full.roi)
        roi = roi_of(full.axes, spans, full.roi)
        spec = full.narrow(full.crop_index(roi)).framed.spec
        if not ref.is_labels:
            return Looked(variant.read(ref, spans), roi, spec)
        wider = self._wider(variant, ref, spans)
        array = variant.read(ref, wider)
        joined = self._joined_axes(variant, ref)
        objects = Objects(array, full.axes, wider, spans, whole, joined)
        index = roi.to_slices([wider[axis][0] for axis in full.axes])
        return Looked(array[index].copy(), roi, spec, objects)

    def _joined_axes(self, variant: Variant, ref: ImageRef) -> str:
        """Return the axes along which the objects of an image of labels extend."""
        call = self.session.graph.call_of(ref)
        full = None if call is None else variant.full[call]
        if isinstance(full, BlockCall):
            return full.layout.function_axes
        return SPATIAL

    def _objects_of(self, variant: Variant, call: Call, spans: Spans) -> Objects | None:
        """Return the objects that a table is about."""
        for each in self._above(call):
            unit = self._unit(each)
            if unit.role not in ("joined", "tables") or unit not in variant.needs.areas:
                continue
            area = variant.needs.areas[unit]
            for inside in unit.calls:
                for ref in images_of(inside):
                    if not ref.is_labels:
                        continue
                    full: Any = variant.full_ref(ref)
                    region = spans_of(full.axes, roi_of(full.axes, area.region, full.roi))
                    array = variant.read(ref, region)
                    layout = variant.full[inside]
                    assert isinstance(layout, BlockCall)  # noqa: S101 - images are read in blocks
                    inner = spans_of(full.axes, roi_of(full.axes, spans, full.roi))
                    return Objects(
                        array,
                        full.axes,
                        region,
                        inner,
                        spans_of(full.axes, full.roi),
                        layout.layout.function_axes,
                    )
        return None
