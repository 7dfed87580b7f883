"""The package works from a path where it is not installed: vendored, or by PYTHONPATH."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

import scutoid
from scutoid.store import fingerprint

PIPELINE = """
import json, sys
from importlib import metadata

if len(sys.argv) > 2:
    sys.path.insert(0, sys.argv[2])

import numpy as np
import scutoid as sc


@sc.blockwise(dtype="same", halo=1)
def add(image, *, value):
    return image + np.uint16(value)


if __name__ == "__main__":
    try:
        installed = metadata.version("scutoid")
    except metadata.PackageNotFoundError:
        installed = ""
    image = sc.open(np.arange(600, dtype="uint16").reshape(20, 30))
    added = add.options(block=10)(image, value=3)
    sc.run(added, store=sys.argv[1], executor="processes", workers=1)
    total = int(added.read().sum())
    print(json.dumps({"place": sc.__file__, "installed": installed, "sum": total}))
"""

DAISY = """
import sys

sys.path.insert(0, sys.argv[2])
from scutoid.integrations import daisy


def work():
    client = daisy.Client()
    while True:
        with client.acquire_block() as block:
            if block is None:
                return


if __name__ == "__main__":
    whole, part = daisy.Roi((0, 0), (8, 8)), daisy.Roi((0, 0), (4, 4))
    task = daisy.Task("walk", total_roi=whole, read_roi=part, write_roi=part,
                      process_function=work, num_workers=1)
    assert daisy.run_blockwise([task])
"""


class Bare:
    """A Python that has all packages of this one but scutoid, and a copy of that in a folder."""

    def __init__(self, folder):
        venv.create(folder / "bare", with_pip=False, symlinks=True)
        self.python = str(folder / "bare" / "bin" / "python")
        self.copy = folder / "vendored"
        (self._packages,) = (folder / "bare" / "lib").glob("python*/site-packages")
        for place in sys.path:
            if "site-packages" in Path(place).parts or "dist-packages" in Path(place).parts:
                self._link(Path(place))
        kept_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(scutoid.__file__).parent, self.copy / "scutoid", ignore=kept_out)

    def _link(self, place):
        for path in place.iterdir():
            link = self._packages / path.name
            if "scutoid" not in path.name and path.suffix != ".pth" and not link.is_symlink():
                link.symlink_to(path)

    def run(self, *words, folder, paths=()):
        """Run Python with some folders as PYTHONPATH; return what it printed."""
        done = subprocess.run(
            [self.python, *map(str, words)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return Bare(tmp_path_factory.mktemp("not_installed"))


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / "script.py"
        path.write_text(text)
        return path

    return write


def recipe_in(store):
    (recipe,) = (store / "add").glob("*/recipe.json")
    return json.loads(recipe.read_text())


@pytest.fixture(scope="module")
def key_of_the_package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("here")
    (folder / "script.py").write_text(PIPELINE)
    subprocess.run([sys.executable, "script.py", "store"], cwd=folder, check=True)
    return recipe_in(folder / "store")["key"]


@pytest.mark.parametrize("way", ["PYTHONPATH", "sys.path"])
def test_a_pipeline_runs_from_a_copy_and_has_the_keys_of_the_package(
    bare, script, tmp_path, way, key_of_the_package
):
    path, store = script(PIPELINE), tmp_path / "store"
    paths, rest = ([bare.copy], []) if way == "PYTHONPATH" else ([], [bare.copy])
    said = json.loads(bare.run(path, store, *rest, folder=tmp_path, paths=paths).splitlines()[-1])
    assert Path(said["place"]).is_relative_to(bare.copy)
    assert not said["installed"]
    assert said["sum"] == sum(range(600)) + 3 * 600
    recipe = recipe_in(store)
    assert recipe["versions"]["scutoid"] == scutoid.__version__
    assert recipe["key"] == key_of_the_package


def test_processes_of_daisy_find_a_copy_that_only_the_script_has_named(bare, script, tmp_path):
    bare.run(script(DAISY), "", bare.copy, folder=tmp_path)


def test_the_command_of_a_copy_says_its_version(bare, tmp_path):
    said = bare.run("-m", "scutoid", "--version", folder=tmp_path, paths=[bare.copy])
    assert said.strip() == scutoid.__version__


def test_the_manifest_of_a_copy_names_what_can_be_imported(bare, tmp_path):
    pytest.importorskip("npe2", reason="napari is not installed: pip install 'scutoid[napari]'")
    bare.run(
        *("-c", "import sys, npe2; npe2.PluginManifest.from_file(sys.argv[1]).validate_imports()"),
        bare.copy / "scutoid" / "napari_plugin" / "napari.yaml",
        folder=tmp_path,
        paths=[bare.copy],
    )


LEFT = {
    "bare": None,
    "without_metadata": {},
    "without_version": {"METADATA": "Name: without_version\n"},
    "without_name": {"METADATA": "Version: 1\n", "top_level.txt": "without_name\n"},
}


@pytest.mark.parametrize("name", LEFT)
def test_modules_whose_package_has_no_version_enter_a_recipe_without_one(
    tmp_path, monkeypatch, name
):
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / f"{name}.py").write_text("def double(image):\n    return image * 2\n")
    if LEFT[name] is not None:
        (packages / f"{name}-1.dist-info").mkdir()
        for file, text in LEFT[name].items():
            (packages / f"{name}-1.dist-info" / file).write_text(text)
    monkeypatch.syspath_prepend(packages)
    module = importlib.import_module(name)

    def step(image):
        return module.double(np.asarray(image))

    assert name not in fingerprint(step).packages
    assert "numpy" in fingerprint(step).packages
