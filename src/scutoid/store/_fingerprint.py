"""The fingerprint of a step's code: what it does, not how it is written down.

The function's syntax tree, without docstrings, annotations and positions, and that of every helper,
constant, class and default that it reaches in the user's own modules.  What lies in installed
packages counts by name; their versions are recorded.
"""

from __future__ import annotations

import ast
import dataclasses
import dis
import functools
import hashlib
import inspect
import linecache
import sys
import sysconfig
import textwrap
import types

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from scutoid.errors import ParameterError


@dataclass(frozen=True, slots=True)
class CodeFingerprint:
    """What a function's result depends on, as far as code goes."""

    digest: str
    """Digest of all of it."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Digest of each function, class and constant that was reached, by its name."""
    opaque: tuple[str, ...] = ()
    """What could not be followed."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Installed packages that were reached, and their versions."""


def fingerprint(
    function: Any, *, version: str | None = None, environment: Sequence[str] = ()
) -> CodeFingerprint:
    """Fingerprint a function, class or partial.

    Parameters
    ----------
    function : callable
        The function.
    version : str, optional
        Stands for the code, which is then not looked at.
    environment : sequence of str
        Packages whose versions count.

    Raises
    ------
    ParameterError
        If a package of `environment` is not installed.

    Examples
    --------
    >>> one = fingerprint(eval("lambda x: x + 1"), version="2")
    >>> one.digest == fingerprint(print, version="2").digest
    True
    """
    versions = {name: _version(name) for name in environment}
    if version is not None:
        text = f"version {version!r} {sorted(versions.items())}"
        return CodeFingerprint(hashlib.sha256(text.encode()).hexdigest(), {}, (), versions)
    found = _reach(function)
    text = f"{sorted(found.parts.items())} {sorted(versions.items())}"
    return CodeFingerprint(
        hashlib.sha256(text.encode()).hexdigest(),
        found.parts,
        found.opaque,
        {**found.packages, **versions},
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError as error:
        raise ParameterError(
            "environment= names installed packages",
            value=name,
            remedy="use the name that pip knows, such as 'scikit-image'",
        ) from error


def _reach(function: Any) -> CodeFingerprint:
    walk = _Walk()
    walk.follow(function, _name(function))
    parts = {name: digest for name, digest in walk.parts.items() if digest}
    return CodeFingerprint(
        "", parts, tuple(sorted(walk.opaque)), {n: _try_version(n) for n in sorted(walk.packages)}
    )


def _try_version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"


def _name(item: Any) -> str:
    return str(getattr(item, "__qualname__", type(item).__qualname__))


class _Walk:
    """Follows what a function reaches; each thing once, so recursion ends."""

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        self.opaque: set[str] = set()
        self.packages: set[str] = set()
        self._seen: dict[int, Any] = {}

    def follow(self, item: Any, name: str) -> None:
        """Add an object and what it reaches."""
        if id(item) in self._seen:
            return
        self._seen[id(item)] = item
        spec = getattr(item, "spec", None)
        if spec is not None and hasattr(spec, "function"):  # a step: its function counts
            return self.follow(spec.function, name)
        if isinstance(item, functools.partial):
            self.follow(item.func, f"{name}.func")
            return self._constant((item.args, item.keywords), f"{name} arguments")
        if isinstance(item, (types.MethodType, staticmethod, classmethod)):
            return self.follow(item.__func__, name)
        if isinstance(item, property):
            for getter in filter(None, (item.fget, item.fset, item.fdel)):
                self.follow(getter, name)
            return None
        wrapped = getattr(item, "__wrapped__", None)
        if isinstance(item, functools._lru_cache_wrapper) or (  # noqa: SLF001
            wrapped is not None and not isinstance(item, types.FunctionType)
        ):
            return self.follow(wrapped, name)
        if isinstance(item, types.ModuleType):
            return self._package(item.__name__, name)
        if isinstance(item, types.FunctionType):
            return self._function(item, name)
        if isinstance(item, type):
            return self._class(item, name)
        if isinstance(item, types.BuiltinFunctionType):
            return self._package(item.__module__ or "builtins", name)
        module = getattr(item, "__module__", None)
        if callable(item) and isinstance(module, str) and not _is_own(module):
            return self._package(module, name)
        return self._constant(item, name)

    def _package(self, module: str, name: str) -> None:
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top in ("scutoid", "builtins"):
            return
        if _is_own(module):
            found = sys.modules.get(module)
            if found is None:
                self.opaque.add(name)
            return
        for distribution in _distributions().get(top, (top,)):
            self.packages.add(distribution)

    def _function(self, function: types.FunctionType, name: str) -> None:
        module = function.__module__ or "__main__"
        if not _is_own(module):
            return self._package(module, name)
        tree = _tree(function)
        label = _unique(self.parts, name)
        code = function.__code__
        names = _global_names(code) | set(code.co_freevars)
        if tree is None:
            self.opaque.add(f"{name}: no source, known by its byte code")
            self.parts[label] = _sha(_code_text(code))
            paths: list[tuple[str, ...]] = [(n,) for n in sorted(names)]
        else:
            self.parts[label] = _sha(_text(tree))
            names |= _decorator_names(tree)
            # the tree knows what is taken of a module; the byte code, which names are global
            paths = [path for path in _loads(tree) if path[0] in names]
        for n, default in enumerate(function.__defaults__ or ()):
            self._constant(default, f"{name} default {n}")
        for key, default in sorted((function.__kwdefaults__ or {}).items()):
            self._constant(default, f"{name} default {key}")
        self._names(function, paths)
        return None

    def _names(self, function: types.FunctionType, paths: Sequence[tuple[str, ...]]) -> None:
        """Follow the global names and closure variables that a function loads."""
        cells = {}
        for key, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            try:
                cells[key] = cell.cell_contents
            except ValueError:
                continue  # not yet bound
        for path in paths:
            first = path[0]
            if first in cells:
                value = cells[first]
            elif first in function.__globals__:
                value = function.__globals__[first]
            else:
                continue  # a builtin, or a name that is not defined yet
            name = first
            for attribute in path[1:]:
                if not isinstance(value, types.ModuleType):
                    break
                if not _is_own(value.__name__):
                    break
                value = getattr(value, attribute, None)
                name = f"{name}.{attribute}"
            if value is function:
                continue
            self.follow(value, name)

    def _class(self, kind: type, name: str) -> None:
        if not _is_own(kind.__module__):
            return self._package(kind.__module__, name)
        self.parts[_unique(self.parts, name)] = _sha(kind.__qualname__)
        for base in kind.__bases__:
            if base is not object:
                self.follow(base, base.__qualname__)
        for key, value in sorted(vars(kind).items()):
            if key in ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__"):
                continue
            if key.startswith("__") and not isinstance(value, types.FunctionType):
                continue
            if isinstance(value, types.FunctionType) and value.__qualname__.startswith(
                "__create_fn__"
            ):
                continue  # made by dataclass from the fields
            self.follow(value, f"{name}.{key}")
        if dataclasses.is_dataclass(kind):
            fields = [(f.name, f.default is dataclasses.MISSING) for f in dataclasses.fields(kind)]
            self._constant(fields, f"{name} fields")
        return None

    def _constant(self, value: Any, name: str) -> None:
        from scutoid.store._canonical import canonical_digest

        if isinstance(value, (tuple, list)) and any(map(callable, value)):
            for n, item in enumerate(value):
                self.follow(item, f"{name}[{n}]")
            return
        if callable(value) and hasattr(value, "__qualname__"):
            self.follow(value, name)
            return
        try:
            digest = canonical_digest(value)
        except ParameterError:
            module = type(value).__module__
            self.opaque.add(f"{name}: {type(value).__qualname__}")
            self._package(module, name)
            return
        self.parts[_unique(self.parts, name)] = digest


def _unique(parts: Mapping[str, str], name: str) -> str:
    label, n = name, 2
    while label in parts:
        label, n = f"{name} ({n})", n + 1
    return label


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@functools.cache
def _distributions() -> Mapping[str, Sequence[str]]:
    return metadata.packages_distributions()


@functools.cache
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@functools.lru_cache(maxsize=4096)
def _is_own(module: str) -> bool:
    """Whether a module is the user's own: neither installed, nor standard library, nor scutoid."""
    top = module.partition(".")[0]
    if top == "scutoid" or (top in sys.stdlib_module_names and top != "__main__"):
        return False
    found = sys.modules.get(module)
    file = getattr(found, "__file__", None)
    if file is None:
        return found is None or top == "__main__" or not hasattr(found, "__path__")
    return not str(Path(file).absolute()).startswith(_installed())


def _tree(function: types.FunctionType) -> ast.AST | None:
    """Return the normalised syntax tree of a function; None without source."""
    linecache.checkcache(function.__code__.co_filename)
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return None
    if function.__name__ == "<lambda>":
        return _lambda(function)
    try:
        module = ast.parse(textwrap.dedent("".join(lines)))
    except SyntaxError:
        return None
    node = module.body[0] if module.body else None
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    return _normalised(node)


def _lambda(function: types.FunctionType) -> ast.AST | None:
    """Find the lambda of a function among those of its file, by position."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename)
    if not lines:
        return None
    try:
        module = ast.parse("".join(lines))
    except SyntaxError:
        return None
    candidates = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno
    ]
    spans = {(p[0], p[2]) for p in code.co_positions() if p[0] is not None and p[2] is not None}
    for node in candidates:
        body = node.body
        inside = all(
            (body.lineno, body.col_offset)
            <= span
            <= (body.end_lineno or 0, body.end_col_offset or 0)
            for span in spans
            if span != (code.co_firstlineno, 0)
        )
        if inside or len(candidates) == 1:
            return _normalised(node)
    return None


class _Normaliser(ast.NodeTransformer):
    """Takes away what does not change what code does."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:  # noqa: N802
        node.returns = None
        return self._documented(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:  # noqa: N802
        node.returns = None
        return self._documented(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:  # noqa: N802
        return self._documented(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:  # noqa: N802
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=node.value, lineno=node.lineno)

    def _documented(self, node: Any) -> ast.AST:
        body = node.body
        first = body[0] if body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            if isinstance(first.value.value, str):
                node.body = body[1:] or [ast.Pass()]
        self.generic_visit(node)
        if not node.body:
            node.body = [ast.Pass()]
        return node  # type: ignore[no-any-return]


def _normalised(node: ast.AST) -> ast.AST:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        # Decorators of scutoid declare a step: what they say enters the key by itself.
        node.decorator_list = [d for d in node.decorator_list if not _declares_step(d)]
    return _Normaliser().visit(node)  # type: ignore[no-any-return]


def _declares_step(decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
    return name in ("blockwise", "step", "reduction", "pipeline")


def _global_names(code: types.CodeType) -> set[str]:
    """Return the global names that a code object and those inside it load."""
    found = {
        i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _global_names(constant)
    return found


def _decorator_names(tree: ast.AST) -> set[str]:
    decorators = getattr(tree, "decorator_list", ())
    return {n.id for d in decorators for n in ast.walk(d) if isinstance(n, ast.Name)}


def _text(tree: ast.AST) -> str:
    return ast.dump(tree, annotate_fields=False, include_attributes=False)


def _code_text(code: types.CodeType) -> str:
    constants = [
        _code_text(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts
    ]
    return f"{code.co_code.hex()} {constants} {code.co_names}"


def _loads(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """Yield the names that a tree loads, with their attributes: ``a.b.c`` as ``("a", "b", "c")``."""
    inner: set[int] = set()
    found: dict[tuple[str, ...], None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            path, at = [node.attr], node.value
            while isinstance(at, ast.Attribute):
                inner.add(id(at))
                path.append(at.attr)
                at = at.value
            if isinstance(at, ast.Name):
                inner.add(id(at))
                found[(at.id, *reversed(path))] = None
        elif (
            isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in inner
        ):
            found[(node.id,)] = None
    yield from found
