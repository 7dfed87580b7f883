"""What a viewer is given: images, tables, arrays and paths, opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeGuard

import numpy as np

from scutoid.arrays import ChannelDisplay
from scutoid.errors import ParameterError, PipelineError
from scutoid.views._layer_array import Readable
from scutoid.views._world import PlacedImage

if TYPE_CHECKING:
    import pandas as pd


class ShownImage(Readable, PlacedImage, Protocol):
    """An image that layers show; `scutoid.steps.Image` is one."""

    @property
    def channels(self) -> tuple[str, ...]: ...
    @property
    def display(self) -> tuple[ChannelDisplay, ...]: ...


class _HasFrame(Protocol):
    """A lazy table."""

    def to_pandas(self) -> pd.DataFrame: ...


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table that becomes points, and the columns of labels."""

    name: str
    """Name of the layer."""
    read: Callable[[], pd.DataFrame]
    """Reads the table."""
    handle: object
    """What was given."""


def opened(result: object) -> ShownImage | ShownTable:
    """Return an argument as an image or a table.

    Raises
    ------
    PipelineError
        If it is neither.
    """
    table = _table(result)
    if table is not None:
        return table
    if _is_image(result):
        return result
    if isinstance(result, (np.ndarray, str)) or hasattr(result, "__fspath__"):
        from scutoid.steps import open as open_image

        return open_image(result)
    remedy = "show an Image, a Table, an array or a path"
    if callable(result):
        remedy = f"call it, and show what it returns: {getattr(result, '__name__', 'it')}(...)"
    if hasattr(result, "member"):
        example = next(iter(getattr(result, "keys", ())), "key")
        remedy = f"show one member, as in images[{example!r}]"
    raise PipelineError(
        "what is shown is an image or a table",
        value=type(result).__name__,
        place="argument of view",
        remedy=remedy,
    )


def read_table(table: ShownTable) -> pd.DataFrame:
    """Read a table that is shown, with rows numbered from 0.

    Raises
    ------
    ParameterError
        If several columns have one name.
    """
    frame = table.read().reset_index(drop=True)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise ParameterError(
            "columns of a table that is shown have names of their own",
            value=f"several named {twice[0]!r}",
            place=repr(table.name),
            remedy="rename them, or drop all but one",
        )
    return frame


def holds_labels(image: ShownImage) -> bool:
    """Whether an image is shown as labels: it says so, by its name or its type."""
    if image.dtype == bool:
        return True
    named = image.dtype.kind in "iu" and "label" in image.name.lower()
    return bool(getattr(image, "is_labels", False)) or named


def _is_image(result: object) -> TypeGuard[ShownImage]:
    return hasattr(result, "read") and hasattr(result, "roi")


def _is_frame(result: object) -> TypeGuard[pd.DataFrame]:
    return hasattr(result, "iloc")


def _has_frame(result: object) -> TypeGuard[_HasFrame]:
    return hasattr(result, "to_pandas")


def _table(result: object) -> ShownTable | None:
    """Return an argument as a table; None if it is none."""
    if _is_frame(result):  # first, for its columns look like properties
        return ShownTable("points", lambda: result, result)
    if hasattr(result, "member") or not _has_frame(result):
        return None
    return ShownTable(str(getattr(result, "name", None) or "points"), result.to_pandas, result)
