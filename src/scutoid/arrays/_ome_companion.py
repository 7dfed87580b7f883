"""OME-XML that stands in a file of its own, or in one TIFF of several: its companions name it.

::

    a.companion.ome      the OME-XML: which plane lies where
    a_0.ome.tif          <BinaryOnly MetadataFile="a.companion.ome"/>
    a_1.ome.tif          <BinaryOnly MetadataFile="a.companion.ome"/>
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scutoid.arrays._parts import content_at
from scutoid.arrays._tiff_chain import BrokenChain, first_tags
from scutoid.errors import ScutoidError, SourceError

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

_DESCRIPTION = 270
_IMAGE = re.compile(rb"<(?:\w+:)?Image[\s>]")
_BEGINNING = re.compile(
    r"(?:\s|\ufeff|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>)*<(?:\w+:)?OME[\s>]",
    re.DOTALL,
)
"""What stands before the root of OME-XML, and the root."""


def is_ome_xml(text: str) -> bool:
    """Whether a text begins as OME-XML does, however it ends.

    Examples
    --------
    >>> is_ome_xml("<!-- by hand --><OME><Image"), is_ome_xml("<html><OME>"), is_ome_xml("")
    (True, False, False)
    """
    return _BEGINNING.match(text) is not None


def has_images(content: bytes) -> bool:
    """Whether OME-XML has several images."""
    return len(_IMAGE.findall(content)) > 1


def ome_text(path: str) -> str:
    """Return the OME-XML in a file of its own, or in the description of a TIFF.

    Raises
    ------
    SourceError
        If the file is not there, or there is none in it.
    """
    try:
        tags = first_tags(path, (_DESCRIPTION,))
        content = content_at(path) if tags is None else tags.get(_DESCRIPTION, b"")
    except ScutoidError:
        raise
    except (OSError, BrokenChain) as error:
        raise SourceError(
            "the file that has the OME-XML of an image is there",
            value=getattr(error, "strerror", None) or str(error),
            place=path,
            remedy="restore it beside the others; or, if their pixels are all you need, give "
            "axes= and voxel_size=",
        ) from error
    text = content.decode("utf-8", "replace").strip("\0 \r\n\t")
    if not is_ome_xml(text):
        raise SourceError(
            "a file that others name for their OME-XML has it",
            value=text[:60] or "nothing",
            place=path,
            remedy="restore it from its source",
        )
    return text


def companion_name(root: ET.Element) -> str | None:
    """Return the name of the file that OME-XML points to for all that it says; None: none."""
    from scutoid.arrays._ome_xml import of_name

    only = next(of_name(root, "BinaryOnly"), None)
    return None if only is None else only.get("MetadataFile", "")


def first_tiff(root: ET.Element) -> str | None:
    """Return the name of the first TIFF that OME-XML names; None: it names none."""
    from scutoid.arrays._ome_xml import of_name

    names = (uuid.get("FileName") for uuid in of_name(root.iter(), "UUID"))
    return next((name for name in names if name), None)
