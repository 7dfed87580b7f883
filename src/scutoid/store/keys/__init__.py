"""Keys of results: digests of values, of the code of steps and of inputs."""

from scutoid.store.keys._describe import describe
from scutoid.store.keys._digest import canonical_digest
from scutoid.store.keys._file_names import file_names_in
from scutoid.store.keys._files import checksum_file, digest_file
from scutoid.store.keys._fingerprint import VERSION_PART, CodeFingerprint, fingerprint
from scutoid.store.keys._first_modules import first_module
from scutoid.store.keys._first_rule import first_digest, first_fingerprint
from scutoid.store.keys._input_hashes import HashMemo, key_of_path, key_of_source, locations_of
from scutoid.store.keys._ownership import is_own, is_own_file

__all__ = [
    "VERSION_PART",
    "CodeFingerprint",
    "HashMemo",
    "canonical_digest",
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
]
