"""tensorstore, imported whole or not at all.

What of it has run cannot run a second time in a process: an import that Ctrl-C breaks off, and that
is tried again while the run ends, would end the process.
"""

from __future__ import annotations

import functools
import importlib

from scutoid.stopping import held_back


@functools.cache
def load_tensorstore() -> None:
    """Import tensorstore, which takes a moment; a signal that comes meanwhile counts afterwards."""
    with held_back():
        importlib.import_module("tensorstore")
