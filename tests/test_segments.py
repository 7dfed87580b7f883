"""Segments of several writers: which there are, and until where each counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scutoid.errors import StoreError
from scutoid.segments import FENCE, SEGMENTS, fence_off, is_fenced, limit_of, parts_of, segments_in


def segment(folder, name="a-1-1-1", **files):
    path = folder / SEGMENTS / name
    path.mkdir(parents=True)
    for file, content in files.items():
        (path / file).write_bytes(content)
    return path


def test_a_folder_without_segments_has_the_file_alone(tmp_path):
    assert segments_in(tmp_path) == []
    assert parts_of(tmp_path / "journal") == [(tmp_path / "journal", -1)]


def test_segments_come_by_name_and_the_file_itself_last(tmp_path):
    for name in ("b", "a"):
        segment(tmp_path, name)
    (tmp_path / SEGMENTS / ".share-1.lock").touch()
    (tmp_path / SEGMENTS / "file").touch()
    found = [path.parent.name for path, _ in parts_of(tmp_path / "journal")]
    assert found == ["a", "b", tmp_path.name]


def test_what_is_added_behind_a_fence_does_not_count_and_the_first_fence_holds(tmp_path):
    one = segment(tmp_path, journal=b"12345")
    assert limit_of(one, "journal") == -1
    assert not is_fenced(one)
    fence_off(one)
    (one / "journal").write_bytes(b"1234567")
    fence_off(one)
    assert is_fenced(one)
    assert limit_of(one, "journal") == 5
    assert limit_of(one, "another") == 0


def test_a_record_that_counts_has_what_it_names_though_its_writer_goes_on(tmp_path, monkeypatch):
    order = ["blocks.pack", "blocks.pack.index", "image.shards", "blocks.digests", "journal"]
    one = segment(tmp_path, **dict.fromkeys(sorted(order, reverse=True), b"."))
    sized = Path.stat

    def stat(path, **options):
        found = sized(path, **options)
        if path.parent == one:
            for name in order:  # one more block is written, with all that belongs to it
                with (one / name).open("ab") as file:
                    file.write(b".")
        return found

    monkeypatch.setattr(Path, "stat", stat)
    fence_off(one)
    monkeypatch.undo()
    sizes = [limit_of(one, name) for name in order]
    assert sizes[-1] == min(sizes)
    assert sizes[1] <= sizes[0]


def test_a_segment_that_is_gone_is_fenced_and_takes_no_fence(tmp_path):
    gone = tmp_path / SEGMENTS / "gone"
    fence_off(gone)
    assert is_fenced(gone)
    assert not gone.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"journal": "many"})])
def test_a_fence_that_cannot_be_read_is_an_error_and_not_no_fence(tmp_path, content):
    one = segment(tmp_path, journal=b"12345")
    (one / FENCE).write_text(content)
    with pytest.raises(StoreError, match="a fence says how many bytes"):
        limit_of(one, "journal")
