"""Handles and other objects in the source: never compared by what they say of themselves.

A handle answers ``==`` with a lazy image and has no truth value, so code that compares or tests one
gets nonsense or an error.  What is meant is ``is``, ``is None``, or a comparison of references.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import scutoid
from scutoid.steps import handles

SOURCE = Path(scutoid.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
HANDLES = frozenset(
    name
    for name in handles.__all__
    if isinstance(kind := getattr(handles, name), type) and issubclass(kind, handles.Lazy)
) | {"Lazy", "Collection", "Images", "Tables", "Values", "PartsCollection", "FilesCollection"}
SEQUENCES = {
    "Collection", "Iterable", "Iterator", "Sequence", "deque", "frozenset", "list", "set", "tuple",
}  # fmt: skip
MAPPINGS = {"Mapping", "OrderedDict", "defaultdict", "dict"}
VIEWS = {"values", "items"}
COMPARISONS = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


# What an annotation says ------------------------------------------------------------------------


def parsed(annotation: ast.expr | None) -> ast.expr | None:
    """An annotation, without the quotes where it is written as a text."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return ast.parse(annotation.value, mode="eval").body
    return annotation


def alternatives(annotation: ast.expr | None) -> Iterator[ast.expr]:
    """The types of a union, or the one type that it is."""
    annotation = parsed(annotation)
    if isinstance(annotation, ast.BinOp):
        yield from alternatives(annotation.left)
        yield from alternatives(annotation.right)
    elif isinstance(annotation, ast.Subscript) and named(annotation.value) in {"Optional", "Union"}:
        for item in items_of(annotation):
            yield from alternatives(item)
    elif annotation is not None:
        yield annotation


def items_of(subscript: ast.Subscript) -> list[ast.expr]:
    inside = subscript.slice
    return list(inside.elts) if isinstance(inside, ast.Tuple) else [inside]


def named(node: ast.expr) -> str:
    """The last part of a dotted name; nothing of what is no name."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def base(node: ast.expr) -> str:
    """The name of a type, without what is in its brackets."""
    return named(node.value if isinstance(node, ast.Subscript) else node)


@dataclass(frozen=True)
class Types:
    """Names of types that are handles, and of functions that return one whenever they return."""

    names: frozenset[str]
    makers: frozenset[str] = frozenset()

    def within(self, tree: ast.Module) -> Types:
        """The same in a module, where names may be of other packages."""
        return replace(self, names=self.names - from_elsewhere(tree))

    def is_handle(self, annotation: ast.expr | None) -> bool:
        return any(base(each) in self.names for each in alternatives(annotation))

    def holds(self, annotation: ast.expr | None) -> str | None:
        """What an annotation is that has handles in it: a sequence, a mapping; None: neither."""
        for each in alternatives(annotation):
            if not isinstance(each, ast.Subscript):
                continue
            for kinds, what in ((SEQUENCES, "sequence"), (MAPPINGS, "mapping")):
                if named(each.value) in kinds and self.is_handle(items_of(each)[what == "mapping"]):
                    return what
        return None


def types_of(trees: list[ast.Module]) -> Types:
    """The handles, and the aliases of unions that have one among them."""
    names = HANDLES
    for _ in range(3):  # an alias may be of another
        types = Types(names)
        aliases = {
            node.target.id
            for tree in trees
            for node in tree.body
            if isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and named(node.annotation) == "TypeAlias"
            and types.is_handle(node.value)
        }
        names = names | aliases
    return Types(names, makers_in(trees, Types(names)))


def makers_in(trees: list[ast.Module], types: Types) -> frozenset[str]:
    """Functions and methods that return a handle; of one name, all do."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    makers: set[str] = set()
    others: set[str] = set()
    for tree in trees:
        own = types.within(tree)
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                (makers if own.is_handle(node.returns) else others).add(node.name)
    return frozenset(makers - others)


def narrowed(test: ast.expr, types: Types) -> Iterator[str]:
    """What a test finds to be no handle: ``isinstance(image, np.ndarray)``."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for value in test.values:
            yield from narrowed(value, types)
    if isinstance(test, ast.Call) and named(test.func) == "isinstance":
        of = test.args[1]
        kinds = of.elts if isinstance(of, ast.Tuple) else list(alternatives(of))
        if not any(named(kind) in types.names for kind in kinds):
            yield ast.unparse(test.args[0])


# What a name stands for ------------------------------------------------------------------------


@dataclass
class Names:
    """What is a handle, or holds some, in a function: ``image`` or ``self.image``."""

    handles: set[str] = field(default_factory=set)
    holders: dict[str, str] = field(default_factory=dict)

    def inner(self) -> Names:
        return Names(set(self.handles), dict(self.holders))

    def put(self, name: str, types: Types, annotation: ast.expr | None) -> None:
        self.handles.discard(name)
        self.holders.pop(name, None)
        held = types.holds(annotation)
        if held is not None:
            self.holders[name] = held
        if types.is_handle(annotation):
            self.handles.add(name)

    def where(self, test: ast.expr, types: Types) -> Names:
        """The names as they are where a test has held: no handle is what was found to be a str."""
        inner = self.inner()
        inner.handles -= set(narrowed(test, types))
        return inner

    def is_handle(self, node: ast.expr, types: Types) -> bool:
        if isinstance(node, ast.NamedExpr):
            return self.is_handle(node.value, types)
        if isinstance(node, ast.IfExp):
            body = self.where(node.test, types).is_handle(node.body, types)
            return body or self.is_handle(node.orelse, types)
        if isinstance(node, ast.Call):
            return named(node.func) in types.makers
        if isinstance(node, ast.Subscript):
            return ast.unparse(node.value) in self.holders and not isinstance(node.slice, ast.Slice)
        return ast.unparse(node) in self.handles

    def is_sequence(self, node: ast.expr, types: Types) -> bool:
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return any(self.is_handle(item, types) for item in node.elts)
        return self.holders.get(ast.unparse(node)) == "sequence"


class Finder(ast.NodeVisitor):
    """Finds handles that are compared by value, or asked whether they are true."""

    def __init__(self, types: Types) -> None:
        self.types = types
        self.names = Names()
        self.found: list[tuple[int, str]] = []

    def is_handle(self, node: ast.expr) -> bool:
        return self.names.is_handle(node, self.types)

    def note(self, node: ast.expr) -> None:
        self.found.append((node.lineno, ast.unparse(node)))

    # Scopes

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer, self.names = self.names, self.names.inner()
        if node.name in self.types.names:
            self.names.handles.add("self")
        for each in node.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                self.names.put(f"self.{each.target.id}", self.types, each.annotation)
            if isinstance(each, ast.FunctionDef) and is_property(each):
                self.names.put(f"self.{each.name}", self.types, each.returns)
        self.generic_visit(node)
        self.names = outer

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.Lambda) -> None:
        outer, self.names = self.names, self.names.inner()
        given = node.args
        for each in (*given.posonlyargs, *given.args, *given.kwonlyargs):
            if each.arg != "self":
                self.names.put(each.arg, self.types, each.annotation)
        if given.vararg is not None:
            self.names.put(given.vararg.arg, self.types, None)
            if self.types.is_handle(given.vararg.annotation):
                self.names.holders[given.vararg.arg] = "sequence"
        self.generic_visit(node)
        fields = {name for name in self.names.handles if name.startswith("self.")}
        self.names = outer
        self.names.handles |= fields  # what `self.image = image` has made of it

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - a name of ast
    visit_Lambda = visit_FunctionDef  # noqa: N815 - a name of ast

    # Bindings

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.names.put(ast.unparse(node.target), self.types, node.annotation)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            if isinstance(target, (ast.Name, ast.Attribute)):
                name = ast.unparse(target)
                if self.is_handle(node.value):
                    self.names.handles.add(name)
                elif isinstance(target, ast.Name):
                    self.names.handles.discard(name)

    def bind(self, target: ast.expr, source: ast.expr) -> None:
        """Take over what a loop goes through: ``for image in images``, ``in named.items()``."""
        held = self.names.holders.get(ast.unparse(source))
        view = None
        if isinstance(source, ast.Call) and isinstance(source.func, ast.Attribute):
            if self.names.holders.get(ast.unparse(source.func.value)) == "mapping":
                view = source.func.attr if source.func.attr in VIEWS else None
        elif isinstance(source, ast.Call) and named(source.func) in {"enumerate", "zip"}:
            self.bind_each(target, source)
        if isinstance(target, ast.Name) and (held == "sequence" or view == "values"):
            self.names.handles.add(target.id)
        if view == "items" and isinstance(target, ast.Tuple):
            self.names.handles.add(ast.unparse(target.elts[1]))

    def bind_each(self, target: ast.expr, source: ast.Call) -> None:
        if not isinstance(target, ast.Tuple):
            return
        parts = target.elts[1:] if named(source.func) == "enumerate" else target.elts
        for part, given in zip(parts, source.args, strict=False):
            self.bind(part, given)

    def visit_For(self, node: ast.For) -> None:
        self.bind(node.target, node.iter)
        self.generic_visit(node)

    def visit_comprehension_of(self, node: ast.ListComp) -> None:
        outer, self.names = self.names, self.names.inner()
        for generator in node.generators:
            self.bind(generator.target, generator.iter)
            for test in generator.ifs:
                self.truth(test)
        self.generic_visit(node)
        self.names = outer

    visit_ListComp = visit_comprehension_of  # noqa: N815 - a name of ast
    visit_SetComp = visit_comprehension_of  # noqa: N815 - a name of ast
    visit_DictComp = visit_comprehension_of  # noqa: N815 - a name of ast
    visit_GeneratorExp = visit_comprehension_of  # noqa: N815 - a name of ast

    # Uses

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
            if isinstance(operator, COMPARISONS):
                is_member = isinstance(operator, (ast.In, ast.NotIn))
                in_some = is_member and self.names.is_sequence(right, self.types)
                if self.is_handle(left) or self.is_handle(right) or in_some:
                    self.note(node)
        self.generic_visit(node)

    def truth(self, test: ast.expr) -> None:
        if self.is_handle(test):
            self.note(test)

    def visit_If(self, node: ast.If | ast.IfExp) -> None:
        self.truth(node.test)
        self.visit(node.test)
        outer, self.names = self.names, self.names.where(node.test, self.types)
        for each in listed(node.body):
            self.visit(each)
        self.names = outer
        for each in listed(node.orelse):
            self.visit(each)

    visit_IfExp = visit_If  # noqa: N815 - a name of ast

    def visit_While(self, node: ast.While | ast.Assert) -> None:
        self.truth(node.test)
        self.generic_visit(node)

    visit_Assert = visit_While  # noqa: N815 - a name of ast

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self.truth(node.operand)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for value in node.values:
            self.truth(value)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if named(node.func) == "bool" and node.args:
            self.truth(node.args[0])
        self.generic_visit(node)


def listed(body: list[ast.stmt] | ast.expr) -> list[ast.stmt] | list[ast.expr]:
    """The statements of a branch; of an expression, itself."""
    return body if isinstance(body, list) else [body]


def is_property(node: ast.FunctionDef) -> bool:
    return any(named(each) in {"property", "cached_property"} for each in node.decorator_list)


def from_elsewhere(tree: ast.Module) -> set[str]:
    """Names that a module takes of other packages, such as `Collection` of the standard library."""
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {
        alias.asname or alias.name
        for node in imports
        if not (node.module or "").startswith("scutoid") and not node.level
        for alias in node.names
    }


def compared(tree: ast.Module, types: Types) -> list[tuple[int, str]]:
    """Lines and code where a handle is compared by value, or asked whether it is true."""
    finder = Finder(types.within(tree))
    finder.visit(tree)
    return sorted(set(finder.found))


# Cases ------------------------------------------------------------------------------------------

ALIAS = "Like: TypeAlias = Image | Images | Array\n"


def found_in(code: str) -> list[str]:
    tree = ast.parse(ALIAS + code)
    return [text for _, text in compared(tree, types_of([tree]))]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(a: Image, b: object): return a == b", "a == b"),
        ("def f(a: object, *, b: Table): return a != b", "a != b"),
        ("def f(a: Image, b): return a in b", "a in b"),
        ("def f(a, b: Values): return a not in b", "a not in b"),
        ("def f(a, b: list[Image]): return a in b", "a in b"),
        ("def f(a, *b: Image): return a in b", "a in b"),
        ("def f(a: Image, b, c): return c in (a, b)", "c in (a, b)"),
        ("def f(a: 'sc.Image | None'): return a == 0", "a == 0"),
        ("def f(a: Optional[Image]): return a == 0", "a == 0"),
        ("def f(a: Collection[Any]): return a == 0", "a == 0"),
        ("def f(a: Like): return a == 0", "a == 0"),
        ("def f(a):\n b: Parts = a\n return b == 0", "b == 0"),
        ("def f(a: Files):\n b = a\n return b == 0", "b == 0"),
        ("def f(a: list[Image]):\n for b in a:\n  g(b == 0)", "b == 0"),
        ("def f(a: list[Image]): return a[0] == 0", "a[0] == 0"),
        ("def f(a: dict[str, Lazy]): return [b for b in a.values() if b == 0]", "b == 0"),
        ("def f(a: Mapping[str, Lazy]): return {b: c == 0 for b, c in a.items()}", "c == 0"),
        ("def f(a: list[Image]): return [b == n for n, b in enumerate(a)]", "b == n"),
        ("def f(a: list[Image], d): return [b == c for b, c in zip(a, d)]", "b == c"),
        ("def f(a: Image): return lambda b: a == b", "a == b"),
        ("class A:\n b: Image\n def f(self): return self.b == 0", "self.b == 0"),
        ("class A:\n def g(self, b: Image):\n  self.b = b\n  return self.b == 0", "self.b == 0"),
        ("class Image:\n def f(self, b): return self == b", "self == b"),
        ("def f(a: Image):\n if a: g()", "a"),
        ("def f(a: Image | None):\n while a: g()", "a"),
        ("def f(a: Image): assert a", "a"),
        ("def f(a: Value): return not a", "a"),
        ("def f(a: Image | None, b): return a or b", "a"),
        ("def f(a: Image | None): return 1 if a else 2", "a"),
        ("def f(a: list[Image]): return [b for b in a if b]", "b"),
        ("def f(a: Table): return bool(a)", "a"),
        ("def f() -> Image: ...\ndef g():\n a = f()\n return a == 0", "a == 0"),
        ("def f() -> Image | None: ...\ndef g(): return f() or 0", "f()"),
        ("def f(a: Like):\n if isinstance(a, Array): return 1\n return a == 0", "a == 0"),
        ("def f(a: Like): return isinstance(a, (Array, Image)) and a == 0", "a == 0"),
    ],
)
def test_a_handle_that_is_compared_or_tested_is_found(code, expected) -> None:
    assert found_in(code) == [expected]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("def f(a: Image, b): return a is b", id="the same handle"),
        pytest.param("def f(a: Image | None): return a is not None", id="none given"),
        pytest.param("def f(a: Image, b: Image): return a.ref == b.ref", id="references"),
        pytest.param("def f(a: Image): return a.axes == 'yx'", id="what a handle knows"),
        pytest.param("def f(a: list[Image]): return not a", id="an empty list"),
        pytest.param("def f(a, b: dict[str, Image]): return a in b", id="a key of a dict"),
        pytest.param("def f(a: ImageSpec, b): return a == b", id="something else"),
        pytest.param("def f(a: Callable[[Image], int], b): return a == b", id="a function"),
        pytest.param("def f(a: Image): return lambda a: a == 0", id="another of that name"),
        pytest.param("def f(a: Image): return a > 3", id="arithmetic"),
        pytest.param("def f(a: Like):\n if isinstance(a, Array): g(a == 0)", id="an array by then"),
        pytest.param(
            "def f(a: Image | str):\n b = a if isinstance(a, str) else None\n return b or 1",
            id="a text by then",
        ),
        pytest.param(
            "from collections.abc import Collection\ndef f(a: Collection[str], b): return b in a",
            id="another type of that name",
        ),
    ],
)
def test_what_compares_no_handle_is_not_found(code) -> None:
    assert found_in(code) == []


def test_the_handles_are_those_of_the_package() -> None:
    assert {"Image", "Images", "Lazy", "Parts", "Files", "Table", "Tables", "Value"} <= HANDLES


def test_nothing_in_the_source_compares_or_tests_a_handle() -> None:
    trees = {path: ast.parse(path.read_text("utf-8")) for path in FILES}
    types = types_of(list(trees.values()))
    assert {"ImageLike", "TableLike"} <= types.names
    found = [
        f"{path.relative_to(SOURCE)}:{line}: {text}"
        for path, tree in trees.items()
        for line, text in compared(tree, types)
    ]
    assert not found, "use `is`, `is None` or references:\n" + "\n".join(found)


# Numbers of objects -----------------------------------------------------------------------------

ID_ALLOWED: dict[str, str] = {}
"""Files that may call `id`, and why."""


def calls_of_id(tree: ast.Module) -> list[int]:
    """Lines where the built-in `id` is called or handed on."""
    return sorted(
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "id" and isinstance(node.ctx, ast.Load)
    )


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("known[id(item)] = 1", [1]),
        ("x = 1\nseen = {id(each) for each in items}", [2]),
        ("keys = map(id, items)", [1]),
        ("x.id(1)", []),
        ("f(id=3)", []),
        ("'id(item)'", []),
    ],
)
def test_a_number_of_an_object_is_found(code, lines) -> None:
    assert calls_of_id(ast.parse(code)) == lines


def test_no_number_of_an_object_stands_for_it() -> None:
    """`id` is another object's once the first is gone: keep the object, and compare by `is`."""
    found = {
        name: lines
        for path in FILES
        if (lines := calls_of_id(ast.parse(path.read_text("utf-8"))))
        if (name := path.relative_to(SOURCE).as_posix()) not in ID_ALLOWED
    }
    assert found == {}
