from ._block_digests import BlockDigests, DigestWriter
from ._checksums import checksum_of, contents_of
from ._damage import Examination, Verification, own_bytes, verify_store
from ._display import settle_display
from ._garbage import COMPARED, Collector, Garbage
from ._garbage_at_url import collect_at_url
from ._how_far import HowFar, how_far
from ._member_lists import (
    group_columns,
    groups_of,
    list_of,
    list_of_members,
    members_of,
)
from ._member_record import (
    AcceptedRecord,
    FileRecord,
    MemberRecord,
    MembersRecord,
    SpecRecord,
)
from ._merging import merge_segments
from ._missing_shards import (
    JOURNALLED,
    changed_files,
    lost_blocks,
    remove_misfits,
    shard_record,
)
from ._missing_values import lost_values
from ._names import (
    BLOCKS,
    FILES_FOLDER,
    ITEM_FOLDER,
    ITEMS,
    MEMBERS,
    image_file,
    output_names,
    packed_slot,
)
from ._notes_file import notes_file, notes_of
from ._record import (
    GridRecord,
    ImageRecord,
    OutputRecord,
    PartsRecord,
    ResultRecord,
)
from ._record_fields import read_file
from ._run_record import InputRecord, OutcomeRecord, RunRecord, RunStepRecord
from ._runs import (
    LOGS,
    RUN,
    RUN_NAME,
    RUNS,
    THUMBNAILS,
    announcing,
    dead_locks,
    newest_runs,
    view_of,
)
from ._segments import BlockSegments
from ._shard_notes import NoteWriter, lost_notes, settle_notes
from ._shards_at_url import keep_noted_shards
from ._stored import StoredResult
from ._stored_items import StoredItem, StoredItems, plain_parts
from ._verify_at_url import verify_at_url

__all__ = [
    "BLOCKS",
    "COMPARED",
    "FILES_FOLDER",
    "ITEMS",
    "ITEM_FOLDER",
    "JOURNALLED",
    "LOGS",
    "MEMBERS",
    "RUN",
    "RUNS",
    "RUN_NAME",
    "THUMBNAILS",
    "AcceptedRecord",
    "BlockDigests",
    "BlockSegments",
    "Collector",
    "DigestWriter",
    "Examination",
    "FileRecord",
    "Garbage",
    "GridRecord",
    "HowFar",
    "ImageRecord",
    "InputRecord",
    "MemberRecord",
    "MembersRecord",
    "NoteWriter",
    "OutcomeRecord",
    "OutputRecord",
    "PartsRecord",
    "ResultRecord",
    "RunRecord",
    "RunStepRecord",
    "SpecRecord",
    "StoredItem",
    "StoredItems",
    "StoredResult",
    "Verification",
    "announcing",
    "changed_files",
    "checksum_of",
    "collect_at_url",
    "contents_of",
    "dead_locks",
    "group_columns",
    "groups_of",
    "how_far",
    "image_file",
    "keep_noted_shards",
    "list_of",
    "list_of_members",
    "lost_blocks",
    "lost_notes",
    "lost_values",
    "members_of",
    "merge_segments",
    "newest_runs",
    "notes_file",
    "notes_of",
    "output_names",
    "own_bytes",
    "packed_slot",
    "plain_parts",
    "read_file",
    "remove_misfits",
    "settle_display",
    "settle_notes",
    "shard_record",
    "verify_at_url",
    "verify_store",
    "view_of",
]
