"""What stands between libraries that read files and those who ask for voxels.

What a file claims is compared with the memory that is free before a library is asked for it, and
whatever a library raises of bad bytes becomes an error that names the file.
"""

from __future__ import annotations

import errno
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from numpy.typing import NDArray

from scutoid.arrays._source import ArraySource, check_inside
from scutoid.arrays._spec import ImageSpec
from scutoid.errors import MemoryLimitError, ScutoidError, SourceError
from scutoid.free_memory import free_memory
from scutoid.geometry import Roi

SMALL = 2**26
"""Bytes that are read without a look at the memory that is free."""
_LONGEST = 500
"""Characters that are shown of what a library says."""
_SHARE = 4
"""A region that is proposed takes one part in so many of what is free."""
_DAMAGED = "the file is damaged, cut off or of another kind: restore it from its source"
_OUT_OF_REACH = "check that it is there and may be read, and the disk or server that it lies on"

S = TypeVar("S", bound=ArraySource)


def guarded(read: Callable[[S, Roi], NDArray[Any]]) -> Callable[[S, Roi], NDArray[Any]]:
    """Guard the `read` of a source: regions that do not fit, and errors of its library.

    Raises
    ------
    GeometryError
        If the region is not inside the image.
    MemoryLimitError
        If it, or a chunk that is decoded for it, takes more memory than is free.
    SourceError
        If a library fails at what is in the file.
    """

    @functools.wraps(read)
    def checked(source: S, roi: Roi) -> NDArray[Any]:
        check_inside(roi, source.spec)
        check_room(source, roi)
        try:
            return read(source, roi)
        except ScutoidError:
            raise
        except Exception as error:
            _raise_ours(error, _place_of(source))
            raise

    return checked


@contextmanager
def guarding(place: str) -> Iterator[None]:
    """Turn what libraries raise of a file into an error of ours.

    Parameters
    ----------
    place : str
        The file, the folder or the URL.

    Raises
    ------
    SourceError
        Of whatever they raise, but errors of ours, and of packages that cannot be imported.
    MemoryLimitError
        Where they run out of memory.
    """
    try:
        yield
    except ScutoidError:
        raise
    except Exception as error:
        _raise_ours(error, place)
        raise


def check_system(error: Exception, place: str) -> None:
    """Raise an error of ours for one of the system, of which the content of a file is no cause.

    Raises
    ------
    SourceError
        If a file cannot be reached: a disk fails, rights are missing, too many files are open.
    MemoryLimitError
        If there is no memory left.
    """
    if isinstance(error, OSError) and error.errno:
        _raise_ours(error, place)


def _raise_ours(error: Exception, place: str) -> None:
    """Raise an error of ours for one of a library, unless it says nothing of the file."""
    if isinstance(error, ImportError):
        return
    said = f"{type(error).__name__}: {error}"[:_LONGEST]
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        raise MemoryLimitError(
            "what a file needs to be read fits in the memory that is free",
            value=said,
            place=place,
            remedy="read a smaller region, or free some memory; if it should be small, the file "
            "is damaged",
        ) from error
    raise SourceError(
        "an image is what its format says, and can be read",
        value=said,
        place=place,
        remedy=_OUT_OF_REACH if number else _DAMAGED,
    ) from error


def check_room(source: ArraySource, roi: Roi) -> None:
    """Raise a `MemoryLimitError` unless a region and one chunk for it fit in what is free."""
    spec, item = source.spec, source.spec.dtype.itemsize
    region = math.prod(roi.shape) * item
    chunk = math.prod(source.chunks) * item if region and decodes_chunks(source) else 0
    if region + chunk <= SMALL or region + chunk <= (free := free_memory()):
        return
    if chunk >= region:
        raise MemoryLimitError(
            "a chunk, which is decoded as a whole, fits in the memory that is free",
            value=f"{in_units(chunk)} for one of shape {tuple(source.chunks)}, "
            f"{in_units(free)} free",
            place=_place_of(source),
            remedy=f"{_coarser(source)}copy it to smaller chunks where there is more memory; if "
            "its chunks should be small, its metadata are damaged",
        )
    raise MemoryLimitError(
        "a region that is read at once fits in the memory that is free",
        value=f"{in_units(region)} for shape {tuple(roi.shape)}, {in_units(free)} free",
        place=_place_of(source),
        remedy=f"read a part of it, such as image[{smaller(spec, roi, free // _SHARE)}]; "
        f"{_coarser(source)}or let steps read it block by block, in sc.run",
    )


def decodes_chunks(source: ArraySource) -> bool:
    """Whether a source decodes chunks as a whole; else it reads what a region needs of a file."""
    return bool(getattr(source, "is_decoded", True))


def check_bytes(nbytes: int, place: str, *, shape: Sequence[int]) -> None:
    """Raise a `MemoryLimitError` unless what a file holds in one piece fits in what is free.

    Parameters
    ----------
    nbytes : int
        What it takes once it is decoded, as the file claims.
    place : str
        The file.
    shape : sequence of int
        What it claims to be.
    """
    if nbytes <= SMALL or nbytes <= (free := free_memory()):
        return
    raise MemoryLimitError(
        "an image that is decoded as a whole fits in the memory that is free",
        value=f"{in_units(nbytes)} for shape {tuple(shape)}, {in_units(free)} free",
        place=place,
        remedy="convert it to OME-Zarr where there is more memory, and read it by region; if it "
        "should be small, the file is damaged",
    )


def _place_of(source: ArraySource) -> str:
    return next(iter(source.identity.locations), source.identity.kind)


def _coarser(source: ArraySource) -> str:
    return "read a coarser level, by sc.open(..., level=1); " if source.levels > 1 else ""


def smaller(spec: ImageSpec, roi: Roi, nbytes: int) -> str:
    """Return an index that takes a part of a region, of at most so many bytes if it can.

    The axes before the last are cut first.

    Examples
    --------
    >>> import numpy as np
    >>> spec = ImageSpec((1000, 2000, 2000), np.dtype("uint8"), "zyx")
    >>> smaller(spec, spec.roi, 10**9)
    '0:250, 0:2000, 0:2000'
    """
    sizes = list(roi.shape)
    for axis in range(len(sizes)):
        others = math.prod(sizes) // max(sizes[axis], 1) * spec.dtype.itemsize
        sizes[axis] = max(min(sizes[axis], nbytes // max(others, 1)), 1)
    spans = zip(roi.offset, sizes, strict=True)
    return ", ".join(f"{start}:{start + size}" for start, size in spans)


def in_units(nbytes: int) -> str:
    """Return an amount of memory in words.

    Examples
    --------
    >>> in_units(3_200_000_000), in_units(2**70)
    ('3.2 GB', '1.2e+06 PB')
    """
    amount = float(nbytes)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.2g} PB"
