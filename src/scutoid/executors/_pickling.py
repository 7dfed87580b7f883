"""Pickle functions and values for other processes.

A function of a module that the other process can import travels by name.  All others (lambdas,
closures, those of a script's or a notebook's ``__main__``, of a module loaded from a path) travel
by value, so that no script needs a main guard.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
import sys
import types
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

from scutoid.errors import ParameterError, ScutoidError
from scutoid.executors._work import ItemFailure, Outcome, Work


def dumps(value: object) -> bytes:
    """Pickle a value for a worker; functions that it cannot import by name go by value."""
    import cloudpickle

    by_value: list[types.ModuleType] = []
    known: dict[str, bool] = {}

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: object) -> object:
            if isinstance(obj, (types.FunctionType, type)):
                name = getattr(obj, "__module__", None)
                if isinstance(name, str) and name not in known:
                    known[name] = is_importable(name)
                    module = sys.modules.get(name)
                    if not known[name] and isinstance(module, types.ModuleType):
                        cloudpickle.register_pickle_by_value(module)
                        by_value.append(module)
            if isinstance(obj, types.CodeType):
                make, args = self.dispatch_table[types.CodeType](obj)
                return _code_of_file, (obj.co_filename, make, args)
            return super().reducer_override(obj)

    file = io.BytesIO()
    registered = cloudpickle.list_registry_pickle_by_value()
    try:
        Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    finally:
        for module in by_value:
            if module.__name__ not in registered:
                cloudpickle.unregister_pickle_by_value(module)
    return file.getvalue()


def _code_of_file(
    name: str, make: Callable[..., types.CodeType], args: tuple[object, ...]
) -> types.CodeType:
    """Make code that names its file, so that tracebacks show its lines.

    cloudpickle leaves the name out, for payloads that do not depend on it.
    """
    return make(*args).replace(co_filename=name)


def dump_works(works: Sequence[Work]) -> list[bytes]:
    """Pickle works for workers in other processes.

    Raises
    ------
    ParameterError
        If a function cannot be sent there.
    ScutoidError
        What an input says of itself that cannot be.
    """
    payloads = []
    for work in works:
        try:
            payloads.append(dumps(work))
        except ScutoidError:
            raise
        except Exception as error:
            raise ParameterError(
                "what a worker in another process is to call can be pickled, with all that it "
                "refers to",
                value=f"{type(error).__name__}: {error}",
                place=f"task {work.name!r}",
                remedy="open files, locks and models in setup=, or use executor='threads'",
            ) from error
    return payloads


def loads(payload: bytes) -> object:
    """Undo `dumps`."""
    return pickle.loads(payload)


def forget_classes() -> None:
    """Forget the classes that arrived by value: the next are as they are where they come from.

    cloudpickle otherwise gives a class that arrives again as the one that is here, with all that
    functions have put into it.
    """
    from cloudpickle import cloudpickle

    with cloudpickle._DYNAMIC_CLASS_TRACKER_LOCK:  # noqa: SLF001 - there is no public name for it
        cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS.clear()  # noqa: SLF001
        cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.clear()  # noqa: SLF001


def dump_value(value: object) -> bytes:
    """Pickle the return value of a block: by pickle if possible, else by cloudpickle."""
    try:
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        return dumps(value)


def is_importable(name: str) -> bool:
    """Whether a fresh process with the same `sys.path` would import the same module by `name`."""
    module = sys.modules.get(name)
    if module is None or name == "__main__" or name.partition(".")[0] in sys.stdlib_module_names:
        # cloudpickle decides about ``__main__`` and modules that are nowhere by itself.
        return True
    spec: ModuleSpec | None = None
    path = None
    prefix = ""
    for part in name.split("."):
        prefix = f"{prefix}.{part}" if prefix else part
        spec = _find(prefix, path)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    file, origin = getattr(module, "__file__", None), spec.origin if spec else None
    if file is None or origin is None or not spec or not spec.has_location:
        return True
    return Path(file).resolve() == Path(origin).resolve()


def _find(name: str, path: object) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec = find(name, path) if find is not None else None
        if isinstance(spec, ModuleSpec):
            return spec
    return None


def with_values(outcome: Outcome) -> Outcome:
    """Unpickle the return values of blocks; a value that cannot be is its block's failure."""
    then = tuple(map(with_values, outcome.then))
    if outcome.values is None:
        return dataclasses.replace(outcome, then=then)
    values: list[object] = []
    statuses = outcome.statuses.copy()
    failures = list(outcome.failures)
    for position, payload in enumerate(outcome.values):
        try:
            values.append(None if payload is None else loads(payload))  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - unpickling runs code of the value's class
            values.append(None)
            statuses[position] = 0
            failures.append(ItemFailure.of(position, error))
    kept = dataclasses.replace(outcome, statuses=statuses, values=values, then=then)
    return dataclasses.replace(kept, failures=tuple(failures))
