"""Images as arrays of voxels with axes and a scale, whatever holds them.

A backend reads a region of one kind of storage; `open_source` finds the right one.  `create_image`
makes an image that blocks are written into.
"""

from scutoid.arrays._open import ImageWriter, create_image, open_source
from scutoid.arrays._padding import pad_to, read_region
from scutoid.arrays._source import ArraySource, SourceIdentity
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._storage import Storage
from scutoid.arrays._tiff import write_tiff

__all__ = [
    "ArraySource",
    "ImageSpec",
    "ImageWriter",
    "SourceIdentity",
    "Storage",
    "create_image",
    "open_source",
    "pad_to",
    "read_region",
    "write_tiff",
]
