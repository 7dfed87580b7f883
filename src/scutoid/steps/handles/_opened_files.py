"""The files that a function opens while it is called, as Python's audit events tell them.

::

    read("A01_w1.tif")  --->  open("A01_w1.tif")   its argument
                              open("A01_w2.tif")   beside it: no key sees a change there

An audit hook can never be taken away again, so there is one for the process, made when it is first
needed, and it does nothing outside of `opened_files`.  What compiled code opens by itself, and what
other threads open, is not seen.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import all_suffixes
from typing import Any

from scutoid.paths import normal
from scutoid.store.keys import is_own_file

_WRITES = os.O_WRONLY | os.O_RDWR
_CODE = tuple(all_suffixes())
_SYSTEM = tuple(
    os.path.join(folder, "")  # noqa: PTH118
    for folder in (
        *("/proc", "/sys", "/etc", "/usr"),  # in /dev no file but data is regular
        *(os.path.join(p, "share") for p in (sys.prefix, sys.base_prefix)),  # noqa: PTH118
        *(os.path.join(p, "etc") for p in (sys.prefix, sys.base_prefix)),  # noqa: PTH118
    )
)


class _Recorder(threading.local):
    """What this thread opens, while anybody asks."""

    read: dict[str, None] | None = None
    written: set[str] | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.read is None or self.written is None or event != "open":
            return
        path, mode, flags = arguments
        if not isinstance(path, (str, bytes, os.PathLike)):  # a descriptor
            return
        with suppress(OSError, ValueError):  # what is wrong with the path is for open to say
            place = normal(os.fsdecode(path))
            if (flags or 0) & _WRITES or set(mode or "") & set("wax+"):
                self.written.add(place)
            else:
                self.read[place] = None


_RECORDER = _Recorder()
_LOCK = threading.Lock()
_installed: list[_Recorder] = []


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """Give a list that has, afterwards, the files that this thread opened for reading.

    Left out are files that it also wrote, that are gone, code, what installed packages have, and
    what belongs to the system.
    """
    with _LOCK:
        if not _installed:
            sys.addaudithook(_RECORDER)
            _installed.append(_RECORDER)
    found: list[str] = []
    before = _RECORDER.read, _RECORDER.written
    read: dict[str, None] = {}
    written: set[str] = set()
    _RECORDER.read, _RECORDER.written = read, written
    try:
        yield found
    finally:
        _RECORDER.read, _RECORDER.written = before
        found += [path for path in read if path not in written and _is_data(path)]


def _is_data(path: str) -> bool:
    is_own = is_own_file(path) and not path.startswith(_SYSTEM) and not path.endswith(_CODE)
    return is_own and os.path.isfile(path)  # noqa: PTH113
