"""The backends of files and URLs, in all formats: what few pipelines need more than one of."""

from __future__ import annotations

import os
from pathlib import Path

from scutoid.arrays._download import open_download
from scutoid.arrays._microscopes import BACKENDS, MICROSCOPE_ENDINGS, open_other
from scutoid.arrays._ome_companion import COMPANION_ENDINGS
from scutoid.arrays._pictures import PICTURE_ENDINGS
from scutoid.arrays._planes import FILE_ENDINGS, can_open_file, open_file
from scutoid.arrays._request import Request
from scutoid.arrays._source import ArraySource
from scutoid.arrays._tiff import TIFF_ENDINGS
from scutoid.arrays._zarr_backend import open_as_zarr
from scutoid.arrays._zarr_zip import ZIP_ENDINGS, is_zip, root_in
from scutoid.errors import SourceError
from scutoid.remote import refuse_secrets, without_query

IMAGE_ENDINGS = (*FILE_ENDINGS, *ZIP_ENDINGS, ".zarr")
"""Endings by which files and folders are known as images."""

_READ_ALONE = (*TIFF_ENDINGS, *PICTURE_ENDINGS, *COMPANION_ENDINGS, *ZIP_ENDINGS, ".zarr")


def may_be_image(path: str) -> bool:
    """Whether a file or a folder is an image, as far as its ending and first bytes say.

    Where other packages add backends, all may be; bioio is asked where it is installed.
    """
    if path.lower().endswith(IMAGE_ENDINGS) or os.path.isdir(path):  # noqa: PTH112
        return True
    from importlib.metadata import entry_points

    from scutoid.arrays._bioio import is_read

    try:
        if can_open_file(path) or entry_points(group=BACKENDS):
            return True
        return is_read(path)
    except OSError:  # it is told when it is opened
        return True


def is_read_alone(path: str) -> bool:
    """Whether a file or folder is of a kind whose sources are `threadsafe`, as its ending says.

    Examples
    --------
    >>> is_read_alone("a.TIF"), is_read_alone("a.czi")
    (True, False)
    """
    return path.lower().endswith(_READ_ALONE) or os.path.isdir(path)  # noqa: PTH112


def open_url(source: str, request: Request) -> ArraySource:
    """Open what lies at a URL, by its ending."""
    refuse_secrets(source)
    endings = (*TIFF_ENDINGS, *PICTURE_ENDINGS, *COMPANION_ENDINGS, *MICROSCOPE_ENDINGS)
    if without_query(source).lower().endswith(endings):
        return open_download(source, lambda path: open_file(path, request))
    if is_zip(without_query(source)):
        return open_download(source, lambda path: open_as_zarr(root_in(path), request))
    return open_as_zarr(source.rstrip("/"), request)


def open_unknown(source: str, request: Request) -> ArraySource:
    """Open a file of no backend of ours by a reader of other packages, or say what images are.

    Raises
    ------
    SourceError
        If no reader knows it.
    """
    if Path(source).is_file():
        other = open_other(source, request)
        if other is not None:
            return other
    raise SourceError(
        "an image is a zarr, a TIFF, a folder of planes, "
        f"or a file that ends in {', '.join((*PICTURE_ENDINGS, *MICROSCOPE_ENDINGS))}",
        value=Path(source).suffix or "no ending",
        place=source,
        remedy="a zarr in a zip ends in .zarr.zip or .ozx: rename it"
        if source.lower().endswith(".zip")
        else "convert it, or read it yourself and pass the array",
    )
