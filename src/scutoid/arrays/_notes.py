"""Notes: what was assumed of an image, or left out, where its metadata do not say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

NOTHING: Mapping[str, object] = MappingProxyType({})
"""What a user says of an image who says nothing."""


@dataclass(frozen=True, slots=True)
class Note:
    """What was assumed of an image, or left out; warned of when it is opened, and in plans.

    Examples
    --------
    >>> str(Note("axes", "the file names no axes: zyx are assumed", 'give axes="zyx"'))
    'the file names no axes: zyx are assumed; give axes="zyx"'
    """

    subject: str
    """Which argument of `open` settles it."""
    text: str
    """What was found, and what it is taken for."""
    remedy: str
    """What to write."""
    is_said: bool = True
    """Whether it is warned of; else it only helps messages of what goes wrong later."""

    def __str__(self) -> str:
        return f"{self.text}; {self.remedy}"


def turned(orientation: object) -> tuple[Note, ...]:
    """Return what is to be said of a file that wants its pixels shown turned or mirrored.

    Parameters
    ----------
    orientation : object
        The number of TIFF and EXIF, 1 to 8; 1 is as they are stored.
    """
    if orientation not in range(2, 9):
        return ()
    text = f"it is to be shown turned or mirrored, orientation {orientation}: its pixels are as "
    text += "they are stored"
    return (Note("orientation", text, "use sc.flip and sc.transpose where that matters"),)


def unsettled(notes: Iterable[Note], given: Iterable[str]) -> tuple[Note, ...]:
    """Return the notes that no argument of the user's has settled."""
    names = set(given)
    return tuple(note for note in notes if note.subject not in names)
