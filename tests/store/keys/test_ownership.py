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


def test_code_of_scutoid_is_not_the_users_own():
    assert not any(map(is_own, (scutoid, Roi, Entry, canonical_digest)))
    assert is_own(test_no_file_of_scutoid_is_the_users_own)
