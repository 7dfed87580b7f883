"""What docs/architecture.md names is there: packages, files, classes and functions."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

import scutoid

SOURCE = Path(scutoid.__file__).parent
PAGE = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
PICTURE = re.findall(r"^```text\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[0]
PROSE = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
PACKAGES = {"The layers": SOURCE, "The packages of `steps`": SOURCE / "steps"}


def cells(section):
    """Return the rows of the tables of a section, each as the texts of its cells."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def quoted(text):
    return re.findall(r"`([^`]+)`", text)


def defined_in(path):
    """Return the names of all classes and functions of a file, methods too."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)}


def folders(package):
    return {path.parent.name for path in package.glob("*/__init__.py")}


@pytest.mark.parametrize("section", PACKAGES)
def test_each_package_has_a_row_and_no_row_is_of_a_package_that_is_gone(section):
    named = [name for row in cells(section)[1:] for name in quoted(row[0])]
    assert sorted(named) == sorted(folders(PACKAGES[section]))


@pytest.mark.parametrize("package", PACKAGES.values(), ids=lambda path: path.name)
def test_each_package_stands_in_the_picture(package):
    assert folders(package) <= set(re.findall(r"\w+", PICTURE))


def test_the_packages_of_the_steps_stand_in_the_order_of_their_imports():
    order = runpy.run_path(str(Path(__file__).with_name("test_layers.py")))["PACKAGES"]["steps"]
    rows = cells("The packages of `steps`")[1:]
    assert [name for row in rows for name in quoted(row[0])] == list(order)


def test_what_a_package_owns_is_defined_in_it():
    for section, above in PACKAGES.items():
        for row in cells(section)[1:]:
            packages = [above / name for name in quoted(row[0])]
            files = [path for package in packages for path in package.rglob("*.py")]
            names = set().union(*map(defined_in, files))
            assert set(quoted(row[1])) - folders(SOURCE) <= names, row


def test_each_file_is_there():
    files = [name for name in quoted(PROSE) if name.endswith(".py")]
    assert len(files) > 20
    assert not [f for f in files if not any((r / f).is_file() for r in (SOURCE, SOURCE.parents[1]))]


@pytest.mark.parametrize("section", ["The way of one image", "The way of one member"])
def test_who_does_something_on_the_way_is_defined_where_the_page_says(section):
    rows = cells(section)[1:]
    assert len(rows) > 5
    for who, where, _ in rows:
        assert set(quoted(who)) <= defined_in(SOURCE / quoted(where)[0]), (who, where)


def test_each_name_is_one_of_a_class_a_function_or_a_package():
    names = {name for name in quoted(PROSE) if re.fullmatch(r"[A-Za-z_]\w*", name)}
    known = set().union(*map(defined_in, SOURCE.rglob("*.py")))
    assert names - known - folders(SOURCE) - folders(SOURCE / "steps") == set()


def test_it_is_two_pages_at_most():
    assert len(PAGE.splitlines()) <= 140
