"""Colour the objects of labels, points and tracks by a column of their table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.views._drawn import rows_of
from scutoid.views._label_colors import colors_of_labels
from scutoid.views._objects import LABEL
from scutoid.views._spec import LayerSpec

if TYPE_CHECKING:
    import pandas as pd

_NUMBERS = "viridis"
"""Colormap of numbers."""
_CATEGORIES = ("E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7")
"""Colours of texts, which most people can distinguish (Okabe and Ito), in turns."""
_MISSING = (0.5, 0.5, 0.5, 1.0)
_PLAIN = "scutoid colormap"
"""Where labels keep the colours that they had before they got those of a column."""
_SHADES = 200
_CODE = " (number)"
"""Ends the name of a feature of tracks that numbers texts."""


def with_column(layers: Sequence[LayerSpec], column: str) -> list[LayerSpec]:
    """Return layers with the column that those are coloured by whose tables have it.

    Raises
    ------
    ParameterError
        If none has it.
    """
    has_it = [layer.table is not None and column in list(layer.table.columns) for layer in layers]
    if not any(has_it):
        tables = [layer.table for layer in layers if layer.table is not None]
        columns = dict.fromkeys(str(name) for table in tables for name in table.columns)
        raise ParameterError(
            "color_by= is a column of a table that is shown",
            value=column,
            place="argument of view",
            remedy=f"there are {', '.join(columns)}" if columns else "show a table too",
        )
    return [
        replace(layer, options={**layer.options, "color_by": column}) if is_coloured else layer
        for layer, is_coloured in zip(layers, has_it, strict=True)
    ]


def color_layer(
    layer: Any, spec: LayerSpec, column: str | None, rows: pd.Series[bool] | None = None
) -> None:
    """Colour a layer of napari by a column of its table; None: as it is without one.

    Of labels, `rows` says which rows count: those of the time that is shown.  Colours are those of
    the whole column nevertheless, so that they mean the same at all times.

    Raises
    ------
    ParameterError
        If its table has no such column.
    """
    if column is not None and (spec.table is None or column not in spec.table.columns):
        with_column([spec], column)
    if spec.kind == "labels":
        _color_labels(layer, spec, column, rows)
    else:
        {"points": _color_points, "tracks": _color_tracks}[spec.kind](layer, spec, column)


def colors_of(values: pd.Series[Any]) -> NDArray[np.float64]:
    """Return a colour for each value: red, green, blue and opacity from 0 to 1, shape (n, 4)."""
    from napari.utils.colormaps import ensure_colormap

    colors = np.tile(np.array(_MISSING), (len(values), 1))
    numbers = _numbers(values)
    if numbers is None:
        palette = np.array([[int(c[n : n + 2], 16) / 255 for n in (0, 2, 4)] for c in _CATEGORIES])
        codes, _ = _categories(values)
        colors[codes >= 0, :3] = palette[codes[codes >= 0] % len(palette)]
        return colors
    known = np.isfinite(numbers)
    if known.any():
        low, high = float(numbers[known].min()), float(numbers[known].max())
        shares = (numbers[known] - low) / ((high - low) or 1.0)
        shares = np.rint(shares * _SHADES) / _SHADES  # labels have room for 255 colours
        colors[known] = ensure_colormap(_NUMBERS).map(shares)
    return colors


def _numbers(values: pd.Series[Any]) -> NDArray[np.float64] | None:
    """Return a column as numbers; None: they are texts, truth values or other categories."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if not is_numeric_dtype(values.dtype) or is_bool_dtype(values.dtype):
        return None
    return values.to_numpy(np.float64, na_value=np.nan)


def _categories(values: pd.Series[Any]) -> tuple[NDArray[np.int64], Any]:
    """Return the numbers of the values, equal ones alike, in their order; -1 for missing ones."""
    try:
        return values.factorize(sort=True)
    except TypeError:  # lists and the like
        return values.map(repr, na_action="ignore").factorize(sort=True)


def _color_labels(
    layer: Any, spec: LayerSpec, column: str | None, rows: pd.Series[bool] | None
) -> None:
    plain = layer.metadata.get(_PLAIN)
    if plain is None:
        layer.metadata = {**layer.metadata, _PLAIN: layer.colormap}
    if column is None or spec.table is None:
        layer.colormap = plain or layer.colormap
        return
    numbers = spec.table[LABEL] if rows is None else spec.table[LABEL][rows]
    numbers = numbers.drop_duplicates()
    colors = colors_of(spec.table[column])[numbers.index]
    by_number: dict[int | None, Any] = {None: _MISSING, 0: "transparent"}
    by_number |= zip(numbers.tolist(), colors, strict=True)
    layer.colormap = colors_of_labels(by_number)


def _color_points(layer: Any, spec: LayerSpec, column: str | None) -> None:
    if column is None or spec.table is None:
        layer.border_color = spec.options["border_color"]
        return
    rows = rows_of(spec)
    if len(rows):
        layer.border_color = colors_of(spec.table[column])[rows]


def _color_tracks(layer: Any, spec: LayerSpec, column: str | None) -> None:
    if column is None or spec.table is None:
        layer.color_by = "track_id"
        return
    numbers = _numbers(spec.table[column])
    if numbers is None:
        numbers = _categories(spec.table[column])[0].astype(np.float64)
        layer.features = spec.table.assign(**{f"{column}{_CODE}": numbers})
        column = f"{column}{_CODE}"
    layer.color_by = column
