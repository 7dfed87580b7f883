from ._alone import look_at
from ._axis_order import is_ngff
from ._create import ImageWriter, WritableImage, create, create_image
from ._display import ChannelDisplay, without_windows
from ._endings import IMAGE_ENDINGS, is_read_alone, reading_of
from ._file_sets import FileSet, sets_among
from ._images_of import images_of, may_be_image
from ._let_go import let_go
from ._level import source_at_level
from ._limits import Limits, add_limits
from ._notes import Note
from ._numbering import gap_among
from ._open import VoxelSizes, open_source
from ._padding import pad_to, read_region
from ._pyramid import (
    PyramidLevel,
    pyramid_levels,
    pyramid_method,
    pyramid_multiple,
)
from ._read_otherwise import given_readings
from ._request import Missing, SeriesName, check_missing
from ._shard_notes import (
    NOTE,
    ShardLevel,
    misplaced_shards,
    missing_notes,
    shard_levels,
)
from ._shards import damaged_shards, misfit_shards, stored_shards
from ._source import (
    ArraySource,
    Readable,
    SourceFiles,
    SourceIdentity,
    WrappedSource,
    outdated,
)
from ._spec import SPATIAL, ImageSpec
from ._stack import STACKED_AXES, Stacking, StackSource, open_stack
from ._storage import Storage
from ._take_shards import TakenShards
from ._tiff_stream import stream_tiff
from ._tiff_write import write_tiff
from ._time import TimeScale
from ._units import METRES, SECONDS, known_unit
from ._zarr import check_identity
from ._zarr_array import UNDECODED, drop_chunks
from ._zarr_groups import GroupImage, is_zarr_at, labels_of, names_in_group, well_name, zarr_images
from ._zarr_names import files_of_array
from ._zarr_objects import ObjectWriter, is_decodable, write_kept, writer_to_url
from ._zarr_zip import split_zip, zarr_at

__all__ = [
    "IMAGE_ENDINGS",
    "METRES",
    "NOTE",
    "SECONDS",
    "SPATIAL",
    "STACKED_AXES",
    "UNDECODED",
    "ArraySource",
    "ChannelDisplay",
    "FileSet",
    "GroupImage",
    "ImageSpec",
    "ImageWriter",
    "Limits",
    "Missing",
    "Note",
    "ObjectWriter",
    "PyramidLevel",
    "Readable",
    "SeriesName",
    "ShardLevel",
    "SourceFiles",
    "SourceIdentity",
    "StackSource",
    "Stacking",
    "Storage",
    "TakenShards",
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
    "drop_chunks",
    "files_of_array",
    "gap_among",
    "given_readings",
    "images_of",
    "is_decodable",
    "is_ngff",
    "is_read_alone",
    "is_zarr_at",
    "known_unit",
    "labels_of",
    "let_go",
    "look_at",
    "may_be_image",
    "misfit_shards",
    "misplaced_shards",
    "missing_notes",
    "names_in_group",
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
    "source_at_level",
    "split_zip",
    "stored_shards",
    "stream_tiff",
    "well_name",
    "without_windows",
    "write_kept",
    "write_tiff",
    "writer_to_url",
    "zarr_at",
    "zarr_images",
]
