"""Find what a function reads besides its arguments: files, environment variables, random numbers.

Only what stands in the source is found: a call of something that reads, with a place that is made
of constants.  A place that comes from an argument is that argument's affair.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib.util
import os
import random
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePath

import numpy as np

from scutoid.store.keys._attributes import attribute_of
from scutoid.store.keys._calls import Calls, lookups
from scutoid.store.keys._file_names import names_a_file
from scutoid.store.keys._ownership import is_own, is_own_file

_READERS: Mapping[str, tuple[str, ...]] = {
    "PIL": ("open",),
    "SimpleITK": ("ReadImage",),
    "builtins": ("open",),
    "bz2": ("open",),
    "cv2": ("imread", "imreadmulti"),
    "glob": ("glob", "iglob"),
    "gzip": ("open",),
    "h5py": ("File",),
    "imageio": ("get_reader", "imopen", "imread", "mimread", "volread"),
    "io": ("FileIO", "open"),
    "joblib": ("load",),
    "lzma": ("open",),
    "mrcfile": ("mmap", "open"),
    "nibabel": ("load",),
    "nrrd": ("read",),
    "numpy": ("fromfile", "fromregex", "genfromtxt", "load", "loadtxt", "memmap"),
    "os": ("listdir", "scandir", "walk"),
    "pandas": ("read_",),
    "polars": ("read_", "scan_"),
    "scipy": ("imread", "load_npz", "loadmat"),
    "scutoid": ("Store", "open", "open_folder"),
    "skimage": ("ImageCollection", "imread", "imread_collection"),
    "sqlite3": ("connect",),
    "tifffile": ("TiffFile", "TiffSequence", "imread", "memmap"),
    "torch": ("load",),
    "urllib": ("urlopen",),
    "zarr": ("load", "open", "open_array", "open_group"),
    "zipfile": ("ZipFile",),
}
"""Functions that read a place, by their package; ``read_`` stands for all that begin so."""
_OF_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "importlib": (
        "contents",
        "files",
        "open_binary",
        "open_text",
        "path",
        "read_binary",
        "read_text",
    ),
    "pkgutil": ("get_data",),
}
"""Functions that read what lies in a package, which their first argument names."""
_LOOKUPS = (
    "importlib.__import__",
    "importlib.import_module",
    "importlib.machinery.SourceFileLoader",
    "importlib.util.spec_from_file_location",
    "pkgutil.resolve_name",
    "pydoc.locate",
    "runpy.run_module",
    "runpy.run_path",
)
"""Functions that find code by a name, their first argument."""
_METHODS = ("glob", "iterdir", "open", "read_bytes", "read_text", "rglob")
"""The same of a path."""
_PLACES = ("file", "filename", "filepath_or_buffer", "fname", "fp", "io", "path", "store", "uri")
_BUILDERS: Mapping[str, Callable[..., object]] = {
    "builtins.str": str,
    "os.fspath": os.fspath,
    "os.path.abspath": os.path.abspath,
    "os.path.dirname": os.path.dirname,
    "os.path.join": os.path.join,
    "pathlib.Path": Path,
    "pathlib.PurePath": PurePath,
}
_BUILDING_METHODS = (
    "absolute",
    "as_posix",
    "format",
    "joinpath",
    "resolve",
    "with_name",
    "with_suffix",
)
_WRITERS = (
    "dump",
    "imsave",
    "imwrite",
    "mkdir",
    "print",
    "rename",
    "save",
    "savez",
    "to_",
    "write",
)
_SILENT = (
    "debug",
    "endswith",
    "error",
    "exists",
    "info",
    "is_file",
    "startswith",
    "unlink",
    "warning",
)
_MAKERS = ("MT19937", "PCG64", "Philox", "RandomState", "SFC64", "SeedSequence", "default_rng")
_NO_DRAWS = ("get_state", "getstate", "set_state", "setstate")
_GLOBAL_RANDOM = ("numpy.random", "random")


class _Unknown(Exception):
    """What an expression is worth depends on more than constants."""


class Outside:
    """What a function reads besides its arguments.

    Parameters
    ----------
    calls : Calls
        Its calls.
    names : mapping
        Its global names and closure variables.
    """

    def __init__(self, calls: Calls, names: Mapping[str, object]) -> None:
        self._calls = calls
        self._names = names
        self._counted: set[str] = set()
        self.drawn: dict[str, str] = {}
        self.seeded: set[str] = set()
        self.files: dict[str, str] = {}

    def read(self, where: str) -> Iterator[str]:
        """Yield what is read.

        Then `drawn` and `seeded` say which of the global random numbers are, and `files` where
        those lie that are read.
        """
        for node, asked in self._calls.environments:
            if self._dotted(node).startswith(("os.environ", "os.getenv")):
                name = self._text(asked)
                what = f"environment variable `{name}`" if name else "environment variables"
                yield f"{what} (read by `{where}`)"
        for node, asked in (*self._calls.modules, *self._renamed_modules()):
            if self._dotted(node) == "sys.modules" and self._is_ours(asked):
                yield f"{where} (looks up modules in sys.modules)"
        for call in self._calls.calls:
            dotted = self._dotted(call.func)
            yield from self._files(call, dotted, where)
            yield from self._random(call, dotted, where)
            if dotted in _LOOKUPS and self._is_ours(_place_of(call)):
                yield f"{where} (calls {dotted})"
            if getattr(call.func, "attr", None) == "__subclasses__" and not dotted:
                yield f"{ast.unparse(call.func)} (classes looked up by their base)"
            if _is_of_package(dotted) and self._is_ours(_place_of(call)):
                yield f"files of a package (read by `{where}` with {dotted})"

    def _renamed_modules(self) -> Iterator[tuple[ast.expr, ast.expr | None]]:
        """Yield where `sys.modules` is read under another name."""
        for name in sorted(self._calls.loaded - {"modules"}):
            is_renamed = self._calls.imports.get(name) == "sys.modules"
            if is_renamed or self._names.get(name) is sys.modules:
                nodes = ast.walk(self._calls.node)
                yield from lookups(nodes, (name,), counts_presence=False)

    def _files(self, call: ast.Call, dotted: str, where: str) -> Iterator[str]:
        last = dotted.rpartition(".")[2] or getattr(call.func, "attr", "")
        is_silent = last.startswith(_WRITERS) or last in _SILENT or last in _BUILDING_METHODS
        if dotted in _BUILDERS or is_silent:
            return
        if _is_reader(dotted):
            place = _place_of(call)
            if place is not None and not _is_written(call, 1):
                yield from self._file(place, f"opened by `{where}`", must_exist=False)
            return
        method = getattr(call.func, "attr", None)
        if method in _METHODS and isinstance(call.func, ast.Attribute) and not dotted:
            value = self._known(call.func.value)
            if isinstance(value, PurePath) and not (method == "open" and _is_written(call, 0)):
                yield from self._file(call.func.value, f"opened by `{where}`", must_exist=False)
            return
        if dotted.startswith("builtins."):
            return
        for item in (*call.args, *(keyword.value for keyword in call.keywords)):
            yield from self._file(item, f"named in `{where}`", must_exist=True)

    def _file(self, node: ast.expr, how: str, *, must_exist: bool) -> Iterator[str]:
        value = self._known(node)
        places = [str(value)] if isinstance(value, (str, PurePath)) else _texts_in(value)
        for place in places:
            if place not in self._counted and (not must_exist or names_a_file(place)):
                text = f"file {place!r} ({how})"
                self.files[text] = place
                yield text

    def _random(self, call: ast.Call, dotted: str, where: str) -> Iterator[str]:
        family, _, last = dotted.rpartition(".")
        if family not in _GLOBAL_RANDOM or last in _NO_DRAWS:
            return
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        is_unseeded = not given or (isinstance(given[0], ast.Constant) and given[0].value is None)
        if last == "seed" and not is_unseeded:
            self.seeded.add(family)
        elif last in _MAKERS or last[:1].isupper():
            if (is_unseeded and last != "Generator") or last == "SystemRandom":
                yield f"random numbers without a seed ({dotted} in `{where}`)"
        else:
            self.drawn.setdefault(family, f"random numbers without a seed ({dotted} in `{where}`)")

    def _is_ours(self, node: ast.expr | None) -> bool:
        """Whether a module's name is not known to be that of an installed one."""
        name = self._text(node).partition(":")[0]
        module = sys.modules.get(name)
        if not name or module is not None:
            return not name or is_own(module)
        try:
            spec = importlib.util.find_spec(name.partition(".")[0])
        except (ImportError, ValueError):
            return True
        return spec is None or is_own_file(spec.origin, spec.submodule_search_locations)

    def _text(self, node: ast.expr | None) -> str:
        value = None if node is None else self._known(node)
        return value if isinstance(value, str) else ""

    def _known(self, node: ast.expr) -> object:
        """Return what an expression is worth, if that is made of constants; else None."""
        try:
            return self._value(node, 0)
        except Exception:  # noqa: BLE001 - an expression that fails has no worth
            return None

    def _value(self, node: ast.expr, depth: int) -> object:
        """Return what an expression is worth.

        Raises
        ------
        _Unknown
            If it depends on more than constants.
        """
        if depth > _DEPTH:
            raise _Unknown
        evaluate = functools.partial(self._value, depth=depth + 1)
        match node:
            case ast.Constant(value=str() | int() as value):
                return value
            case ast.Name(id=name) if name in self._calls.variables:
                return self._local(name, depth)
            case ast.Name() | ast.Attribute() if (found := self._constant(node)) is not None:
                return found
            case ast.Attribute(value=inner, attr="parent"):
                return _path(evaluate(inner)).parent
            case ast.Subscript(value=inner, slice=at):
                return evaluate(inner)[evaluate(at)]  # type: ignore[index]
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [evaluate(part) for part in parts]
            case ast.Call(keywords=[]):
                return self._called(node, evaluate)
        return _joined(node, evaluate)

    def _called(self, node: ast.Call, evaluate: Callable[[ast.expr], object]) -> object:
        """Return what a call is worth that makes text or a path."""
        dotted = self._dotted(node.func)
        if dotted in _BUILDERS:
            return _BUILDERS[dotted](*map(evaluate, node.args))
        if dotted or not isinstance(node.func, ast.Attribute):
            raise _Unknown
        value = evaluate(node.func.value)
        if node.func.attr not in _BUILDING_METHODS or not isinstance(value, (str, PurePath)):
            raise _Unknown
        return getattr(value, node.func.attr)(*map(evaluate, node.args))

    def _local(self, name: str, depth: int) -> object:
        node = self._calls.variables[name]
        if node is None:
            raise _Unknown
        value = self._value(node, depth + 1)
        if name not in self._calls.items:
            return value
        return next(iter(value)) if isinstance(value, (list, tuple, set, dict)) else None

    def _constant(self, node: ast.expr) -> object:
        """Return a constant of the user's; a path to a file counts by its content already."""
        value, rest = self._object(node)
        if rest or not isinstance(value, (str, int, PurePath, list, tuple, dict, set)):
            return None
        for path in _paths_in(value):
            if Path(path).is_file():
                self._counted.add(str(path))
        return value

    def _object(self, node: ast.expr) -> tuple[object, tuple[str, ...]]:
        """Return what a name stands for, followed through the user's modules, and what is left."""
        chain = _chain(node)
        if not chain or chain[0] in self._calls.variables or chain[0] not in self._names:
            return None, chain
        value, rest = self._names[chain[0]], chain[1:]
        while rest and isinstance(value, types.ModuleType) and is_own(value):
            value, rest = getattr(value, rest[0], None), rest[1:]
        return value, rest

    def _dotted(self, node: ast.expr) -> str:
        """Return the dotted name of a function or object that is installed; "" for all else."""
        chain = _chain(node)
        if not chain or chain[0] in self._calls.variables:
            return ""
        if chain[0] in self._calls.imports:
            return ".".join((self._calls.imports[chain[0]], *chain[1:]))
        if chain[0] not in self._names:
            return ".".join(("builtins", *chain)) if hasattr(builtins, chain[0]) else ""
        value, rest = self._object(node)
        name = _name_of(value)
        return ".".join((name, *rest)) if name else ""


_DEPTH = 12


def _name_of(value: object) -> str:
    """Return the dotted name of something installed."""
    if value is os.environ or value is getattr(os, "environb", None):
        return "os.environ"
    if value is sys.modules:
        return "sys.modules"
    if value is builtins.open:
        return "builtins.open"
    if isinstance(value, types.ModuleType):
        return "" if is_own(value) else _known_as(value.__name__)
    holder = attribute_of(value, "__self__")
    name = "" if holder is None else str(getattr(value, "__name__", ""))
    if isinstance(holder, np.random.RandomState):
        return f"numpy.random.{name}" if holder is vars(np.random)["rand"].__self__ else ""
    if isinstance(holder, random.Random):
        return f"random.{name}" if holder is random.random.__self__ else ""  # type: ignore[attr-defined]
    if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return ""
    if is_own(value):
        return ""
    return f"{_known_as(str(value.__module__))}.{value.__name__}"


def _known_as(module: str) -> str:
    """Return the name by which programs import what a module defines."""
    if module.startswith("numpy.random."):
        return "numpy.random"
    return {"posixpath": "os.path", "pathlib._local": "pathlib"}.get(module, module)


def _is_reader(dotted: str) -> bool:
    top, _, rest = dotted.partition(".")
    last = rest.rpartition(".")[2]
    known = _READERS.get(top.lstrip("_"), ()) if rest else ()
    return any(last.startswith(name) if name.endswith("_") else last == name for name in known)


def _is_of_package(dotted: str) -> bool:
    """Whether a function reads the files that lie beside the modules of a package."""
    top, _, rest = dotted.partition(".")
    return rest.rpartition(".")[2] in _OF_PACKAGES.get(top, ())


def _place_of(call: ast.Call) -> ast.expr | None:
    named = [keyword.value for keyword in call.keywords if keyword.arg in _PLACES]
    return next(iter([*call.args, *named]), None)


def _is_written(call: ast.Call, at: int) -> bool:
    """Whether a file is opened to be written; `at` is the place of its mode among the arguments."""
    modes = [*call.args[at : at + 1], *(k.value for k in call.keywords if k.arg == "mode")]
    texts = [mode.value for mode in modes if isinstance(mode, ast.Constant)]
    return any(isinstance(text, str) and text[:1] in ("w", "a", "x") for text in texts)


def _chain(node: ast.expr) -> tuple[str, ...]:
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def _texts_in(value: object) -> list[str]:
    held = value.values() if isinstance(value, dict) else value
    return [item for item in held if isinstance(item, str)] if isinstance(held, Iterable) else []


def _paths_in(value: object) -> Iterator[PurePath]:
    if isinstance(value, PurePath):
        yield value
    elif isinstance(value, (list, tuple, set)):
        yield from (item for item in value if isinstance(item, PurePath))
    elif isinstance(value, dict):
        yield from (item for item in value.values() if isinstance(item, PurePath))


def _joined(node: ast.expr, evaluate: Callable[[ast.expr], object]) -> object:
    """Return what text is worth that is put together."""
    match node:
        case ast.BinOp(left=left, right=right, op=ast.Div()):
            return evaluate(left) / evaluate(right)  # type: ignore[operator]
        case ast.BinOp(left=left, right=right, op=ast.Add()):
            return f"{_text(evaluate(left))}{_text(evaluate(right))}"
        case ast.BinOp(left=left, right=right, op=ast.Mod()):
            return _text(evaluate(left)) % evaluate(right)
        case ast.JoinedStr(values=parts):
            return "".join(str(evaluate(part)) for part in parts)
        case ast.FormattedValue(value=inner, format_spec=None):
            return evaluate(inner)
    raise _Unknown


def _path(value: object) -> PurePath:
    if not isinstance(value, PurePath):
        raise _Unknown
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Unknown
    return value
