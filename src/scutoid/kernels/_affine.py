r"""Resample a part of an image so that it equals the same part of the whole image's result.

::

    result   . . [# # #] .        a block of it: voxels `start` to `start + shape`
                  \ | /           place in the image = matrix @ index + shift
    image    . [@ @ @ @ @] .      what the block needs: `affine_source`
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels._along_axes import along_axes
from scutoid.kernels._whole_numbers import check_in_float64

Mode = Literal["constant", "voxel", "nearest"]
_REACH = {"constant": 0.0, "voxel": 0.5}
"""How far beyond the centres of the outermost voxels the image goes on, in voxels."""
_POINTS = 2**18
"""Voxels that are computed at a time: their places take some megabytes."""


@dataclass(frozen=True, slots=True)
class Affine:
    """An affine map from the voxels of a result to those of the image that it is made of.

    Raises
    ------
    ParameterError
        If the matrix is not square, or its numbers are not finite.

    Examples
    --------
    >>> Affine.of([[2, 0, 0.5], [0, 2, 0.5]], 2).shift
    (0.5, 0.5)
    """

    matrix: tuple[tuple[float, ...], ...]
    """From an index of the result to a place in the image; a row an axis of the image."""
    shift: tuple[float, ...]
    """Place of the result's first voxel."""

    @classmethod
    def of(cls, matrix: object, ndim: int) -> Affine:
        """Read a matrix as scipy does: (n,), (n, n), (n, n + 1) or (n + 1, n + 1).

        Parameters
        ----------
        matrix : array_like
            Scales along the axes, a matrix, or one with the shift as its last column.
        ndim : int
            Number of axes, n.
        """
        try:
            array = np.array(matrix, np.float64)
        except (TypeError, ValueError):
            array = np.array(math.nan)
        shapes = ((ndim,), (ndim, ndim), (ndim, ndim + 1), (ndim + 1, ndim + 1))
        is_square = array.shape == (ndim + 1, ndim + 1)
        last = [0.0] * ndim + [1.0]
        if (
            array.shape not in shapes
            or not np.isfinite(array).all()
            or (is_square and array[-1].tolist() != last)
        ):
            raise ParameterError(
                f"a transformation of {ndim} axes is finite numbers of one of the shapes "
                f"{', '.join(map(str, shapes))}, the last with a last row of {last}",
                value=matrix,
                place="matrix",
            )
        if array.ndim == 1:
            array = np.diag(array)
        shift = array[:ndim, ndim] if array.shape[1] > ndim else np.zeros(ndim)
        rows = array[:ndim, :ndim].tolist()
        return cls(tuple(map(tuple, rows)), tuple(shift.tolist()))

    @property
    def is_scaling(self) -> bool:
        """Whether each axis of the result is one of the image."""
        return all(not n or i == j for i, row in enumerate(self.matrix) for j, n in enumerate(row))

    def places(self, start: Sequence[int], shape: Sequence[int]) -> list[NDArray[np.float64]]:
        """Return where voxels of a region of the result lie, an array an axis, to be broadcast.

        In the order of scipy's sums, so that each number is the same as there; from indices of the
        whole result, so that it is the same in every block.
        """
        ndim = len(self.shift)
        indices = [
            np.arange(first, first + size, dtype=np.float64).reshape(
                [-1 if n == axis else 1 for n in range(ndim)]
            )
            for axis, (first, size) in enumerate(zip(start, shape, strict=True))
        ]
        places = []
        for row, shift in zip(self.matrix, self.shift, strict=True):
            place = np.full((1,) * ndim, shift)
            for number, index in zip(row, indices, strict=True):
                if number:
                    place = place + index * number
            places.append(place)
        return places

    def source(
        self, start: Sequence[int], shape: Sequence[int], image: Sequence[int], mode: Mode
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the region of the image that a region of the result is computed from.

        Parameters
        ----------
        start, shape : sequence of int
            Region of the result.
        image : sequence of int
            Shape of the whole image.
        mode : {"constant", "voxel", "nearest"}
            As in `affine`.

        Returns
        -------
        offset, shape
            Inside the image; a shape of zeros if nothing of it is needed.
        """
        nothing = (0,) * len(image), (0,) * len(image)
        if 0 in shape or 0 in image:
            return nothing
        first, stop = [], []
        for row, shift, size in zip(self.matrix, self.shift, image, strict=True):
            low, high = _extremes(row, shift, start, shape)
            if mode != "nearest" and (high < -_REACH[mode] or low > size - 1 + _REACH[mode]):
                return nothing
            low, high = (min(max(place, 0.0), size - 1.0) for place in (low, high))
            first.append(math.floor(low))
            stop.append(min(math.floor(high) + 2, size))
        return tuple(first), tuple(b - a for a, b in zip(first, stop, strict=True))


def _extremes(
    row: Sequence[float], shift: float, start: Sequence[int], shape: Sequence[int]
) -> tuple[float, float]:
    """Return the lowest and the highest place of a region's voxels on one axis of the image.

    Exactly those that `Affine.places` finds: rounded sums and products keep the order of numbers.
    """
    low = high = shift
    for number, index, size in zip(row, start, shape, strict=True):
        ends = (float(index), float(index + size - 1))
        low += min(number * end for end in ends)
        high += max(number * end for end in ends)
    return low, high


def affine(
    image: NDArray[Any],
    transform: Affine,
    start: Sequence[int],
    shape: Sequence[int],
    *,
    order: int = 1,
    mode: Mode = "constant",
    cval: float = 0.0,
    offset: Sequence[int] | None = None,
) -> NDArray[Any]:
    """Compute a region of a transformed image.

    Equals `scipy.ndimage.affine_transform` on the whole image bit for bit, whatever the region;
    order 0 keeps all bits of 64-bit integers, which scipy takes through double precision.  Mode
    "voxel", which scipy has not, is its "nearest" where the image's voxels reach.

    Parameters
    ----------
    image : ndarray
        The image, or the part of it that `Affine.source` names.
    transform : Affine
        From indices of the result to places in the whole image.
    start, shape : sequence of int
        Region of the result.
    order : {0, 1}
        The nearest voxel (of two the later one), or linear interpolation.
    mode : {"constant", "voxel", "nearest"}
        What lies beyond the centres of the outermost voxels: `cval`; the outermost voxel for half a
        voxel, then `cval`; or the outermost voxel.
    cval : float
        Of what lies outside.
    offset : sequence of int, optional
        Where `image` begins in the whole image; default: it is the whole.

    Returns
    -------
    ndarray
        Of `shape`, of the image's dtype; integers are rounded as scipy does.

    Raises
    ------
    ParameterError
        If integers beyond 2**53 are to be interpolated, or to fill what lies outside.

    Examples
    --------
    >>> import numpy as np
    >>> affine(np.array([10, 20, 30]), Affine.of([[0.5, 0.0]], 1), (0,), (6,))
    array([10, 15, 20, 25, 30,  0])
    """
    offset = (0,) * image.ndim if offset is None else offset
    result = np.full(tuple(shape), cval, image.dtype)
    if 0 in shape or 0 in image.shape:
        return result
    if order:
        check_in_float64(image, "interpolation between voxels")
        check_in_float64(np.array(cval, image.dtype), "interpolation between voxels, fill")
    image = np.ascontiguousarray(image)
    if order and _scaled(image, transform, start, offset, result, mode=mode, cval=cval):
        return result
    n_rows = max(_POINTS // max(math.prod(shape[1:]), 1), 1)
    for row in range(0, shape[0], n_rows):
        count = min(n_rows, shape[0] - row)
        places = transform.places((start[0] + row, *start[1:]), (count, *shape[1:]))
        part = result[row : row + count]
        if order == 0:
            _nearest(image, places, offset, part, mode=mode)
        else:
            _linear(image, places, offset, part, mode=mode, cval=cval)
    return result


def _is_inside(local: NDArray[np.float64], edge: int, mode: Mode) -> bool | NDArray[np.bool_]:
    """Whether places are in the image; they are exactly if they are in the part of it that is read.

    Voxels reach up to their upper face, which belongs to the next.
    """
    if mode == "nearest":
        return True
    if mode == "voxel":
        return (local >= -_REACH[mode]) & (local < edge - 1 + _REACH[mode])
    return (local >= 0) & (local <= edge - 1)


def _nearest(
    image: NDArray[Any],
    places: Sequence[NDArray[np.float64]],
    offset: Sequence[int],
    result: NDArray[Any],
    *,
    mode: Mode,
) -> None:
    """Put the voxels nearest to places in the whole image into `result`, where there are any."""
    is_inside: bool | NDArray[np.bool_] = True
    flat: int | NDArray[np.intp] = 0
    for place, first, edge in zip(places, offset, image.shape, strict=True):
        local = place - first  # exact: both are multiples of the place's last bit
        is_inside = is_inside & _is_inside(local, edge, mode)
        flat = flat * edge + np.floor(np.clip(local, 0, edge - 1) + 0.5).astype(np.intp)
    nearest = image.reshape(-1)[flat]
    np.copyto(result, nearest, where=np.broadcast_to(is_inside, result.shape))


def _scaled(
    image: NDArray[Any],
    transform: Affine,
    start: Sequence[int],
    offset: Sequence[int],
    result: NDArray[Any],
    *,
    mode: Mode,
    cval: float,
) -> bool:
    """Do the same axis by axis, where that gives the same; else return False."""
    if not transform.is_scaling or result.dtype.kind not in "uif":
        return False
    if mode == "constant" and result.dtype.kind != "f" and result.dtype.type(cval) != cval:
        return False  # scipy rounds it
    places = transform.places(start, result.shape)
    local = [place - first for place, first in zip(places, offset, strict=True)]
    if not along_axes(image, local, result):
        return False
    if mode != "nearest":
        is_inside: bool | NDArray[np.bool_] = True
        for place, edge in zip(local, image.shape, strict=True):
            is_inside = is_inside & _is_inside(place, edge, mode)
        result[~np.broadcast_to(is_inside, result.shape)] = cval
    return True


def _linear(
    image: NDArray[Any],
    places: Sequence[NDArray[np.float64]],
    offset: Sequence[int],
    result: NDArray[Any],
    *,
    mode: Mode,
    cval: float,
) -> None:
    """Put what lies at places in the whole image, between its voxels, into `result`."""
    from scipy import ndimage

    local = np.empty((image.ndim, *result.shape))
    is_inside: bool | NDArray[np.bool_] = True
    for axis, (place, first) in enumerate(zip(places, offset, strict=True)):
        local[axis] = place - first
        if mode == "voxel":
            is_inside = is_inside & _is_inside(place - first, image.shape[axis], mode)
    is_half = image.dtype.newbyteorder("=") == np.float16  # which scipy does not know
    interpolated = ndimage.map_coordinates(
        image.astype(np.float32) if is_half else image,
        local,
        output=np.float32 if is_half else result,
        order=1,
        mode="nearest" if mode == "voxel" else mode,
        cval=cval,
    )
    if is_half:
        result[...] = interpolated
    if mode == "voxel":
        result[~np.broadcast_to(is_inside, result.shape)] = cval
