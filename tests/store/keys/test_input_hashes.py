"""Keys of inputs: what counts as the same, and what the memo may and may not save."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest
import zarr

from scutoid.arrays import ImageSpec, SourceIdentity, open_source
from scutoid.errors import SourceError, SourceNotFound
from scutoid.records import RecordLog
from scutoid.store import HashMemo, canonical_digest, key_of_path, key_of_source
from scutoid.store.keys import _input_hashes

LONG_AGO = time.time_ns() - 10**12


def write(path, content, when=LONG_AGO):
    path.write_bytes(content)
    os.utime(path, ns=(when, when))
    return path


@pytest.fixture
def memo(tmp_path):
    return HashMemo(tmp_path / "memo")


@pytest.fixture
def reads(monkeypatch):
    """Names of the files that were read in full."""
    found = []
    digest_file = _input_hashes.digest_file
    monkeypatch.setattr(
        _input_hashes,
        "digest_file",
        lambda path: found.append(Path(path).name) or digest_file(path),
    )
    return found


def test_the_key_of_a_file_is_its_sha256(tmp_path):
    content = os.urandom(5 * 2**20 + 3)
    key = key_of_path(write(tmp_path / "a", content))
    assert key == hashlib.sha256(content).hexdigest()


def test_a_file_counts_by_content_alone(tmp_path):
    key = key_of_path(write(tmp_path / "a", b"one"))
    assert key_of_path(write(tmp_path / "b", b"one", LONG_AGO + 5)) == key
    assert key_of_path(write(tmp_path / "a", b"two")) != key


def test_a_folder_counts_by_the_names_and_content_of_its_members(tmp_path):
    def folder(name, **files):
        for member, content in files.items():
            place = tmp_path / name / member.replace("__", "/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return key_of_path(tmp_path / name)

    keys = [
        folder("a", x=b"1", y=b"2"),
        folder("b", x=b"2", y=b"1"),
        folder("c", x=b"1", z=b"2"),
        folder("d", x=b"1"),
        folder("e", x=b"1", sub__y=b"2"),
    ]
    assert len(set(keys)) == len(keys)
    assert folder("f", y=b"2", x=b"1") == keys[0]


def test_links_to_folders_are_followed_and_circles_end(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    write(outside / "x", b"1")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "up").symlink_to(folder)
    before = key_of_path(folder)
    write(outside / "x", b"2")
    assert key_of_path(folder) != before


def test_what_is_missing_or_no_file_is_a_clear_error(tmp_path):
    with pytest.raises(SourceNotFound, match="an input exists"):
        key_of_path(tmp_path / "none")
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    with pytest.raises(SourceNotFound):
        key_of_path(tmp_path / "dangling")


def test_a_file_that_keeps_changing_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path / "a", b"one")

    def slow(file):
        with Path(file).open("ab") as more:
            more.write(b"x")
        return "digest"

    monkeypatch.setattr(_input_hashes, "digest_file", slow)
    with pytest.raises(SourceError, match="does not change while it is read"):
        key_of_path(path)


def test_the_memo_saves_reading_across_processes(tmp_path, memo, reads):
    path = write(tmp_path / "a", b"one")
    key = key_of_path(path, memo)
    assert key_of_path(path, memo) == key
    memo.save()
    assert key_of_path(path, HashMemo(memo.path)) == key
    assert reads == ["a"]


def test_paths_among_parameters_use_the_memo(tmp_path, memo, reads):
    folder = tmp_path / "atlas"
    folder.mkdir()
    write(folder / "a", b"one")
    assert canonical_digest({"p": folder}, memo=memo) == canonical_digest({"p": folder}, memo=memo)
    assert reads == ["a"]


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_the_memo_does_not_hide_a_change(tmp_path, memo, change):
    path = write(tmp_path / "a", b"one")
    before = key_of_path(path, memo)
    if change == "inode":
        write(tmp_path / "b", b"two").replace(path)
    else:
        content, when = (b"longer", LONG_AGO) if change == "size" else (b"two", LONG_AGO + 1)
        write(path, content, when)
    assert key_of_path(path, memo) != before


def test_a_file_changed_just_now_is_read_again(tmp_path, memo, reads):
    path = write(tmp_path / "a", b"one", time.time_ns())
    key_of_path(path, memo)
    key_of_path(path, memo)
    assert reads == ["a", "a"]


@pytest.mark.parametrize("damage", ["torn", "flipped", "foreign", "empty", "folder"])
def test_a_damaged_memo_is_passed_over_and_computed_again(tmp_path, memo, reads, damage):
    path = write(tmp_path / "a", b"one")
    key = key_of_path(path, memo)
    memo.save()
    content = memo.path.read_bytes()
    if damage == "folder":
        memo.path.unlink()
        memo.path.mkdir()
    else:
        memo.path.write_bytes(
            {
                "torn": content[:-3],
                "flipped": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
                "foreign": b"something else entirely, and long enough",
                "empty": b"",
            }[damage]
        )
    again = HashMemo(memo.path)
    assert key_of_path(path, again) == key
    again.save()
    assert reads == ["a", "a"]
    if damage != "folder":
        assert key_of_path(path, HashMemo(memo.path)) == key
        assert reads == ["a", "a"]


def test_a_memo_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").write_text("x")
    memo = HashMemo(tmp_path / "file" / "memo")
    key_of_path(write(tmp_path / "a", b"one"), memo)
    memo.save()


SPEC = ImageSpec((4, 6), "uint16", "yx", voxel_size=(1.0, 1.0), unit="um")


def test_what_is_said_of_an_image_counts(tmp_path):
    identity = SourceIdentity("files", (str(write(tmp_path / "a.tif", b"one")),))
    specs = [
        SPEC,
        SPEC.replace(voxel_size=(2.0, 1.0)),
        SPEC.replace(unit="nm"),
        SPEC.replace(origin=(0, 1)),
        SPEC.replace(axes="zx"),
        SPEC.replace(dtype="int16"),
    ]
    keys = [key_of_source(identity, spec) for spec in specs]
    assert len(set(keys)) == len(keys)


def test_files_count_by_content_and_order_not_by_place(tmp_path):
    a, b = (str(write(tmp_path / name, name.encode())) for name in "ab")
    (tmp_path / "moved").mkdir()
    c = str(write(tmp_path / "moved" / "c", b"a"))
    keys = [key_of_source(SourceIdentity("files", p), SPEC) for p in ((a, b), (b, a), (c, b))]
    assert keys[0] == keys[2] != keys[1]


def test_arrays_count_by_content():
    array = np.arange(24, dtype="uint16").reshape(4, 6)
    key = key_of_source(open_source(array).identity, SPEC)
    assert key_of_source(open_source(array.copy()).identity, SPEC) == key
    array[3, 5] = 0
    assert key_of_source(open_source(array).identity, SPEC) != key


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "v.zarr"
    zarr.create_array(path, data=np.arange(64, dtype="uint16").reshape(8, 8), chunks=(4, 4))
    return path


def chunks_of(path):
    return sorted(p for p in path.rglob("c/*/*") if p.is_file())


@pytest.mark.parametrize("mode", ["listing", "content"])
@pytest.mark.parametrize("event", ["edit", "remove", "metadata"])
def test_a_change_of_a_zarr_is_noticed(volume, mode, event):
    source = open_source(volume, key=mode)
    before = key_of_source(source.identity, source.spec)
    assert key_of_source(open_source(volume, key=mode).identity, source.spec) == before
    if event == "edit":
        zarr.open_array(volume)[7, 7] = 0
    elif event == "remove":
        chunks_of(volume)[0].unlink()
    else:
        zarr.open_array(volume).attrs["note"] = "x"
    assert key_of_source(source.identity, source.spec) != before


def test_by_content_a_copy_and_a_touch_do_not_count(volume):
    identity = open_source(volume, key="content").identity
    before = key_of_source(identity, SPEC)
    for chunk in chunks_of(volume):
        os.utime(chunk, ns=(LONG_AGO, LONG_AGO))
    assert key_of_source(identity, SPEC) == before


def test_locks_that_a_killed_writer_left_do_not_count(volume):
    identity = open_source(volume).identity
    before = key_of_source(identity, SPEC)
    (chunks_of(volume)[0].parent / "0.__lock").write_bytes(b"")
    assert key_of_source(identity, SPEC) == before


def test_a_listing_reads_no_chunk(volume, reads):
    key_of_source(open_source(volume).identity, SPEC)
    assert set(reads) == {"zarr.json"}


def test_the_memo_keeps_what_several_runs_added(tmp_path, memo, reads):
    paths = [write(tmp_path / f"{n}.tif", b"%d" % n) for n in range(6)]
    for path in paths:
        key_of_path(path, memo)
        memo.save()
        memo = HashMemo(memo.path)
    assert [key_of_path(p, memo) for p in paths] == [key_of_path(p) for p in paths]
    assert len(reads) == 2 * len(paths)


def test_a_memo_of_another_layout_is_passed_over(tmp_path, reads):
    path = write(tmp_path / "a", b"one")
    with RecordLog.open(tmp_path / "memo", b"of an earlier version") as log:
        log.append(b'[["a", [1, 2, 3], "digest"]]')
    memo = HashMemo(tmp_path / "memo")
    assert key_of_path(path, memo) == hashlib.sha256(b"one").hexdigest()
    memo.save()
    key_of_path(path, HashMemo(memo.path))
    assert reads == ["a"]


@pytest.fixture
def remote():
    """A file system in memory that says of its files what the test wants said."""
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/inputs", recursive=True)


def key_of_url(url):
    return key_of_source(SourceIdentity("url", (url,)), SPEC)


@pytest.mark.parametrize("tag", ["ETag", "etag", "Last-Modified", "LastModified", "mtime"])
def test_a_remote_file_counts_by_its_tag_or_time(remote, monkeypatch, tag):
    remote.pipe("/inputs/a.tif", b"one")
    said = {"name": "/inputs/a.tif", "size": 3, "type": "file"}
    keys = []
    for value in ("1", "1", "2"):
        info = {**said, tag: value}
        monkeypatch.setattr(type(remote), "info", lambda *_args, info=info, **_options: info)
        keys.append(key_of_url("memory://inputs/a.tif"))
    assert keys[0] == keys[1] != keys[2]


def test_a_remote_file_of_which_nothing_is_said_counts_by_content(remote, monkeypatch):
    said = {"name": "/inputs/a.tif", "size": 3, "type": "file"}
    monkeypatch.setattr(type(remote), "info", lambda *_args, **_options: said)
    keys = []
    for content in (b"one", b"one", b"two"):
        remote.pipe("/inputs/a.tif", content)
        keys.append(key_of_url("memory://inputs/a.tif"))
    assert keys[0] == keys[1] != keys[2]


def test_a_remote_folder_counts_by_its_members(remote):
    remote.pipe({"/inputs/v.zarr/zarr.json": b"{}", "/inputs/v.zarr/c/0": b"chunk"})
    before = key_of_url("memory://inputs/v.zarr")
    assert key_of_url("memory://inputs/v.zarr") == before
    remote.pipe("/inputs/v.zarr/c/1", b"more")
    assert key_of_url("memory://inputs/v.zarr") != before


def test_a_remote_zarr_whose_server_lists_nothing_counts_by_its_chunks(remote, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError("listing is not allowed")

    monkeypatch.setattr(type(remote), "find", refuse)
    store = "memory://inputs/v.zarr"
    array = zarr.create_array(store, shape=(4,), chunks=(2,), dtype="u1", fill_value=9)
    keys = [key_of_url(store)]
    for write in (lambda: None, lambda: array.set_basic_selection(slice(0, 2), 1)):
        write()
        keys.append(key_of_url(store))
    assert keys[0] == keys[1] != keys[2]


def test_what_is_missing_or_out_of_reach_at_a_url_is_a_clear_error(remote, monkeypatch):
    remote.pipe("/inputs/a.tif", b"one")
    with pytest.raises(SourceNotFound, match="an input exists"):
        key_of_url("memory://inputs/none.tif")

    def refuse(*_args, **_options):
        raise TimeoutError("the server does not answer")

    monkeypatch.setattr(type(remote), "info", refuse)
    with pytest.raises(SourceError, match="can be read") as caught:
        key_of_url("memory://inputs/a.tif")
    assert "does not answer" in str(caught.value)
