"""Files of other kinds, by bioio and its plugins, lazily by the dask array that they give."""

from __future__ import annotations

import importlib.util
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays._scene import Facts, Scene, SceneReader
from scutoid.arrays._spec import KNOWN_AXES
from scutoid.arrays._time import TimeScale, time_scale
from scutoid.arrays._world_sizes import AxisSize
from scutoid.errors import SourceError

_SPREAD = (".vsi", ".oif", ".mvd2", ".xlef", ".xlif", ".xlcf", ".ndpis", ".mrxs", ".sldy")
"""Endings of files whose voxels lie in others, changes of which would not be seen."""
_TILES = "M"
_NO_PLUGIN = "UnsupportedFileFormatError"
"""What bioio raises where no plugin reads a file."""
_PLUGINS = {".dv": "bioio-dv", ".r3d": "bioio-dv"}
_ANY_PLUGIN = "bioio-bioformats"


def is_read(path: str) -> bool:
    """Whether bioio is installed, with a plugin that reads a file of any ending."""
    if importlib.util.find_spec("bioio") is None:
        return False
    import bioio

    try:
        bioio.BioImage.determine_plugin(path)
    except Exception as error:
        if type(error).__name__ != _NO_PLUGIN:
            raise
        return False
    return True


def _unsupported(path: str) -> SourceError:
    ending = Path(path).suffix.lower()
    return SourceError(
        f"bioio reads files that end in {ending} by a plugin",
        value="none that is installed reads this one",
        place=path,
        remedy=f"pip install {_PLUGINS.get(ending, _ANY_PLUGIN)}, or another plugin of bioio",
    )


class BioioReader(SceneReader):
    """A file that a plugin of bioio reads."""

    def __init__(self, path: str) -> None:
        import bioio

        if path.lower().endswith(_SPREAD):
            raise SourceError(
                "what is read by bioio is one file, so that a change of it is seen",
                value="a file whose voxels lie in others",
                place=path,
                remedy="convert it to OME-Zarr or OME-TIFF, or open bioio's array with sc.open",
            )
        self._path = path
        try:
            self._image = bioio.BioImage(path)
        except Exception as error:
            if type(error).__name__ != _NO_PLUGIN:
                raise
            raise _unsupported(path) from error
        self._scenes: dict[int, BioioScene] = {}

    def images(self) -> tuple[tuple[int, str], ...]:
        """Return the scenes."""
        return tuple(enumerate(map(str, self._image.scenes)))

    def scene(self, number: int) -> BioioScene:
        """Return a scene."""
        if number not in self._scenes:
            self._image.set_scene(number)
            self._scenes[number] = BioioScene(self._image, self._path)
        return self._scenes[number]

    def close(self) -> None:
        """Leave the file to bioio, which opens it for each chunk."""


class BioioScene(Scene):
    """A scene of a file that a plugin of bioio reads."""

    def __init__(self, image: Any, path: str) -> None:
        array = _lazy(image.reader)
        self._array = array.data
        dims = [str(name).lower() for name in array.dims]
        colours = "" if "s" not in dims else "s" if array.sizes.get("C", 1) > 1 else "c"
        if colours == "c":
            dims = ["c" if axis == "s" else "i" if axis == "c" else axis for axis in dims]
        if not set(dims) <= set(KNOWN_AXES) or len(set(dims)) < len(dims):
            raise SourceError(
                f"an image has axes of the letters {', '.join(KNOWN_AXES)}, each once",
                value=", ".join(map(str, array.dims)),
                place=path,
                remedy="open bioio's array with sc.open and axes=",
            )
        sizes = image.physical_pixel_sizes
        units = image.dimension_properties
        names = image.channel_names or ()
        are_names = all(isinstance(name, str) for name in names)  # some plugins count them
        self.facts = Facts(
            "".join(dims),
            tuple(map(int, array.shape)),
            np.dtype(array.dtype),
            block=tuple(map(int, self._array.chunksize)),
            colours=colours,
            sizes={
                axis: AxisSize(getattr(sizes, axis.upper()), _unit(units, axis)) for axis in "zyx"
            },
            channels=tuple(map(str, names)) if are_names else (),
            time=_time(image.time_interval, _unit(units, "t")),
        )

    def read(self, slices: tuple[slice, ...]) -> NDArray[Any]:
        """Read a region."""
        return np.asarray(self._array[slices].compute(scheduler="synchronous"))


def _lazy(reader: Any) -> Any:
    """Return all that a plugin reads, with its tiles put together if it can do so."""
    if _TILES in reader.dims.order:
        with suppress(NotImplementedError):
            return reader.mosaic_xarray_dask_data
    return reader.xarray_dask_data


def _unit(units: Any, axis: str) -> str | None:
    """Return the unit that a plugin gives; many give none."""
    unit = getattr(getattr(units, axis.upper(), None), "unit", None)
    return None if unit is None else str(unit)


def _time(interval: Any, unit: str | None) -> TimeScale | None:
    if isinstance(interval, timedelta):
        interval, unit = interval.total_seconds(), "s"
    return time_scale(interval or None, unit, 0.0, "bioio")[0]
