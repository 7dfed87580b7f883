"""Open an image."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from scutoid.arrays import Missing, SeriesName, TimeScale, VoxelSizes, open_source
from scutoid.errors import ParameterError, ScutoidWarning
from scutoid.steps.graph import ImageRef, Opened
from scutoid.steps.handles._lazy import Lazy
from scutoid.steps.handles._single import Image


def open(  # noqa: A001
    source: object,
    *,
    axes: str | None = None,
    voxel_size: VoxelSizes | None = None,
    unit: str | None = None,
    origin: Iterable[float] | Literal["stage"] | None = None,
    level: int = 0,
    key: Literal["listing", "content"] | None = None,
    allow_outside: bool = False,
    coordinate_system: str | None = None,
    time: TimeScale | Sequence[object] | None = None,
    series: SeriesName | None = None,
    missing: Missing = "error",
) -> Image:
    """Open an image lazily.

    Parameters
    ----------
    source : path, URL, array of numpy, dask or xarray, or Image
        OME-Zarr 0.1 to 0.6, plain zarr v2 and v3, both also in one zip (``.ozx``, ``.zarr.zip``),
        TIFF and OME-TIFF, npy, PNG, or a folder of planes (one TIFF a plane), which is opened as
        one volume.  A ``DataArray`` of xarray says its axes, sizes, times and channels itself.
    axes : str, optional
        One letter an axis, such as "zyx"; default: what the file says.
    voxel_size : float, sequence of float or mapping, optional
        Size of a voxel along each spatial axis, in `unit`; default: what the file says.  A mapping
        such as ``{"z": 2.0}`` gives some of them, and the file says the others.
    unit : str, optional
        Unit of the spatial axes, such as "um".
    origin : sequence of float or "stage", optional
        World position of the centre of the first voxel along each spatial axis, in `unit`; or what
        an OME-TIFF or a TIFF of ImageJ says of the position of the stage.
    level : int, optional
        Pyramid level, 0 is the finest.
    key : {"listing", "content"}, optional
        How a change of a zarr is noticed: by its listing (names, sizes and times of chunks; the
        default), or by reading all of it.
    allow_outside : bool, optional
        Whether files that the image names may lie outside its own folder: the other files of an
        OME-TIFF, the arrays of an OME-Zarr.  By default such an image is refused, for it may come
        from somebody else, and name any file of yours.
    coordinate_system : str, optional
        Name of the coordinate system of an OME-Zarr that voxel size and origin are of, where it has
        several; default: the image's own, or "global".
    time : tuple, optional
        Interval between the places along "t" and its unit, and the time of the first if that is not
        0: ``(2.5, "s")`` or ``(2.5, "s", 60)``; default: what the file says.
    series : int or str, optional
        Which image of a file that holds several: its number, from 0, or its name.  Without it such
        a file is refused, with a list of them; `open_folder` opens each as a member.
    missing : {"error", "fill"}, optional
        What becomes of planes that the metadata of an OME-TIFF announce and that are not there, as
        of an acquisition that was aborted, or of files of it that are gone: an error that names
        them, or their voxels are 0, and a warning says how many there are.  And of chunks of a
        zarr at a URL that its server refuses (status 403), as S3 does of those that are not there
        to whom it does not list them: an error, or the fill value.

    Returns
    -------
    Image

    Raises
    ------
    SourceNotFound, SourceError, MetadataError
        If it does not exist, cannot be read, or its axes or voxel size make no sense.

    Warns
    -----
    ScutoidWarning
        Of each thing that is not known of the image, or assumed, where its metadata do not say it
        or are not understood; plans say it too.

    Examples
    --------
    >>> import numpy as np
    >>> import scutoid as sc
    >>> sc.open(np.zeros((2, 3, 4), "uint8"), voxel_size=(2, 1, 1), unit="um")
    Image('array', zyx, (2, 3, 4), uint8, voxel size (2.0, 1.0, 1.0) um)
    """
    if isinstance(source, Image):
        return source
    if isinstance(source, Lazy):
        raise ParameterError(
            "one image is opened",
            value=repr(source),
            place="open",
            remedy="take one member, as in images[key]"
            if hasattr(source, "member")
            else "give an image, or the path of one",
        )
    opened = open_source(
        source,
        axes=axes,
        voxel_size=voxel_size,
        unit=unit,
        origin=origin,
        level=level,
        key=key,
        allow_outside=allow_outside,
        coordinate_system=coordinate_system,
        time=time,
        series=series,
        missing=missing,
    )
    name = Path(os.fspath(source)).name if isinstance(source, (str, os.PathLike)) else "array"
    node = Opened(opened, name)
    for text in node.notes:
        warnings.warn(text, ScutoidWarning, stacklevel=2)
    return Image(ImageRef(node))
