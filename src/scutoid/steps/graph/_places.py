"""Images that are joined voxel by voxel lie in the same place, as far as their places are known.

Known are the place in the world, of images with a voxel size, and the place in the uncropped image,
of crops of one image or of images of one shape.  An array that is opened has neither.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from scutoid.arrays import METRES, SPATIAL
from scutoid.errors import MetadataError
from scutoid.steps.graph._refs import ImageRef, Node
from scutoid.steps.layout import Framed

TOLERANCE = 0.1
"""How far apart the places of two images may be, in voxels."""


def check_places(place: str, images: Sequence[ImageRef]) -> None:
    """Refuse images that are known to lie in different places.

    Parameters
    ----------
    place : str
        Who joins them, for the error.
    images : sequence of ImageRef
        Each is compared with each other, for the first may be the one whose place is unknown.

    Raises
    ------
    MetadataError
        If one begins elsewhere than another, by more than a tenth of a voxel.
    """
    for first, other in itertools.combinations(images, 2):
        apart = _voxels_apart(first, other)
        if apart > TOLERANCE:
            raise MetadataError(
                "images that are joined voxel by voxel lie in the same place",
                value=f"{apart:.3g} voxels apart: regions {first.roi} and {other.roi}",
                place=f"{place} of {first.name!r} and {other.name!r}",
                remedy="crop both alike, or use sc.resample(a, like=b); where the places are to be "
                "ignored, join arrays: sc.open(a.read()) has no place",
            )


def _voxels_apart(first: ImageRef, other: ImageRef) -> float:
    """Return how far apart two images begin on spatial axes that both have; 0 where unknown."""
    if first is other:
        return 0.0
    one, two = first.framed, other.framed
    if one.spec.voxel_size and two.spec.voxel_size:
        return _in_world(one, two)
    whole_one, whole_two = _uncropped(first), _uncropped(other)
    if whole_one.node != whole_two.node and not _are_of_one_shape(
        whole_one.node.framed(whole_one.output), whole_two.node.framed(whole_two.output)
    ):
        return 0.0
    starts = _by_axis(one, one.offset), _by_axis(two, two.offset)
    common = starts[0].keys() & starts[1].keys()
    return max((abs(starts[0][axis] - starts[1][axis]) for axis in common), default=0.0)


def _in_world(one: Framed, two: Framed) -> float:
    sizes = dict(zip(one.spec.spatial_axes, one.spec.voxel_size or (), strict=True))
    units = one.spec.unit, two.spec.unit
    ratio = METRES[units[1]] / METRES[units[0]] if units[0] and units[1] else 1.0
    starts = [
        dict(zip(image.spec.spatial_axes, image.spec.origin, strict=True))
        if image.spec.origin
        else dict.fromkeys(image.spec.spatial_axes, 0.0)
        for image in (one, two)
    ]
    return max(
        (
            abs(starts[0][axis] - starts[1][axis] * ratio) / sizes[axis]
            for axis in starts[0].keys() & starts[1].keys()
        ),
        default=0.0,
    )


def _by_axis(image: Framed, numbers: Sequence[int]) -> dict[str, float]:
    """Return a number for each spatial axis."""
    pairs = zip(image.spec.axes, numbers, strict=True)
    return {axis: float(number) for axis, number in pairs if axis in SPATIAL}


def _are_of_one_shape(one: Framed, two: Framed) -> bool:
    """Whether uncropped images have the same shape, so that a place in one is one in the other."""
    return _by_axis(one, one.spec.shape) == _by_axis(two, two.spec.shape)


def _uncropped(image: ImageRef) -> ImageRef:
    """Return the image whose frame this one has, by following the first image of each step."""
    while True:
        node: Node = image.node
        images = getattr(node, "images", ())
        spec = getattr(node, "spec", None)
        if not images or spec is None or spec.grid is not None or spec.scale != 1:
            return image
        image = images[0]
