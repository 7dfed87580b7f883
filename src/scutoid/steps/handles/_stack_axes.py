"""The axes along which the files of a member are stacked, and the order of the places on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from scutoid.arrays import STACKED_AXES, gap_among
from scutoid.errors import ParameterError, SourceError
from scutoid.steps.handles._natural import natural_value

Stack: TypeAlias = Mapping[str, str | Mapping[str, Sequence[object]]]
"""By axis the name of what becomes it, or that name with its values in their order."""
Channels: TypeAlias = (
    Mapping[object, str] | Mapping[str, str] | Mapping[int, str] | Sequence[object]
)
"""Names of channels by the values that stand for them, or the values alone; in their order."""
_ORDER = "tczyx"
_EVEN = "tz"
"""Axes whose places are equally far apart."""
_REMEDY = 'write for example stack={"c": "channel"}, channels={"1": "DAPI", "2": "GFP"}'


@dataclass(frozen=True, slots=True)
class StackAxis:
    """An axis along which files are stacked."""

    letter: str
    """Its letter."""
    name: str
    """The placeholder or column that becomes it."""
    values: tuple[object, ...]
    """The value of each place."""
    channels: tuple[str, ...]
    """What each place is called."""
    note: str | None = None
    """What is unexpected of the values."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The values as text."""
        return tuple(map(str, self.values))

    def places(self, values: Sequence[object]) -> list[int]:
        """Return the places of values."""
        numbers = {value: number for number, value in enumerate(self.values)}
        return [numbers[value] for value in values]


def stack_axes(
    stack: Stack,
    channels: Channels | None,
    values: Mapping[str, Sequence[object]],
    paths: Sequence[str],
    place: str,
) -> tuple[StackAxis, ...]:
    """Return the axes of ``stack=``, in the order of the axes of the stacked image.

    Parameters
    ----------
    stack, channels
        As the user gave them.
    values : mapping
        By the name of a placeholder or column its value for each file.
    paths : sequence of str
        The files.
    place : str
        The pattern or the table, for errors.

    Raises
    ------
    ParameterError
        If `stack` or `channels` name what there is not.
    SourceError
        If a file has a value that they do not name.
    """
    names = _names(stack, values, place)
    if channels is not None and "c" not in names:
        raise ParameterError(
            "channels= names what is stacked along c", value=channels, place=place, remedy=_REMEDY
        )
    axes = []
    for letter in sorted(names, key=_ORDER.find):
        name, order = names[letter], _order(stack[letter])
        called: Sequence[object] | None = None
        if letter == "c" and channels is not None:
            if order is not None:
                raise ParameterError(
                    "the order of channels is that of channels=, where it is given",
                    value=f"stack={dict(stack)}, channels={channels}",
                    place=place,
                )
            order = list(channels)
            called = list(channels.values()) if isinstance(channels, Mapping) else order
        found = _ordered(values[name], order, letter, name, paths, place)
        texts = tuple(map(str, found if called is None else called))
        note = _note(letter, name, found) if order is None else None
        axes.append(StackAxis(letter, name, found, texts, note))
    return tuple(axes)


def _names(stack: Stack, values: Mapping[str, Sequence[object]], place: str) -> dict[str, str]:
    """Return which placeholder or column becomes which axis."""
    given: object = stack
    if not isinstance(given, Mapping) or not given:
        raise ParameterError(
            "stack= says which placeholder or column becomes which axis",
            value=stack,
            place=place,
            remedy=_REMEDY,
        )
    found: dict[str, str] = {}
    for letter, wanted in stack.items():
        name = next(iter(wanted)) if isinstance(wanted, Mapping) and len(wanted) == 1 else wanted
        if letter not in STACKED_AXES:
            raise ParameterError(
                f"files are stacked along axes of {', '.join(STACKED_AXES)}",
                value=letter,
                place=f"stack of {place}",
                remedy=_REMEDY,
            )
        if not isinstance(name, str) or name not in values:
            raise ParameterError(
                f"stack= names placeholders or columns: {', '.join(values) or 'there are none'}",
                value=wanted,
                place=f"stack of {place}",
                remedy=_REMEDY,
            )
        if name in found.values():
            raise ParameterError(
                "a placeholder or column becomes one axis", value=name, place=f"stack of {place}"
            )
        found[letter] = name
    return found


def _note(letter: str, name: str, values: Sequence[object]) -> str | None:
    """Return what is unexpected of the values of an axis in their natural order."""
    gap = gap_among(list(map(str, values))) if letter in _EVEN else None
    if gap is None:
        return None
    return (
        f"along {letter!r} no file has a {name!r} between {gap[0]} and {gap[1]}, and others are "
        "closer: they are taken to lie side by side; restore what is missing, or name the places, "
        f'stack={{"{letter}": {{"{name}": [...]}}}}, with missing="fill" for those without a file'
    )


def _order(wanted: str | Mapping[str, Sequence[object]]) -> list[object] | None:
    return None if isinstance(wanted, str) else list(next(iter(wanted.values())))


def _ordered(
    values: Sequence[object],
    order: Sequence[object] | None,
    letter: str,
    name: str,
    paths: Sequence[str],
    place: str,
) -> tuple[object, ...]:
    """Return the values of an axis in their order: the given one, else the natural one."""
    found = dict(zip(reversed(values), reversed(paths), strict=True))  # the first file of each
    if order is None:
        if None in found:
            raise SourceError(
                f"each file has a value of {name!r}, which becomes axis {letter!r}",
                value="none",
                place=found[None],
            )
        return tuple(sorted(found, key=natural_value))
    by_text = {str(value): value for value in found}
    texts = list(map(str, order))
    if len(set(texts)) < len(texts):
        raise ParameterError(
            f"each value of {name!r} has one place on axis {letter!r}", value=order, place=place
        )
    unknown = next((value for value in found if str(value) not in texts), None)
    if unknown is not None:
        remedy = "name it as well, or leave its files out: by a pattern such as {channel:[12]}, or "
        remedy += "by select="
        if letter == "c" and not by_text.keys() & set(texts):
            pairs = zip(sorted(found, key=natural_value), texts, strict=False)
            remedy = f"say which value has which name, such as channels={dict(pairs)}"
        raise SourceError(
            f"the values of {name!r} along {letter!r} are {', '.join(texts)}",
            value=f"{unknown!r} of {found[unknown]}",
            place=place,
            remedy=remedy,
        )
    return tuple(by_text.get(text, given) for text, given in zip(texts, order, strict=True))
