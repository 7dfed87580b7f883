"""The axes of OME-NGFF metadata, and the letters that they have here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from scutoid.arrays._notes import Note
from scutoid.arrays._spec import SPATIAL

_BY_TYPE = {"time": "t", "channel": "c"}


class Axis(NamedTuple):
    """An axis as the metadata name it."""

    name: str
    """Its name."""
    type: str | None = None
    """Such as "space"; None: not given."""
    unit: str | None = None
    """Its unit as it stands there; None: none."""


BEFORE_AXES = tuple(map(Axis, "tczyx", ("time", "channel", "space", "space", "space"), [None] * 5))
"""Axes of versions 0.1 and 0.2, whose metadata do not name them."""


def parse_axes(axes: Sequence[Any]) -> tuple[Axis, ...]:
    """Take axes as they stand in JSON: names, as in version 0.3, or objects."""
    return tuple(
        Axis(axis) if isinstance(axis, str) else Axis(str(axis["name"]), *_said(axis))
        for axis in axes
    )


def _said(axis: Any) -> tuple[str | None, str | None]:
    kind, unit = axis.get("type"), axis.get("unit")
    return None if kind is None else str(kind).lower(), None if unit is None else str(unit)


def letters_of(axes: Sequence[Axis]) -> tuple[str, tuple[Note, ...]]:
    """Return the letter of each axis: by its type, then by its name.

    Spatial axes of other names than z, y and x are taken in their order, and noted.

    Examples
    --------
    >>> letters_of([Axis("frame", "time"), Axis("Y", "space"), Axis("X", "space")])
    ('tyx', ())
    >>> letters_of([Axis("depth", "space"), Axis("lat", "space"), Axis("lon", "space")])[0]
    'zyx'
    """
    letters = [_BY_TYPE.get(axis.type or "") or axis.name[:1].lower() for axis in axes]
    spatial = [n for n, axis in enumerate(axes) if axis.type == "space"]
    named = {n: axes[n].name.lower() for n in spatial if axes[n].name.lower() in SPATIAL}
    begun = {n: letters[n] for n in spatial if letters[n] in SPATIAL}
    taken = begun if len(set(begun.values())) == len(begun) else named
    others = [n for n in spatial if n not in taken]
    free = [letter for letter in SPATIAL if letter not in taken.values()]
    if not others or len(others) > len(free):
        return "".join(letters), ()
    for n, letter in zip(others, free[len(free) - len(others) :], strict=True):
        letters[n] = letter
    names = ", ".join(axes[n].name for n in others)
    text = f"its spatial axes {names} are taken for {', '.join(letters[n] for n in others)}"
    found = "".join(letters)
    return found, (Note("axes", text, f'give axes="{found}" if that is right'),)
