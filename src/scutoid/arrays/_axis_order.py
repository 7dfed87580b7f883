"""The order in which OME-NGFF stores axes, and that of the image.

::

    image     y x c        order (1, 2, 0): y is stored second, x third, c first
    stored    c y x
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

from scutoid.arrays._spec import SPATIAL, ImageSpec
from scutoid.geometry import Roi

Order: TypeAlias = tuple[int, ...]
"""Where each axis of an image is stored; empty: in the order that they have."""
_MOST_AXES = 5
T = TypeVar("T")


def order_of(axes: str) -> Order:
    """Return where OME-NGFF stores each axis: time first, space last, others between.

    Examples
    --------
    >>> order_of("yxc"), order_of("tczyx")
    ((1, 2, 0), ())
    """
    stored = sorted(range(len(axes)), key=lambda n: _rank(axes[n]))
    if stored == list(range(len(axes))):
        return ()
    return tuple(stored.index(n) for n in range(len(axes)))


def _rank(letter: str) -> int:
    return 0 if letter == "t" else 2 if letter in SPATIAL else 1


def is_ngff(axes: str) -> bool:
    """Whether OME-NGFF knows images of these axes: two or three of space, one besides time.

    Examples
    --------
    >>> is_ngff("tczyx"), is_ngff("x"), is_ngff("cpyx")
    (True, False, False)
    """
    others = [letter for letter in axes if _rank(letter) == 1]
    n_spatial = sum(letter in SPATIAL for letter in axes)
    return len(axes) <= _MOST_AXES and n_spatial >= 2 and len(others) <= 1


def as_stored(values: Sequence[T], order: Order) -> tuple[T, ...]:
    """Return values by axis of the image, by axis as stored.

    Examples
    --------
    >>> as_stored("yxc", order_of("yxc"))
    ('c', 'y', 'x')
    """
    return tuple(values[order.index(n)] for n in range(len(order))) if order else tuple(values)


def as_here(values: Sequence[T], order: Order) -> tuple[T, ...]:
    """Return values by axis as stored, by axis of the image.

    Examples
    --------
    >>> as_here("cyx", order_of("yxc"))
    ('y', 'x', 'c')
    """
    return tuple(values[n] for n in order) if order else tuple(values)


def stored_letters(axes: str | None, order: Order) -> str | None:
    """Return axes as a user gives them, by axis as stored; those that are too few stay."""
    return "".join(as_stored(axes, order)) if axes and len(axes) == len(order) else axes


def stored_roi(roi: Roi, order: Order) -> Roi:
    """Return a region of the image, of what is stored."""
    return Roi(as_stored(roi.offset, order), as_stored(roi.shape, order)) if order else roi


def stored_spec(spec: ImageSpec, order: Order) -> ImageSpec:
    """Describe what is stored of an image; spatial axes keep their order."""
    if not order:
        return spec
    return spec.replace(
        shape=as_stored(spec.shape, order), axes="".join(as_stored(spec.axes, order))
    )


def spec_here(spec: ImageSpec, order: Order) -> ImageSpec:
    """Describe the image of which something is stored."""
    if not order:
        return spec
    return spec.replace(shape=as_here(spec.shape, order), axes="".join(as_here(spec.axes, order)))
