"""Whether a file is all that its image is read from, told from a few bytes of it.

An image may be spread over several files: OME-XML names the others, Micro-Manager finds them by
their names.  Which they are is known when the image is opened; whether there can be any is known
from the tags of the first page; and from these what of its metadata is read otherwise now than it
was.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from scutoid.arrays._endings import MICROSCOPE_ENDINGS, PICTURE_ENDINGS, ZIP_ENDINGS
from scutoid.arrays._read_otherwise import (
    DESCRIPTION,
    LSM,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    Y_RESOLUTION,
    in_tiff,
    in_zarr,
)
from scutoid.arrays._tiff_chain import BrokenChain, first_tags

_NAMED = re.compile(rb"""\b(?:FileName|MetadataFile)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_MICRO_MANAGER = 51123
_TAGS = (DESCRIPTION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, LSM, _MICRO_MANAGER)


def look_at(path: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether an image is read from one file alone, and what of it is read otherwise now.

    Parameters
    ----------
    path : str
        A file, or the folder of a zarr.  What cannot be read has no others.

    Returns
    -------
    alone : bool
        Whether it is all that the image is read from; False: there may be others.
    readings : tuple of str
        Names of changes in the reading of metadata that concern it; see `_read_otherwise.py`.
    """
    if path.lower().endswith((*PICTURE_ENDINGS, *ZIP_ENDINGS, *MICROSCOPE_ENDINGS)):
        return True, ()
    if path.endswith(".zarr") and os.path.isdir(path):  # noqa: PTH112  # for each of many members
        return True, in_zarr(path)
    try:
        tags = first_tags(path, _TAGS)
    except (OSError, BrokenChain):
        return True, ()
    if tags is None:  # no TIFF: a format of another package
        return False, ()
    readings = in_tiff(tags)
    if _MICRO_MANAGER in tags:
        return False, readings
    own = Path(path).name.lower()
    named = _NAMED.findall(tags.get(DESCRIPTION, b""))
    from html import unescape

    is_own = all(unescape((a or b).decode("utf-8", "replace")).lower() == own for a, b in named)
    return is_own, readings
