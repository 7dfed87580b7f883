"""Find the source of loaded code in its file, check it against what is loaded, and normalize it.

A function is found by comparing its byte code with that of every function in the file, compiled
again.  So two lambdas on one line are told apart, lines may have moved since the file was loaded,
and code that is no longer what the file says is noticed.
"""

from __future__ import annotations

import ast
import dis
import functools
import itertools
import linecache
import os
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType

from scutoid.store.keys._calls import Calls, calls_of

Chain = tuple[str, ...]
"""A name and the attributes taken of it: ``a.b.c`` is ``("a", "b", "c")``."""
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_ROOT_LOADS = {
    "LOAD_GLOBAL",
    "LOAD_NAME",
    "LOAD_DEREF",
    "LOAD_CLASSDEREF",
    "LOAD_FROM_DICT_OR_GLOBALS",
    "LOAD_FROM_DICT_OR_DEREF",
}
_ATTRIBUTE_LOADS = {"LOAD_ATTR", "LOAD_METHOD"}
_CLEARED = "CLEAR"
"""In the name of what sets a local variable aside for a comprehension, which is no use of it."""


@dataclass(frozen=True, slots=True)
class Decorator:
    """A decorator in normal form."""

    chain: Chain
    """What is called or applied, such as ``("functools", "cache")``."""
    text: str
    """The whole expression."""
    loads: tuple[Chain, ...]
    """Names that the expression loads."""


@dataclass(frozen=True, slots=True)
class Source:
    """A function or class in normal form."""

    text: str
    """Its syntax tree without what does not change what it does, and without decorators."""
    decorators: tuple[Decorator, ...] = ()
    """Its decorators, the outermost first."""
    loads: tuple[Chain, ...] = ()
    """Names that the statements of a class body load (for functions, see `loads_of`)."""
    calls: Calls | None = None
    """What of a function may read something besides its arguments."""
    is_stale: bool = False
    """Whether the file says something else than what is loaded."""


@dataclass(frozen=True, slots=True)
class Import:
    """What an import inside a function binds to a name."""

    module: str
    """The module, as it is written."""
    level: int
    """Dots before it."""
    taken: str | None
    """What is taken from it by `from`; None: the module itself."""
    is_top: bool
    """Whether the name is bound to the first part of a dotted name."""
    name: str
    """The name."""


@dataclass(frozen=True, slots=True)
class Loads:
    """What the byte code of a function takes from outside."""

    chains: tuple[Chain, ...]
    """Global and closure names, with the attributes taken of them."""
    imports: tuple[Import, ...]
    """Imports within."""
    imported: tuple[Chain, ...]
    """The same as `chains`, of names that imports bind."""
    needed: frozenset[str]
    """Global names that it cannot do without: loaded as such, and not set by it."""


def source_of_function(function: FunctionType) -> Source | None:
    """Return the source of a function; None where there is none.

    Parameters
    ----------
    function : function
        Defined by `def` or `lambda`, in a file, a notebook or a string that `linecache` knows.
    """
    code = function.__code__
    loader = function.__globals__.get("__loader__")
    # Other loaders, such as that of pytest, may compile something else than what the file says.
    is_strict = type(loader) is SourceFileLoader and Path(code.co_filename).is_file()
    return _found(code.co_filename, _stamp(code.co_filename), code, is_strict)


def source_of_class(qualname: str, filename: str) -> Source | None:
    """Return the source of a class by its qualified name: of all definitions if it has several."""
    index = _index(filename, _stamp(filename))
    nodes = index.classes.get(qualname, ()) if index else ()
    if not nodes:
        return None
    loads: dict[Chain, None] = {}
    for node in nodes:
        loads.update(dict.fromkeys(_class_loads(node)))
    decorators = tuple(_decorator(item) for node in nodes for item in node.decorator_list)
    return Source("\n".join(normal_form(node) for node in nodes), decorators, tuple(loads))


def source_of_module(filename: str) -> str | None:
    """Return the normal form of a whole file; None where it cannot be read."""
    index = _index(filename, _stamp(filename))
    if index is None:
        place = Path(filename)
        return "" if place.is_file() and place.stat().st_size == 0 else None
    return normal_form(index.tree)


@functools.lru_cache(maxsize=4096)
def loads_of(code: CodeType) -> Loads:
    """Return what a code object, and those within it, take from outside."""
    instructions = list(dis.get_instructions(code))
    imports = dict.fromkeys(_imports(instructions))
    bound = {item.name for item in imports}
    chains: dict[Chain, None] = {}
    imported: dict[Chain, None] = {}
    for at, instruction in enumerate(instructions):
        if instruction.opname in _ROOT_LOADS:
            chains[_attributes(str(instruction.argval), instructions, at)] = None
        for name in _locals_read(instruction):
            if name in bound and name not in code.co_cellvars:  # a cell is handed to a closure
                imported[_attributes(name, instructions, at)] = None
    needed = {str(item.argval) for item in instructions if item.opname == "LOAD_GLOBAL"}
    needed -= {str(item.argval) for item in instructions if item.opname == "STORE_GLOBAL"}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = loads_of(constant)
            needed |= inner.needed
            chains.update(dict.fromkeys(inner.chains))
            imports.update(dict.fromkeys(inner.imports))
            imported.update(dict.fromkeys(inner.imported))
    bound = {item.name for item in imports}
    imported.update({chain: None for chain in chains if chain[0] in bound})
    return Loads(tuple(chains), tuple(imports), tuple(imported), frozenset(needed))


def _attributes(name: str, instructions: Sequence[dis.Instruction], at: int) -> Chain:
    """Return a name that is loaded, with the attributes that are taken of it right away."""
    rest = itertools.takewhile(lambda i: i.opname in _ATTRIBUTE_LOADS, instructions[at + 1 :])
    is_last = _locals_read(instructions[at])[-1:] in ((), (name,))
    return (name, *(str(item.argval) for item in rest)) if is_last else (name,)


def _locals_read(instruction: dis.Instruction) -> tuple[str, ...]:
    """Return the local variables that an instruction loads; some load two, or store and load."""
    if "LOAD_FAST" not in instruction.opname or _CLEARED in instruction.opname:
        return ()
    names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
    return names[1:] if instruction.opname.startswith("STORE") else names


def _imports(instructions: Sequence[dis.Instruction]) -> Iterator[Import]:
    """Yield what imports bind.

    ``import a.b`` binds its top; ``import a.b as c`` takes `b` of it and binds that::

        IMPORT_NAME a.b    STORE_FAST a
        IMPORT_NAME a.b    IMPORT_FROM b    SWAP    POP_TOP    STORE_FAST c
        IMPORT_NAME a      IMPORT_FROM b    STORE_FAST b    IMPORT_FROM c    STORE_FAST c
    """
    module, level, is_from, taken, binds = "", 0, False, None, False
    for at, instruction in enumerate(instructions):
        if instruction.opname == "IMPORT_NAME":
            before, names = instructions[at - 2].argval, instructions[at - 1].argval
            module, level = str(instruction.argval), before if isinstance(before, int) else 0
            is_from, taken, binds = bool(names), None, True
        elif instruction.opname == "IMPORT_FROM":
            taken = str(instruction.argval)
        elif binds and instruction.opname.startswith("STORE_"):
            stored = instruction.argval
            name = str(stored[0] if isinstance(stored, tuple) else stored)
            yield Import(module, level, taken if is_from else None, not is_from and not taken, name)
            following = instructions[at + 1] if at + 1 < len(instructions) else instruction
            binds = is_from and following.opname == "IMPORT_FROM"


def text_of_code(code: CodeType) -> str:
    """Return byte code without lines and names of files: the fallback where there is no source."""
    constants = list(map(_text_of_constant, code.co_consts))
    return f"{code.co_code.hex()} {constants} {code.co_names} {code.co_freevars}"


def _text_of_constant(item: object) -> str:
    if isinstance(item, CodeType):
        return text_of_code(item)
    if isinstance(item, frozenset):  # in an order that is the same in every run
        return f"frozenset {sorted(map(_text_of_constant, item))}"
    return f"{type(item).__name__} {item!r}"


@dataclass(frozen=True, slots=True)
class _Index:
    """The functions and classes of one file."""

    tree: ast.Module
    functions: Mapping[str, list[tuple[FunctionNode, CodeType]]]
    classes: Mapping[str, list[ast.ClassDef]]


def _stamp(filename: str) -> tuple[int, ...]:
    """Return what changes when a file is edited; for text that is in no file, its length."""
    try:
        stat = os.stat(filename)  # noqa: PTH116
    except (OSError, ValueError):
        return (sum(map(len, linecache.getlines(filename))),)
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _read(filename: str) -> str:
    if Path(filename).is_file():
        with tokenize.open(filename) as file:
            return file.read()
    return "".join(linecache.getlines(filename))


@functools.lru_cache(maxsize=128)
def _index(filename: str, stamp: tuple[int, ...]) -> _Index | None:  # noqa: ARG001
    """Parse a file; `stamp` has it parsed again after an edit."""
    try:
        text = _read(filename)
        tree, numbered = ast.parse(text), ast.parse(text)
    except (OSError, SyntaxError, ValueError, UnicodeError):
        return None
    if not text:
        return None
    nodes = [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]
    twins = [node for node in ast.walk(numbered) if isinstance(node, _FUNCTIONS)]
    # Numbered by their "line", functions can be found again in the compiled code.
    for number, twin in enumerate(twins, start=1):
        for item in (twin, *getattr(twin, "decorator_list", ())):
            if item is twin or not isinstance(item, ast.Lambda):
                item.lineno = item.end_lineno = number
                item.col_offset = item.end_col_offset = 0
    functions: dict[str, list[tuple[FunctionNode, CodeType]]] = defaultdict(list)
    try:
        marked, plain = (list(_codes(_compiled(each, filename))) for each in (numbered, tree))
    except (SyntaxError, ValueError):
        return None
    # Lines leave traces in byte code, so what is compared comes from the file as it is.
    pairs = zip(marked, plain if len(plain) == len(marked) else marked, strict=True)
    for mark, code in pairs:
        node = nodes[mark.co_firstlineno - 1] if mark.co_firstlineno <= len(nodes) else None
        if node is not None and getattr(node, "name", "<lambda>") == code.co_name:
            functions[code.co_name].append((node, code))
    return _Index(tree, functions, _classes(tree))


def _compiled(tree: ast.Module, filename: str) -> CodeType:
    # Notebooks await at the top level; other flags of theirs do not reach byte code.
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(tree, filename, "exec", flags=flags, dont_inherit=True)
    return code


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _classes(tree: ast.Module) -> Mapping[str, list[ast.ClassDef]]:
    classes: dict[str, list[ast.ClassDef]] = defaultdict(list)

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = prefix
            if isinstance(child, ast.ClassDef):
                classes[prefix + child.name].append(child)
                inner = f"{prefix}{child.name}."
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = f"{prefix}{child.name}.<locals>."
            visit(child, inner)

    visit(tree, "")
    return classes


@functools.lru_cache(maxsize=4096)
def _found(filename: str, stamp: tuple[int, ...], code: CodeType, is_strict: bool) -> Source | None:
    index = _index(filename, stamp)
    candidates = index.functions.get(code.co_name, []) if index else []
    # What was compiled is the same, line by line moved or not; of equals, the one on this line.
    same = [node for node, compiled in candidates if _is_same(code, compiled)]
    here = [node for node in same if _first_line(node) == code.co_firstlineno]
    if same:
        return _source(here[0] if here else same[0])
    on_line = [node for node, _ in candidates if _first_line(node) == code.co_firstlineno]
    if is_strict:
        return Source("", is_stale=True) if index else None
    return _source(on_line[0]) if len(on_line) == 1 else None


def _first_line(node: FunctionNode) -> int:
    decorators = getattr(node, "decorator_list", ())
    return int(decorators[0].lineno if decorators else node.lineno)


def _is_same(code: CodeType, other: CodeType) -> bool:
    return (
        code.co_code == other.co_code
        and code.co_names == other.co_names
        and code.co_varnames == other.co_varnames
        and code.co_freevars == other.co_freevars
        and code.co_argcount == other.co_argcount
        and code.co_kwonlyargcount == other.co_kwonlyargcount
        and len(code.co_consts) == len(other.co_consts)
        and all(map(_is_same_constant, code.co_consts, other.co_consts))
    )


def _is_same_constant(constant: object, other: object) -> bool:
    if isinstance(constant, CodeType) and isinstance(other, CodeType):
        return constant.co_name == other.co_name and _is_same(constant, other)
    if isinstance(constant, tuple) and isinstance(other, tuple) and len(constant) == len(other):
        return all(map(_is_same_constant, constant, other))
    if isinstance(constant, frozenset) and isinstance(other, frozenset):
        return _text_of_constant(constant) == _text_of_constant(other)
    return type(constant) is type(other) and repr(constant) == repr(other)


def _source(node: FunctionNode) -> Source:
    decorators = getattr(node, "decorator_list", ())
    outer = tuple(map(_decorator, decorators))
    return Source(normal_form(node), outer, calls=calls_of(node))


def _decorator(node: ast.expr) -> Decorator:
    target = node.func if isinstance(node, ast.Call) else node
    return Decorator(_chain(target) or (), normal_form(node), tuple(_chains(node)))


def _chain(node: ast.AST) -> Chain | None:
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else None


def _chains(node: ast.AST) -> Iterator[Chain]:
    """Yield names that an expression or statement loads, without those that it binds for itself."""
    chain = _chain(node)
    if chain is not None:
        if not isinstance(node, ast.Name) or isinstance(node.ctx, ast.Load):
            yield chain
        return
    bound: set[str] = set()
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        targets = (name for part in node.generators for name in ast.walk(part.target))
        bound = {name.id for name in targets if isinstance(name, ast.Name)}
    elif isinstance(node, ast.Lambda):
        bound = {item.arg for item in ast.walk(node.args) if isinstance(item, ast.arg)}
    for child in ast.iter_child_nodes(node):
        yield from (chain for chain in _chains(child) if chain[0] not in bound)


def _class_loads(node: ast.ClassDef) -> Iterator[Chain]:
    """Yield names in the body of a class, but not within its functions: those have byte code."""
    for item in (*node.bases, *node.keywords, *node.body):
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in item.decorator_list:
                yield from _chains(decorator)
        elif isinstance(item, ast.ClassDef):
            yield from _class_loads(item)
        else:
            yield from _chains(item)


_SKIPPED = {"ctx", "type_comment", "type_ignores", "kind", "returns", "type_params", "simple"}


def normal_form(node: ast.AST) -> str:
    r"""Return a syntax tree as text, without all that does not change what it does.

    Left out are positions, comments, docstrings, annotations (but those of class attributes, which
    make the fields of a dataclass), statements that are only a constant or `pass`; and of the
    outermost function or class the decorators and the defaults, which count by their values.

    Examples
    --------
    >>> one = ast.parse("def f(x: int) -> int:\n    'Doc.'\n    return (x + 1)  # more")
    >>> two = ast.parse("def f(x):\n  return x+1")
    >>> normal_form(one) == normal_form(two)
    True
    """
    words: list[str] = []
    skipped = {"decorator_list"} if isinstance(node, (*_FUNCTIONS, ast.ClassDef)) else set()
    _write(node, words, skipped, in_class=False, is_outermost=isinstance(node, _FUNCTIONS))
    return " ".join(words)


def _write(
    node: object, words: list[str], skipped: set[str], *, in_class: bool, is_outermost: bool
) -> None:
    if isinstance(node, list):
        words.append("[")
        for item in node:
            if not _does_nothing(item, in_class=in_class):
                _write(item, words, set(), in_class=in_class, is_outermost=False)
        words.append("]")
        return
    if not isinstance(node, ast.AST):
        words.append(f"{type(node).__name__}:{node!r}")
        return
    if isinstance(node, ast.AnnAssign) and node.value is not None and not in_class:
        node = ast.Assign(targets=[node.target], value=node.value)
    if isinstance(node, ast.arg):
        words.append(f"arg:{node.arg}")
        return
    words.append(f"{type(node).__name__}(")
    for name in node._fields:
        value = getattr(node, name, None)
        if name in _SKIPPED or name in skipped or value is None or value == []:
            continue
        words.append(f"{name}=")
        inside = {"defaults", "kw_defaults"} if is_outermost and name == "args" else set()
        holds_fields = isinstance(node, ast.ClassDef) and name == "body"
        _write(value, words, inside, in_class=holds_fields, is_outermost=False)
    words.append(")")


def _does_nothing(node: object, *, in_class: bool) -> bool:
    if isinstance(node, ast.AnnAssign):
        return node.value is None and not in_class
    is_constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_constant or isinstance(node, ast.Pass)
