"""The calls behind some results, in units that are computed together.

::

    LOCAL     a function of a block and its halo: any region of it, by itself
    JOINED    steps that hand each other parts, such as those of `label`: one unit, on a region
    TABLES    steps on tables and values that come of such
    GLOBAL    reductions, functions of whole images: of the whole image
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from scutoid.errors import ParameterError, PipelineError
from scutoid.same import Same
from scutoid.steps.graph import (
    BlockCall,
    Call,
    CollectionRef,
    ImageRef,
    MappedCall,
    Member,
    Ref,
)

Role: TypeAlias = Literal["local", "joined", "tables", "global"]


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """Calls that are computed together."""

    calls: tuple[Call, ...]
    """In the order in which they are computed."""
    role: Role
    """How a region of them is computed."""
    needs_margin: bool = True
    """Whether objects are joined in it, which go on beyond a region."""


def single(ref: Ref) -> Ref:
    """Return the same result as one of the call that makes it, of a member the member's own."""
    return ref.on(ref.node.single) if isinstance(ref.node, Member) else ref


def references(call: Call) -> Iterator[Ref]:
    """Go through what a call gets of single results."""
    for ref in call.dependencies:
        if isinstance(ref, Ref):
            yield ref


class Graph:
    """The calls behind some results.

    Parameters
    ----------
    targets : iterable of Ref
        The results.
    local : collection of str or bool
        Names of steps whose values come from the region too; True: all.
    """

    def __init__(self, targets: Iterable[Ref | CollectionRef], local: object = ()) -> None:
        given = list(targets)
        for ref in given:
            if isinstance(ref, CollectionRef) or isinstance(ref.node, MappedCall):
                raise PipelineError(
                    "one image is looked at at a time",
                    value=f"the collection {ref.name!r}",
                    place="preview",
                    remedy="take one member: results[key]",
                )
        self.members: dict[Call, Member] = {}
        self.targets = tuple(self._single(ref) for ref in given if isinstance(ref, Ref))
        self.order = tuple(self._sorted())
        self.local = local
        self.unit_of: dict[Call, Unit] = {}
        self.units = tuple(self._units())

    def call_of(self, ref: Ref) -> Call | None:
        """Return the call that makes a result; None of an input."""
        node = single(ref).node
        return node if isinstance(node, Call) else None

    def dependencies(self, call: Call) -> Iterator[Call]:
        """Go through the calls whose results a call gets."""
        for ref in references(call):
            made_by = self.call_of(ref)
            if made_by is not None:
                yield made_by

    def is_local(self, call: Call) -> bool:
        """Whether a value is asked for of the region, and not of the whole image."""
        return self.local is True or (
            isinstance(self.local, (tuple, list, set, frozenset)) and call.name in self.local
        )

    def needs_all(self, ref: Ref, consumer: Call) -> bool:
        """Whether a value or table is that of the whole image, where others are of a region.

        A function of a block gets such values; and such tables, where it makes an image, unless it
        gets labels too that are joined: the numbers in both are then those of the region.
        """
        made_by = self.call_of(ref)
        is_asked = isinstance(consumer, BlockCall) and ref.kind in ("value", "table")
        if not is_asked or (made_by is not None and self.is_local(made_by)):
            return False
        if ref.kind == "value":
            return True
        labels = (image for image in images_of(consumer) if image.holds_labels)
        is_numbered_anew = any(self.call_of(image) is not None for image in labels)
        return "image" in consumer.spec.outputs and not is_numbered_anew

    def readable(self, stored: Collection[Call]) -> frozenset[Call]:
        """Return the stored calls that can be read where a region is computed.

        What calls of a unit hand each other, but images, is by the blocks that they ran in: that of
        the whole image is not that of a region, unless all that gets it is read as well.
        """
        found = set(stored)
        for call in reversed(self.order):
            if call not in found:
                unit = self.unit_of[call]
                for ref in references(call):
                    made_by = self.call_of(ref)
                    if made_by is not None and made_by in unit.calls and ref.kind != "image":
                        found.discard(made_by)
        return frozenset(found)

    def check_local(self) -> None:
        """Refuse names of steps that are not there.

        Raises
        ------
        ParameterError
            With the steps that see whole images.
        """
        if isinstance(self.local, bool) or not isinstance(self.local, (tuple, list)):
            return
        names = {call.name for call in self.order}
        unknown = [name for name in self.local if name not in names]
        if unknown:
            seen = sorted({c.name for u in self.units if u.role == "global" for c in u.calls})
            raise ParameterError(
                "local= names steps whose values come from the whole image",
                value=unknown[0],
                place="preview",
                remedy=f"there are {', '.join(seen)}" if seen else "there is none; leave it out",
            )

    def _single(self, ref: Ref) -> Ref:
        found = single(ref)
        if isinstance(ref.node, Member) and isinstance(found.node, Call):
            self.members[found.node] = ref.node
        return found

    def _sorted(self) -> Iterator[Call]:
        """Go through the calls, each after those whose results it gets."""
        seen: set[Call] = set()
        stack = [(self.call_of(ref), False) for ref in reversed(self.targets)]
        while stack:
            call, is_ready = stack.pop()
            if call is None or (call in seen and not is_ready):
                continue
            if is_ready:
                yield call
                continue
            seen.add(call)
            stack.append((call, True))
            stack.extend((self.call_of(self._single(ref)), False) for ref in references(call))

    def _units(self) -> Iterator[Unit]:
        """Go through the units, each after those whose results it gets."""
        waiting = self._groups()
        done: set[Call] = set()
        while waiting:
            ready = [g for g in waiting if all(set(self.dependencies(c)) <= done | g for c in g)]
            for group in ready:
                unit = self._unit([call for call in self.order if call in group])
                self.unit_of.update(dict.fromkeys(unit.calls, unit))
                done |= group
                yield unit
            waiting = [group for group in waiting if not group <= done]

    def _unit(self, calls: list[Call]) -> Unit:
        first = calls[0]
        is_joined = len(calls) > 1 or _has_parts(first) or first.spec.sees_neighbours
        if is_joined:
            is_field = any(call.spec.sees_all for call in calls)
            sees_all = is_field and not any(self.is_local(call) for call in calls)
            return Unit(tuple(calls), "global" if sees_all else "joined")
        if isinstance(first, BlockCall):
            is_regional = first.spec.outputs == ("table",) or self.is_local(first)
            return Unit((first,), "local" if is_blockwise(first) or is_regional else "global")
        if not any(ref.kind == "image" for ref in references(first)) and any(
            self._is_regional(each, kind)
            for ref in references(first)
            if (each := self.call_of(ref)) is not None and (kind := ref.kind)
        ):
            return Unit((first,), "tables")
        if self.is_local(first) and any(ref.kind == "image" for ref in references(first)):
            return Unit((first,), "joined", needs_margin="image" in first.spec.outputs)
        return Unit((first,), "global")

    def _is_regional(self, call: Call, kind: str) -> bool:
        role = self.unit_of[call].role
        return role in ("joined", "tables") or (role == "local" and kind != "image")

    def _groups(self) -> list[set[Call]]:
        """Return calls that hand each other parts, with all that lies between them."""
        groups = {call: {call} for call in self.order}
        for call in self.order:
            for ref in references(call):
                made_by = self.call_of(ref)
                if ref.kind == "parts" and made_by is not None:
                    _unite(groups, made_by, call)
        above: dict[Call, set[Call]] = {}
        for call in self.order:
            above[call] = {call}.union(*(above[each] for each in self.dependencies(call)))
        changed = True
        while changed:
            changed = False
            for call in self.order:
                for group in list({Same(g): g for g in groups.values()}.values()):
                    if call in group or len(group) == 1:
                        continue
                    if group & above[call] and any(call in above[each] for each in group):
                        _unite(groups, call, next(iter(group)))
                        changed = True
        return list({Same(group): group for group in groups.values()}.values())


def _unite(groups: dict[Call, set[Call]], one: Call, other: Call) -> None:
    joined = groups[one] | groups[other]
    for call in joined:
        groups[call] = joined


def _has_parts(call: Call) -> bool:
    return "parts" in call.spec.outputs or any(ref.kind == "parts" for ref in references(call))


def is_blockwise(call: Call) -> bool:
    """Whether a call is that of a function of a block, and no reduction."""
    return call.spec.kind == "blockwise"


def images_of(call: Call) -> list[ImageRef]:
    """Return the images among the inputs of a call, each of the call that makes it."""
    found = [single(item) for item in call.inputs if isinstance(item, ImageRef)]
    return [ref for ref in found if isinstance(ref, ImageRef)]
