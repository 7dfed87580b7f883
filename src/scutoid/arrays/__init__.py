"""Images as arrays of voxels with axes and a scale, in any kind of storage.

A backend reads a region of one kind of storage; `open_source` finds the right one.  `create_image`
makes an image for blocks to be written into; `create` is its convenient form.
"""

from scutoid.arrays._alone import is_alone
from scutoid.arrays._axis_order import is_ngff
from scutoid.arrays._backends import IMAGE_ENDINGS
from scutoid.arrays._create import ImageWriter, WritableImage, create, create_image
from scutoid.arrays._display import ChannelDisplay, without_windows
from scutoid.arrays._file_sets import FileSet, sets_among
from scutoid.arrays._images_of import images_of
from scutoid.arrays._limits import add_limits
from scutoid.arrays._notes import Note
from scutoid.arrays._open import VoxelSizes, open_source
from scutoid.arrays._padding import pad_to, read_region
from scutoid.arrays._pictures import reading_of
from scutoid.arrays._pyramid import (
    PyramidLevel,
    pyramid_levels,
    pyramid_method,
    pyramid_multiple,
)
from scutoid.arrays._request import Missing, SeriesName, check_missing
from scutoid.arrays._shard_notes import (
    NOTE,
    ShardLevel,
    misplaced_shards,
    missing_notes,
    shard_levels,
)
from scutoid.arrays._shards import damaged_shards, stored_shards
from scutoid.arrays._source import (
    ArraySource,
    Readable,
    SourceFiles,
    SourceIdentity,
    WrappedSource,
    outdated,
)
from scutoid.arrays._spec import SPATIAL, ImageSpec
from scutoid.arrays._stack import STACKED_AXES, Stacking, StackSource, open_stack
from scutoid.arrays._storage import Storage
from scutoid.arrays._tiff_stream import stream_tiff
from scutoid.arrays._tiff_write import write_tiff
from scutoid.arrays._time import TimeScale
from scutoid.arrays._units import METRES, known_unit
from scutoid.arrays._zarr import check_identity
from scutoid.arrays._zarr_groups import GroupImage, labels_of, zarr_images
from scutoid.arrays._zarr_names import files_of_array

__all__ = [
    "IMAGE_ENDINGS",
    "METRES",
    "NOTE",
    "SPATIAL",
    "STACKED_AXES",
    "ArraySource",
    "ChannelDisplay",
    "FileSet",
    "GroupImage",
    "ImageSpec",
    "ImageWriter",
    "Missing",
    "Note",
    "PyramidLevel",
    "Readable",
    "SeriesName",
    "ShardLevel",
    "SourceFiles",
    "SourceIdentity",
    "StackSource",
    "Stacking",
    "Storage",
    "TimeScale",
    "VoxelSizes",
    "WrappedSource",
    "WritableImage",
    "add_limits",
    "check_identity",
    "check_missing",
    "create",
    "create_image",
    "damaged_shards",
    "files_of_array",
    "images_of",
    "is_alone",
    "is_ngff",
    "known_unit",
    "labels_of",
    "misplaced_shards",
    "missing_notes",
    "open_source",
    "open_stack",
    "outdated",
    "pad_to",
    "pyramid_levels",
    "pyramid_method",
    "pyramid_multiple",
    "read_region",
    "reading_of",
    "sets_among",
    "shard_levels",
    "stored_shards",
    "stream_tiff",
    "without_windows",
    "write_tiff",
    "zarr_images",
]
