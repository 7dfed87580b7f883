"""The grid of an output that is not its inputs' grid: which voxels a block needs.

::

    scale=2, halo=1          output    |    b    |                writes 2 voxels
                             input  . [h| # # # # |h h] .         reads 4, and the halo outwards
                                                                  to whole output voxels
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from scutoid.arrays import TimeScale
from scutoid.errors import ParameterError, PipelineError
from scutoid.geometry import Roi
from scutoid.steps.declaration import own_all

_CLOSE = 1e-9


@dataclass(frozen=True, slots=True)
class OutputGrid:
    """The grid that a step writes on, and what a block of it reads.

    What ``blockwise(grid=...)`` returns for the images of one call.  All regions are over the
    function's axes, those that no image has left out.

    Examples
    --------
    >>> def mirrored(number, region):
    ...     return Roi([10 - end for end in region.end], region.shape)
    >>> OutputGrid((10,), mirrored).source(0, Roi((0,), (4,)))
    Roi(offset=(6,), shape=(4,))
    """

    shape: tuple[int, ...]
    """Voxels of the output on each axis."""
    source: Callable[[int, Roi], Roi]
    """From the number of an input and a region of the output to the region of the input that it is
    computed from, each in its own voxels.  It may reach out of the input, to which it is clipped,
    and may be empty."""
    voxel_size: tuple[float, ...] | None = None
    """Of the output, on the spatial axes; None: unknown."""
    origin: tuple[float, ...] | None = None
    """World position of the centre of the output's first voxel; None: zero."""
    scale: tuple[float, ...] | None = None
    """Voxels of the inputs for each voxel of the output, where `source` scales and nothing else:
    then blocks start before all of the inputs is there.  None: they wait for the whole."""
    margin: int = 0
    """Voxels of the inputs that `source` reaches beyond the scaled region, at most."""
    time: TimeScale | None = None
    """Of the output, where the function sees "t"; None: unknown."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """Reads what ``scale=`` says: `scale` input voxels an output voxel, and a halo around."""

    scale: tuple[Fraction, ...]
    """On each axis; a whole number, or one divided by a whole number."""
    low: tuple[int, ...]
    """Halo below, in voxels of the input."""
    high: tuple[int, ...]
    """Halo above."""

    def __call__(self, number: int, region: Roi) -> Roi:
        """Return the region of the inputs, of whole voxels of both grids."""
        del number  # all inputs have one grid
        start, stop = [], []
        for first, last, scale, low, high in zip(
            region.offset, region.end, self.scale, self.low, self.high, strict=True
        ):
            step = max(scale, Fraction(1))
            start.append(int((first * scale - low) // step * step))
            stop.append(int(-(-(last * scale + high) // step) * step))
        return Roi(start, [b - a for a, b in zip(start, stop, strict=True)])

    def returned(self, read: Roi) -> Roi:
        """Return the region of the output that the function makes of a region of the inputs."""
        start = [int(-(-a // scale)) for a, scale in zip(read.offset, self.scale, strict=True)]
        stop = [int(-(-b // scale)) for b, scale in zip(read.end, self.scale, strict=True)]
        return Roi(start, [b - a for a, b in zip(start, stop, strict=True)])


def scaled_grid(
    scale: Sequence[Fraction],
    shape: Sequence[int],
    halo: tuple[Sequence[int], Sequence[int]],
    voxel_size: Mapping[int, float],
    origin: Mapping[int, float],
) -> OutputGrid:
    """Return the grid of a step with ``scale=``.

    Parameters
    ----------
    scale : sequence of Fraction
        Input voxels an output voxel, an entry an axis.
    shape : sequence of int
        Of the inputs.
    halo : pair of sequences of int
        Low and high, in voxels of the inputs.
    voxel_size, origin : mapping
        Of the inputs, by number of the axis; empty where unknown.
    """
    spatial = sorted(voxel_size)
    return OutputGrid(
        tuple(int(-(-size // s)) for size, s in zip(shape, scale, strict=True)),
        Scaled(tuple(scale), tuple(halo[0]), tuple(halo[1])),
        tuple(voxel_size[a] * float(scale[a]) for a in spatial) or None,
        # centres: the first output voxel covers `scale` input voxels from the same corner
        tuple(origin[a] + (float(scale[a]) - 1) / 2 * voxel_size[a] for a in spatial) or None,
        scale=tuple(map(float, scale)),
        margin=max([0, *halo[0], *halo[1]]) + int(max([Fraction(1), *scale])),
    )


def parse_scale(scale: object, axes: str, spatial: Sequence[str], place: str) -> list[Fraction]:
    """Read what ``scale=`` was given: one number for the spatial axes, or one an axis.

    Raises
    ------
    PipelineError
        If an entry is not a whole number or one divided by a whole number.
    """
    if isinstance(scale, Mapping):
        entries = {axis: scale.get(axis, 1) for axis in axes}
        unknown = [axis for axis in scale if axis not in axes]
    elif isinstance(scale, (list, tuple)):
        names = list(spatial) if len(scale) == len(spatial) else list(axes)
        unknown = [] if len(scale) == len(names) else [scale]
        entries = dict(zip(names, scale, strict=False))
    else:
        unknown, entries = [], dict.fromkeys(spatial, scale)
    fractions = [_fraction(entries.get(axis, 1)) for axis in axes]
    if unknown or None in fractions:
        raise PipelineError(
            "scale= is the input voxels an output voxel: a whole number, or one divided by one, "
            f"for all or for each of the axes {''.join(spatial)!r}",
            value=scale,
            place=place,
            remedy="use scutoid.resample for other grids",
        )
    return [item for item in fractions if item is not None]


def _fraction(entry: Any) -> Fraction | None:
    if isinstance(entry, bool):
        return None
    try:
        fraction = Fraction(entry).limit_denominator(2**20)
    except (TypeError, ValueError, OverflowError):
        return None
    is_close = fraction > 0 and abs(float(fraction) - float(entry)) <= _CLOSE * float(entry)
    return fraction if is_close and 1 in (fraction.numerator, fraction.denominator) else None


def ask(
    function: Callable[..., object],
    option: str,
    images: Sequence[object],
    params: Mapping[str, object],
    place: str,
) -> object:
    """Call what a step has declared as an option with the images and the parameters it names."""
    names = [
        p.name
        for p in list(inspect.signature(function).parameters.values())[1:]
        if p.kind is not p.VAR_KEYWORD
    ]
    unknown = [name for name in names if name not in params]
    if unknown:
        raise ParameterError(
            f"{option}= is a function of the list of images and of the step's parameters "
            f"({', '.join(params) or 'none'})",
            value=unknown[0],
            place=place,
        )
    return function(list(images), **own_all({name: params[name] for name in names}))


def call_grid(
    grid: Callable[..., object], images: Sequence[object], params: Mapping[str, object], place: str
) -> OutputGrid:
    """Ask a step's ``grid=`` function for the grid of one call."""
    output_grid = ask(grid, "grid", images, params, place)
    if not isinstance(output_grid, OutputGrid):
        raise PipelineError(
            "grid= returns an OutputGrid", value=type(output_grid).__name__, place=place
        )
    return output_grid
