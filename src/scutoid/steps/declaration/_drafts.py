"""What steps say so that a block of objects is worked at once, and numbered later.

Objects get their numbers when the pieces of all blocks are merged; only then could a step that
reads the numbered image begin, and its blocks find their pieces once more::

    mask --> [pieces] --> [merge] --> a table for each block
      '--------------------------------------'--> [image] --> [reader] --> parts
                                                 not kept

But what the image holds are the numbers that `pieces` has found, looked up in a table.  So the
reader may work at a block while `pieces` has found what is in it; what comes of it is a draft, in
which numbers are looked up once there is a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Part = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Finds:
    """Said by the step of the pieces."""

    function: Callable[..., tuple[Part, NDArray[Any]]]
    """Does as the step's own, and returns its image too, under the numbers of the block alone."""


@dataclass(frozen=True, slots=True, eq=False)
class LooksUp:
    """Said by the step of the image: it is what another finds, with numbers looked up."""

    step: str
    """Name of the function of the step that finds it; it has the same first input and parameters,
    and the table is among parts that are made of its own."""
    table: str
    """Name of the table among the arrays of a block's part."""


@dataclass(frozen=True, slots=True, eq=False)
class Renumbers:
    """Said by a reader of the image: its part of a block can be given other numbers."""

    function: Callable[[Part, NDArray[Any]], Part | None]
    """Returns, of a part and a table, the part of the image whose numbers are looked up, to the
    last bit; None where it has to be made of that image."""
    fits: Callable[[Mapping[str, object]], bool]
    """Whether that holds for these parameters of the step."""


DraftRole = Finds | LooksUp | Renumbers
"""What a step says."""
