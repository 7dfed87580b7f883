"""The axes of OME-NGFF metadata, and the letters that they have here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from scutoid.arrays._notes import Note
from scutoid.arrays._spec import KNOWN_AXES, SPATIAL
from scutoid.errors import MetadataError

_BY_WORD = {
    word: letter
    for letter, meaning in KNOWN_AXES.items()
    if letter not in SPATIAL
    for word in meaning.split(" or ")
}


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

    Spatial axes of other names than z, y and x are taken in their order, others by the letter that
    their name begins with; both are noted.

    Raises
    ------
    MetadataError
        If an axis is known by neither.

    Examples
    --------
    >>> letters_of([Axis("frame", "time"), Axis("Y", "space"), Axis("X", "space")])
    ('tyx', ())
    >>> letters_of([Axis("depth", "space"), Axis("lat", "space"), Axis("lon", "space")])[0]
    'zyx'
    >>> letters_of([Axis("tilt", "angle"), Axis("phase"), Axis("y", "space"), Axis("x", "space")])
    ('ahyx', ())
    """
    spatial = [n for n, axis in enumerate(axes) if axis.type == "space"]
    known = {n: letter for n, axis in enumerate(axes) if (letter := _by_word(axis))}
    known = {n: letter for n, letter in known.items() if n not in spatial}
    known |= _by_name(axes, spatial)
    free = [letter for letter in SPATIAL if letter not in known.values()]
    others = [n for n in spatial if n not in known]
    placed = dict(zip(others, free[len(free) - len(others) :], strict=False))
    begun = {n: axis.name[:1].lower() for n, axis in enumerate(axes) if n not in (*spatial, *known)}
    for n, axis in enumerate(axes):
        is_begun = begun.get(n) in set(_BY_WORD.values()) - {"t", "c", *known.values()}
        if n not in known and n not in placed and not is_begun:
            raise MetadataError(
                "an axis of an OME-Zarr is known by its type, or by its name", value=axis.name
            )
    found = "".join((known | placed | begun)[n] for n in range(len(axes)))
    notes = [
        _note(axes, found, list(placed), "spatial axes"),
        _note(axes, found, list(begun), "axes"),
    ]
    return found, tuple(note for note in notes if note is not None)


def _by_word(axis: Axis) -> str | None:
    """Return the letter that the type of an axis means, or its name; None: neither is known."""
    name = axis.name.lower()
    return _BY_WORD.get(axis.type or "") or (name if len(name) == 1 else _BY_WORD.get(name))


def _by_name(axes: Sequence[Axis], spatial: Sequence[int]) -> dict[int, str]:
    """Return the letters of axes of space that their names say, or the first letters of these."""
    whole = {n: name for n in spatial if (name := axes[n].name.lower()) in SPATIAL}
    begun = {n: letter for n in spatial if (letter := axes[n].name[:1].lower()) in SPATIAL}
    return begun if len(set(begun.values())) == len(begun) else whole


def _note(axes: Sequence[Axis], found: str, numbers: Sequence[int], what: str) -> Note | None:
    """Note what some axes are taken for."""
    if not numbers:
        return None
    names = ", ".join(axes[n].name for n in numbers)
    text = f"its {what} {names} are taken for {', '.join(found[n] for n in numbers)}"
    return Note("axes", text, f'give axes="{found}" if that is right')
