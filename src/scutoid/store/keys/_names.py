"""Follow the names that a function uses: globals, closure variables, imports, decorators."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterable, Mapping

from scutoid.store.keys._encoder import is_code
from scutoid.store.keys._file_names import file_names_in
from scutoid.store.keys._follows import Follows, sha256
from scutoid.store.keys._installed import (
    abstract_class,
    closure_of,
    is_dynamic,
    is_put_there,
    patched,
    top_of,
)
from scutoid.store.keys._ownership import is_own, is_own_file
from scutoid.store.keys._source import Chain, Import, Source, loads_of
from scutoid.store.keys._specs import spec_of_step
from scutoid.store.keys._tagged import tagged

MODULE_NAMES = {"__name__", "__file__", "__doc__", "__spec__", "__package__", "__loader__"}
"""Global names that say where code was loaded from, not what it does."""


class Names:
    """Follows the names that functions use.

    Parameters
    ----------
    walk : Follows
        Follows what the names stand for.
    """

    def __init__(self, walk: Follows) -> None:
        self._walk = walk

    def loads(self, function: types.FunctionType) -> list[bytes]:
        """Follow the global names, closure variables and imports of a function."""
        loads = loads_of(function.__code__)
        closure = closure_of(function)
        items = []
        for chain in loads.chains:
            if chain[0] in closure:
                items.append(self.resolve(chain, closure, "closure"))
            elif chain[0] in MODULE_NAMES:
                if chain[0] == "__file__":
                    self._walk.opaque.add(f"{function.__qualname__} (uses __file__)")
            elif chain[0] in function.__globals__:
                items.append(self.resolve(chain, function.__globals__, "constant"))
            elif hasattr(builtins, chain[0]):
                items.append(self._builtin(chain, function))
            elif chain[0] in loads.needed:
                self._walk.opaque.add(f"{chain[0]} (not defined)")
        for item in loads.imports:
            used = [chain for chain in loads.imported if chain[0] == item.name]
            items += self._import(function, item, used)
        return [item for item in items if item]

    def resolve(self, chain: Chain, names: Mapping[str, object], kind: str) -> bytes:
        """Follow a name and the attributes taken of it, as far as they lie in modules."""
        value, used = names[chain[0]], 1
        while isinstance(value, types.ModuleType) and used < len(chain) and is_own(value):
            if chain[used] == "__dict__":
                break
            try:
                value = getattr(value, chain[used])
            except AttributeError:
                self._walk.opaque.add(f"{'.'.join(chain)} (not defined)")
                return b""
            used += 1
        self._dynamic(value, chain, used)
        if value is sys.modules:
            return b""
        if value is builtins and is_put_there(*chain[used : used + 1]):
            return self.named(vars(builtins)[chain[used]], ".".join(chain), kind)
        own = patched(value, chain[used:]) or abstract_class(value, chain[used:])
        if own is not None:
            return self.named(own, ".".join(chain), kind)
        return self.named(value, ".".join(chain[:used]), kind)

    def _builtin(self, chain: Chain, function: types.FunctionType) -> bytes:
        """Note a builtin that finds code; follow what was put among the builtins."""
        value = vars(builtins)[chain[0]]
        if is_dynamic(value):
            self._walk.opaque.add(f"{function.__qualname__} (calls {chain[0]})")
        return self.named(value, chain[0], "constant") if is_put_there(chain[0]) else b""

    def _dynamic(self, value: object, chain: Chain, used: int) -> None:
        """Note ways to code that no name shows."""
        rest = chain[used:]
        if value is sys.modules and used > 1 and chain[used - 1] != "modules":
            self._walk.opaque.add(f"{'.'.join(chain)} (modules looked up by their names)")
        if rest[:1] == ("__globals__",) and isinstance(value, types.FunctionType):
            self._walk.opaque.add(f"{'.'.join(chain)} (globals looked up by their names)")
        while rest and isinstance(value, types.ModuleType):
            value, rest = vars(value).get(rest[0]), rest[1:]
            if is_dynamic(value):
                self._walk.opaque.add(f"{'.'.join(chain)} (calls {chain[-1]})")

    def named(self, value: object, name: str, kind: str) -> bytes:
        """Follow what a name stands for."""
        if is_code(value) or spec_of_step(value) is not None:
            return tagged(name, self._walk.code(value, name))
        return tagged(name, self.part(value, f"{kind} `{name}`", name))

    def part(self, value: object, label: str, where: str) -> bytes:
        """Make a constant a part of its own, so that it can be named when it changes."""
        content = self._walk.lenient(value, where)
        if is_own(type(value)):  # of other constants, the places where they are used tell more
            held = file_names_in(value) + file_names_in(getattr(value, "__dict__", {}))
            for text in held:
                self._walk.name_file(f"file {text!r} (named in {where})", text)
        digest = sha256(content)
        name, number = label, 2
        while self._walk.parts.get(label, digest) != digest:  # the same name in another module
            label, number = f"{name} ({number})", number + 1
        self._walk.parts[label] = digest
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
                self._walk.package(top)
                return []
            value: object = importlib.import_module(full)
            if item.taken and not hasattr(value, item.taken):
                value = importlib.import_module(f"{full}.{item.taken}")
            elif item.taken:
                value = getattr(value, item.taken)
            value = sys.modules[top] if item.is_top else value
        except Exception as error:  # noqa: BLE001  # whatever the user's module raises
            self._walk.opaque.add(f"{function.__qualname__} (import of {item.module}: {error})")
            return []
        return [self.resolve(chain, {item.name: value}, "constant") for chain in chains]

    def decorators(self, source: Source | None, names: Mapping[str, object]) -> list[bytes]:
        """Follow decorators; those of scutoid declare a step, and enter its key by themselves."""
        items = []
        for decorator in source.decorators if source else ():
            value: object = names.get(decorator.chain[0]) if decorator.chain else None
            if top_of(value) == "scutoid":
                continue
            items.append(tagged("decorator", decorator.text.encode()))
            known = [chain for chain in decorator.loads if chain[0] in names]
            items += [self.resolve(chain, names, "constant") for chain in known]
        return items
