"""A process that calls a worker function: ``python -m scutoid.integrations.daisy._worker FILE``."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from scutoid.executors import loads


def main() -> None:
    """Call what the file holds; it takes blocks by a `Client` or starts what does."""
    path, function = pickle.loads(Path(sys.argv[1]).read_bytes())
    sys.path[:] = path
    loads(function)()  # type: ignore[operator]


if __name__ == "__main__":
    main()
