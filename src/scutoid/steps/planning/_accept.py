"""Accepting an earlier result as good for a key that is not its own.

An entry of the new key then says which key stands for it; the voxels stay where they are.  Whatever
depends on the result gets the earlier key too, so nothing downstream runs again::

    denoise/3f9a1c0b7d42/     the result
    denoise/77e0b2c49a15/     recipe.json: "accepted": {"key": "3f9a...", "reason": "own code ..."}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scutoid.cached import cached_property
from scutoid.errors import PipelineError
from scutoid.steps.graph import Call, Layouts, MappedCall
from scutoid.steps.planning._keys import ACCEPTED, Keys, accepted_members
from scutoid.steps.planning._recipes import make_recipe, recipe_of_key
from scutoid.steps.results import (
    AcceptedRecord,
    OutputRecord,
    ResultRecord,
    StoredItems,
    members_of,
)
from scutoid.store import RECIPE, Entry, EntryStore, Recipe, differences, distance, explain

if TYPE_CHECKING:
    from scutoid.steps.planning._first_keys import FirstKeys


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a plan takes as good although its key differs."""

    entry: Entry
    """Where that is written down: the entry of the new key."""
    recipe: Recipe
    """What would have been made."""
    key: str
    """Key of the result that stands for it."""
    reason: str
    """What differs."""
    members: Mapping[str, str]
    """Of a collection: the members' keys, and those that stand for them."""
    also: Accepted | None = None
    """The same result, taken as good for another key as well."""

    def joined(self, other: Accepted | None) -> Accepted:
        """The same, and another key for which the same result stands."""
        each = other
        while each is not None:
            if each.recipe.key == self.recipe.key:
                return other or self
            each = each.also
        return replace(self, also=other)

    def record(self) -> None:
        """Write it down in the store."""
        if self.also is not None:
            self.also.record()
        if self.key != self.recipe.key:
            self.entry.begin(replace(self.recipe, output={}, kind="accepted").stamped())
            self.entry.commit({"accepted": {"key": self.key, "reason": self.reason}})
        if self.members:
            folder = self.entry.path.with_name(self.key[: len(self.entry.path.name)])
            place = Entry(folder, self.entry.name, self.key)
            record = AcceptedRecord({**accepted_members(place), **self.members})
            place.write(ACCEPTED, record.to_json().encode())


class Acceptance:
    """Finds what is to be accepted, step by step as a plan is made."""

    def __init__(
        self, store: EntryStore, keys: Keys, layouts: Layouts, names: Iterable[str]
    ) -> None:
        self.store = store
        self.keys = keys
        self.layouts = layouts
        self.names = frozenset(names)
        self.met: set[str] = set()
        self._found: dict[str, Accepted] = {}

    @cached_property
    def first(self) -> FirstKeys:
        """Keys by the first rule."""
        from scutoid.steps.planning._first_keys import FirstKeys

        return FirstKeys(self.keys.memo, self.store, self.layouts)

    def of(self, call: Call, name: str, n_blocks: int) -> Accepted | None:
        """Have an earlier result stand for that of a call; None if there is nothing to accept.

        Raises
        ------
        PipelineError
            If there is no earlier result, or one of another shape or type.
        """
        key = self.keys.call(call)
        known = self._found.get(key.key)
        if known is not None:  # the same step, called once more
            self.keys.stand_in(call, known.key)
            return known
        if name not in self.names:
            return None
        self.met.add(name)
        recipe = make_recipe(call, key, n_blocks, self.layouts)
        entry = self.store.entry(call.spec.label, key.key)
        old = recipe
        if not self._is_there(entry, call):
            old = self._of_first_rule(call, name) or self._nearest(call, recipe, name)
            _check_same(recipe, old, name, self.store.entry(call.spec.label, old.key))
            self.keys.stand_in(call, old.key)
        members = self._members(call, self.store.entry(call.spec.label, old.key))
        if old is recipe and not members:
            return None
        reason = explain(recipe, old) if old is not recipe else _changed(members)
        found = Accepted(entry, recipe, old.key, reason, members)
        self._found[recipe.key] = found
        return found

    def _is_there(self, entry: Entry, call: Call) -> bool:
        if isinstance(call, MappedCall):
            return bool(members_of(entry)) and entry.recipe is not None
        return entry.status == "complete"

    def _of_first_rule(self, call: Call, name: str) -> Recipe | None:
        """Return the recipe of a result of the first rule whose code and inputs are equal.

        Raises
        ------
        PipelineError
            If that rule could have taken something else for what the call has.
        """
        key = self.first.call(call)
        entry = self.store.entry(call.spec.label, key.key)
        old = entry.recipe
        if old is None or old.rule != self.first.rule or not self._is_there(entry, call):
            return None
        confused = self.first.confused(call, old)
        if confused:
            raise PipelineError(
                "a result of an earlier rule of keys is accepted where that rule could take "
                "nothing for something else",
                value=", ".join(confused),
                place=f"step {name!r}, made by rule {old.rule}",
                remedy="leave it out of accept=: it runs",
            )
        return old

    def _unequal(self, call: Call, earlier: Sequence[Recipe], name: str) -> PipelineError:
        """Say how the nearest result of an earlier rule differs from what is wanted."""
        wanted = recipe_of_key(call, self.first.call(call))
        nearest = min((differences(wanted, old) for old in earlier), key=len)
        return PipelineError(
            "a result of an earlier rule of keys is accepted if its code and inputs are equal",
            value="; ".join(nearest) or "the step's declaration changed",
            place=f"step {name!r}",
            remedy="leave it out of accept=: it runs",
        )

    def _nearest(self, call: Call, recipe: Recipe, name: str) -> Recipe:
        is_collection = recipe.kind == "collection"
        found = [
            other
            for entry, other in self.store.entries(recipe.step)
            if other.key != recipe.key
            and other.stands_for is None
            and (other.kind == "collection") == is_collection
            and (bool(members_of(entry)) if is_collection else entry.status == "complete")
        ]
        earlier = [other for other in found if other.rule != recipe.rule]
        found = [other for other in found if other.rule == recipe.rule]
        if earlier and not found:
            raise self._unequal(call, earlier, name)
        if not found:
            raise PipelineError(
                "a step that is accepted has an earlier result",
                value="none is complete",
                place=f"step {name!r}",
                remedy="leave it out of accept=: it runs",
            )
        return min(found, key=lambda other: distance(recipe, other))

    def _members(self, call: Call, entry: Entry) -> dict[str, str]:
        """Have earlier members stand for those that are not there."""
        if not isinstance(call, MappedCall):
            return {}
        listed = members_of(entry)
        now = {key: self.keys.member(call, key) for key in call.keys}
        items = StoredItems.of(entry, call.spec, now)
        before = StoredItems.of(entry, call.spec, listed)
        chosen = {k: listed[k] for k in call.keys if not items.has(k) and before.has(k)}
        if entry.recipe is not None and entry.recipe.rule == self.first.rule:
            equal = {k: self.first.member(call, k) for k in chosen}
            chosen = {k: member for k, member in chosen.items() if member == equal[k]}
        for key, member in chosen.items():
            self.keys.stand_in_member(call, key, member)
        return {now[key]: member for key, member in chosen.items()}


def _changed(members: Mapping[str, str]) -> str:
    return f"{len(members)} members changed"


def _check_same(new: Recipe, old: Recipe, name: str, entry: Entry) -> None:
    """See that whoever reads the earlier result finds what the step now declares."""
    wanted, there = _outputs(new), _outputs(old, entry)
    for output, other in zip(wanted, there, strict=False):
        found = _compared(other)
        for what, value in _compared(output).items():
            if found.get(what) != value:
                raise _unlike(what, value, found.get(what), name)
    if len(wanted) != len(there):
        raise _unlike("number of outputs", len(wanted), len(there), name)


def _outputs(recipe: Recipe, entry: Entry | None = None) -> tuple[OutputRecord, ...]:
    place = RECIPE if entry is None else entry.path / RECIPE
    record = ResultRecord.of(recipe, place=place)
    return () if record is None else record.outputs


def _compared(output: OutputRecord) -> dict[str, object]:
    """Return what of an output whoever reads it depends on, by what it is called."""
    image, parts = output.image, output.parts
    if image is not None:
        placed = {"shape": image.shape, "dtype": image.dtype, "offset": image.offset}
        return {"kind": output.kind, "axes": image.axes, **placed}
    if parts is not None:
        return {"kind": output.kind, "grid of blocks": parts.grid}
    return {"kind": output.kind}


def _unlike(what: str, wanted: object, there: object, name: str) -> PipelineError:
    return PipelineError(
        f"a result that is accepted has the {what} that the step declares",
        value=f"{there}; the step declares {wanted}",
        place=f"step {name!r}",
        remedy="leave it out of accept=: it runs",
    )
