"""Label connected components of one array, with numbers that do not depend on the method.

Labels count up in the order of each object's first voxel in C order, which is how
``scipy.ndimage.label`` numbers them.  The first voxels are handed back as well: they are what the
numbering of the whole image is made of when the array is one block of it.
"""

from __future__ import annotations

import itertools
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import GeometryError, ParameterError

_STRETCH = 2**16
# What cc3d calls each number of orthogonal hops, by the number of axes that it serves
_CC3D: dict[int, dict[int, Literal[4, 6, 8, 18, 26]]] = {2: {1: 4, 2: 8}, 3: {1: 6, 2: 18, 3: 26}}


def label_components(
    mask: NDArray[Any],
    connectivity: int | None = None,
    *,
    by_value: bool = False,
    is_ordered: bool = True,
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Number the connected parts of a mask.

    Parameters
    ----------
    mask : ndarray of bool or integer, any shape of one axis or more
        Foreground where not zero.
    connectivity : int, optional
        Number of orthogonal hops between voxels that touch: 1 (shared faces; the default) up to
        the number of axes (shared corners).
    by_value : bool
        Whether only voxels of one value belong together, as in `skimage.measure.label`.
    is_ordered : bool
        Whether labels are numbered by first voxel; else as they are found, which is faster.

    Returns
    -------
    labels : ndarray of uint32, shape of `mask`
        0 outside, then 1, 2, ... by first voxel in C order.
    first : ndarray of int64, shape (n_labels,)
        Linear C index of the first voxel of labels 1, 2, ..., hence increasing if ordered.

    Raises
    ------
    ParameterError
        If the mask is not of bool or integers, holds negative values where values count, or the
        connectivity is out of range.

    Notes
    -----
    Uses connected-components-3d (W. Silversmith, 2021) where it serves, and scipy elsewhere.

    Examples
    --------
    >>> labels, first = label_components(np.array([[0, 1, 0], [1, 0, 1]]))
    >>> labels.tolist(), first.tolist()
    ([[0, 1, 0], [2, 0, 3]], [1, 3, 5])
    >>> label_components(np.array([[0, 1, 0], [1, 0, 1]]), 2)[0].max()
    np.uint32(1)
    >>> label_components(np.array([7, 7, 2, 0, 7]), by_value=True)[0].tolist()
    [1, 1, 2, 0, 3]
    """
    mask = np.asarray(mask)
    by_value = by_value and mask.dtype != bool
    values, labels, count = _found(mask, connectivity, by_value=by_value)
    shape = mask.shape
    if count == 0:
        return labels.reshape(shape), np.zeros(0, np.int64)
    first = _first_voxels(values, labels, count, by_value=by_value)
    if is_ordered and count > 1 and np.any(first[1:] < first[:-1]):
        order = np.argsort(first)
        table = np.zeros(count + 1, np.uint32)
        table[order + 1] = np.arange(1, count + 1, dtype=np.uint32)
        labels, first = apply_lookup(table, labels, in_place=True), first[order]
    return labels.reshape(shape), first


def find_components(
    mask: NDArray[Any], connectivity: int | None = None, *, by_value: bool = False
) -> NDArray[np.uint32]:
    """Label as `label_components` does with ``is_ordered=False``, without the first voxels.

    The numbers are in no order, and the same whenever the same array is labelled.

    Examples
    --------
    >>> find_components(np.array([[0, 1, 0], [1, 0, 1]])).max()
    np.uint32(3)
    """
    mask = np.asarray(mask)
    _, labels, _ = _found(mask, connectivity, by_value=by_value and mask.dtype != bool)
    return labels.reshape(mask.shape)


def apply_lookup(
    table: NDArray[Any], labels: NDArray[Any], *, in_place: bool = False
) -> NDArray[Any]:
    """Replace each label by its entry in a table; all labels are in range.

    A quarter of the time of ``table[labels]``, which looks whether they are.

    Parameters
    ----------
    table : ndarray, shape (n_labels + 1,)
    labels : ndarray of integer
    in_place : bool
        Whether the labels need not stay: entries of their type take their place, and no memory,
        where the labels are C-contiguous.

    Examples
    --------
    >>> apply_lookup(np.array([0, 7, 5]), np.array([[0, 2], [1, 1]])).tolist()
    [[0, 5], [7, 7]]
    """
    is_fit = labels.dtype == table.dtype and labels.dtype != np.intp  # take would mix them up
    is_fit = is_fit and labels.flags.c_contiguous and labels.flags.writeable
    looked_up = labels if in_place and is_fit else np.empty(labels.shape, table.dtype)
    line, into = labels.reshape(-1), looked_up.reshape(-1)
    # numpy makes 64-bit indices of the labels: a stretch at a time these stay in the cache, and
    # what is looked up may take the labels' place
    for at in range(0, line.size, _STRETCH):
        stretch = slice(at, at + _STRETCH)
        table.take(line[stretch], out=into[stretch], mode="wrap")
    return looked_up


def _found(
    mask: NDArray[Any], connectivity: int | None, *, by_value: bool
) -> tuple[NDArray[Any], NDArray[np.uint32], int]:
    """Label by the library; return what it was given, its labels and their number."""
    if mask.ndim == 0:
        raise ParameterError("a mask has at least one axis", value="a single value")
    if mask.dtype.kind not in "biu":
        raise ParameterError(
            "a mask is of bool or integers",
            value=f"dtype {mask.dtype}",
            place="argument 'mask'",
            remedy="compare first, as in image > level",
        )
    hops = checked_connectivity(connectivity, mask.ndim)
    if mask.size == 0:
        return mask, np.zeros(mask.shape, np.uint32), 0
    values = _as_values(mask) if by_value else _as_binary(mask)

    # Axes of one voxel add no neighbours; without them cc3d serves more arrays, and it raises on
    # arrays with two such axes.
    squeezed = np.squeeze(values)
    if squeezed.ndim == 0:
        squeezed = squeezed.reshape(1)
    find = _label_values if by_value else _label
    labels, count = find(squeezed, min(hops, squeezed.ndim))
    return squeezed, labels, count


def checked_connectivity(connectivity: int | None, ndim: int) -> int:
    """Return the connectivity as a number of hops, 1 if not given.

    Raises
    ------
    ParameterError
        If it is not an integer from 1 to `ndim`.
    """
    if connectivity is None:
        return 1
    if isinstance(connectivity, bool) or not isinstance(connectivity, (int, np.integer)):
        raise ParameterError(
            "connectivity is a number of orthogonal hops", value=connectivity, remedy="give an int"
        )
    if not 1 <= connectivity <= ndim:
        raise ParameterError(
            f"connectivity is 1 to {ndim} hops for {ndim} axes",
            value=int(connectivity),
            place="connectivity",
            remedy="give 1 for shared faces, the number of axes for shared corners",
        )
    return int(connectivity)


def faces(labels: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Copy the outer planes of a block: what merging with its neighbours needs.

    Parameters
    ----------
    labels : ndarray, any shape without an axis of 0

    Returns
    -------
    dict of ndarray
        ``low0`` and ``high0`` are the first and last plane of axis 0 (without that axis),
        ``low1`` and ``high1`` those of axis 1, and so on.

    Raises
    ------
    GeometryError
        If there is no voxel, hence no plane.
    """
    labels = np.asarray(labels)
    if labels.size == 0:
        raise GeometryError("a block has at least one voxel on each axis", value=labels.shape)
    planes = {}
    for axis in range(labels.ndim):
        planes[f"low{axis}"] = np.array(labels.take(0, axis=axis), order="C")
        planes[f"high{axis}"] = np.array(labels.take(-1, axis=axis), order="C")
    return planes


def _as_binary(mask: NDArray[Any]) -> NDArray[np.uint8]:
    """Return zeros and ones, C-contiguous; a view where the mask is so already."""
    truth = mask if mask.dtype == bool else mask != 0
    return np.ascontiguousarray(truth).view(np.uint8)


def _as_values(mask: NDArray[Any]) -> NDArray[Any]:
    """Return the values as they are, C-contiguous and of the machine's byte order."""
    if mask.dtype.kind == "i" and mask.min() < 0:
        raise ParameterError(
            "values that keep objects apart are 0 or more",
            value=int(mask.min()),
            place="argument 'mask', with by_value=True",
            remedy="label a mask instead, or number the values from 1",
        )
    return np.ascontiguousarray(mask, mask.dtype.newbyteorder("="))


def _label(binary: NDArray[np.uint8], hops: int) -> tuple[NDArray[np.uint32], int]:
    if binary.ndim in _CC3D:
        # cc3d 4.1.1 mislabels images of odd width with 8 neighbours where it knows that they are
        # binary (bool is, too); all others have the same labels then, and sooner
        return _label_by_cc3d(binary, hops, is_binary=(binary.ndim, hops) != (2, 2))

    from scipy import ndimage

    structure = ndimage.generate_binary_structure(binary.ndim, hops)
    labels = np.empty(binary.shape, np.uint32)
    count = ndimage.label(binary, structure, output=labels)
    return labels, int(count)


def _label_by_cc3d(
    values: NDArray[Any], hops: int, *, is_binary: bool = False
) -> tuple[NDArray[np.uint32], int]:
    import cc3d

    if not values.flags.writeable:  # cc3d asks for a buffer to write to, though it does not write
        values = values.copy()
    if values.dtype == np.uint64:  # of which it cannot read the upper half; equal stays equal
        values = values.view(np.int64)
    labels, count = cc3d.connected_components(
        values,
        connectivity=_CC3D[values.ndim][hops],
        out_dtype=np.uint32,
        return_N=True,
        binary_image=is_binary,
    )
    return np.ascontiguousarray(labels, np.uint32), int(count)


def _label_values(values: NDArray[Any], hops: int) -> tuple[NDArray[np.uint32], int]:
    if values.ndim in _CC3D:
        return _label_by_cc3d(values, hops)

    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    places = np.arange(values.size).reshape(values.shape)
    ends = []
    for shift in neighbour_shifts(values.ndim, hops):
        here = tuple(slice(max(-s, 0), -s if s > 0 else None) for s in shift)
        there = tuple(slice(max(s, 0), s if s < 0 else None) for s in shift)
        same = (values[here] == values[there]) & (values[here] != 0)
        ends.append(np.stack([places[here][same], places[there][same]]))
    rows, columns = np.concatenate(ends, axis=1)
    graph = coo_array((np.ones(len(rows), np.uint8), (rows, columns)), shape=(values.size,) * 2)
    _, part = connected_components(graph, directed=False)
    inside = values.reshape(-1) != 0
    numbers, labels = np.unique(part[inside], return_inverse=True)
    numbered = np.zeros(values.size, np.uint32)
    numbered[inside] = labels + 1
    return numbered.reshape(values.shape), len(numbers)


def neighbour_shifts(ndim: int, hops: int) -> list[tuple[int, ...]]:
    """Return one of each pair of opposite shifts between voxels that touch.

    Examples
    --------
    >>> neighbour_shifts(2, 1)
    [(0, 1), (1, 0)]
    """
    return [
        shift
        for shift in itertools.product((-1, 0, 1), repeat=ndim)
        if shift > (0,) * ndim and sum(map(abs, shift)) <= hops
    ]


def _first_voxels(
    values: NDArray[Any], labels: NDArray[np.uint32], count: int, *, by_value: bool
) -> NDArray[np.int64]:
    """Return the linear index of each label's first voxel.

    No axis has a voxel of the object right before it, and few voxels are like that: one or some an
    object.
    """
    # Among zeros and ones "another value before, and not 0 itself" is "more than before"
    opens_after = np.not_equal if by_value else np.greater
    opens = np.empty(values.shape, bool)
    flat = values.reshape(-1)
    # All rows as one, three times as fast as row by row; then the starts of rows are put right
    opens_after(flat[1:], flat[:-1], out=opens.reshape(-1)[1:])
    opens[..., 0] = values[..., 0] != 0
    if by_value:
        opens &= values != 0
    for axis in range(values.ndim - 1):
        later = (slice(None),) * axis + (slice(1, None),)
        earlier = (slice(None),) * axis + (slice(None, -1),)
        if by_value:
            opens[later] &= values[later] != values[earlier]
        else:
            np.greater(opens[later].view(np.uint8), values[earlier], out=opens[later])
    places = np.flatnonzero(opens)
    first = np.full(count + 1, values.size, np.int64)
    np.minimum.at(first, labels.reshape(-1)[places], places)
    return first[1:]
