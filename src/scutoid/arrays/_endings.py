"""What the ending of its name says of a file: whether it is an image, and who reads it.

Asked of each file of a folder, most of which are never opened here: no reader is loaded for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

TIFF_ENDINGS = (".tif", ".tiff")
PICTURE_ENDINGS = (".png", ".npy", ".jpg", ".jpeg", ".bmp")
COMPANION_ENDINGS = (".companion.ome", ".ome.xml", ".ome")
"""Of files of OME-XML alone."""
ZIP_ENDINGS = (".zarr.zip", ".ozx")
ENDINGS_OF: Mapping[str, tuple[str, ...]] = {
    "CZI": (".czi",),
    "ND2": (".nd2",),
    "LIF": (".lif", ".lof"),
    "DeltaVision": (".dv", ".r3d"),
    "Olympus OIB": (".oib",),
    "ZVI": (".zvi",),
    "Imaris": (".ims",),
    "SlideBook": (".sld",),
}
"""By the name of the format of a microscope."""
OWN_ENDINGS = tuple(ending for name in ("CZI", "ND2", "LIF") for ending in ENDINGS_OF[name])
"""Of the formats that no other package reads in our place."""
MICROSCOPE_ENDINGS = tuple(ending for endings in ENDINGS_OF.values() for ending in endings)
FILE_ENDINGS = (*TIFF_ENDINGS, *PICTURE_ENDINGS, *COMPANION_ENDINGS, *MICROSCOPE_ENDINGS)
"""Of the files that are images; TIFFs may have others."""
IMAGE_ENDINGS = (*FILE_ENDINGS, *ZIP_ENDINGS, ".zarr")
"""By which files and folders are known as images."""
_READ_ALONE = (*TIFF_ENDINGS, *PICTURE_ENDINGS, *COMPANION_ENDINGS, *ZIP_ENDINGS, ".zarr")
_READINGS = {".png": ("numbers of palettes, 16 bits",), ".bmp": ("numbers of palettes",)}


def is_read_alone(path: str) -> bool:
    """Whether a file or folder is of a kind whose sources are `threadsafe`, as its ending says.

    Examples
    --------
    >>> is_read_alone("a.TIF"), is_read_alone("a.czi")
    (True, False)
    """
    return path.lower().endswith(_READ_ALONE) or os.path.isdir(path)  # noqa: PTH112


def reading_of(path: str) -> tuple[str, ...]:
    """Return what a key has of how a file is read, where that has changed since keys are made.

    Examples
    --------
    >>> reading_of("a.tif"), reading_of("A.BMP")
    ((), ('numbers of palettes',))
    """
    return _READINGS.get(path[-4:].lower(), ())
