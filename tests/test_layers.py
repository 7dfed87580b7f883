"""Imports point down the layers only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import scutoid

SOURCE = Path(scutoid.__file__).parent

# Each may import itself and what stands above it in this list
LAYERS = (
    ("errors", "events", "records", "_version"),
    ("geometry",),
    ("kernels",),
    ("executors",),
    ("arrays",),
    ("blocks",),
    ("store",),
    ("pipeline",),
    ("ops",),
    ("",),  # scutoid/__init__.py
    ("testing", "views", "cli", "integrations", "reports", "cluster"),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
OUTSIDE = RANK["views"]
# What scutoid/__init__.py may hand on from the outside, when it is asked for by name
LAZY = {"views", "cli"}


def imported_modules(tree: ast.AST, package: str) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the full name of each module that a source imports, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: -(node.level - 1) or None]
                base = ".".join([*above, base]).rstrip(".")
            yield base, node
            # `from scutoid import kernels` names a module as well
            for alias in node.names:
                if (SOURCE.parent / base.replace(".", "/") / alias.name).is_dir() or (
                    SOURCE.parent / base.replace(".", "/") / f"{alias.name}.py"
                ).is_file():
                    yield f"{base}.{alias.name}", node


def layer_of(module: str) -> str:
    """Return the folder or file directly below scutoid; "" is scutoid itself."""
    return module.split(".")[1] if "." in module else ""


def faults(path: Path, text: str) -> list[str]:
    """List the imports of one file that point up, or reach into another layer's private modules."""
    parts = ("scutoid", *path.relative_to(SOURCE).with_suffix("").parts)
    package = ".".join(parts[:-1])
    own = "" if parts[1] == "__init__" else parts[1]
    tree = ast.parse(text)
    inside_functions = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    }
    found = []
    for module, node in imported_modules(tree, package):
        if module.split(".")[0] != "scutoid":
            continue
        where = f"{path.relative_to(SOURCE)}:{node.lineno}: {module}"
        names_from_root = module == "scutoid" and isinstance(node, ast.ImportFrom)
        if names_from_root and all(
            (SOURCE / alias.name).is_dir() or (SOURCE / f"{alias.name}.py").is_file()
            for alias in node.names
        ):
            continue  # `from scutoid import kernels`: judged as scutoid.kernels
        layer = layer_of(module)
        is_lazy = own == "" and layer in LAZY and id(node) in inside_functions
        if RANK[layer] > RANK[own] and not is_lazy:
            found.append(f"{where} points up from {own or 'scutoid'}")
        elif RANK[layer] == RANK[own] == OUTSIDE and layer not in (own, "views"):
            found.append(f"{where} joins two parts of the outside")
        elif (
            layer != own
            and layer
            and own != ""
            and any(part.startswith("_") for part in module.split(".")[2:])
        ):
            found.append(f"{where} is private to {layer}")
    return found


def test_imports_point_down_and_keep_out_of_private_modules():
    found = [
        fault for path in sorted(SOURCE.rglob("*.py")) for fault in faults(path, path.read_text())
    ]
    assert not found, "\n".join(found)


def test_every_folder_and_file_has_a_layer():
    names = {
        path.stem if path.is_file() else path.name
        for path in SOURCE.iterdir()
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").is_file())
    }
    assert names - {"__init__"} <= set(RANK)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("geometry/_x.py", "import scutoid.arrays"),
        ("geometry/_x.py", "from scutoid.blocks import Block"),
        ("kernels/_x.py", "def f():\n    from scutoid import steps"),
        ("kernels/_x.py", "from ..steps import step"),
        ("store/_x.py", "if TYPE_CHECKING:\n    import scutoid.ops"),
        ("blocks/_x.py", "import scutoid as sc"),
        ("ops/_x.py", "from scutoid.views import view"),
        ("ops/_x.py", "from scutoid.steps._lazy import Image"),
        ("cli/_x.py", "from scutoid.testing import ExecutorTests"),
        ("__init__.py", "from scutoid.views import view"),
    ],
)
def test_an_import_that_points_up_or_into_a_private_module_is_found(place, text):
    assert faults(SOURCE / place, text)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("geometry/_x.py", "import numpy\nfrom scutoid.errors import GeometryError"),
        ("arrays/_x.py", "from scutoid.geometry import Roi\nfrom scutoid.arrays._spec import X"),
        ("arrays/_x.py", "from ._spec import X"),
        ("ops/_x.py", "from scutoid import kernels"),
        ("cli/_x.py", "import scutoid as sc\nfrom scutoid.views import view"),
        ("__init__.py", "def __getattr__(name):\n    from scutoid.views import view"),
    ],
)
def test_an_import_that_points_down_is_let_pass(place, text):
    assert not faults(SOURCE / place, text)
