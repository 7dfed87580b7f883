"""Follow what a function reaches in the user's own modules, each thing once."""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
import types
from collections import ChainMap, deque
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath

import numpy as np

from scutoid.regular import check_regular
from scutoid.same import Same
from scutoid.store.keys._attributes import has_hidden_state, is_bag
from scutoid.store.keys._classes import Classes
from scutoid.store.keys._encoder import Encoder, is_code
from scutoid.store.keys._file_names import file_names_in
from scutoid.store.keys._follows import sha256, short_name
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
from scutoid.store.keys._installed import (
    SEEN_THROUGH,
    closure_of,
    distributions_of,
    identity_of,
    inside_of,
    is_dynamic,
    registered_with,
)
from scutoid.store.keys._names import MODULE_NAMES, Names
from scutoid.store.keys._outside import Outside
from scutoid.store.keys._ownership import is_own
from scutoid.store.keys._source import Source, source_of_function, source_of_module, text_of_code
from scutoid.store.keys._specs import Spec, spec_of_step
from scutoid.store.keys._tagged import tagged

_ENVIRONMENT = type(os.environ)
_SAY_NOTHING = (object, type(threading.Lock()), type(threading.RLock()))
"""Classes whose objects are all alike: nothing of them can change."""
_UNSEEN = (logging.Logger, logging.LoggerAdapter)
_ADDED_TO_MODULES = {
    "__annotations__",
    "__builtins__",
    "__cached__",
    "__path__",
    "__warningregistry__",
}
"""What Python adds to the names of a module."""


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
        self.files: dict[str, str] = {}
        self.stale: set[str] = set()
        self.packages: set[str] = set()
        self._drawn: dict[str, str] = {}
        self._seeded: set[str] = set()
        self._labels: dict[Same, str] = {}
        self._queue: deque[Callable[[], None]] = deque()
        self._encoder = self.encoder()
        self._names = Names(self)
        self._classes = Classes(self, self._names)

    def encoder(self) -> Encoder:
        """Return what encodes constants, defaults and other values that are met."""
        return Encoder(
            code=self.code,
            path=self.path,
            unknown=self.unknown,
            note=self.opaque.add,
            takes_circles=True,
        )

    def start(self, item: object) -> None:
        """Follow the function itself, and all that it reaches."""
        name = getattr(item, "__qualname__", type(item).__qualname__)
        spec = spec_of_step(item)
        item = item if spec is None else spec.function
        if isinstance(item, (types.FunctionType, type)) and is_own(item):
            self._reach(item, str(name), as_root=True)
        else:
            self.parts[str(name)] = ""  # its place is first
            self.parts[str(name)] = sha256(self._encoder.encode(item, str(name)))
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
                return tagged("wrapper", label.encode(), self.settings(settings_of(value), where))
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
            if kind not in _SAY_NOTHING and not isinstance(value, _UNSEEN):
                self.opaque.add(f"{where} ({kind.__module__}.{kind.__qualname__})")
            return tagged("opaque", self.code(kind, where), identity_of(value).encode())
        return tagged("holder", self.code(kind, where), self.settings(settings, where))

    def settings(self, settings: Mapping[str, object], where: str) -> bytes:
        """Encode what an object or a wrapper was told, besides the function that it calls."""
        held = (self._encoder.named(name, item, where) for name, item in settings.items())
        return tagged("settings", *held)

    def path(self, value: PurePath, where: str) -> bytes:
        """Encode a file by its content; a folder, which may hold anything, by its name."""
        if Path(value).is_file():
            return encode_path(value, self.memo)
        check_regular(value)
        if Path(value).exists():  # what is not there yet is made, not read
            self.opaque.add(f"{where} (a path that is no file: what lies there does not count)")
        return tagged("folder", str(value).encode("utf-8", "surrogateescape"))

    def lenient(self, value: object, where: str) -> bytes:
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
        label = self._label(name if as_root else f"{kind} `{short_name(name)}`")
        self._labels[Same(item)] = label
        self.parts[label] = ""
        self._queue.append(functools.partial(process, label))
        return label

    def _step(self, spec: Spec, where: str) -> str:
        """Give what stands for a step that is called as a function: all functions it has."""
        if spec.version is not None:
            return f"step {spec.name} of version {spec.version!r}"
        more = {**spec.setup, "merge": spec.merge, "finish": spec.finish}
        items = [f"{k} {sha256(self.lenient(v, f'{where}.{k}'))}" for k, v in more.items() if v]
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
        if is_dynamic(item):
            self.opaque.add(f"{where} (calls {item.__name__})")  # type: ignore[attr-defined]
        self.package(getattr(item, "__module__", None) or type(item).__module__)
        if isinstance(item, types.ModuleType):
            self.package(item.__name__)
        inside, settings = inside_of(item)
        inside += registered_with(item)
        bound = [part for part in inside if not is_code(part)]
        labels = [self._reach(part, where) for part in inside if is_code(part)]
        labels += [sha256(self.lenient(part, where)) for part in bound]
        if settings and (bound or any(map(is_own, inside))):
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
        return [sha256(self.settings(told, where))]

    def name_file(self, text: str, place: str) -> None:
        """Note a file that code names, whose content does not count."""
        self.opaque.add(text)
        self.files[text] = place

    def package(self, module: object) -> None:
        top = str(module).partition(".")[0]
        if top in sys.stdlib_module_names or top in ("scutoid", "builtins", "__main__", "None"):
            return
        self.packages.update(distributions_of(top))

    def _function(self, function: types.FunctionType, label: str) -> None:
        source = source_of_function(function)
        code = function.__code__
        if source is not None and not source.is_stale:
            body = source.text
        else:
            body = text_of_code(code)
            (self.opaque if source is None else self.stale).add(
                f"what {label} reads besides its arguments (no source)" if source is None else label
            )
        items = [tagged("function", body.encode("utf-8", "surrogatepass"))]
        items += self._names.decorators(source, function.__globals__)
        n_defaults = len(function.__defaults__ or ())
        names = code.co_varnames[code.co_argcount - n_defaults : code.co_argcount]
        defaults = dict(zip(names, function.__defaults__ or (), strict=True))
        for name, value in {**defaults, **(function.__kwdefaults__ or {})}.items():
            items.append(self._names.part(value, f"default of `{name}`", label))
            for text in file_names_in(value):
                self.name_file(f"file {text!r} (a default of {label})", text)
        for name, value in self.attributes_of_function(function):
            if not name.startswith("__"):
                items.append(tagged(name, self.lenient(value, f"{label}.{name}")))
        items += self._names.loads(function)
        self.outside(function, source)
        self.parts[label] = sha256(tagged("part", *items))

    def attributes_of_function(self, function: types.FunctionType) -> list[tuple[str, object]]:
        """Return what was set on a function, in its order."""
        return list(vars(function).items())

    def outside(self, function: types.FunctionType, source: Source | None) -> None:
        """Note what a function reads besides its arguments, as far as its source shows it."""
        if source is None or source.calls is None:
            return
        outside = Outside(source.calls, ChainMap(closure_of(function), function.__globals__))
        self.opaque.update(outside.read(short_name(function.__qualname__)))
        self.files.update(outside.files)
        self._drawn.update(outside.drawn)
        self._seeded |= outside.seeded

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
                items.append(self._names.named(value, f"{short}.{name}", "constant"))
        self.parts[label] = sha256(tagged("part", *items))

    def _class(self, kind: type, label: str) -> None:
        self.parts[label] = sha256(tagged("part", *self._classes.items(kind, label)))

    def defaults(self, function: types.FunctionType, where: str) -> bytes:
        """Encode the defaults of a method."""
        return self.lenient((function.__defaults__, function.__kwdefaults__), where)


def _is_held(name: str) -> bool:
    """Whether a name of a module is one that its code made; pytest adds some that are no names."""
    is_added = name in MODULE_NAMES or name in _ADDED_TO_MODULES
    return name.isidentifier() and not is_added


def _is_known(value: object) -> bool:
    """Whether it is known what of an object counts, or that nothing does."""
    return isinstance(value, _UNSEEN) or is_known_holder(value)
