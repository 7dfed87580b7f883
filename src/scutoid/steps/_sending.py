"""Sending the user's own code to the workers as it stands in this process.

A worker that imported the user's modules by itself would take what their files say when it starts:
other code than the keys are made of, if somebody has edited them since.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from scutoid.steps._spec import StepSpec
from scutoid.store import is_own


@contextmanager
def sending_own_code(specs: Sequence[StepSpec]) -> Iterator[None]:
    """Have functions and classes of the user's own modules pickled by value in the body.

    Where something that they refer to cannot be pickled, such as a lock of the module, all are
    sent by name, as pickle does it.
    """
    import cloudpickle

    known = set(cloudpickle.list_registry_pickle_by_value())
    own = [
        module
        for name, module in list(sys.modules.items())
        if name not in known
        and name != "__main__"
        and getattr(module, "__name__", None) == name
        and is_own(module)
    ]
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    try:
        if not all(map(_can_be_sent, specs)):
            _unregister(own)
            own = []
        yield
    finally:
        _unregister(own)


def _can_be_sent(spec: StepSpec) -> bool:
    import cloudpickle

    try:
        cloudpickle.dumps((spec.function, dict(spec.setup), spec.merge, spec.finish))
    except Exception:  # noqa: BLE001 - pickling runs the user's code
        return False
    return True


def _unregister(modules: Sequence[types.ModuleType]) -> None:
    import cloudpickle

    for module in modules:
        cloudpickle.unregister_pickle_by_value(module)
