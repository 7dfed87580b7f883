"""Call a worker function: ``python -P .../scutoid/integrations/daisy/_worker.py FILE``."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path


def main() -> None:
    """Call the function in the file, which takes blocks by a `Client`."""
    path, function = pickle.loads(Path(sys.argv[1]).read_bytes())
    sys.path[:] = path
    from scutoid.executors import loads  # which the path of the driver finds

    loads(function)()  # type: ignore[operator]


if __name__ == "__main__":
    main()
