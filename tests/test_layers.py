"""Imports point down: from layer to layer, and from package to package inside the steps.

Every import counts, wherever it stands: inside functions and under ``TYPE_CHECKING`` too.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import scutoid

SOURCE = Path(scutoid.__file__).parent

# Each may import itself and what stands above it in this list
LAYERS = (
    (
        "cached",
        "checksums",
        "durable",
        "errors",
        "events",
        "folding",
        "free_memory",
        "heap",
        "installed",
        "paths",
        "printable",
        "records",
        "regular",
        "remote",
        "same",
        "segments",
        "settings",
        "spent",
        "stopping",
        "texts",
        "zstd",
        "_version",
    ),
    ("progress",),
    ("geometry",),
    ("kernels",),
    ("executors",),
    ("arrays",),
    ("blocks",),
    ("store",),
    ("steps",),
    ("ops",),
    ("",),  # scutoid/__init__.py
    ("views",),
    ("exploring",),
    (
        "testing",
        "cli",
        "integrations",
        "reports",
        "serving",
        "sessions",
        "cluster",
        "correcting",
        "napari_plugin",
        "tuning",
    ),
    ("__main__",),
)
# The packages of a layer, in the same order; its own __init__ comes last
PACKAGES = {
    "steps": (
        "declaration",
        "layout",
        "compute",
        "graph",
        "results",
        "handles",
        "planning",
        "work",
        "running",
    ),
    "store": ("keys",),
}
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
OUTSIDE = RANK["cli"]
# Parts of the outside that others of it may be built over
SHARED = ("reports", "serving", "correcting")
# What the stub of scutoid may hand on from the outside: it is loaded when it is asked for by name
LAZY = {"correcting", "exploring", "reports", "sessions", "tuning", "views"}


def is_module(name: str) -> bool:
    """Whether a name is that of a module or a package of scutoid."""
    path = SOURCE.parent / name.replace(".", "/")
    return (path / "__init__.py").is_file() or path.with_suffix(".py").is_file()


def imported_modules(tree: ast.AST, package: str) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the full name of each module that a source imports, as far down as it is named."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: -(node.level - 1) or None]
                base = ".".join([*above, base]).rstrip(".")
            for alias in node.names:  # `from scutoid import kernels` names a module
                yield (f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base), node


def layer_of(module: str) -> str:
    """Return the folder or file directly below scutoid; "" is scutoid itself."""
    return module.split(".")[1] if "." in module else ""


def rank_in_layer(module: str) -> int:
    """Return the place of a module among the packages of its layer; what is in none comes last."""
    packages = PACKAGES.get(layer_of(module), ())
    parts = module.split(".")
    return packages.index(parts[2]) if len(parts) > 2 and parts[2] in packages else len(packages)


def is_private_to_others(module: str, own: str) -> bool:
    """Whether a module is private to a package that another is not in."""
    parts = module.split(".")
    private = next((n for n, part in enumerate(parts) if part.startswith("_")), None)
    if private is None or parts[private].startswith("__"):
        return False
    return own.split(".")[:private] != parts[:private]


def module_of(path: Path) -> str:
    """Return the full name of the module in a file."""
    return ".".join(("scutoid", *path.relative_to(SOURCE).with_suffix("").parts))


def faults(path: Path, text: str) -> list[str]:
    """List the imports of one file that point up, or reach into private modules of others."""
    own_module = module_of(path)
    own = layer_of(own_module.removesuffix(".__init__"))
    tree = ast.parse(text)
    faulty = []
    for module, node in imported_modules(tree, own_module.rpartition(".")[0]):
        if module.split(".")[0] != "scutoid":
            continue
        where = f"{path.relative_to(SOURCE)}:{node.lineno}: {module}"
        layer = layer_of(module)
        is_lazy = own == "" and layer in LAZY and path.suffix == ".pyi"
        if RANK[layer] > RANK[own] and not is_lazy:
            faulty.append(f"{where} points up from {own or 'scutoid'}")
        elif RANK[layer] == RANK[own] == OUTSIDE and layer not in (own, *SHARED):
            faulty.append(f"{where} joins two parts of the outside")
        elif layer == own and rank_in_layer(module) > rank_in_layer(own_module):
            faulty.append(f"{where} points up inside {own}")
        elif is_private_to_others(module, own_module) and module != "scutoid._version":
            faulty.append(f"{where} is private")
    return faulty


def sources() -> list[Path]:
    """Return all files of scutoid; the stubs of packages say what these hand on."""
    return sorted([*SOURCE.rglob("*.py"), *SOURCE.rglob("__init__.pyi")])


def test_imports_point_down_and_keep_out_of_private_modules():
    found = [fault for path in sources() for fault in faults(path, path.read_text())]
    assert not found, "\n".join(found)


def imports_between_files() -> dict[str, set[str]]:
    """Return for each module of scutoid those that it imports."""
    found: dict[str, set[str]] = {}
    for path in sources():
        module = module_of(path).removesuffix(".__init__")
        package = module_of(path).rpartition(".")[0]
        imported = {name for name, _ in imported_modules(ast.parse(path.read_text()), package)}
        named = {name for name in imported if is_module(name)} - {module}
        lazy = {name for name in named if module == "scutoid" and layer_of(name) in LAZY}
        found[module] = found.get(module, set()) | named - lazy
    return found


def circles(imports: Mapping[str, set[str]]) -> list[set[str]]:
    """Return groups of modules that import one another, over others too.

    What imports nothing of the rest, or is imported by none of it, is in no circle, and goes.
    """
    left = {module: set(names) & set(imports) for module, names in imports.items()}
    while True:
        imported = {name for names in left.values() for name in names}
        going = {module for module, names in left.items() if not names or module not in imported}
        if not going:
            break
        left = {m: names - going for m, names in left.items() if m not in going}
    return [set(left)] if left else []


def test_no_files_import_one_another_in_a_circle():
    assert not circles(imports_between_files())


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()}) == [
        {"a", "b", "c"}
    ]
    assert not circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_every_folder_and_file_has_a_layer():
    names = {
        path.stem if path.is_file() else path.name
        for path in SOURCE.iterdir()
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").is_file())
    }
    assert names - {"__init__"} <= set(RANK)


def test_every_package_of_the_steps_has_a_place():
    folders = {path.parent.name for path in (SOURCE / "steps").glob("*/__init__.py")}
    assert folders == set(PACKAGES["steps"])


def packages() -> list[str]:
    """Return the full names of all packages below scutoid."""
    return [
        module_of(path).removesuffix(".__init__")
        for path in sources()
        if path.name == "__init__.py" and path.parent != SOURCE
    ]


def test_no_package_hides_behind_a_name_that_its_parent_exports():
    hidden = []
    for name in packages():
        parent, _, own = name.rpartition(".")
        try:
            package = importlib.import_module(name)
        except ImportError:  # needs an extra that is not here
            continue
        if getattr(importlib.import_module(parent), own, package) is not package:
            hidden.append(name)
    assert not hidden


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("geometry/_x.py", "import scutoid.arrays"),
        ("geometry/_x.py", "from scutoid.blocks import Block"),
        ("kernels/_x.py", "def f():\n    from scutoid import steps"),
        ("kernels/_x.py", "from ..steps import step"),
        ("store/_x.py", "if TYPE_CHECKING:\n    import scutoid.ops"),
        ("store/keys/_x.py", "from scutoid.store import Entry"),
        ("blocks/_x.py", "import scutoid as sc"),
        ("ops/_x.py", "from scutoid.views import view"),
        ("ops/_x.py", "from scutoid.steps.handles._single import Image"),
        ("steps/graph/_x.py", "from scutoid.steps.handles import Image"),
        ("steps/graph/_x.py", "def f():\n    from scutoid.steps import Image"),
        ("steps/planning/_x.py", "from scutoid.steps.graph._refs import Ref"),
        ("steps/__init__.py", "from scutoid.steps.graph._refs import Ref"),
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
        ("steps/graph/_x.py", "from scutoid.steps.graph._refs import Ref"),
        ("steps/planning/_x.py", "from scutoid.steps.graph import Ref"),
        ("store/_x.py", "from scutoid.store.keys import fingerprint"),
        ("cli/_x.py", "import scutoid as sc\nfrom scutoid.views import view"),
        ("__init__.pyi", "from scutoid.views import view"),
    ],
)
def test_an_import_that_points_down_is_let_pass(place, text):
    assert not faults(SOURCE / place, text)
