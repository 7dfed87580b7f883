"""An image that a function returns without the halo that it was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Cropped:
    """What a block writes, where what it read is much more: that is never there as a whole."""

    array: NDArray[Any]
    """Of the shape of the write region."""
