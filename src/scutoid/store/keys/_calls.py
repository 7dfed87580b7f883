"""Find the calls of a function, its variables and its imports in its syntax tree."""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """What of a function's source may read something."""

    calls: tuple[ast.Call, ...]
    """Its calls, those of functions inside it too."""
    environments: tuple[tuple[ast.expr, ast.expr | None], ...]
    """Where `environ` or `getenv` stand, with the name that is asked for."""
    modules: tuple[tuple[ast.expr, ast.expr | None], ...]
    """Where `modules` stands and is read, not only asked what it has, with the name asked for."""
    node: ast.AST
    """The function."""
    loaded: frozenset[str]
    """Names that it loads."""
    variables: Mapping[str, ast.expr | None]
    """Its variables, with the expression of those that are set once; None: of all others."""
    items: frozenset[str]
    """Variables that take the items of their expression in turn."""
    imports: Mapping[str, str]
    """Names that imports inside bind, with the dotted name of what they bind."""


def calls_of(node: ast.AST) -> Calls:
    """Find the calls of a function in its syntax tree."""
    inner = list(ast.walk(node))
    variables: dict[str, ast.expr | None] = {}
    items: set[str] = set()
    known: set[ast.AST] = set()
    for target, value, is_item in _targets(inner):
        variables[target.id] = None if target.id in variables else value
        known.add(target)
        if is_item:
            items.add(target.id)
    for each in inner:  # parameters, and targets of other kinds: of `with`, unpacking, `+=`
        if isinstance(each, ast.arg):
            variables[each.arg] = None
        elif _is_stored(each) and each not in known:
            variables[each.id] = None
    return Calls(
        calls=tuple(each for each in inner if isinstance(each, ast.Call)),
        environments=tuple(lookups(inner, _ENVIRONMENTS)),
        modules=tuple(lookups(inner, _MODULES, counts_presence=False)),
        node=node,
        loaded=frozenset(each.id for each in inner if _is_loaded(each)),
        variables=variables,
        items=frozenset(items),
        imports=dict(_imports(inner)),
    )


def _is_stored(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _is_loaded(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _targets(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.Name, ast.expr, bool]]:
    """Yield names that are set, with what they are set to, and whether to items of that."""
    for each in nodes:
        match each:
            case ast.Assign(targets=[ast.Name() as target], value=value):
                yield target, value, False
            case ast.NamedExpr(target=ast.Name() as target, value=value):
                yield target, value, False
            case ast.For(target=ast.Name() as target, iter=value):
                yield target, value, True
            case ast.comprehension(target=ast.Name() as target, iter=value):
                yield target, value, True


def _imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    for each in nodes:
        match each:
            case ast.Import(names=names):
                for alias in names:
                    top = alias.name.partition(".")[0]
                    yield alias.asname or top, alias.name if alias.asname else top
            case ast.ImportFrom(names=names, module=module, level=0):
                for alias in names:
                    yield alias.asname or alias.name, f"{module}.{alias.name}"


_ENVIRONMENTS = ("environ", "environb", "getenv", "getenvb")
_MODULES = ("modules",)


def lookups(
    nodes: Iterable[ast.AST], names: Collection[str], *, counts_presence: bool = True
) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Yield where a mapping of a name is read, not where it is set, with the key asked for.

    With `counts_presence`, asking whether it has a key is to read it too.
    """
    known: set[ast.AST] = set()
    is_one = functools.partial(_is_called, names=names)
    for inner in nodes:
        match inner:
            case ast.Subscript(value=value, slice=name, ctx=ctx) if is_one(value):
                known.add(value)
                if isinstance(ctx, ast.Load):
                    yield value, name
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=args) if is_one(value):
                known.add(value)
                if attr in ("get", "__getitem__"):
                    yield value, args[0] if args else None
                elif attr not in ("setdefault", "update", "pop"):
                    yield value, None
            case ast.Call(func=value, args=[name, *_]) if is_one(value):
                known.add(value)
                yield value, name
            case ast.Compare(left=name, ops=[ast.In() | ast.NotIn()], comparators=[value]) if (
                is_one(value)
            ):
                known.add(value)
                if counts_presence:
                    yield value, name
            case ast.Name() | ast.Attribute() if is_one(inner) and inner not in known:
                yield inner, None


def _is_called(node: ast.expr, names: Collection[str]) -> bool:
    return (getattr(node, "attr", None) or getattr(node, "id", None)) in names
