"""Other levels of the pyramid of a source that is open."""

from __future__ import annotations

from scutoid.arrays._open import open_source
from scutoid.arrays._request import Request
from scutoid.arrays._source import ArraySource, WrappedSource
from scutoid.arrays._zarr import ZarrSource


def source_at_level(source: ArraySource, level: int) -> ArraySource | None:
    """Open another level of the image that a source belongs to; reads metadata only.

    Parameters
    ----------
    source : ArraySource
        Of any level.
    level : int
        From 0, the finest, to ``source.levels - 1``.

    Returns
    -------
    ArraySource or None
        With the axes of `source`; what else was said of it when it was opened is left out.  None
        where its format has no way to do so.

    Raises
    ------
    SourceError, MetadataError
        If it is not there any more.
    """
    while isinstance(source, WrappedSource):
        source = source.source
    axes = source.spec.axes
    if isinstance(source, ZarrSource) and source.pyramid:
        place = source.pyramid
        return open_source(place, axes=axes, level=level, allow_outside=True)
    from scutoid.arrays._tiff import TiffSource

    if isinstance(source, TiffSource):
        from scutoid.arrays._tiff_open import open_tiff

        number = source.series if source.is_one_of else None
        return open_tiff(source.path, Request(axes=axes, level=level, series=number))
    return None
