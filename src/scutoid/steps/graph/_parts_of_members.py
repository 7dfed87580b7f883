"""What is taken of each image of a collection: a channel, a region, an index.

It is worked out for each member by itself, for members differ in shape, axes and channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from scutoid.errors import GeometryError
from scutoid.geometry import Roi

IndexItem: TypeAlias = int | tuple[int | None, int | None] | None
"""A place; the start and stop of a slice; None for an ellipsis."""


@dataclass(frozen=True, slots=True)
class ChannelOf:
    """One channel."""

    which: str | int
    """Its name, or its number."""


@dataclass(frozen=True, slots=True)
class CropOf:
    """A region, in the frame of the uncropped image."""

    roi: Roi
    """The region."""


@dataclass(frozen=True, slots=True)
class IndexOf:
    """What a numpy index of slices, integers and an ellipsis takes."""

    items: tuple[IndexItem, ...]
    """An entry an axis."""

    @classmethod
    def of(cls, index: object) -> IndexOf:
        """Take note of an index.

        Raises
        ------
        GeometryError
            If it has anything else, or slices of another step than 1.
        """
        items: Sequence[object] = index if isinstance(index, tuple) else (index,)
        return cls(tuple(map(_item, items)))

    @property
    def index(self) -> tuple[object, ...]:
        """The index as numpy takes it."""
        return tuple(
            ... if item is None else slice(*item) if isinstance(item, tuple) else item
            for item in self.items
        )


PartOfMember: TypeAlias = ChannelOf | CropOf | IndexOf


def _item(item: object) -> IndexItem:
    if item is Ellipsis:
        return None
    if isinstance(item, slice) and item.step in (None, 1):
        return _place(item.start), _place(item.stop)
    if isinstance(item, (int, np.integer)) and not isinstance(item, bool):
        return int(item)
    raise GeometryError(
        "each image of a collection is cut by slices of step 1, integers and an ellipsis",
        value=item,
        place="images.each",
        remedy="take one member, images[key], to cut it otherwise",
    )


def _place(value: object) -> int | None:
    return None if value is None else int(value)  # type: ignore[call-overload]
