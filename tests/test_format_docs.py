"""The page on the format of a store holds for a store, and its reader reads it without scutoid."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scutoid.correcting import Correction, Corrections
from scutoid.records import RecordLog
from scutoid.store import Pack, Recipe

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
GOLDEN = ROOT / "tests" / "golden" / "rule_1"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Return what the page's code prints, run where scutoid cannot be imported."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(GOLDEN, folder / "store")
    (folder / "scutoid.py").write_text("raise ImportError('the reader does without')\n")
    corrections = Corrections.create(folder / "cells.corrections", "yx")
    labels = np.array([[0, 2**63 + 5, 7]], np.uint64)
    corrections.append(
        Correction("delete", "yx", (3, 4), labels, labels * (labels != 7), who="Ada", why="dust")
    )
    (folder / "page.py").write_text("".join(BLOCK.findall(PAGE)), encoding="utf-8")
    command = [sys.executable, "-W", "error", "page.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def raw():
    y, x = np.indices((24, 40))
    return (y * 37 + x * 11 + (y * x) % 17) % 251


def test_the_reader_lists_each_result_with_its_key_and_parameters(printed):
    recipes = [Recipe.from_json(path.read_bytes()) for path in GOLDEN.glob("*/*/recipe.json")]
    for recipe in recipes:
        values = ", ".join(f"{name}={fact.text}" for name, fact in recipe.parameters.items())
        is_complete = recipe.step != "unsteady"
        line = f"{recipe.step} {recipe.key[:12]} ({values}) {recipe.kind} {is_complete}"
        assert line in printed
    assert any(line.startswith("brighten 315e260c9ca0 (amount=3)") for line in printed)


def test_the_reader_lists_corrections(printed):
    assert "000001 delete at [3, 4]: 1 voxels, Ada: dust" in printed


def test_the_reader_reads_what_was_written(printed):
    image = raw()
    assert f"image True yx {3 * image.sum()}" in printed
    assert "table ['row', 'sum'] 24" in printed
    assert f"value {image.sum()}" in printed
    piece = image[12:24, 16:32]
    part = {"rows": piece.sum(axis=1).tolist(), "first": [12, 16]}
    assert f"part 4 {part}" in printed
    member = next(line for line in printed if line.startswith("member"))
    assert re.fullmatch(r"member b/1\.npy \{'mean': [\d.]+, 'shape': \[10, 10\]\}", member)
    assert "members ['a/1.npy', 'a/2.npy', 'b/1.npy'] ['mean', 'shape']" in printed
    assert "done [0, 1, 2, 4, 5] of 6" in printed


def names_in(content):
    """Yield the names of all fields in JSON."""
    if isinstance(content, dict):
        yield from content
        for item in content.values():
            yield from names_in(item)
    elif isinstance(content, list):
        for item in content:
            yield from names_in(item)


def test_each_field_of_a_recipe_is_described():
    content = json.loads(Recipe(step="s", key="3f9a").to_json())
    missing = [name for name in content if f"| `{name}` |" not in PAGE]
    assert not missing


def test_each_field_of_the_records_is_described():
    outputs = [json.loads(path.read_bytes())["output"] for path in GOLDEN.glob("*/*/recipe.json")]
    runs = [json.loads(path.read_bytes()) for path in GOLDEN.glob("runs/*/run.json")]
    extras = [json.loads(path.read_bytes())["extra"] for path in GOLDEN.glob("*/*/recipe.json")]
    lists = [json.loads(path.read_bytes()) for path in GOLDEN.glob("*/*/members.json")]
    metas = []
    for path in GOLDEN.glob("*/*/items.pack"):
        with Pack(path) as pack:
            metas += [pack.meta(name) for name in pack]
    journals = [json.loads(RecordLog.read(path)[0]) for path in GOLDEN.glob("*/*/journal")]
    data = re.compile(r"\d+|.+\.(npy|zarr)")  # numbers of outputs, keys of members, files
    found = {
        name
        for part in (outputs, runs, extras, lists, metas, journals)
        for name in names_in(part)
        if not data.fullmatch(name)
    }
    assert len(found) > 40
    assert not [name for name in sorted(found) if f"`{name}`" not in PAGE]


def test_each_kind_of_file_is_described():
    names = {path.name for path in GOLDEN.glob("*/*/*")} | {path.name for path in GOLDEN.glob(".*")}
    names |= {path.name for path in GOLDEN.glob("runs/*/*")}
    assert not [name for name in sorted(names) if name not in PAGE]
