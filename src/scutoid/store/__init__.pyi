from ._any_lock import BEAT_SECONDS, AnyLock, Owner, TakenOver, dead_after
from ._claims import Claims
from ._copied_result import CopiedResult, bring, bring_all, is_left_at_url, url_of_copy
from ._damage import reading
from ._durable import empty_folder, filling, list_folder, make_folder
from ._entry import SIZES, Entry, distrust_around
from ._entry_folder import COMPLETE, DIGESTS, JOURNAL, RECIPE
from ._entry_store import EntryStore
from ._lock import Lock, one_by_one
from ._manifest import BEGUN, MANIFEST, TOKEN, Manifest
from ._object_lock import ObjectLock
from ._objects_here import new_token
from ._pack import Pack
from ._parts import (
    PackedArrays,
    arrays_of_bytes,
    bytes_of_arrays,
    bytes_of_table,
    table_of_bytes,
)
from ._plain import dict_of, is_plain_array, is_plain_integer, name_of_dict
from ._reasons import differences, distance, explain, version_notes
from ._recipe import KEY_RULE, Fact, Recipe
from ._remote_result import RemoteResult
from ._seen_entry import SeenEntry
from ._segments import SEGMENTS, SegmentWriter
from ._sharers import SHARES, Sharer
from ._shares import Segment, remove_segments, share_lock, take_share
from ._store_at_url import MARK, RESULT_NAME
from ._working import URL_MARK, is_url, own_folder
from .formats import (
    FORMATS,
    SHEETS,
    Format,
    choose_format,
    find_format,
    from_json,
    is_json,
    to_json,
)
from .keys import (
    CodeFingerprint,
    HashMemo,
    canonical_digest,
    changes_since,
    checksum_file,
    describe,
    file_names_in,
    fingerprint,
    is_own,
    key_of_path,
    key_of_source,
    locations_of,
    states_of,
)

__all__ = [
    "BEAT_SECONDS",
    "BEGUN",
    "COMPLETE",
    "DIGESTS",
    "FORMATS",
    "JOURNAL",
    "KEY_RULE",
    "MANIFEST",
    "MARK",
    "RECIPE",
    "RESULT_NAME",
    "SEGMENTS",
    "SHARES",
    "SHEETS",
    "SIZES",
    "TOKEN",
    "URL_MARK",
    "AnyLock",
    "Claims",
    "CodeFingerprint",
    "CopiedResult",
    "Entry",
    "EntryStore",
    "Fact",
    "Format",
    "HashMemo",
    "Lock",
    "Manifest",
    "ObjectLock",
    "Owner",
    "Pack",
    "PackedArrays",
    "Recipe",
    "RemoteResult",
    "SeenEntry",
    "Segment",
    "SegmentWriter",
    "Sharer",
    "TakenOver",
    "arrays_of_bytes",
    "bring",
    "bring_all",
    "bytes_of_arrays",
    "bytes_of_table",
    "canonical_digest",
    "changes_since",
    "checksum_file",
    "choose_format",
    "dead_after",
    "describe",
    "dict_of",
    "differences",
    "distance",
    "distrust_around",
    "empty_folder",
    "explain",
    "file_names_in",
    "filling",
    "find_format",
    "fingerprint",
    "from_json",
    "is_json",
    "is_left_at_url",
    "is_own",
    "is_plain_array",
    "is_plain_integer",
    "is_url",
    "key_of_path",
    "key_of_source",
    "list_folder",
    "locations_of",
    "make_folder",
    "name_of_dict",
    "new_token",
    "one_by_one",
    "own_folder",
    "reading",
    "remove_segments",
    "share_lock",
    "states_of",
    "table_of_bytes",
    "take_share",
    "to_json",
    "url_of_copy",
    "version_notes",
]
