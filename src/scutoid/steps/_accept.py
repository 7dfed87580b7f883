"""Accepting an earlier result as good for a key that is not its own.

An entry of the new key then says which key stands for it; the voxels stay where they are.  Whatever
depends on the result gets the earlier key too, so nothing downstream runs again::

    denoise/3f9a1c0b7d42/     the result
    denoise/77e0b2c49a15/     recipe.json: "accepted": {"key": "3f9a...", "reason": "own code ..."}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from scutoid.errors import PipelineError
from scutoid.steps._keys import ACCEPTED, Keys, accepted_members
from scutoid.steps._producers import Call
from scutoid.steps._recipes import make_recipe
from scutoid.steps._stored import StoredItems, members_of
from scutoid.store import Entry, EntryStore, Recipe, differences, explain


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

    def record(self) -> None:
        """Write it down in the store."""
        said = {"key": self.key, "reason": self.reason}
        if self.key != self.recipe.key:
            self.entry.begin(replace(self.recipe, output={}, kind="accepted").stamped())
            self.entry.commit({"accepted": said})
        if self.members:
            folder = self.entry.path.with_name(self.key[: len(self.entry.path.name)])
            place = Entry(folder, self.entry.name, self.key)
            place.write(ACCEPTED, json.dumps({**accepted_members(place), **self.members}).encode())


class Acceptance:
    """Finds what is to be accepted, step by step as a plan is made."""

    def __init__(self, store: EntryStore, keys: Keys, names: Iterable[str]) -> None:
        self.store = store
        self.keys = keys
        self.names = frozenset(names)
        self._found: dict[str, Accepted] = {}

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
        recipe = make_recipe(call, key, n_blocks)
        entry = self.store.entry(call.spec.label, key.key)
        old = recipe
        if not self._is_there(entry, call):
            old = self._nearest(recipe, name)
            _check_same(recipe, old, name)
            self.keys.stand_in(call, old.key)
        members = self._members(call, self.store.entry(call.spec.label, old.key))
        if old is recipe and not members:
            return None
        reason = explain(recipe, old) if old is not recipe else _changed(members)
        found = Accepted(entry, recipe, old.key, reason, members)
        self._found[recipe.key] = found
        return found

    def _is_there(self, entry: Entry, call: Call) -> bool:
        if call.keys is not None:
            return bool(members_of(entry)) and entry.recipe is not None
        return entry.status == "complete"

    def _nearest(self, recipe: Recipe, name: str) -> Recipe:
        is_collection = recipe.kind == "collection"
        found = [
            other
            for entry, other in self.store.entries(recipe.step)
            if other.key != recipe.key
            and other.stands_for is None
            and (other.kind == "collection") == is_collection
            and (bool(members_of(entry)) if is_collection else entry.status == "complete")
        ]
        if not found:
            raise PipelineError(
                "a step that is accepted has an earlier result",
                value="none is complete",
                place=f"step {name!r}",
                remedy="leave it out of accept=: it runs",
            )
        return min(found, key=lambda other: len(differences(recipe, other)))

    def _members(self, call: Call, entry: Entry) -> dict[str, str]:
        """Have earlier members stand for those that are not there."""
        if call.keys is None:
            return {}
        said = members_of(entry)
        now = {key: self.keys.member(call, key) for key in call.keys}
        items = StoredItems.of(entry, call.spec, now)
        before = StoredItems.of(entry, call.spec, said)
        chosen = {k: said[k] for k in call.keys if not items.has(k) and before.has(k)}
        for key, member in chosen.items():
            self.keys.stand_in_member(call, key, member)
        return {now[key]: member for key, member in chosen.items()}


def _changed(members: Mapping[str, str]) -> str:
    return f"{len(members)} members changed"


def _check_same(new: Recipe, old: Recipe, name: str) -> None:
    """See that whoever reads the earlier result finds what the step now declares."""
    outputs = new.output["outputs"], old.output.get("outputs", ())
    for wanted, there in zip(*outputs, strict=False):
        for what in ("kind", "axes", "shape", "dtype", "offset"):
            if wanted.get(what) != there.get(what):
                raise _unlike(what, wanted.get(what), there.get(what), name)
        if wanted["kind"] == "parts" and wanted.get("grid") != there.get("grid"):
            raise _unlike("grid of blocks", wanted.get("grid"), there.get("grid"), name)
    if len(outputs[0]) != len(outputs[1]):
        raise _unlike("number of outputs", len(outputs[0]), len(outputs[1]), name)


def _unlike(what: str, wanted: object, there: object, name: str) -> PipelineError:
    return PipelineError(
        f"a result that is accepted has the {what} that the step declares",
        value=f"{there}; the step declares {wanted}",
        place=f"step {name!r}",
        remedy="leave it out of accept=: it runs",
    )
