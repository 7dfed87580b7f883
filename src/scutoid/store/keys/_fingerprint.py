"""Fingerprint a step's code: what it does, not how it is written down.

A walk from a function over every helper, constant, class and default that it reaches in the user's
own modules.  Each becomes a part: its label ("helper `normalise`") and a digest of its normal form.
What lies in installed packages counts by its name, and the package's version is recorded.
"""

from __future__ import annotations

import builtins
import enum
import functools
import hashlib
import importlib
import importlib.util
import inspect
import logging
import os
import sys
import types
from collections import ChainMap, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any, Protocol

import numpy as np

from scutoid.errors import ParameterError
from scutoid.store.keys._attributes import has_hidden_state, is_bag
from scutoid.store.keys._encoder import Encoder, is_code
from scutoid.store.keys._file_names import file_names_in
from scutoid.store.keys._first_modules import first_module
from scutoid.store.keys._holders import (
    holds_function,
    is_known_holder,
    is_made_of_function,
    is_wrapper,
    may_grow,
    settings_of,
    wraps_own,
)
from scutoid.store.keys._input_hashes import HashMemo, encode_path
from scutoid.store.keys._outside import Outside
from scutoid.store.keys._ownership import file_of_class, functions_of, is_own, is_own_file
from scutoid.store.keys._same import Same
from scutoid.store.keys._source import (
    Chain,
    Import,
    Source,
    loads_of,
    source_of_class,
    source_of_function,
    source_of_module,
    text_of_code,
)
from scutoid.store.keys._tagged import tagged

_DYNAMIC = {"eval", "exec", "__import__", "globals", "compile"}
_MAKERS = ("__dataclass_fields__", "_fields", "__attrs_attrs__")
_ENVIRONMENT = type(os.environ)
_UNSEEN = (logging.Logger, logging.LoggerAdapter)
_MODULE_NAMES = {"__name__", "__file__", "__doc__", "__spec__", "__package__", "__loader__"}
"""Global names that say where code was loaded from, not what it does."""
_ADDED_TO_MODULES = {
    "__annotations__",
    "__builtins__",
    "__cached__",
    "__path__",
    "__warningregistry__",
}
"""What Python adds to the names of a module."""
VERSION_PART = "version"
"""The one part of a function whose code is replaced by a version."""

SEEN_THROUGH = "__seen_through__"
"""An attribute of a wrapper that adds nothing: what it wraps stands in its place."""


@dataclass(frozen=True, slots=True)
class CodeFingerprint:
    """What a function's result depends on, as far as code goes."""

    digest: str
    """Digest of all of it."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Digest of each function, class and constant that was reached, the function itself first."""
    opaque: tuple[str, ...] = ()
    """What could not be followed, and so does not count."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Installed packages that were reached, and their versions."""
    stale: tuple[str, ...] = ()
    """Functions whose file was edited after it was loaded: what runs is not what the file says."""


def fingerprint(
    function: object,
    *,
    version: str | None = None,
    environment: Sequence[str] = (),
    memo: HashMemo | None = None,
) -> CodeFingerprint:
    """Fingerprint a function, class, partial or callable object.

    Parameters
    ----------
    function : callable
        The function.
    version : str, optional
        Stands for the code, which is then not looked at.
    environment : sequence of str
        Packages whose versions count.
    memo : HashMemo, optional
        Remembers hashes of files, and is told which files the code reaches.

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
        digest = _sha(f"version {version!r} {sorted(versions.items())}")
        return CodeFingerprint(digest, {VERSION_PART: _sha(version)}, (), versions)
    return walked(Walk(memo), function, versions)


def walked(walk: Walk, function: object, versions: Mapping[str, str]) -> CodeFingerprint:
    """Return what a walk from a function has reached, with the versions that count."""
    walk.start(function)
    digest = _sha(f"{list(walk.parts.items())} {sorted(versions.items())}")
    packages = {**{name: _version(name) for name in sorted(walk.packages)}, **versions}
    return CodeFingerprint(
        digest, walk.parts, tuple(sorted(walk.opaque)), packages, tuple(sorted(walk.stale))
    )


def _sha(text: str | bytes) -> str:
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()


@functools.lru_cache(maxsize=1024)
def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError as error:
        raise ParameterError(
            "environment= names installed packages",
            value=name,
            remedy="use the name that pip knows, such as 'scikit-image'",
        ) from error


@functools.lru_cache(maxsize=1024)
def _distributions(top: str) -> Sequence[str]:
    """Return the names of the packages that bring a module; most are called as it is."""
    try:
        return (metadata.distribution(top).name,)
    except metadata.PackageNotFoundError:
        return tuple(dict.fromkeys(metadata.packages_distributions().get(top, ())))


class _Spec(Protocol):
    """What a walk asks of the declaration of a step."""

    @property
    def name(self) -> str:
        """Name of the step."""

    @property
    def version(self) -> str | None:
        """Stands for the code of the step; None: the code counts."""

    @property
    def function(self) -> Callable[..., object]:
        """What is called on a block."""

    @property
    def merge(self) -> Callable[..., object] | None:
        """Joins the results of two blocks."""

    @property
    def finish(self) -> Callable[..., object] | None:
        """Makes the result of what was joined."""

    @property
    def setup(self) -> Mapping[str, object]:
        """Functions of its declaration that the result depends on."""


class Walk:
    """Follows what a function reaches: each thing once, so that recursion ends.

    Parameters
    ----------
    memo : HashMemo, optional
        Remembers hashes of files.
    """

    def __init__(self, memo: HashMemo | None = None) -> None:
        self.memo = memo
        self.parts: dict[str, str] = {}
        self.opaque: set[str] = set()
        self.stale: set[str] = set()
        self.packages: set[str] = set()
        self._drawn: dict[str, str] = {}
        self._seeded: set[str] = set()
        self._labels: dict[Same, str] = {}
        self._queue: deque[Callable[[], None]] = deque()
        self._encoder = self.encoder()

    def encoder(self) -> Encoder:
        """Return what encodes constants, defaults and other values that are met."""
        return Encoder(code=self.code, path=self.path, unknown=self.unknown, note=self.opaque.add)

    def start(self, item: object) -> None:
        """Follow the function itself, and all that it reaches."""
        name = getattr(item, "__qualname__", type(item).__qualname__)
        spec = spec_of_step(item)
        item = item if spec is None else spec.function
        if isinstance(item, (types.FunctionType, type)) and is_own(item):
            self._reach(item, str(name), as_root=True)
        else:
            self.parts[str(name)] = ""  # its place is first
            self.parts[str(name)] = _sha(self._encoder.encode(item, str(name)))
        while self._queue:
            self._queue.popleft()()
        self.opaque.update(text for kind, text in self._drawn.items() if kind not in self._seeded)

    def code(self, value: object, where: str) -> bytes:
        """Follow a function or class; what stands for it is its label."""
        if is_wrapper(value) and spec_of_step(value) is None:
            if is_own(type(value)):
                return self.unknown(value, where)
            if wraps_own(value) and not hasattr(value, SEEN_THROUGH):
                label = self._reach(value, where)
                return tagged("wrapper", label.encode(), self._settings(settings_of(value), where))
        return self._reach(value, where).encode()

    def unknown(self, value: object, where: str) -> bytes:
        """Encode an object by its class and by what it holds; note what does not count."""
        kind = type(value)
        if kind is _ENVIRONMENT:
            if where.rpartition(".")[2] not in (
                "environ",
                "environb",
            ):  # by these names, its source tells more
                self.opaque.add(f"{where} (environment variables)")
            return tagged("environment")
        if is_own(kind) or (is_bag(kind) and not _is_known(value)):
            if has_hidden_state(kind):
                self.opaque.add(f"{where} (what {kind.__qualname__} keeps that is compiled)")
            held = self._encoder.attributes(value, where)
            return tagged("object", self.code(kind, where), held)
        if spec_of_step(value) is not None:
            return tagged("code", self.code(value, where))
        settings = {} if isinstance(value, _UNSEEN) else settings_of(value)
        if not holds_function(settings):
            if not isinstance(value, _UNSEEN):
                self.opaque.add(f"{where} ({kind.__module__}.{kind.__qualname__})")
            return tagged("opaque", self.code(kind, where), identity_of(value).encode())
        return tagged("holder", self.code(kind, where), self._settings(settings, where))

    def _settings(self, settings: Mapping[str, object], where: str) -> bytes:
        """Encode what an object or a wrapper was told, besides the function that it calls."""
        held = (self._encoder.named(name, item, where) for name, item in settings.items())
        return tagged("settings", *held)

    def path(self, value: PurePath, where: str) -> bytes:
        """Encode a file by its content; a folder, which may hold anything, by its name."""
        if Path(value).is_file():
            return encode_path(value, self.memo)
        self.opaque.add(f"{where} (a path that is no file: what lies there does not count)")
        return tagged("folder", str(value).encode("utf-8", "surrogateescape"))

    def _lenient(self, value: object, where: str) -> bytes:
        """Encode a value; what contains itself or cannot be read is noted."""
        return self._encoder.lenient(value, where)

    def _reach(self, item: object, where: str, *, as_root: bool = False) -> str:
        """Give the label of a function, class or module, and queue what it reaches."""
        known = self._labels.get(Same(item))
        if known is not None:
            return known
        spec = spec_of_step(item)
        if spec is not None:
            return self._step(spec, where)
        process: Callable[[str], None]
        if isinstance(item, types.ModuleType):
            kind, process = "module", functools.partial(self._module, item)
        elif isinstance(item, type):
            kind, process = "class", functools.partial(self._class, item)
        elif isinstance(item, types.FunctionType):
            kind, process = "helper", functools.partial(self._function, item)
        else:
            return self._foreign(item, where)
        if not is_own(item):
            return self._foreign(item, where)
        name = str(getattr(item, "__qualname__", None) or item.__name__)
        if isinstance(item, types.FunctionType) and not as_root:
            name = item.__code__.co_qualname  # functools.wraps gives wrappers another name
            name = where if name == "<lambda>" and where.isidentifier() else name
        label = self._label(name if as_root else f"{kind} `{_short(name)}`")
        self._labels[Same(item)] = label
        self.parts[label] = ""
        self._queue.append(functools.partial(process, label))
        return label

    def _step(self, spec: _Spec, where: str) -> str:
        """Give what stands for a step that is called as a function: all functions it has."""
        if spec.version is not None:
            return f"step {spec.name} of version {spec.version!r}"
        more = {**spec.setup, "merge": spec.merge, "finish": spec.finish}
        items = [f"{k} {_sha(self._lenient(v, f'{where}.{k}'))}" for k, v in more.items() if v]
        return " ".join((self._reach(spec.function, where), *items))

    def _label(self, name: str) -> str:
        label, number = name, 2
        while label in self.parts:
            label, number = f"{name} ({number})", number + 1
        return label

    def _foreign(self, item: object, where: str) -> str:
        """Name what is installed; look for the user's own code that it wraps."""
        if getattr(item, SEEN_THROUGH, False):
            return self._foreign(item.__wrapped__, where)  # type: ignore[attr-defined]
        self._package(getattr(item, "__module__", None) or type(item).__module__)
        if isinstance(item, types.ModuleType):
            self._package(item.__name__)
        inside, settings = _inside(item)
        labels = [self._reach(part, where) for part in inside]
        if settings and any(map(is_own, inside)):
            labels += self.told(settings, where)
        module = getattr(item, "__module__", None)
        is_extension = isinstance(item, types.BuiltinFunctionType) and isinstance(module, str)
        if is_extension and module in sys.modules and is_own(sys.modules[module]):
            self.opaque.add(f"{where} (compiled code: {identity_of(item)})")
        if isinstance(item, np.ufunc) and is_made_of_function(item):
            self.opaque.add(f"{where} (the function inside {identity_of(item)})")
        return " ".join((identity_of(item), *labels))

    def told(self, settings: Mapping[str, object], where: str) -> list[str]:
        """Digest what a function of an installed package was told of what it does with ours."""
        self.opaque.update(
            f"{where}.{k} (may be a cache)" for k, v in settings.items() if may_grow(v)
        )
        told = {name: item for name, item in settings.items() if not may_grow(item)}
        return [_sha(self._settings(told, where))]

    def _package(self, module: object) -> None:
        top = str(module).partition(".")[0]
        if top in sys.stdlib_module_names or top in ("scutoid", "builtins", "__main__", "None"):
            return
        self.packages.update(_distributions(top))

    def _function(self, function: types.FunctionType, label: str) -> None:
        source = source_of_function(function)
        code = function.__code__
        if source is not None and not source.is_stale:
            body = source.text
        else:
            body = text_of_code(code)
            (self.opaque if source is None else self.stale).add(
                f"{label} (no source; known by its byte code)" if source is None else label
            )
        items = [tagged("function", body.encode("utf-8", "surrogatepass"))]
        items += self._decorators(source, function.__globals__)
        n_defaults = len(function.__defaults__ or ())
        names = code.co_varnames[code.co_argcount - n_defaults : code.co_argcount]
        defaults = dict(zip(names, function.__defaults__ or (), strict=True))
        for name, value in {**defaults, **(function.__kwdefaults__ or {})}.items():
            items.append(self._part(value, f"default of `{name}`", label))
            self.opaque.update(
                f"file {text!r} (a default of {label})" for text in file_names_in(value)
            )
        for name, value in self.attributes_of_function(function):
            if not name.startswith("__"):
                items.append(tagged(name, self._lenient(value, f"{label}.{name}")))
        items += self._loads(function)
        self._outside(function, source)
        self.parts[label] = _sha(tagged("part", *items))

    def attributes_of_function(self, function: types.FunctionType) -> list[tuple[str, object]]:
        """Return what was set on a function, in its order."""
        return list(vars(function).items())

    def _outside(self, function: types.FunctionType, source: Source | None) -> None:
        """Note what a function reads besides its arguments, as far as its source shows it."""
        if source is None or source.calls is None:
            return
        outside = Outside(source.calls, ChainMap(_closure(function), function.__globals__))
        self.opaque.update(outside.read(_short(function.__qualname__)))
        self._drawn.update(outside.drawn)
        self._seeded |= outside.seeded

    def _loads(self, function: types.FunctionType) -> list[bytes]:
        """Follow the global names, closure variables and imports of a function."""
        loads = loads_of(function.__code__)
        closure = _closure(function)
        items = []
        for chain in loads.chains:
            if chain[0] in closure:
                items.append(self._resolve(chain, closure, "closure"))
            elif chain[0] in _MODULE_NAMES:
                if chain[0] == "__file__":
                    self.opaque.add(f"{function.__qualname__} (uses __file__)")
            elif chain[0] in function.__globals__:
                items.append(self._resolve(chain, function.__globals__, "constant"))
            elif chain[0] in _DYNAMIC and hasattr(builtins, chain[0]):
                self.opaque.add(f"{function.__qualname__} (calls {chain[0]})")
        for item in loads.imports:
            used = [chain for chain in loads.imported if chain[0] == item.name]
            items += self._import(function, item, used)
        return [item for item in items if item]

    def _resolve(self, chain: Chain, names: Mapping[str, object], kind: str) -> bytes:
        """Follow a name and the attributes taken of it, as far as they lie in modules."""
        value, used = names[chain[0]], 1
        while isinstance(value, types.ModuleType) and used < len(chain) and is_own(value):
            if chain[used] == "__dict__":
                break
            try:
                value = getattr(value, chain[used])
            except AttributeError:
                self.opaque.add(f"{'.'.join(chain)} (not defined)")
                return b""
            used += 1
        self._dynamic(value, chain, used)
        if value is sys.modules:
            return b""
        patched = _patched(value, chain[used:])
        if patched is not None:
            return self._named(patched, ".".join(chain), kind)
        return self._named(value, ".".join(chain[:used]), kind)

    def _dynamic(self, value: object, chain: Chain, used: int) -> None:
        """Note ways to code that no name shows."""
        following = chain[used] if used < len(chain) else ""
        if value is sys.modules and chain[used - 1] != "modules":  # by this name, as for environ
            self.opaque.add(f"{'.'.join(chain)} (modules looked up by their names)")
        elif following == "__subclasses__" and isinstance(value, type) and is_own(value):
            self.opaque.add(f"{'.'.join(chain)} (classes looked up by their base)")

    def _named(self, value: object, name: str, kind: str) -> bytes:
        """Follow what a name stands for."""
        if is_code(value) or spec_of_step(value) is not None:
            return tagged(name, self.code(value, name))
        return tagged(name, self._part(value, f"{kind} `{name}`", name))

    def _part(self, value: object, label: str, where: str) -> bytes:
        """Make a constant a part of its own, so that it can be named when it changes."""
        content = self._lenient(value, where)
        if is_own(type(value)):  # of other constants, the places where they are used tell more
            held = file_names_in(value) + file_names_in(getattr(value, "__dict__", {}))
            self.opaque.update(f"file {text!r} (named in {where})" for text in held)
        digest = _sha(content)
        name, number = label, 2
        while self.parts.get(label, digest) != digest:  # the same name in another module
            label, number = f"{name} ({number})", number + 1
        self.parts[label] = digest
        return tagged(label)

    def _import(
        self, function: types.FunctionType, item: Import, chains: Iterable[Chain]
    ) -> list[bytes]:
        """Follow an import inside a function; modules of the user's are imported for it."""
        try:
            package = function.__globals__.get("__package__") or ""
            dotted = "." * item.level + item.module
            full = importlib.util.resolve_name(dotted, package) if item.level else item.module
            top = full.partition(".")[0]
            if top in sys.stdlib_module_names or top == "scutoid":
                return []
            spec = importlib.util.find_spec(top)
            if spec is None or not is_own_file(spec.origin, spec.submodule_search_locations):
                self._package(top)
                return []
            value: object = importlib.import_module(full)
            if item.taken and not hasattr(value, item.taken):
                value = importlib.import_module(f"{full}.{item.taken}")
            elif item.taken:
                value = getattr(value, item.taken)
            value = sys.modules[top] if item.is_top else value
        except Exception as error:  # noqa: BLE001  # whatever the user's module raises
            self.opaque.add(f"{function.__qualname__} (import of {item.module}: {error})")
            return []
        return [self._resolve(chain, {item.name: value}, "constant") for chain in chains]

    def _decorators(self, source: Source | None, names: Mapping[str, object]) -> list[bytes]:
        """Follow decorators; those of scutoid declare a step, and enter its key by themselves."""
        items = []
        for decorator in source.decorators if source else ():
            value: object = names.get(decorator.chain[0]) if decorator.chain else None
            if _top(value) == "scutoid":
                continue
            items.append(tagged("decorator", decorator.text.encode()))
            known = [chain for chain in decorator.loads if chain[0] in names]
            items += [self._resolve(chain, names, "constant") for chain in known]
        return items

    def _module(self, module: types.ModuleType, label: str) -> None:
        """Follow all that a module holds: of one that is used as a value, any of it may be used."""
        file = getattr(module, "__file__", None)
        text = source_of_module(str(file)) if file else None
        is_folder = file is None and hasattr(module, "__path__")
        if text is None and not is_folder:
            self.opaque.add(f"{label} (no source)")
        items = [tagged("module", (text or module.__name__).encode("utf-8", "surrogatepass"))]
        if module.__name__ == "__main__":
            self.opaque.add(f"{label} (what it holds as a whole)")
        else:
            short = module.__name__.rpartition(".")[2]
            names = {name: value for name, value in vars(module).items() if _is_held(name)}
            for name, value in sorted(names.items()):
                items.append(self._named(value, f"{short}.{name}", "constant"))
        self.parts[label] = _sha(tagged("part", *items))

    def _class(self, kind: type, label: str) -> None:
        file = file_of_class(kind)
        source = source_of_class(kind.__qualname__, file) if file else None
        items = [tagged("class", (source.text if source else kind.__qualname__).encode())]
        items += [tagged("base", self.code(base, label)) for base in kind.__bases__]
        if type(kind) is not type:
            items.append(tagged("metaclass", self.code(type(kind), label)))
        names = _names_seen_by(kind)
        items += self._decorators(source, names)
        for chain in source.loads if source else ():
            if chain[0] in names and chain[0] not in vars(kind):
                items.append(self._resolve(chain, names, "constant"))
        for name, value in _members_of(kind).items():
            items.append(tagged(name, self._member(kind, name, value, f"{label}.{name}")))
        if source is None:
            self.opaque.add(f"{label} (no source; known by its members)")
        self.parts[label] = _sha(tagged("part", *items))

    def _member(self, kind: type, name: str, value: object, where: str) -> bytes:
        inner = functions_of(value)
        if inner:
            items = [self._method_of(kind, item, where) for item in inner]
            if isinstance(value, functools.partialmethod):
                items.append(self._lenient((value.args, value.keywords), where))
            return tagged("", *items)
        is_made = name.startswith("__") or name == "_abc_impl" or inspect.isdatadescriptor(value)
        if is_made:
            return b""
        return self._lenient(value, where)

    def defaults(self, function: types.FunctionType, where: str) -> bytes:
        """Encode the defaults of a method."""
        return self._lenient((function.__defaults__, function.__kwdefaults__), where)

    def _method_of(self, kind: type, function: types.FunctionType, where: str) -> bytes:
        code = function.__code__
        is_special = function.__name__.startswith("__")
        is_made = code.co_filename.startswith("<") and any(map(kind.__dict__.get, _MAKERS))
        if is_special and (is_made or not is_own(function)):
            return b""  # written by dataclass from the fields
        if code.co_qualname != f"{kind.__qualname__}.{code.co_name}":
            return self.code(function, where)  # a function from elsewhere
        source = source_of_function(function)
        items = []
        if source is not None and source.is_stale:
            self.stale.add(where)
        if source is None or source.is_stale:
            items.append(text_of_code(code).encode())
        items.append(self.defaults(function, where))
        items += self._decorators(source, function.__globals__)
        items += self._loads(function)
        self._outside(function, source)
        return tagged("", *items)


def _patched(value: object, rest: Chain) -> object:
    """Return the user's own code that was put into an installed module or class."""
    for name in rest:
        if not isinstance(value, (types.ModuleType, type)) or is_own(value):
            return None
        value = vars(value).get(name)
        if isinstance(value, types.FunctionType) and is_own(value):
            return value
        # Compiled classes may name a module that there is not; the user's own have a source.
        if isinstance(value, type) and is_own(value) and _has_place(value):
            return value
    return None


def _has_place(kind: type) -> bool:
    """Whether it is known where a class was defined."""
    return kind.__module__ == "__main__" or file_of_class(kind) is not None


def _is_held(name: str) -> bool:
    """Whether a name of a module is one that its code made; pytest adds some that are no names."""
    is_added = name in _MODULE_NAMES or name in _ADDED_TO_MODULES
    return name.isidentifier() and not is_added


def _names_seen_by(kind: type) -> dict[str, object]:
    """Return the global names of the module that a class was defined in."""
    names: dict[str, object] = {}
    for value in vars(kind).values():  # the module may have been loaded by path
        if isinstance(value, types.FunctionType) and value.__module__ == kind.__module__:
            names = value.__globals__
    return names or vars(sys.modules.get(kind.__module__, types.ModuleType("none")))


_ADDED_LATER = ("__slotnames__",)
"""What Python writes into a class when an object of it is first copied or pickled."""


def _members_of(kind: type) -> dict[str, object]:
    """Return what a class holds; of an enumeration the values, for its members are of the class."""
    members = {name: value for name, value in vars(kind).items() if name not in _ADDED_LATER}
    if not issubclass(kind, enum.Enum):
        return members
    left_out = set(kind.__members__) | {name for name in members if name.startswith("_")}
    members = {name: value for name, value in members.items() if name not in left_out}
    return members | {name: item._value_ for name, item in kind.__members__.items()}


def _inside(item: object) -> tuple[list[object], dict[str, object]]:
    """Return the code that an installed function or object wraps, and what else it was given."""
    inside: list[object] = [getattr(item, "__wrapped__", None)]
    settings: dict[str, object] = {}
    if isinstance(item, types.FunctionType):
        closure = _closure(item)
        inside += closure.values()
        registry = item.__dict__.get("registry")  # of functools.singledispatch
        if isinstance(registry, Mapping):
            inside += registry.values()
        else:
            settings = {name: held for name, held in closure.items() if not is_code(held)}
    return [part for part in inside if callable(part) and is_code(part)], settings


def _closure(function: types.FunctionType) -> dict[str, object]:
    """Return the closure variables of a function that are bound by now."""
    values = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            values[name] = cell.cell_contents
        except ValueError:
            continue
    return values


def spec_of_step(item: object) -> _Spec | None:
    """Return what a step was declared to be; None for all else."""
    if type(item).__module__.partition(".")[0] == "scutoid":
        spec: _Spec | None = getattr(item, "spec", None)
        return spec if hasattr(spec, "function") else None
    return None


def _is_known(value: object) -> bool:
    """Whether it is known what of an object counts, or that nothing does."""
    return isinstance(value, _UNSEEN) or is_known_holder(value)


def _short(name: str) -> str:
    return name.rpartition("<locals>.")[2]


def identity_of(item: Any) -> str:
    if isinstance(item, types.ModuleType):
        return item.__name__
    inner = inspect.unwrap(item) if hasattr(item, "__wrapped__") else None
    if isinstance(inner, types.FunctionType) and is_own(inner):
        # It took over the names of the user's function, whose module differs when it is a script.
        if isinstance(item, types.FunctionType):
            return _named(item.__globals__["__name__"], item.__code__.co_qualname)
        item = type(item)
    if not hasattr(item, "__qualname__") and not hasattr(item, "__name__"):
        item = type(item)
    name = getattr(item, "__qualname__", None) or item.__name__
    return _named(str(getattr(item, "__module__", None) or ""), str(name))


def _named(module: str, name: str) -> str:
    return f"{first_module(module, name)}:{name}"


def _top(item: object) -> str:
    name = item.__name__ if isinstance(item, types.ModuleType) else getattr(item, "__module__", "")
    return str(name).partition(".")[0]
