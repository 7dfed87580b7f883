"""Print the figures of the house: packages, circles, imports that point up, types, names, walks.

One checkout is measured, or two side by side; the default is the one that this file is in.  Needs
the Python that scutoid is installed for::

    .venv/bin/python tools/house.py [ROOT [ROOT]]

The source below ``ROOT/src/scutoid`` is read as text; only the walks run it, each in a fresh
interpreter with ``PYTHONPATH=ROOT/src``.  How each figure is counted:

files and lines
    Every ``.py`` file, every line of it, blank ones too; the ``.pyi`` of a package goes with its
    ``__init__.py``.  A package counts the files of its own folder; a row ``name/**`` adds what is
    in the folders below.
circles of imports
    Groups of files each of which imports all the others, on the way over others too (strongly
    connected components of two or more files).  An import counts wherever it stands, inside a
    function and under ``TYPE_CHECKING`` too.  ``from package import name`` leads to the file
    ``package/name.py`` or ``package/name/__init__.py`` if there is one, else to
    ``package/__init__.py``; that a file also loads the packages around what it imports is left out,
    and so are ``importlib.import_module`` and what the stub of scutoid itself hands on from the
    outside (``LAZY``), which is loaded when it is asked for.
imports that point up
    Imports of what comes later in the order of layers: ``LAYERS`` of ``ROOT/tests/test_layers.py``,
    or the order below.  Each package of the pipeline and of the store that ``ROOMS`` names is a
    layer of its own, just below the other files of its parent, in that order.
``Any`` per 1,000 lines
    The name ``Any`` in the syntax tree (not in texts, not where it is imported) by all lines.
    ``Any`` as the dtype of an array, as in ``NDArray[Any]`` and ``np.dtype[Any]``, stands apart, as
    it says that the dtype is known at run time only.
public names
    Texts in all ``__all__`` of modules without a ``_`` in front of any part of their name.  What
    two modules export counts twice.  Names of scutoid itself are also given alone.
functions
    Every ``def``, nested ones too: lines from ``def`` to the end, without the decorators and
    without the lines of the docstring.  The 90th percentile is the value at nine tenths of the
    sorted list.
walks
    Calls of Python functions, generators and comprehensions as ``sys.setprofile`` reports them in
    the thread that calls.  A file is entered if such a call runs code of it; a call goes from file
    to file if the calling frame is of another file of scutoid.  An image of 16 x 16 x 16 voxels in
    blocks of 8 (2 x 2 x 2 blocks), in memory and as a Zarr array, goes through one blockwise step
    with a halo of 8: first `plan`, then `run` with the serial executor.  Both are done once before,
    in another store, so that imports and what is remembered do not count.
"""

from __future__ import annotations

import ast
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

NAME = "scutoid"
LAYERS: tuple[tuple[str, ...], ...] = (
    ("cached", "durable", "errors", "events", "records", "_version"),
    ("geometry",),
    ("kernels",),
    ("executors",),
    ("arrays",),
    ("blocks",),
    ("store",),
    ("pipeline", "steps", "engine"),
    ("ops",),
    ("",),
    ("views",),
    ("exploring",),
    (
        *("testing", "cli", "integrations", "reports", "serving", "cluster"),
        *("correcting", "napari_plugin", "tuning"),
    ),
    ("__main__",),
)
"""Each may import itself and what stands above it; "" is scutoid's own ``__init__``."""
LAZY = frozenset({"correcting", "exploring", "reports", "tuning", "views", "cli"})
_OF_THE_PIPELINE = (
    "declaration",
    "layout",
    "compute",
    "graph",
    "results",
    "handles",
    "planning",
    "work",
    "running",
)
ROOMS: Mapping[str, tuple[str, ...]] = {
    "store": ("keys",),
    "pipeline": _OF_THE_PIPELINE,
    "steps": _OF_THE_PIPELINE,
    "engine": _OF_THE_PIPELINE,
}
"""Packages within a layer, lowest first; all of them are below the other files of the layer."""
WALK = "--walk"
_ARRAY_TYPES = ("NDArray", "np.")


@dataclass(frozen=True)
class Import:
    """An import statement of one file."""

    line: int
    """Where it stands, from 1."""
    modules: tuple[str, ...]
    """Full names of the modules of the same package that it leads to."""


@dataclass(frozen=True)
class Function:
    """A function or method, without its body."""

    place: str
    """Module and name."""
    lines: int
    """From ``def`` to the end, without the docstring."""


class Source:
    """The files of a package, read as text.

    Parameters
    ----------
    folder : Path
        The package's folder; its name is that of the package.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.texts = {
            _module_of(folder, path): _text_of(path) for path in sorted(folder.rglob("*.py"))
        }
        self.packages = {_module_of(folder, path) for path in folder.rglob("__init__.py")}
        self.trees = {module: ast.parse(text) for module, text in self.texts.items()}

    def package_of(self, module: str) -> str:
        """Return the package whose folder a module's file is in."""
        return module if module in self.packages else module.rpartition(".")[0]

    @cached_property
    def n_lines(self) -> int:
        """Lines of all files."""
        return sum(len(text.splitlines()) for text in self.texts.values())

    @cached_property
    def imports(self) -> dict[str, list[Import]]:
        """The import statements of each module that lead to modules of the package."""
        return {module: list(self._imports_of(module)) for module in self.texts}

    def _imports_of(self, module: str) -> Iterator[Import]:
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                named = [self._nearest(alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = self._base_of(node, self.package_of(module))
                named = [self._nearest(f"{base}.{alias.name}") for alias in node.names]
            else:
                continue
            modules = tuple(sorted({n for n in named if n and not self._is_lazy(module, n)}))
            if modules:
                yield Import(node.lineno, modules)

    def _is_lazy(self, module: str, imported: str) -> bool:
        """Whether scutoid itself hands something on that is loaded when it is asked for."""
        return module == self.folder.name and imported.split(".")[1:2] in ([n] for n in LAZY)

    def _nearest(self, name: str) -> str:
        """Return the longest part of a dotted name, from its begin, that is a module, or ""."""
        while name and name not in self.texts:
            name = name.rpartition(".")[0]
        return name

    @staticmethod
    def _base_of(node: ast.ImportFrom, package: str) -> str:
        """Return the full name of the module that ``from`` names."""
        if not node.level:
            return node.module or ""
        above = package.split(".")
        above = above[: len(above) - node.level + 1]
        return ".".join([*above, node.module] if node.module else above)


def _text_of(path: Path) -> str:
    """Return a module's text, and what the stub of a package hands on from its modules."""
    stub = path.with_suffix(".pyi")
    return path.read_text() + (stub.read_text() if stub.is_file() else "")


def _module_of(folder: Path, path: Path) -> str:
    """Return the dotted name of a file's module."""
    parts = path.relative_to(folder.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def packages(source: Source) -> dict[str, tuple[int, int]]:
    """Return the files and lines of each package, and of those with packages below them."""
    found: dict[str, tuple[int, int]] = {}
    for package in sorted(source.packages):
        own = [m for m in source.texts if source.package_of(m) == package]
        below = [m for m in source.texts if m == package or m.startswith(f"{package}.")]
        for row, modules in ((package, own), (f"{package}/**", below)):
            if row == package or len(below) > len(own):
                lines = sum(len(source.texts[m].splitlines()) for m in modules)
                found[row.replace(".", "/")] = len(modules), lines
    return found


def circles(source: Source) -> list[list[str]]:
    """Return the modules of each circle of imports, the largest circle first."""
    reach = {module: _reached(source, module) for module in source.texts}
    found = {
        tuple(sorted(other for other in reach[module] if module in reach[other]))
        for module in source.texts
    }
    return sorted((list(one) for one in found if len(one) > 1), key=lambda one: (-len(one), one))


def _reached(source: Source, module: str) -> set[str]:
    """Return all modules that a module imports, and those that these import, and so on."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for statement in source.imports[waiting.pop()]:
            new = set(statement.modules) - seen
            seen |= new
            waiting += new
    return seen


def layers_of(root: Path) -> tuple[tuple[str, ...], ...]:
    """Return the order of layers that the tests of a checkout give, or the one of this file."""
    test = root / "tests" / "test_layers.py"
    body = ast.parse(test.read_text()).body if test.is_file() else []
    for node in body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["LAYERS"]:
            with suppress(ValueError):
                return tuple(tuple(names) for names in ast.literal_eval(node.value))
    return LAYERS


def ranks_of(layers: Sequence[Sequence[str]]) -> dict[str, int]:
    """Return the rank of each layer, and of each package in it that has one of its own."""
    named = {name for names in layers for name in names}
    order: list[list[str]] = []
    for names in layers:
        rooms = (f"{name}.{room}" for name in names for room in ROOMS.get(name, ()))
        # Where the layers name a package within a layer, their order holds
        order += [[room] for room in rooms if room not in named]
        order.append(list(names))
    return {name: rank for rank, names in enumerate(order) for name in names}


def imports_up(source: Source, ranks: Mapping[str, int]) -> list[str]:
    """Return the imports that point up, each as a line of text."""
    return [
        f"{module}:{statement.line}: {imported}"
        for module, statements in source.imports.items()
        for statement in statements
        for imported in statement.modules
        if _rank(imported, ranks) > _rank(module, ranks)
    ]


def _rank(module: str, ranks: Mapping[str, int]) -> int:
    """Return the rank of the innermost layer that a module belongs to."""
    name = module.partition(".")[2]
    while name and name not in ranks:
        name = name.rpartition(".")[0]
    if not name and "." in module:
        raise SystemExit(f"{module} belongs to no layer: add it to LAYERS of tests/test_layers.py")
    return ranks[name]


def count_any(source: Source) -> tuple[int, int]:
    """Count the uses of ``Any``: those that are no dtype of an array, and those that are."""
    n_plain = n_dtypes = 0
    for tree in source.trees.values():
        of_arrays = sum(
            sum(isinstance(one, ast.Name) and one.id == "Any" for one in _arguments(node))
            for node in ast.walk(tree)
            if isinstance(node, ast.Subscript) and ast.unparse(node.value).startswith(_ARRAY_TYPES)
        )
        n_all = sum(isinstance(n, ast.Name) and n.id == "Any" for n in ast.walk(tree))
        n_dtypes += of_arrays
        n_plain += n_all - of_arrays
    return n_plain, n_dtypes


def _arguments(node: ast.Subscript) -> list[ast.expr]:
    """Return what stands in the brackets, one by one."""
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def public_names(source: Source) -> dict[str, int]:
    """Return how many names each public module exports."""
    return {
        module: sum(
            isinstance(one, ast.Constant) and isinstance(one.value, str)
            for one in ast.walk(node.value)
        )
        for module, tree in source.trees.items()
        if not any(part.startswith("_") for part in module.split("."))
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["__all__"]
    }


def functions(source: Source) -> list[Function]:
    """Return all functions, the shortest first."""
    found = [
        Function(f"{module}:{node.lineno} {node.name}", _length(node))
        for module, tree in source.trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return sorted(found, key=lambda one: one.lines)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without those of its docstring."""

    def span(part: ast.stmt) -> int:
        return (part.end_lineno or part.lineno) - part.lineno + 1

    has_docstring = ast.get_docstring(node, clean=False) is not None
    return span(node) - (span(node.body[0]) if has_docstring else 0)


class Walk:
    """A profile function that notes which files of a folder are entered, and from where."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.files: set[str] = set()
        self.n_crossings = 0

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Note one call."""
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(self.folder):
            return
        self.files.add(file)
        caller = frame.f_back.f_code.co_filename if frame.f_back else file
        self.n_crossings += caller != file and caller.startswith(self.folder)

    @classmethod
    def of(cls, folder: str, action: Callable[[], object]) -> Walk:
        """Do something, and return where it went."""
        walk = cls(folder)
        sys.setprofile(walk)
        try:
            action()
        finally:
            sys.setprofile(None)
        return walk


def walk() -> dict[str, int]:
    """Plan and run one step on 8 blocks with the scutoid of this interpreter."""
    import numpy as np
    import zarr

    import scutoid as sc

    @sc.blockwise(halo=8)
    def denoise(image: Any, *, sigma: float) -> Any:
        return image // int(sigma)

    folder = str(Path(sc.__file__).parent) + os.sep
    image = np.arange(16**3, dtype=np.uint16).reshape(16, 16, 16)
    figures: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        path = str(Path(scratch) / "image.zarr")
        zarr.create_array(path, data=image, chunks=(8, 8, 8))
        for of, opened in (("in memory", image), ("as Zarr", path)):
            for turn in ("cold", "warm"):
                step = denoise(sc.open(opened), sigma=2)
                store = Path(scratch) / f"{of} {turn}"
                planned = Walk.of(folder, lambda: sc.plan(step, store=store, block=8))  # noqa: B023
                ran = Walk.of(
                    folder,
                    lambda: sc.run(step, store=store, block=8, executor="serial"),  # noqa: B023
                )
            figures[f"files entered by a plan of one step, {of}"] = len(planned.files)
            figures[f"files entered by a run of 8 blocks, {of}"] = len(ran.files)
            figures[f"calls from file to file in a plan, {of}"] = planned.n_crossings
            figures[f"calls from file to file in a run, {of}"] = ran.n_crossings
    return figures


def walk_of(root: Path) -> dict[str, int]:
    """Return the figures of `walk` with the scutoid of a checkout."""
    done = subprocess.run(
        [sys.executable, __file__, WALK],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
    )
    if done.returncode:
        raise SystemExit(f"{root}: the walk failed\n{done.stderr}")
    figures: dict[str, int] = json.loads(done.stdout)
    return figures


@dataclass(frozen=True)
class House:
    """The figures of one checkout."""

    rows: Mapping[str, str]
    """Each figure by what it is called, in the order to print them."""
    notes: tuple[str, ...]
    """Names that belong to the figures: files in circles, imports, the longest function."""

    @classmethod
    def of(cls, root: Path) -> House:
        """Measure a checkout."""
        source = Source(root / "src" / NAME)
        rings = circles(source)
        up = imports_up(source, ranks_of(layers_of(root)))
        n_plain, n_dtypes = count_any(source)
        names = public_names(source)
        every = functions(source)
        lengths = [one.lines for one in every]
        rows = {
            **{name: f"{n} / {lines:,}" for name, (n, lines) in packages(source).items()},
            "circles of imports (files in each)": ", ".join(str(len(r)) for r in rings) or "none",
            "imports that point up": str(len(up)),
            "Any per 1,000 lines, no dtype": f"{n_plain / source.n_lines * 1000:.1f}",
            "Any per 1,000 lines, as a dtype": f"{n_dtypes / source.n_lines * 1000:.1f}",
            "public names of all modules": str(sum(names.values())),
            "public names of scutoid itself": str(names.get(NAME, 0)),
            "functions": f"{len(lengths):,}",
            "lines a function, median": f"{statistics.median(lengths):g}",
            "lines a function, 90th percentile": str(lengths[len(lengths) * 9 // 10]),
            "lines a function, longest": str(lengths[-1]),
            **{name: f"{n:,}" for name, n in walk_of(root).items()},
        }
        notes = (
            *(f"circle of {len(ring)}: {', '.join(ring)}" for ring in rings),
            *(f"points up: {one}" for one in up),
            f"longest function: {every[-1].place}",
        )
        return cls(rows, notes)


def report(houses: Mapping[str, House]) -> str:
    """Return the figures of all houses side by side, and their notes below."""
    table: dict[str, list[str]] = defaultdict(lambda: ["-"] * len(houses))
    for column, house in enumerate(houses.values()):
        for name, figure in house.rows.items():
            table[name][column] = figure
    # Packages that only one of them has are sorted in with the others
    folders = sorted(name for name in table if name.startswith(NAME))
    order = [*folders, *(name for name in table if name not in folders)]
    wide = max(map(len, table))
    lines = ["".join([" " * wide, *(f"  {root[-18:]:>18}" for root in houses)])]
    lines += [
        "".join([f"{name:{wide}}", *(f"  {one:>18}" for one in table[name])]) for name in order
    ]
    for root, house in houses.items():
        lines += ["", root, *(f"  {note}" for note in house.notes)]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Measure one checkout or two, and print."""
    if list(arguments) == [WALK]:
        print(json.dumps(walk()))
        return 0
    roots = [Path(one).resolve() for one in arguments] or [Path(__file__).resolve().parents[1]]
    print(report({str(root): House.of(root) for root in roots}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
