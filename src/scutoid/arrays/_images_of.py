"""The images that a file holds, listed without being opened."""

from __future__ import annotations

from scutoid.arrays._microscopes import MICROSCOPE_ENDINGS, images_in
from scutoid.arrays._pictures import PICTURE_ENDINGS
from scutoid.arrays._tiff_open import tiff_images


def images_of(path: str) -> tuple[tuple[int, str], ...]:
    """Return number and name of each image in a file, as `open_source` takes them for ``series=``.

    None of a picture, which is one image.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    if path.lower().endswith(MICROSCOPE_ENDINGS):
        return images_in(path)
    return () if path.lower().endswith(PICTURE_ENDINGS) else tiff_images(path)
