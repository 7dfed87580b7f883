"""Whose code it is: the user's own, or installed."""

from __future__ import annotations

from pathlib import Path

import scutoid
from scutoid.geometry import Roi
from scutoid.store import Entry, canonical_digest, is_own
from scutoid.store.keys._ownership import is_own_file

PACKAGE = Path(scutoid.__file__).parent


def test_no_file_of_scutoid_is_the_users_own():
    own = [path for path in PACKAGE.rglob("*.py") if is_own_file(str(path))]
    assert own == []
    assert is_own_file(str(PACKAGE.parent / "scutoid_pipeline.py"))


def test_a_file_of_no_folder_can_be_asked_of_where_the_working_folder_is_gone(
    tmp_path, monkeypatch
):
    """torch has a module whose file is "_ops.py"."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert is_own_file("one_of_no_folder.py")


def test_code_of_scutoid_is_not_the_users_own():
    assert not any(map(is_own, (scutoid, Roi, Entry, canonical_digest)))
    assert is_own(test_no_file_of_scutoid_is_the_users_own)
