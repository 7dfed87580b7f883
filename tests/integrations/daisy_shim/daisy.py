"""`import daisy` finds scutoid's where this folder stands first on the path; of tests alone.

Modules of daisy's that scutoid has not are there with names without a meaning, so that those cases
of a file that need none of them run.
"""

import pkgutil
import sys
from importlib import import_module
from types import ModuleType

from scutoid.integrations import daisy

INTERNAL = ("messages", "tcp", "tcp.exceptions", "worker_pool")


class _Without(ModuleType):
    """A module whose names mean nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


for name in INTERNAL:
    sys.modules[f"daisy.{name}"] = _Without(f"daisy.{name}")
for module in pkgutil.iter_modules(daisy.__path__):
    if not module.name.startswith("_"):
        sys.modules[f"daisy.{module.name}"] = import_module(f"{daisy.__name__}.{module.name}")
sys.modules["daisy"] = daisy
