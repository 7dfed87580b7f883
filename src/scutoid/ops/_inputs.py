"""What operations refuse of images and arrays; of lazy ones, before anything runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scutoid.errors import ParameterError
from scutoid.kernels import checked_connectivity
from scutoid.pipeline import Image

Given = Image | NDArray[Any]
_SPATIAL = "zyx"


def check_real(image: Any, place: str) -> None:
    """Refuse voxels that are no real numbers.

    Raises
    ------
    ParameterError
        If they are complex, or no numbers.
    """
    if isinstance(image, (Image, np.ndarray)) and image.dtype.kind not in "biuf":
        raise ParameterError(
            "intensities are real numbers",
            value=f"dtype {image.dtype}",
            place=place,
            remedy="take the magnitude first, by numpy.abs" if image.dtype.kind == "c" else None,
        )


def check_voxels(image: Any, place: str) -> None:
    """Refuse an image without voxels, of which there is nothing to tell.

    Raises
    ------
    ParameterError
        If an axis has no length.
    """
    if isinstance(image, (Image, np.ndarray)) and 0 in image.shape:
        raise ParameterError(
            "an image has at least one voxel",
            value=f"shape {tuple(image.shape)}",
            place=place,
            remedy="see how it was cropped, or leave it out",
        )


def check_hops(image: Any, connectivity: int | None, axes: str | None = None) -> None:
    """Refuse a connectivity that an image's axes do not have.

    Raises
    ------
    ParameterError
        If it is not 1 to their number.
    """
    if isinstance(image, Image):
        spatial = [axis for axis in image.axes if axis in _SPATIAL]
        checked_connectivity(connectivity, len(spatial if axes is None else axes))
