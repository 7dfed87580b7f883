"""The figures of the house, counted on small packages whose figures are known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "house.py"


@pytest.fixture(scope="module")
def house():
    spec = importlib.util.spec_from_file_location("house", TOOL)
    module = sys.modules["house"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["house"]


@pytest.fixture
def source_of(house, tmp_path):
    def source(files):
        folder = tmp_path / "scutoid"
        for name, text in {"__init__.py": "", **files}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return house.Source(folder)

    return source


@pytest.mark.parametrize(
    "text",
    [
        "import scutoid._b",
        "import scutoid._b as b",
        "from scutoid import _b",
        "from scutoid._b import x",
        "from . import _b",
        "from ._b import x",
        "def f():\n    from scutoid._b import x",
        "if TYPE_CHECKING:\n    from scutoid._b import x",
    ],
)
def test_an_import_counts_for_a_circle_wherever_and_however_it_is_written(house, source_of, text):
    source = source_of({"_a.py": text, "_b.py": "from scutoid._a import y", "_c.py": "import os"})
    assert house.circles(source) == [["scutoid._a", "scutoid._b"]]


def test_a_circle_over_a_third_file_is_one_and_a_chain_is_none(house, source_of):
    chain = {"_a.py": "from . import _b", "_b.py": "from . import _c", "_c.py": ""}
    assert house.circles(source_of(chain)) == []
    source = source_of({**chain, "_c.py": "from . import _a"})
    assert house.circles(source) == [["scutoid._a", "scutoid._b", "scutoid._c"]]


def test_a_file_and_the_package_that_exports_it_are_a_circle(house, source_of):
    source = source_of(
        {
            "ops/__init__.py": "from scutoid.ops._a import a",
            "ops/_a.py": "from scutoid.ops import b",
        }
    )
    assert house.circles(source) == [["scutoid.ops", "scutoid.ops._a"]]


@pytest.mark.parametrize(
    ("place", "imported", "is_up"),
    [
        ("store/_a.py", "scutoid.ops", True),
        ("ops/_a.py", "scutoid.store", False),
        ("steps/graph/_a.py", "scutoid.steps.handles._b", True),
        ("steps/handles/_b.py", "scutoid.steps.graph._a", False),
        ("steps/graph/_a.py", "scutoid.steps", True),
        ("steps/graph/_a.py", "scutoid.store", False),
    ],
)
def test_imports_point_up_between_layers_and_between_packages_of_the_pipeline(
    house, source_of, place, imported, is_up
):
    folders = ("store", "ops", "steps", "steps/graph", "steps/handles")
    files = {f"{folder}/__init__.py": "" for folder in folders}
    files |= {"steps/graph/_a.py": "", "steps/handles/_b.py": "", place: f"import {imported}"}
    found = house.imports_up(source_of(files), house.ranks_of(house.LAYERS))
    assert len(found) == is_up


def test_the_order_of_packages_is_that_of_the_layers_where_these_name_them(house):
    ranks = house.ranks_of([("store.formats", "store.keys"), ("store",), ("steps",)])
    assert ranks["store.keys"] == ranks["store.formats"] < ranks["store"]
    assert ranks["store"] < ranks["steps.layout"] < ranks["steps.graph"] < ranks["steps"]


def test_files_and_lines_are_given_for_a_package_alone_and_with_those_in_it(house, source_of):
    source = source_of(
        {"a/__init__.py": "x = 1\n\n", "a/b/__init__.py": "", "a/b/_c.py": "y = 2\n"}
    )
    assert house.packages(source) == {
        "scutoid": (1, 0),
        "scutoid/**": (4, 3),
        "scutoid/a": (1, 2),
        "scutoid/a/**": (3, 3),
        "scutoid/a/b": (2, 1),
    }


def test_any_as_the_dtype_of_an_array_is_counted_apart(house, source_of):
    text = "from typing import Any\ndef f(a: Any, b: NDArray[Any], c: dict[str, Any]) -> 'Any': ..."
    assert house.count_any(source_of({"_a.py": text})) == (2, 1)


def test_a_function_is_as_long_as_its_code_without_docstring_and_decorators(house, source_of):
    text = '@wrapped\ndef f():\n    """Do.\n\n    Much.\n    """\n    return 1\n'
    (function,) = house.functions(source_of({"_a.py": text}))
    assert function == house.Function("scutoid._a:2 f", 2)


def test_names_of_private_modules_are_not_public(house, source_of):
    source = source_of({"__init__.py": "__all__ = ['a', 'b']", "_a.py": "__all__ = ['c']"})
    assert house.public_names(source) == {"scutoid": 2}


def test_a_walk_enters_files_and_crosses_between_them(house):
    figures = house.walk_of(TOOL.parents[1])
    planned, ran = (
        figures[f"files entered by {what}, in memory"]
        for what in ("a plan of one step", "a run of 8 blocks")
    )
    assert 0 < planned < ran < figures["calls from file to file in a run, in memory"]
