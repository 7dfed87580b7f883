"""Folders of inputs that the user may not read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import scutoid as sc
from scutoid.errors import ScutoidWarning, SourceError, SourceNotFound


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """A folder that nobody may list, whoever runs the tests."""
    folder = tmp_path / "closed"
    folder.mkdir()
    iterdir, access = Path.iterdir, os.access

    def refused(path):
        if path == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    def is_open(path, mode, **options):
        return Path(path) != folder and access(path, mode, **options)

    monkeypatch.setattr(Path, "iterdir", refused)
    monkeypatch.setattr(os, "access", is_open)
    return folder


def test_an_image_in_a_folder_without_rights_is_told_by_the_folder(closed):
    with pytest.raises(SourceError, match=rf"Permission denied(.|\n)*where: {closed}\n") as raised:
        sc.open(closed / "a.tif")
    assert "rights" in raised.value.remedy


def test_a_pattern_in_a_folder_without_rights_says_so(closed):
    with pytest.raises(SourceNotFound, match="you may not read the folder"):
        sc.open_folder(closed / "*.tif")


@pytest.mark.parametrize("pattern", ["**/*.npy", "*/*.npy", "{well}/{n}.npy"])
def test_a_folder_without_rights_below_a_pattern_is_told_and_not_left_out_in_silence(
    closed, tmp_path, pattern
):
    (tmp_path / "open" / "deeper").mkdir(parents=True)
    np.save(tmp_path / "open" / "1.npy", np.zeros((4, 4)))
    with pytest.warns(ScutoidWarning, match="may not read these folders: closed;"):
        images = sc.open_folder(tmp_path / pattern)
    (key,) = images
    assert key.endswith("1.npy")
