"""Images as arrays of voxels with axes and a scale, whatever holds them.

A backend reads a region of one kind of storage; `open_source` finds the right one.  `create_image`
makes an image that blocks are written into, and `create` is its form for users.
"""

from scutoid.arrays._backends import Backend, Opening
from scutoid.arrays._create import WritableImage, create, create_image, open_writer
from scutoid.arrays._open import open_source, with_spec
from scutoid.arrays._padding import pad_to, read_region
from scutoid.arrays._source import ArraySource, ImageWriter, SourceIdentity
from scutoid.arrays._spec import ImageSpec
from scutoid.arrays._storage import Storage
from scutoid.arrays._tiff_write import write_tiff

__all__ = [
    "ArraySource",
    "Backend",
    "ImageSpec",
    "ImageWriter",
    "Opening",
    "SourceIdentity",
    "Storage",
    "WritableImage",
    "create",
    "create_image",
    "open_source",
    "open_writer",
    "pad_to",
    "read_region",
    "with_spec",
    "write_tiff",
]
