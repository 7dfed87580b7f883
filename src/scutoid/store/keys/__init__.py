"""Keys of results: one digest for a value, for the code of a step, and for an input."""

from scutoid.store.keys._encoder import canonical_digest, describe
from scutoid.store.keys._fingerprint import VERSION_PART, CodeFingerprint, fingerprint
from scutoid.store.keys._input_hashes import HashMemo, key_of_path, key_of_source
from scutoid.store.keys._ownership import is_own

__all__ = [
    "VERSION_PART",
    "CodeFingerprint",
    "HashMemo",
    "canonical_digest",
    "describe",
    "fingerprint",
    "is_own",
    "key_of_path",
    "key_of_source",
]
