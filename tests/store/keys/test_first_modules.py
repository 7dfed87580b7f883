"""Moved code keeps the name that keys know it by."""

from __future__ import annotations

import importlib

import pytest

import scutoid.store
from scutoid.store.keys import first_module
from scutoid.store.keys._first_modules import _FIRST_MODULES


@pytest.mark.parametrize("name", _FIRST_MODULES)
def test_a_moved_module_exists_and_has_what_is_named(name):
    module, _, qualname = name.partition(":")
    found = importlib.import_module(module)
    assert not qualname or hasattr(found, qualname.partition(".")[0])


def test_public_code_of_the_store_is_known_by_the_module_it_first_stood_in():
    found = {}
    for name in scutoid.store.__all__:
        item = getattr(scutoid.store, name)
        if hasattr(item, "__qualname__"):
            found.setdefault(first_module(item.__module__, name), []).append(name)
    assert found == {
        "scutoid.store._canonical": ["canonical_digest", "describe"],
        "scutoid.store._copied_result": [
            "CopiedResult",
            "bring",
            "bring_all",
            "is_left_at_url",
            "url_of_copy",
        ],
        "scutoid.store._damage": ["reading"],
        "scutoid.store._durable": ["empty_folder", "filling", "list_folder", "make_folder"],
        "scutoid.store._entry": ["Entry", "checksum_file", "distrust_around"],
        "scutoid.store._entry_store": ["EntryStore"],
        "scutoid.store._seen_entry": ["SeenEntry"],
        "scutoid.store._fingerprint": ["CodeFingerprint", "fingerprint"],
        "scutoid.store._format_values": ["from_json", "is_json", "to_json"],
        "scutoid.store._formats": ["Format", "choose_format", "find_format"],
        "scutoid.store._inputs": ["HashMemo", "key_of_path", "key_of_source", "locations_of"],
        "scutoid.store._lock": [
            "AnyLock",
            "Lock",
            "Owner",
            "TakenOver",
            "dead_after",
            "one_by_one",
        ],
        "scutoid.store._manifest": ["Manifest"],
        "scutoid.store._object_lock": ["ObjectLock"],
        "scutoid.store._objects_here": ["new_token"],
        "scutoid.store._remote_result": ["RemoteResult"],
        "scutoid.store._claims": ["Claims"],
        "scutoid.store._segments": ["SegmentWriter"],
        "scutoid.store._sharers": ["Sharer"],
        "scutoid.store._shares": ["Segment", "remove_segments", "share_lock", "take_share"],
        "scutoid.store._ownership": ["is_own"],
        "scutoid.store._working": ["is_url", "own_folder"],
        "scutoid.store._pack": ["Pack"],
        "scutoid.store._parts": [
            "PackedArrays",
            "arrays_of_bytes",
            "bytes_of_arrays",
            "bytes_of_table",
            "table_of_bytes",
        ],
        "scutoid.store._reasons": ["differences", "distance", "explain", "version_notes"],
        "scutoid.store._recipe": ["Fact", "Recipe"],
        "scutoid.store._plain": ["dict_of", "is_plain_array", "is_plain_integer", "name_of_dict"],
        "scutoid.store.keys._file_names": ["file_names_in"],
        "scutoid.store.keys._bound": ["changes_since", "states_of"],
    }


def test_code_of_other_packages_keeps_its_module():
    assert first_module("numpy.linalg", "norm") == "numpy.linalg"
