"""The patterns that docs/opening.md has for the names of instruments match such names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

import scutoid as sc

PAGE = Path(__file__).parents[3] / "docs" / "opening.md"
ROW = re.compile(
    r"\| (?P<name>[^|`]+) \| `(?P<file>.+)` \| `(?P<pattern>.+)` \| `(?P<stack>.+)` \|"
)
ROWS = [match for match in map(ROW.fullmatch, PAGE.read_text().splitlines()) if match]


def test_the_page_has_the_table():
    assert len(ROWS) == 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_files_of_an_instrument_are_one_image_a_site(tmp_path, row):
    stack = ast.literal_eval(row["stack"])
    names = written(row)
    for n, name in enumerate(names):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, np.full((4, 5), n, "uint8"), metadata=None)
    images = sc.open_folder(tmp_path / "in" / row["pattern"], stack=stack)
    (key,) = images.keys
    axes = "".join(axis for axis in "tcz" if axis in stack)
    assert images[key].axes == f"{axes}yx"
    assert images[key].read()[..., 0, 0].ravel().tolist() == [0, 1]


def written(row):
    """Return the name of the page, and that of the next file along its last axis."""
    *_, name = ast.literal_eval(row["stack"]).values()
    pattern = sc.steps.handles._name_pattern.NamePattern.parse(row["pattern"])
    first = pattern.match(row["file"])
    assert first is not None
    digits = pattern.placeholders[name].is_whole
    after = first[name] + 1 if digits else chr(ord(str(first[name])[0]) + 1) + str(first[name])[1:]
    for match in re.finditer(re.escape(str(first[name])), row["file"]):
        other = row["file"][: match.start()] + str(after) + row["file"][match.end() :]
        try:
            found = pattern.match(other)
        except sc.errors.ParameterError:
            continue
        if found == {**first, name: after}:
            return [row["file"], other]
    raise AssertionError(f"no other file of {row['pattern']}")
