"""An export touches its own files in a folder, and no other."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scutoid.errors import StoreError
from scutoid.steps.handles import _export_folder
from scutoid.steps.handles._export_folder import MARK, replacing_folder

names = st.sampled_from(["a", "b", "d", "d/a", "d/b", "d/e/a", "f/a", "zarr.json"])
contents = st.sampled_from(["1", "2"])
things = st.sampled_from(["file", "link", "folder", "link to a folder"])


def is_tree(found: dict[str, str]) -> bool:
    """Whether no name is that of a file and of a folder."""
    return not any(other.startswith(f"{name}/") for name in found for other in found)


exported = st.dictionaries(names, contents, max_size=5).filter(is_tree)
added = st.dictionaries(names, things, max_size=2)


def write(folder: Path, files: dict[str, str]) -> None:
    with replacing_folder(folder) as new:
        new.mkdir()
        for name, content in files.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_text(content)


def look(folder: Path) -> dict[str, object]:
    """What lies below a folder: the content of files, where links lead, and when it was changed."""
    found: dict[str, object] = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            found[path.relative_to(folder).as_posix()] = os.readlink(path)  # noqa: PTH115
        elif path.is_file() and path.name != MARK:
            status = path.stat()
            content = (path.read_text(), status.st_mtime_ns, status.st_ino)
            found[path.relative_to(folder).as_posix()] = content
        elif path.is_dir():
            found[path.relative_to(folder).as_posix()] = "folder"
    return found


def add(folder: Path, far: Path, name: str, thing: str) -> bool:
    """Add something of the user's, if there is a place for it."""
    place = folder / name
    if os.path.lexists(place) or any(
        above.is_symlink() or above.is_file() for above in place.parents
    ):
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    if thing == "file":
        place.write_text("mine")
    elif thing == "folder":
        place.mkdir()
    else:
        place.symlink_to(far if thing == "link to a folder" else far / "a")
    return True


@given(
    st.lists(st.tuples(exported, added), min_size=2, max_size=4),
    st.booleans(),
)
@settings(max_examples=300, deadline=None)
@example([({"a": "1"}, {"b": "file"}), ({"a": "1"}, {})], False)
@example([({"a": "1"}, {"b": "file"}), ({"a": "2", "d/a": "1"}, {})], False)
@example([({"d/a": "1"}, {"d/b": "file"}), ({}, {})], False)
@example([({"a": "1"}, {"b": "link"}), ({"b": "2"}, {})], False)
@example([({"a": "1"}, {"d": "link to a folder"}), ({"d/a": "2"}, {})], False)
@example([({"a": "1"}, {"d": "folder"}), ({"a": "2"}, {})], False)
@example([({"a": "1"}, {}), ({"b": "1"}, {}), ({"a": "2"}, {})], True)
def test_what_the_user_added_stays_as_it_is(tmp_path_factory, rounds, is_old) -> None:
    """For any exports to one folder, and any files, links and folders added between them."""
    root = tmp_path_factory.mktemp("final")
    folder, far, mine = root / "here", root / "far", set()
    write(far, {"a": "far"})
    far_before = look(far)
    for files, additions in rounds:
        before, refusal = look(folder), ""
        try:
            write(folder, files)
        except StoreError as error:
            refusal = error.rule
        now = look(folder)
        if refusal:
            assert "only where nothing is" in refusal
            assert now == before
        else:
            assert {name: now[name] for name in mine} == {name: before[name] for name in mine}
            for name, content in files.items():
                assert (folder / name).read_text() == content
                same = name in before and before[name][0] == content
                assert not same or now[name] == before[name] or not mine
            if not is_old:
                left = {name for name in now if now[name] != "folder"} - mine
                assert left == files.keys()
        assert look(far) == far_before
        for name, thing in additions.items():
            if add(folder, far, name, thing):
                mine.add(name)
        if is_old:  # which an earlier version made, without a list
            (folder / MARK).write_text(json.dumps({"made by": "scutoid.export"}))
    assert [path.name for path in sorted(root.iterdir())] == ["far", "here"]
    shutil.rmtree(root)


def test_a_file_in_the_way_is_named_before_anything_is_written(tmp_path) -> None:
    write(tmp_path / "here", {"a": "1"})
    (tmp_path / "here" / "b").write_text("mine")
    with pytest.raises(StoreError, match=r"'b' is in the way"):
        write(tmp_path / "here", {"a": "2", "b": "2"})
    assert (tmp_path / "here" / "a").read_text() == "1"
    assert (tmp_path / "here" / "b").read_text() == "mine"


@pytest.mark.parametrize("listed", ["../far/a", "/etc/hostname", "d/../../far/a"])
def test_a_list_never_leads_outside(tmp_path, listed) -> None:
    write(tmp_path / "far", {"a": "far"})
    write(tmp_path / "here", {"a": "1"})
    (tmp_path / "here" / MARK).write_text(json.dumps({"files": ["a", listed, 3]}))
    (tmp_path / "here" / "mine").write_text("mine")
    write(tmp_path / "here", {"b": "2"})
    assert {path.name for path in (tmp_path / "here").iterdir()} == {"b", "mine", MARK}
    assert (tmp_path / "far" / "a").read_text() == "far"


def test_what_stops_between_two_renames_leaves_the_old_copy(tmp_path, monkeypatch) -> None:
    write(tmp_path / "here", {"a": "1"})
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if target == tmp_path / "here" and ".new" in self.name:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="No space"):
        write(tmp_path / "here", {"a": "2"})
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert (tmp_path / "here" / "a").read_text() == "1"


def test_an_export_that_stops_half_way_in_a_folder_with_other_files_is_mended_by_the_next(
    tmp_path, monkeypatch
) -> None:
    here = tmp_path / "here"
    write(here, {"a": "1", "b": "1", "c": "1"})
    (here / "mine").write_text("mine")
    replace = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if target == here / "d":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(_export_folder.Path, "replace", fail)
        with pytest.raises(OSError, match="No space"):
            write(here, {"b": "2", "d": "2", "e": "2"})
    write(here, {"e": "3"})
    assert {path.name for path in here.iterdir()} == {"e", "mine", MARK}


@pytest.mark.parametrize("earlier", [None, {"a": "1"}])
def test_a_file_called_as_the_list_is_refused_and_not_lost(tmp_path, earlier):
    target = tmp_path / "out"
    if earlier is not None:
        write(target, earlier)
    before = look(target)
    with pytest.raises(StoreError, match="a name that no file of a result has"):
        write(target, {"a": "2", MARK: "of the step"})
    assert look(target) == before
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if earlier else [])
