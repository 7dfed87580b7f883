"""Properties that are worked out once: without a lock, on every version of Python.

`functools.cached_property` of Python 3.11 holds one lock for all objects of a class while it works
a value out.  Two threads that ask for properties of one another's objects then wait for ever.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["cached_property"]

if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property
else:

    class cached_property:  # noqa: N801 - named as the one that it stands for
        """A property whose value is kept with its object; two threads may both work it out."""

        def __init__(self, function: Callable[[Any], Any]) -> None:
            self.function = function
            self.__doc__ = function.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self.name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            # As the descriptor has no __set__, Python finds the value here the next time
            value = instance.__dict__[self.name] = self.function(instance)
            return value
