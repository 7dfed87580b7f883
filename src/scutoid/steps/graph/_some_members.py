"""Some members of a collection, in the place of all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from scutoid.steps.graph._refs import Node

if TYPE_CHECKING:
    from scutoid.steps.compute import Groups


@dataclass(frozen=True, repr=False, eq=False)
class SomeMembers(Node):
    """A collection of which some members are left."""

    collection: Node
    """All of it."""
    chosen: Collection[str] = field(repr=False)
    """Keys of those that are left; others may be among them."""

    @property
    def name(self) -> str:
        """The name of the whole collection."""
        return self.collection.name

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Keys of those that are left, in their order."""
        chosen = frozenset(self.chosen)
        return tuple(key for key in self.collection.keys or () if key in chosen)

    @property
    def groups(self) -> Groups | None:
        """Columns that belong to the keys."""
        return self.collection.groups

    def is_labels(self, output: int) -> bool:
        """Whether its images hold object numbers."""
        return self.collection.is_labels(output)

    def member(self, key: str) -> Node:
        """Return the node that makes one member."""
        return self.collection.member(key)
