"""Images of object numbers for other programs: ROI sets of ImageJ, and TIFFs of a narrow type."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scutoid.arrays import stream_tiff
from scutoid.errors import MissingExtra, ParameterError
from scutoid.geometry import BlockGrid, Roi
from scutoid.kernels import outlines
from scutoid.steps.handles._single import Image

if TYPE_CHECKING:
    from roifile import ImagejRoi

LABEL_TIFF = (".labels.tif", ".labels.tiff")
ROI_SET = ".zip"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_LONGEST_SIDE = 2**15 - 1
"""Places in a file of a ROI are integers of 16 bits."""
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0


def write_label_tiff(image: Image, path: Path, name: str) -> None:
    """Write object numbers in 16 bits, or in 32 where they are larger; `name` is for messages.

    Raises
    ------
    ParameterError
        If the image has no integers, or one that is negative or takes more bits.
    """
    _check_numbers(image, name)
    spec = image.framed.spec
    low, high = _range(image)
    dtype = next((t for t in ("uint16", "uint32") if high <= np.iinfo(t).max), None)
    if dtype is None or low < 0:
        raise ParameterError(
            "a TIFF of object numbers has numbers from 0 to 2**32 - 1",
            value=high if low >= 0 else low,
            place=name,
            remedy="number the objects anew, or export it as .tif in its own type",
        )

    def read(roi: Roi) -> NDArray[Any]:
        return image.read(roi.shift(image.roi.offset)).astype(dtype)

    stream_tiff(path, spec.replace(dtype=np.dtype(dtype)), read, image.framed.chunks)


def _range(image: Image) -> tuple[int, int]:
    """Return the smallest and largest number, of which chunks are read one by one."""
    spec = image.framed.spec
    if not spec.size:
        return 0, 0
    grid = BlockGrid(image.roi, image.framed.chunks)
    parts = (image.read(grid.write_roi(index)) for index in range(grid.n_blocks))
    ranges = [(int(part.min()), int(part.max())) for part in parts]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def write_roi_set(image: Image, path: Path, name: str) -> None:
    """Write the outline of each object of each plane as a ROI of ImageJ, all in a zip.

    A ROI is named by the number of its object, in a stack also by its plane, as 7_z3, counted from
    1 as ImageJ does.  It goes along the edges of the pixels: what ImageJ selects by it is the
    object.

    Raises
    ------
    ParameterError
        If the image has no integers, other axes than t, z, y, x, or sides of 2**15 pixels.
    MissingExtra
        If roifile is not installed.
    """
    try:
        import roifile  # noqa: F401  # before all is read
    except ImportError as error:
        raise MissingExtra.of("roifile", extra="imagej") from error

    _check_numbers(image, name)
    if not (image.axes.endswith("yx") and set(image.axes) <= set("tzyx")):
        raise ParameterError(
            "a ROI set is of an image with axes y and x, and perhaps t and z before them",
            value=image.axes,
            place=name,
            remedy="take a channel out, such as image.channel(0), or order the axes",
        )
    if max(image.shape[-2:]) > _LONGEST_SIDE:
        raise ParameterError(
            f"ROIs of ImageJ lie within {_LONGEST_SIDE} pixels along y and x",
            value=image.shape,
            place=name,
            remedy="export parts of the image",
        )
    with zipfile.ZipFile(path, "w") as file:
        for roi in _rois(image):
            entry = zipfile.ZipInfo(f"{roi.name}.roi", _LONG_AGO)
            file.writestr(entry, roi.tobytes(), zipfile.ZIP_DEFLATED)


def _check_numbers(image: Image, name: str) -> None:
    if image.dtype.kind not in "iub":
        raise ParameterError(
            "object numbers are integers, 0 where no object is",
            value=str(image.dtype),
            place=name,
            remedy="export an image of labels",
        )


def _rois(image: Image) -> Iterator[ImagejRoi]:
    """Go through the objects of all planes."""
    from scipy import ndimage

    lead = image.axes[:-2]
    for place in np.ndindex(*image.shape[:-2]):
        at = dict(zip(lead, place, strict=True))
        region = Roi(
            (*(o + n for o, n in zip(image.roi.offset, (*place, 0, 0), strict=True)),),
            (*(1,) * len(lead), *image.shape[-2:]),
        )
        plane = image.read(region).reshape(image.shape[-2:])
        numbers = np.unique(plane[plane > 0])
        dense = np.where(plane > 0, np.searchsorted(numbers, plane) + 1, 0)  # without gaps
        for number, box in zip(numbers.tolist(), ndimage.find_objects(dense), strict=True):
            mask = plane[box] == number
            yield _roi(int(number), at, outlines(mask), np.array([box[1].start, box[0].start]))


def _roi(
    number: int, at: dict[str, int], loops: list[NDArray[np.int64]], corner: NDArray[np.int64]
) -> ImagejRoi:
    from roifile import ROI_TYPE, ImagejRoi

    roi = ImagejRoi()
    roi.name = "_".join([str(number), *(f"{letter}{n + 1}" for letter, n in at.items())])
    if len(at) == 1:
        roi.position = next(iter(at.values())) + 1
    elif at:
        roi.c_position, roi.z_position, roi.t_position = 1, at["z"] + 1, at["t"] + 1
    every = np.concatenate(loops)
    (roi.left, roi.top), (roi.right, roi.bottom) = (
        (every.min(axis=0) + corner).tolist(),
        (every.max(axis=0) + corner).tolist(),
    )
    if len(loops) == 1:
        roi.roitype = ROI_TYPE.TRACED
        roi.n_coordinates = len(every)
        roi.integer_coordinates = (every - every.min(axis=0)).astype(np.int32)
    else:
        roi.roitype = ROI_TYPE.RECT
        path = [_path(loop + corner) for loop in loops]
        roi.multi_coordinates = np.concatenate(path).astype(np.float32)
        roi.shape_roi_size = len(roi.multi_coordinates)
    return roi


def _path(loop: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return an outline as ImageJ keeps those of an object with holes or of several parts."""
    steps = np.full((len(loop), 3), _LINE)
    steps[0, 0] = _MOVE
    steps[:, 1:] = loop
    return np.append(steps.ravel(), _CLOSE)
