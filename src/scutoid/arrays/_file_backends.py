"""The backends of files and URLs, in all formats: what few pipelines need more than one of."""

from __future__ import annotations

from pathlib import Path

from scutoid.arrays._download import open_download
from scutoid.arrays._endings import FILE_ENDINGS, MICROSCOPE_ENDINGS, PICTURE_ENDINGS
from scutoid.arrays._microscopes import open_other
from scutoid.arrays._planes import open_file
from scutoid.arrays._request import Request
from scutoid.arrays._source import ArraySource
from scutoid.arrays._zarr_backend import open_as_zarr
from scutoid.arrays._zarr_zip import is_zip, root_in
from scutoid.errors import SourceError
from scutoid.remote import refuse_secrets, without_query


def open_url(source: str, request: Request) -> ArraySource:
    """Open what lies at a URL, by its ending."""
    refuse_secrets(source)
    if without_query(source).lower().endswith(FILE_ENDINGS):
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
