"""Whether a file is all that its image is read from, told from a few bytes of it.

An image may be spread over several files: OME-XML names the others, Micro-Manager finds them by
their names.  Which they are is known when the image is opened; whether there can be any is known
from the tags of the first page.
"""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path

from scutoid.arrays._microscopes import MICROSCOPE_ENDINGS
from scutoid.arrays._pictures import PICTURE_ENDINGS
from scutoid.arrays._tiff_chain import BrokenChain, first_tags
from scutoid.arrays._zarr_zip import ZIP_ENDINGS

_NAMED = re.compile(rb"""\b(?:FileName|MetadataFile)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_DESCRIPTION = 270
_MICRO_MANAGER = 51123


def is_alone(path: str) -> bool:
    """Whether an image is read from one file, or one zarr, alone; False: it may have others.

    Parameters
    ----------
    path : str
        A file, or the folder of a zarr.  What cannot be read has no others.
    """
    if path.lower().endswith((*PICTURE_ENDINGS, *ZIP_ENDINGS, *MICROSCOPE_ENDINGS)):
        return True
    if path.endswith(".zarr") and os.path.isdir(path):  # noqa: PTH112  # for each of many members
        return True
    try:
        tags = first_tags(path, (_DESCRIPTION, _MICRO_MANAGER))
    except (OSError, BrokenChain):
        return True
    if tags is None:  # no TIFF: a format of another package
        return False
    if _MICRO_MANAGER in tags:
        return False
    own = Path(path).name.lower()
    named = _NAMED.findall(tags.get(_DESCRIPTION, b""))
    return all(unescape((a or b).decode("utf-8", "replace")).lower() == own for a, b in named)
