from ._bound import changes_since, states_of
from ._describe import describe
from ._digest import canonical_digest
from ._file_names import file_names_in
from ._files import checksum_file, digest_file
from ._fingerprint import VERSION_PART, CodeFingerprint, fingerprint
from ._first_modules import first_module
from ._first_rule import first_digest, first_fingerprint
from ._input_hashes import HashMemo, key_of_path, key_of_source, locations_of
from ._ownership import is_own, is_own_file

__all__ = [
    "VERSION_PART",
    "CodeFingerprint",
    "HashMemo",
    "canonical_digest",
    "changes_since",
    "checksum_file",
    "describe",
    "digest_file",
    "file_names_in",
    "fingerprint",
    "first_digest",
    "first_fingerprint",
    "first_module",
    "is_own",
    "is_own_file",
    "key_of_path",
    "key_of_source",
    "locations_of",
    "states_of",
]
