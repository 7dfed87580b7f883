"""A worker that ends with an error the first time, before it has asked for a block."""

import sys
from pathlib import Path

import daisy

mark = Path(sys.argv[1]) / "worker_crashed"
if not mark.exists():
    mark.touch()
    sys.exit(1)
client = daisy.Client()
while True:
    with client.acquire_block() as block:
        if block is None:
            break
