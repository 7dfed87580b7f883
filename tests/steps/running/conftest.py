"""What tests of runs into stores in buckets share."""

from __future__ import annotations

import tempfile

import pytest


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return what makes this process look like one on another machine: other temporary files."""

    def move(name):
        (tmp_path / name).mkdir(exist_ok=True)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
        monkeypatch.setenv("TMPDIR", str(tmp_path / name))

    move("first")
    return move


@pytest.fixture
def store(bucket, machine):
    """Return the URL of a store that is not there yet."""
    return bucket.url("results")
