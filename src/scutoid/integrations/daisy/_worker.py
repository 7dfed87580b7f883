"""Call a worker function: ``python -m scutoid.integrations.daisy._worker FILE``."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from scutoid.executors import loads


def main() -> None:
    """Call the function in the file, which takes blocks by a `Client`."""
    path, function = pickle.loads(Path(sys.argv[1]).read_bytes())
    sys.path[:] = path
    loads(function)()  # type: ignore[operator]


if __name__ == "__main__":
    main()
