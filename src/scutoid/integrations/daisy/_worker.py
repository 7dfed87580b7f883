"""Call a worker function: ``python -P .../scutoid/integrations/daisy/_worker.py FILE``."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    """Call the function in the file, which takes blocks by a `Client`."""
    path, payload = pickle.loads(Path(sys.argv[1]).read_bytes())
    sys.path[:] = path
    # Which the path of the driver finds
    from scutoid.executors import WORKER_VARIABLE, loads
    from scutoid.integrations.daisy._context import CONTEXT_VARIABLE, Context, context_of
    from scutoid.integrations.daisy._functions import asks_for_context

    number = int(os.environ[WORKER_VARIABLE])
    context, os.environ[CONTEXT_VARIABLE] = context_of(os.environ[CONTEXT_VARIABLE], number)
    function: Callable[..., object] = loads(payload)  # type: ignore[assignment]
    if asks_for_context(function):
        function(context=Context(context))
    else:
        function()


if __name__ == "__main__":
    main()
