"""Choose the format of a table or value, by name or by type; those of other packages too."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import scutoid.store.formats._images as images
import scutoid.store.formats._tables as tables
import scutoid.store.formats._values as values
from scutoid.errors import ParameterError
from scutoid.store._plain import is_plain_array

_logger = logging.getLogger(__name__)
_GROUP = "scutoid.formats"
_SUFFIX = re.compile(r"(\.\w+)+")


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of value is written and read.

    Another package adds one by an entry point of the group "scutoid.formats" that names a `Format`;
    `scutoid.testing.FormatTests` has the tests for it.
    """

    name: str
    """Such as "parquet"; what ``format=`` is given."""
    suffix: str
    """Ending of its files, one that no other format has."""
    accepts: Callable[[object], bool]
    """Whether it can hold a value; asked of any value, so it must not import what is slow."""
    save: Callable[[Any, Path], None]
    """Writes a value to a path: a new file is written, synced and renamed."""
    load: Callable[[Path], object]
    """Reads it back as it was; raises `DamagedResult` if it cannot."""

    def __post_init__(self) -> None:
        if not _SUFFIX.fullmatch(self.suffix):
            raise ParameterError(
                'the ending of a format is a dot and letters, such as ".csv"',
                value=self.suffix,
                place=f"format {self.name!r}",
            )

    @property
    def ending(self) -> str:
        """Last part of the suffix, by which other programs know the file: .png of .pil.png."""
        return f".{self.suffix.rpartition('.')[2]}"


_OWN = (
    Format("parquet", ".parquet", tables.is_table, tables.save_parquet, tables.load_parquet),
    Format("json", ".json", values.is_json, values.save_json, values.load_json),
    Format("npy", ".npy", is_plain_array, values.save_npy, values.load_npy),
    Format("figure", ".figure.png", images.is_figure, images.save_figure, images.load_png),
    Format("pil", ".pil.png", images.is_pil, images.save_pil, images.load_pil),
    Format("csv", ".csv", tables.is_table, tables.save_csv, tables.load_csv),
    Format("png", ".png", images.is_picture_array, images.save_png, images.load_png),
    Format("tiff", ".tif", images.is_number_array, images.save_tiff, images.load_tiff),
)

FORMATS: dict[str, Format] = {one.name: one for one in _OWN}
"""Formats by name; the first that accepts a value is chosen: csv, png and tiff only by name."""


def installed_formats() -> dict[str, Format]:
    """Return the formats of other packages: entry points of the group "scutoid.formats".

    One that cannot be imported is left out, with a warning in the log.

    Raises
    ------
    ParameterError
        If one is no `Format`, or has the name or the ending of another.
    """
    stamps = tuple((place, _changed(place)) for place in sys.path)
    return dict(_installed(stamps))


def _changed(place: str) -> int:
    """Return when something was last added to a folder, in ns; 0 if it is none."""
    try:
        return Path(place or ".").stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _installed(_stamps: tuple[tuple[str, int], ...]) -> dict[str, Format]:
    """Look through what is installed, which takes milliseconds: once for each state of it."""
    from importlib import metadata

    installed: dict[str, Format] = {}
    for point in metadata.entry_points(group=_GROUP):
        try:
            loaded = point.load()
        except (ImportError, AttributeError) as error:
            _logger.warning("the format %r of another package is left out: %s", point.name, error)
            continue
        _check(point.name, loaded, {**FORMATS, **installed})
        installed[point.name] = loaded
    return installed


def _check(name: str, item: object, others: Mapping[str, Format]) -> None:
    place = f"entry point {name!r} of the group {_GROUP!r}"
    if not isinstance(item, Format):
        raise ParameterError(
            "a format is a scutoid.store.Format", value=type(item).__name__, place=place
        )
    suffixes = [other.suffix for other in others.values()]
    if name in others or item.suffix in suffixes:
        raise ParameterError(
            "a format has a name and an ending that no other format has",
            value=f"{name!r}, {item.suffix!r}",
            place=place,
            remedy="uninstall one of the two packages, or ask its authors for another name",
        )


def _misfit(value: object) -> str:
    """Name the type that no format holds, and where in a list or dict it stands."""
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    for place, item in items:
        if not values.is_json(item):
            return f"{type(value).__name__} with {_misfit(item)} at {place!r}"
    kind = type(value)
    if kind is np.ndarray:
        return _described(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _described(value: object) -> str:
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    name = type(value).__name__
    return name if dtype is None else f"{name} of {dtype}, shape {shape}"


def find_format(name: str) -> Format:
    """Return the format of a name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    known = FORMATS if name in FORMATS else {**installed_formats(), **FORMATS}
    if name not in known:
        raise ParameterError(f"a format is one of {', '.join(known)}", value=name)
    return known[name]


def choose_format(value: object, name: str | None = None) -> Format:
    """Return the format of a name, or the first that accepts a value.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if name is not None:
        chosen = find_format(name)
        if not chosen.accepts(value):
            raise ParameterError(
                f"the format {name!r} holds what it is made for",
                value=_described(value),
                remedy="convert it first, or leave out format=, and one that fits is chosen",
            )
        return chosen
    for item in FORMATS.values():
        if item.accepts(value):
            return item
    for item in installed_formats().values():
        if item.accepts(value):
            return item
    raise ParameterError(
        "a step returns tables, arrays of numbers or text, numbers, text, figures, and lists and "
        "dicts of these with arrays of up to 1,000 elements, not of types derived from them",
        value=_misfit(value),
        remedy="convert it, such as by tuple(value), dict(value) or np.asarray(value); make what "
        "is large an output of its own, as in out=('image', 'value'); or give out='files' and "
        "write files yourself",
    )
