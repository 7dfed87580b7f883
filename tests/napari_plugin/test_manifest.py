"""What napari finds of scutoid."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import scutoid

MANIFEST = Path(scutoid.__file__).parent / "napari_plugin" / "napari.yaml"
ROOT = Path(__file__).parents[2]

npe2 = pytest.importorskip("npe2", reason="napari is not installed: pip install 'scutoid[napari]'")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_the_manifest_is_valid_and_names_what_can_be_imported():
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.name == "scutoid"
    by_tool = [sys.executable, "-m", "npe2", "validate", str(MANIFEST), "--imports"]
    done = subprocess.run(by_tool, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_entry_point_names_the_manifest():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = project["entry-points"]["napari.manifest"]["scutoid"]
    package, _, file = found.partition(":")
    assert ROOT / "src" / Path(*package.split(".")) / file == MANIFEST


def test_napari_finds_the_reader_for_folders_alone(store, tmp_path):
    import npe2.io_utils
    from npe2._pytest_plugin import TestPluginManager

    manager = TestPluginManager()
    manager.register(npe2.PluginManifest.from_file(MANIFEST))
    (reader,) = manager.iter_compatible_readers(str(store))
    assert reader.command == "scutoid.read"
    manager.activate("scutoid")
    layers = npe2.io_utils._read([str(store)], stack=False, _pm=manager)
    assert [kind for _, _, kind in layers] == ["image", "labels", "points"]
    with pytest.raises(ValueError, match="No readers"):
        npe2.io_utils._read([str(tmp_path)], stack=False, _pm=manager)
    assert not list(manager.iter_compatible_readers(str(tmp_path / "cells.tif")))


def test_nothing_of_qt_is_imported_to_read(store):
    script = f"""
import sys
from scutoid.napari_plugin import get_reader
assert get_reader({str(store)!r}) is not None
assert "numpy" not in sys.modules, "to recognize a folder takes no numpy"
assert get_reader({str(store)!r})({str(store)!r})
assert not {{"qtpy", "napari", "magicgui", "PyQt6"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
