"""Whether a file is an image, and which images it holds: it is not opened as one for that."""

from __future__ import annotations

import os

from scutoid.arrays._endings import IMAGE_ENDINGS, MICROSCOPE_ENDINGS, PICTURE_ENDINGS


def may_be_image(path: str) -> bool:
    """Whether a file or a folder is an image, as far as its ending and first bytes say.

    Where other packages add backends, all may be; bioio is asked where it is installed.
    """
    if path.lower().endswith(IMAGE_ENDINGS) or os.path.isdir(path):  # noqa: PTH112
        return True
    from importlib.metadata import entry_points

    from scutoid.arrays._bioio import is_read
    from scutoid.arrays._microscopes import BACKENDS
    from scutoid.arrays._planes import can_open_file

    try:
        if can_open_file(path) or entry_points(group=BACKENDS):
            return True
        return is_read(path)
    except OSError:  # it is told when it is opened
        return True


def images_of(path: str) -> tuple[tuple[int, str], ...]:
    """Return number and name of each image in a file, as `open_source` takes them for ``series=``.

    None of a picture, which is one image.

    Raises
    ------
    SourceError
        If it cannot be read.
    """
    if path.lower().endswith(MICROSCOPE_ENDINGS):
        from scutoid.arrays._microscopes import images_in

        return images_in(path)
    if path.lower().endswith(PICTURE_ENDINGS):
        return ()
    from scutoid.arrays._tiff_open import tiff_images

    return tiff_images(path)
