"""Arrays of xarray: named axes, and coordinates that say sizes, times and names of channels."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._memory import DaskSource, NumpySource, open_dask, open_numpy
from scutoid.arrays._notes import Note
from scutoid.arrays._spec import KNOWN_AXES, SPATIAL, ImageSpec
from scutoid.arrays._time import TimeScale, time_scale
from scutoid.arrays._units import UNITLESS, known_unit, ratio, stored_unit
from scutoid.errors import MetadataError, ParameterError

_LETTERS = {"time": "t", "channel": "c"}
"""Letters of axes that are usually named by a word."""
_DIGITS = 12
"""Significant digits of a step that is found from coordinates, which are sums of it."""
_UNEVEN = 1e-3
"""How far coordinates may be from equal steps, in steps."""
_UNNAMED = "dim_"
"""How xarray names axes that have no name."""


@dataclass(frozen=True, slots=True)
class _Steps:
    """Coordinates that are equally far apart."""

    first: float
    step: float | None
    """None: there is one coordinate."""
    unit: str | None


def open_xarray(array: Any, *, axes: str | None = None) -> NumpySource | DaskSource:
    """Take a `xarray.DataArray` as an image, with what its names and coordinates say.

    Raises
    ------
    MetadataError
        If its axes have no names that an image knows, and `axes` does not give them.
    ParameterError
        If it is another thing of xarray, or its data are neither of numpy nor of dask.
    """
    if not hasattr(array, "coords") or hasattr(array, "data_vars"):
        raise _not_one(array)
    letters = axes or _letters(array)
    opened = _opened(array.data, letters)
    named = zip(opened.spec.axes, map(str, array.dims), strict=True)
    coordinates = {axis: array.coords[dim] for axis, dim in named if dim in array.coords}
    return replace(opened, spec=_described(opened.spec, coordinates))


def _not_one(source: Any) -> ParameterError:
    names = [str(name) for name in getattr(source, "data_vars", ())]
    return ParameterError(
        "an image of xarray is a DataArray",
        value=f"a {type(source).__name__}" + (f" of {', '.join(names)}" if names else ""),
        place="open",
        remedy=f"open one of its arrays: dataset[{names[0]!r}]" if names else "give a DataArray",
    )


def _opened(data: Any, letters: str | None) -> NumpySource | DaskSource:
    if isinstance(data, np.ndarray):
        return open_numpy(data, axes=letters)
    if type(data).__module__.partition(".")[0] == "dask":
        return open_dask(data, axes=letters)
    raise ParameterError(
        "the data of an image of xarray are an array of numpy or of dask",
        value=f"{type(data).__module__}.{type(data).__name__}",
        place="open",
        remedy="make an array of it: sc.open(np.asarray(array))",
    )


def _letters(array: Any) -> str | None:
    """Return the letters of named axes; None where none of them has a name."""
    names = [str(dim) for dim in array.dims]
    if all(name.startswith(_UNNAMED) for name in names):
        return None
    letters = [_LETTERS.get(name.lower(), name.lower()) for name in names]
    unknown = [n for n, letter in zip(names, letters, strict=True) if letter not in KNOWN_AXES]
    if unknown or len(set(letters)) < len(letters):
        free = [axis for axis in "yxzct" if axis not in letters]
        close = difflib.get_close_matches(unknown[0].lower(), free, n=1) if unknown else ()
        wanted = (*close, *free, "y")[0]
        raise MetadataError(
            "the axes of an image have the names time, channel or letters, each once: "
            f"{', '.join(KNOWN_AXES)}",
            value=", ".join(names),
            place="DataArray.dims",
            remedy=f'give axes=, or rename them: array.rename({{"{(unknown or names)[0]}": '
            f'"{wanted}"}})',
        )
    return "".join(letters)


def _described(spec: ImageSpec, coordinates: dict[str, Any]) -> ImageSpec:
    """Return a description with what coordinates say, by the letter of their axis."""
    notes = list(spec.notes)
    places = {}
    for axis in spec.spatial_axes:
        if axis in coordinates:
            found = _steps(coordinates[axis], axis, "voxel_size", notes)
            if found is not None:
                places[axis] = found
    units = [steps.unit for steps in places.values() if steps.unit is not None]
    if units:
        places = {
            axis: steps for axis, steps in places.items() if _is_in_a_unit(axis, steps, notes)
        }
    spec = _placed(spec, places, stored_unit(units[0]) if units else None)
    if "t" in coordinates:
        spec = spec.replace(time=_times(coordinates["t"], notes))
    if "c" in coordinates and coordinates["c"].dtype.kind in "OU":
        names = tuple(coordinates["c"].values.tolist())
        spec = spec.replace(channels=names if all(isinstance(n, str) for n in names) else ())
    return spec.replace(notes=tuple(notes))


def _is_in_a_unit(axis: str, steps: _Steps, notes: list[Note]) -> bool:
    """Whether coordinates can stand beside others whose unit is known; if not, it is noted."""
    if steps.unit is None:
        text = f"its coordinates along {axis} do not say a unit as others do: they are left out"
        notes.append(Note("voxel_size", text, "give voxel_size="))
    return steps.unit is not None


def _placed(spec: ImageSpec, places: dict[str, _Steps], unit: str | None) -> ImageSpec:
    """Return a description with sizes and the origin, all in one unit."""
    sizes, origin = [], []
    for axis in spec.spatial_axes:
        found = places.get(axis, _Steps(0.0, None, None))
        factor = ratio(found.unit, unit) if found.unit and unit else 1.0
        sizes.append(None if found.step is None else found.step * factor)
        origin.append(found.first * factor)
    known = tuple(sizes) if any(sizes) else None
    return spec.replace(known_sizes=known, unit=unit, origin=tuple(origin))


def _steps(coordinate: Any, axis: str, subject: str, notes: list[Note]) -> _Steps | None:
    """Return the first coordinate and the step; what is not understood is noted."""
    remedy = f"give {subject}=" if axis in SPATIAL else 'give time=, such as time=(2.5, "s")'
    said = f"its coordinates along {axis}"
    values: NDArray[Any] = coordinate.values
    if values.ndim != 1 or values.dtype.kind not in "iuf" or not values.size:
        return None  # names of places, or nothing
    exact = np.finfo(values.dtype).eps if values.dtype.kind == "f" else 0.0
    values = values.astype(np.float64)
    first = float(values[0])
    step = None if values.size == 1 else float((values[-1] - first) / (values.size - 1))
    is_even = bool(np.isfinite(values).all())
    if is_even and step is not None:
        even = first + step * np.arange(values.size)
        is_even = step > 0 and np.allclose(values, even, rtol=4 * exact, atol=step * _UNEVEN)
    if not is_even:
        text = f"{said} do not ascend in equal steps: they are left out"
        notes.append(Note(subject, text, remedy))
        return None
    text = coordinate.attrs.get("units")
    kind = "length" if axis in SPATIAL else "time"
    unit = known_unit(text, kind) if isinstance(text, str) else None
    if unit is None and isinstance(text, str) and text.strip().lower() not in UNITLESS:
        what = f"{said} are in what is no known unit of {kind}, {text!r}"
        notes.append(Note("unit" if axis in SPATIAL else "time", what, "give unit="))
    return _Steps(first, None if step is None else float(f"{step:.{_DIGITS}g}"), unit)


def _times(coordinate: Any, notes: list[Note]) -> TimeScale | None:
    """Return the times along t; dates count from the first."""
    values = coordinate.values
    if values.ndim == 1 and values.dtype.kind in "mM" and values.size > 1:
        start = values[0] if values.dtype.kind == "M" else np.timedelta64(0, "ns")
        seconds = coordinate.copy(data=(values - start) / np.timedelta64(1, "s"))
        seconds.attrs = {"units": "s"}
        coordinate = seconds
    found = _steps(coordinate, "t", "time", notes)
    if found is None or found.step is None:
        return None
    return time_scale(found.step, found.unit, found.first, "its coordinates along t")[0]
